"""Every option: described, within a range, and refused outside it with its path and what came."""

import math
import typing
from types import UnionType

import pytest
from pydantic import ValidationError

from sensorium.config import ENCODERS, FUSIONS, INPUTS, Balance, Imbalance, Training, parse_config
from sensorium.config.options import Domain, LimitOptions, Split, Target
from sensorium.errors import ConfigError

PARTS = {
    **{cls.__name__: cls for cls in INPUTS.values()},
    **{cls.__name__: cls for family in ENCODERS.values() for cls in family.values()},
    **{cls.__name__: cls for cls in FUSIONS.values()},
    "Balance": Balance,
    "Domain": Domain,
    "Imbalance": Imbalance,
    "LimitOptions": LimitOptions,
    "Split": Split,
    "Target": Target,
    "Training": Training,
}
NAMES = {"type", "modality", "encoder"}  # which part it is, not an option of the part
OPTIONS = [(cls, name) for _, cls in sorted(PARTS.items()) for name in cls.model_fields if name not in NAMES]


def kinds(annotation):
    """The plain types that an annotation allows."""
    if typing.get_origin(annotation) in {typing.Union, UnionType}:
        return {kind for part in typing.get_args(annotation) for kind in kinds(part)}
    return {getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation}


def limits(field):
    """What a number must be, said of the field or of one of the types that it may have."""
    parts = [part for part in typing.get_args(field.annotation) if hasattr(part, "__metadata__")]
    infos = [info for part in parts for info in part.__metadata__]
    return [*field.metadata, *(limit for info in infos for limit in info.metadata)]


NUMBERS = [(cls, name) for cls, name in OPTIONS if kinds(cls.model_fields[name].annotation) & {int, float}]


def ids(value):
    return value if isinstance(value, str) else value.__name__


def test_the_options_are_found():
    assert len(PARTS) >= 30
    assert len(OPTIONS) >= 75
    assert len(NUMBERS) >= 50


@pytest.mark.parametrize(("cls", "name"), OPTIONS, ids=ids)
def test_an_option_is_described(cls, name):
    description = cls.model_fields[name].description
    assert description
    assert description[-1] not in ".;:"


@pytest.mark.parametrize(("cls", "name"), NUMBERS, ids=ids)
def test_a_number_has_a_range_and_only_what_is_in_it_is_taken(cls, name):
    field = cls.model_fields[name]
    least, above, most, below = (
        next((getattr(m, sign) for m in limits(field) if hasattr(m, sign)), None) for sign in ("ge", "gt", "le", "lt")
    )
    assert (least is None) != (above is None)
    refused = [-1, math.nan, math.inf, "many", above if least is None else least - 1]
    if most is not None:
        refused.append(most + 1)
    if below is not None:
        refused += [below, below + 1]
    if float not in kinds(field.annotation):
        refused.append(least + 0.5)
    for value in refused:
        with pytest.raises(ValidationError) as error:
            cls(**{name: value})
        assert {fault["loc"][0] for fault in error.value.errors()} == {name}
    for value in (least, most):
        if value is not None:
            assert getattr(cls(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("path", "value", "must"),
    [
        ("inputs.x.vocabulary", 299, "greater than or equal to 300"),
        ("inputs.x.max_tokens", 0, "greater than or equal to 1"),
        ("inputs.x.encoder.dropout", 1.0, "less than 1"),
        ("fusion.width", 0, "greater than or equal to 1"),
        ("targets.x.label_smoothing", -0.1, "greater than or equal to 0"),
        ("targets.x.weight", 0, "greater than 0"),
        ("training.batch_size", 0, "greater than or equal to 1"),
        ("training.learning_rate", 0, "greater than 0"),
        ("training.learning_rate", math.inf, "a finite number"),
        ("training.valid_share", 1, "less than 1"),
        ("training.warmup", math.nan, "a finite number"),
        ("training.memory", -1, "greater than or equal to 0"),
        ("training.epochs", 2.5, "a valid integer, got a number with a fractional part"),
        ("imbalance.beta", 1, "less than 1"),
        ("balance.weight", 0, "greater than 0"),
        ("balance.share", 1.0, "less than 1"),
        ("balance.every", 0, "greater than or equal to 1"),
        ("split.folds", 1, "greater than or equal to 2, or each"),
        ("domain.weight", 0, "greater than 0"),
        ("imbalance.gamma", -0.5, "greater than or equal to 0"),
        ("imbalance.gan_steps", 0, "greater than or equal to 1"),
        ("limits.max_seconds", -1, "greater than 0"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_path(path, value, must):
    data: dict = {"inputs": {"x": {"modality": "text", "encoder": {"type": "bag"}}}, "targets": {"x": {}}}
    *way, last = path.split(".")
    here = data
    for key in way:
        here = here.setdefault(key, {})
    here[last] = value
    with pytest.raises(ConfigError) as error:
        parse_config(data)
    assert str(error.value) == f"{path}: must be {must}; got {value!r}."


def test_options_do_not_change_once_read():
    training = Training()
    with pytest.raises(ValidationError, match="Instance is frozen"):
        training.epochs = 5
