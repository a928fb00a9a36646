import pytest

import sensorium as sm
from sensorium.config import parse_config
from sensorium.data.table import read_table
from sensorium.errors import ConfigError
from sensorium.planning import plan
from sensorium.privacy.rules import OFF, privately

ROWS = {"a": ["1.5", "2", "3", "4"] * 10, "place": ["x", "y"] * 20, "label": ["yes", "no"] * 20}


def rows():
    return read_table(ROWS)


def config(**sections):
    return parse_config({"privacy": {"epsilon": 8}, **sections})


def test_what_is_usual_is_switched_off():
    found = privately(config())
    for path, (usual, private, _) in OFF.items():
        section, _, option = path.partition(".")
        assert getattr(getattr(parse_config({}), section), option) == usual, path
        assert getattr(getattr(found, section), option) == private[0], path
    assert privately(found) == found


def test_without_privacy_all_stays():
    given = parse_config({})
    assert privately(given) is given


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"imbalance": "weighted_sampling"},
            "imbalance.method: must be none or focal under privacy.epsilon; got weighted_s",
        ),
        (
            {"imbalance": "gan"},
            "imbalance.method: must be none or focal under privacy.epsilon; got gan: it counts, draws",
        ),
        (
            {"imbalance": "class_balanced"},
            "imbalance.method: must be none or focal under privacy.epsilon; got class_bal",
        ),
        ({"balance": "ogm_ge"}, "balance.method: must be none under privacy.epsilon; got ogm_ge: it weighs inputs"),
        (
            {"training": {"precision": "bf16"}},
            "training.precision: must be 32 under privacy.epsilon; got bf16: gradients",
        ),
        ({"training": {"epochs": 0}}, "training.epochs: must be 1 or more under privacy.epsilon; got 0"),
        ({"domain": "place"}, "domain.column: must be left out under privacy.epsilon; it compares rows of a batch"),
        (
            {"split": {"folds": 5}},
            "split.folds: must be left out under privacy.epsilon; each row would be learned from",
        ),
        ({"ensemble": {"members": [{}, {}]}}, "ensemble.members: must be left out under privacy.epsilon; each member"),
    ],
)
def test_what_touches_other_rows_is_refused_with_its_reason(sections, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        privately(config(**sections))


def test_all_that_is_refused_is_said_at_once():
    with pytest.raises(ConfigError) as error:
        privately(config(imbalance="gan", balance="blending", domain="place"))
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "imbalance.method", "balance.method", "domain.column",
    ]  # fmt: skip


def test_a_focal_loss_is_a_rows_own():
    assert privately(config(imbalance="focal")).imbalance.method == "focal"


def test_options_of_privacy_without_a_budget():
    with pytest.raises(
        ConfigError, match=r"^privacy.delta needs privacy.epsilon, which is not given: nothing would be"
    ):
        privately(parse_config({"privacy": {"delta": 1e-6}}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0}, r"privacy.epsilon: must be greater than or equal to 0.01; got 0"),
        ({"epsilon": -1}, r"privacy.epsilon: must be greater than or equal to 0.01; got -1"),
        ({"epsilon": 8, "delta": 1.0}, r"privacy.delta: must be (less than 1|greater than 0), or auto; got"),
        ({"epsilon": 8, "delta": 0}, r"privacy.delta: must be (less than 1|greater than 0), or auto; got"),
        ({"epsilon": 8, "clip": 0}, r"privacy.clip: must be greater than 0; got 0"),
        ({"epsilon": 8, "noise": -0.5}, r"privacy.noise: must be greater than 0; got -0.5"),
    ],
)
def test_numbers_out_of_range(options, message):
    with pytest.raises(ConfigError, match=message):
        parse_config({"privacy": options})


def test_it_is_part_of_every_plan():
    chosen, _ = plan(rows(), "label", settings=["privacy.epsilon=3"])
    assert (chosen.privacy.epsilon, chosen.training.wide, chosen.imbalance.method) == (3, False, "none")
    # Of 40 rows; steps are fewer and larger than without the noise.
    assert (chosen.training.batch_size, chosen.training.epochs, chosen.training.learning_rate) == (5, 20, 4e-3)
    usual, _ = plan(rows(), "label")
    assert (usual.training.epochs, usual.training.learning_rate) == (40, 1e-3)
    with pytest.raises(ConfigError, match=r"^domain.column: must be left out under"):
        plan(rows(), "label", {"domain": "place"}, settings=["privacy.epsilon=3"])


def test_what_fits_many_models_is_refused(tmp_path):
    given = {"config": {"privacy": {"epsilon": 8}}, "out": tmp_path / "out"}
    with pytest.raises(
        ConfigError, match=r"^a comparison can't go with privacy.epsilon: its linear models learn without"
    ):
        sm.compare(ROWS, "label", **given)
    with pytest.raises(ConfigError, match=r"^pretraining can't go with privacy.epsilon: rows are told apart from one"):
        sm.pretrain(ROWS, ignore=["label"], **given)


def test_tuning_is_refused(tmp_path):
    pytest.importorskip("optuna", reason="tuning needs 'sensorium[tune]'")
    with pytest.raises(ConfigError, match=r"^tuning can't go with privacy.epsilon: every trial would spend the whole"):
        sm.tune(ROWS, "label", config={"privacy": {"epsilon": 8}}, out=tmp_path / "out")
