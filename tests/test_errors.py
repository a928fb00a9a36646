"""The errors a user meets, and the end of an 'unknown name' message."""

import pytest

from sensorium import errors
from sensorium.errors import SensoriumError, did_you_mean

KINDS = [errors.ConfigError, errors.DataError, errors.MediaError, errors.TrainingError]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_caught_as_one(kind):
    with pytest.raises(SensoriumError, match=r"^what is wrong$"):
        raise kind("what is wrong")
    assert issubclass(kind, ValueError)
    assert not any(issubclass(kind, other) for other in KINDS if other is not kind)


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("vti", ["vit", "cnn"], "Did you mean 'vit'? There are: cnn, vit."),
        ("lable", ["price", "label", "tags"], "Did you mean 'label'? There are: label, price, tags."),
        ("客户情绪标间", ["客户情绪标签", "价格"], "Did you mean '客户情绪标签'? There are: 价格, 客户情绪标签."),
        ("zebra", ["cnn", "vit"], "There are: cnn, vit."),
        ("", ["cnn"], "There are: cnn."),
        ("cnn", [], "There are: none."),
        ("gatd", {"gated": 1, "mean": 2}, "Did you mean 'gated'? There are: gated, mean."),
    ],
)
def test_the_nearest_name_then_all_of_them_sorted(name, known, expected):
    assert did_you_mean(name, known) == expected


def test_known_names_may_be_any_iterable():
    assert did_you_mean("cn", iter(["vit", "cnn"])) == "Did you mean 'cnn'? There are: cnn, vit."
