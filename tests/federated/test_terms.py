import pytest

from sensorium.errors import ConfigError
from sensorium.federated.options import parse_terms


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rounds": 0}, "rounds: must be greater than or equal to 1; got 0."),
        ({"strategy": "fedsgd"}, "strategy: must be 'fedadam', 'fedavg' or 'fedprox'; got 'fedsgd'."),
        ({"round": 3}, "round: unknown term. Did you mean 'rounds'?"),
        ({"noise": 1.0}, "noise needs clip"),
        ({"clip": 1.0, "strategy": "fedadam"}, "clip and noise go with fedavg and fedprox"),
        ({"secure": True}, r"secure needs 3 sites at least \(sites=2\)"),
    ],
)
def test_mistakes_are_named(given, words):
    with pytest.raises(ConfigError, match=words):
        parse_terms(given)


def test_what_is_not_given_has_a_default():
    terms = parse_terms({"rounds": 3})
    assert (terms.rounds, terms.strategy, terms.secure) == (3, "fedavg", False)
