"""Every public component has a row in the table."""

import inspect

import pytest
from descriptors import ENCODER_ROWS, FUSION_ROWS, HEAD_ROWS
from torch import nn

from sensorium import encoders, fusion, heads


def public_modules(package) -> set[type]:
    named = (getattr(package, name) for name in package.__all__)
    return {cls for cls in named if inspect.isclass(cls) and issubclass(cls, nn.Module)}


def test_every_encoder_has_a_row():
    rows = {(row.modality, row.name) for row in ENCODER_ROWS if row.modality != "bag"}
    assert rows == {(modality, name) for modality, family in encoders.ENCODERS.items() for name in family}
    assert len(rows) >= 18


@pytest.mark.parametrize(
    ("package", "rows", "least"), [(encoders, ENCODER_ROWS, 19), (fusion, FUSION_ROWS, 13), (heads, HEAD_ROWS, 4)]
)
def test_every_public_module_has_a_row(package, rows, least):
    built = {type(row.build()) for row in rows}
    assert public_modules(package) - {getattr(package, "Fusion", None)} == built
    assert len(built) >= least


def test_every_fusion_and_head_is_in_its_dict():
    assert {row.name: type(row.build()) for row in FUSION_ROWS} == fusion.FUSIONS
    assert {row.name: type(row.build()) for row in HEAD_ROWS} == heads.HEADS


@pytest.mark.parametrize("row", [row for row in ENCODER_ROWS if row.modality != "bag"], ids=str)
def test_a_row_builds_what_the_dict_names(row):
    assert type(row.build()) is encoders.ENCODERS[row.modality][row.name]


@pytest.mark.parametrize("package", [encoders, fusion, heads])
def test_all_is_sorted_and_names_exist(package):
    constants = [name for name in package.__all__ if name.isupper()]
    rest = [name for name in package.__all__ if not name.isupper()]
    assert package.__all__ == sorted(constants) + sorted(n for n in rest if n[0].isupper()) + sorted(
        n for n in rest if n[0].islower()
    )
    assert all(hasattr(package, name) for name in package.__all__)
