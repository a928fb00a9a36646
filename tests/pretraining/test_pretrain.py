"""`sensorium.pretrain` from a table to a run: what must be learnable, saved, resumed and refused."""

import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

import sensorium as sm
from sensorium.errors import ConfigError, DataError

QUICK = {"precision": "32", "threads": 1}


def planted(rows, seed):
    """Two vectors that tell of the same four numbers, and a number that tells of one of them."""
    random, fixed = np.random.default_rng(seed), np.random.default_rng(0)
    hidden = random.normal(size=(rows, 4))
    left, right = fixed.normal(size=(4, 9)), fixed.normal(size=(4, 7))
    return {
        "left": np.tanh(hidden @ left) + 0.05 * random.normal(size=(rows, 9)),
        "right": hidden @ right + 0.05 * random.normal(size=(rows, 7)),
        "size": hidden[:, 0] + 0.1 * random.normal(size=rows),
        "label": np.where(hidden[:, 1] > 0, "yes", "no"),
    }


@pytest.fixture(scope="module")
def predictor():
    return sm.pretrain(planted(500, 1), ignore=["label"], epochs=25, **QUICK)


def test_alignment_finds_the_pairs(predictor):
    pairs = {tuple(pair["inputs"]): pair for pair in predictor.metrics["pretraining"]["recall"]}
    assert set(pairs) == {("left", "right"), ("left", "columns"), ("right", "columns")}
    found = pairs["left", "right"]
    assert (found["rows"], found["chance"]) == (75, 1 / 75)
    assert found["recall"] > 0.5
    assert predictor.history["valid_contrast"].iloc[-1] < predictor.history["valid_contrast"].iloc[0]
    assert predictor.history["valid_rebuild"].min() < 0.6  # 1 is to know nothing
    assert predictor.config.training.batch_size == 64  # four times that of a fit


def test_strange_rows_rank_on_top(predictor):
    rows = planted(200, 2)
    odd = {name: value.copy() for name, value in rows.items()}
    odd["right"][:20] = rows["right"][100:120]  # each fine by itself, and of another row
    odd["left"][20:30] *= -3  # nothing like it was seen
    truth = np.arange(200) < 30
    scores = predictor.anomaly(odd)
    assert scores.name == "anomaly"
    assert roc_auc_score(truth, scores) > 0.95
    by_input = predictor.anomalies(sm.predictor.read_table(odd))
    assert list(by_input.columns) == ["anomaly", "anomaly_left", "anomaly_right", "anomaly_columns"]
    pd.testing.assert_series_equal(by_input.iloc[:, 1:].mean(axis=1), scores, check_names=False)
    # Usual rows are about 0, in deviations.
    usual = predictor.anomaly(planted(300, 3))
    assert abs(usual.median()) < 0.4
    assert 0.3 < usual.std() < 2


def test_missing_inputs_take_no_part_in_the_score(predictor):
    rows = pd.DataFrame({name: list(values) for name, values in planted(40, 4).items()})
    rows.loc[:9, "right"] = None
    rows.loc[5, ["left", "size"]] = None
    found = predictor.anomalies(sm.predictor.read_table(rows))
    assert found["anomaly_right"].isna().tolist() == [True] * 10 + [False] * 30
    assert found["anomaly"].isna().tolist() == [place == 5 for place in range(40)]
    alone = predictor.anomaly(rows.drop(columns="right").iloc[:5])
    np.testing.assert_allclose(found["anomaly"][:5], alone, rtol=1e-4, atol=1e-4)


def test_a_saved_run_is_the_same_and_has_no_answers(predictor, tmp_path):
    rows = planted(30, 5)
    predictor.save(tmp_path / "run")
    again = sm.load(tmp_path / "run")
    np.testing.assert_array_equal(again.anomaly(rows), predictor.anomaly(rows))
    assert again.coders == {}
    assert [part["kind"] for part in again.parts()] == ["encoder"] * 3 + ["fusion"] + ["objective"] * 2
    given = again._rows(sm.predictor.read_table(rows), print).batch(range(30)).inputs
    with torch.no_grad():
        vectors = [model.aligner(model.encode(given)) for model in (again.model, predictor.model.eval())]
    for name in ("left", "right", "columns"):
        assert torch.equal(vectors[0][name], vectors[1][name])
    for ask in (again.predict, again.predict_proba, again.predict_sets, again.robustness):
        with pytest.raises(ConfigError, match="this run was pretrained, without a target, and has no answers"):
            ask(rows)
    weights = tmp_path / "run" / "weights.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    with pytest.raises(DataError, match=r"weights.safetensors is not the file that was saved"):
        sm.load(tmp_path / "run")


COMMAND = """
import sys, sensorium as sm, numpy as np
random = np.random.default_rng(0)
rows = {"a": random.normal(size=(300, 4))}
rows["b"] = rows["a"] @ random.normal(size=(4, 4))
sm.pretrain(rows, out=sys.argv[1], resume="--resume" in sys.argv, epochs=10, batch_size=8, precision="32", threads=1)
"""


def test_a_killed_pretraining_goes_on_to_the_same_result(tmp_path):
    def start(name, *more):
        return subprocess.Popen([sys.executable, "-c", COMMAND, str(tmp_path / name), *more])

    plain, killed = start("plain"), start("killed")
    checkpoint, ends = tmp_path / "killed" / "checkpoints" / "last.ckpt", time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < ends and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert checkpoint.exists()
    assert not (tmp_path / "killed" / "run.json").exists()
    assert start("killed", "--resume").wait() == 0
    assert plain.wait() == 0
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("plain", "killed"))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    columns = ["epoch", "train_loss", "valid_loss", "valid_contrast", "valid_rebuild"]
    histories = [pd.read_csv(tmp_path / name / "history.csv")[columns] for name in ("plain", "killed")]
    pd.testing.assert_frame_equal(*histories)


def test_every_modality_is_brought_together_and_rebuilt(table, config):
    lines = []
    small = {**config, "training": {"epochs": 1, "batch_size": 16, "precision": "32"}, "targets": {"label": {}}}
    predictor = sm.pretrain(table, config=small, ignore=["price", "tags"], say=lines.append)
    inputs = ["photo", "call", "clip", "clip_sound", "note", "pose", "columns"]
    assert list(predictor.model.rebuilder.modalities) == inputs
    assert predictor.config.targets == {}
    assert len(predictor.metrics["pretraining"]["recall"]) == 21
    scores = predictor.anomalies(sm.predictor.read_table(table))
    rows = pd.read_csv(table)
    for name in ("photo", "call"):
        assert (scores[f"anomaly_{name}"].isna() == rows[name].isna()).all()
    assert np.isfinite(scores["anomaly"]).all()


def test_one_input_or_rows_without_two_learn_by_rebuilding_alone():
    lines = []
    rows = {"left": planted(60, 0)["left"]}
    predictor = sm.pretrain(rows, epochs=1, say=lines.append, **QUICK)
    assert lines[0] == (
        "there is one input only, 'left': nothing can be brought together; it learns by rebuilding alone."
    )
    assert predictor.model.aligner is None
    assert predictor.config.pretraining.contrastive == 0
    assert predictor.anomaly(rows).notna().all()
    apart = pd.DataFrame({name: list(planted(60, 0)[name]) for name in ("left", "right")})
    apart.loc[:29, "left"] = None
    apart.loc[30:, "right"] = None
    apart.at[0, "left"] = planted(1, 0)["left"][0]
    lines.clear()
    assert sm.pretrain(apart, epochs=1, say=lines.append, **QUICK).model.aligner is None
    assert lines[0].startswith("1 of 60 rows have two inputs: nothing can be brought together")


def test_groups_of_rows_stay_on_one_side():
    predictor = sm.pretrain({**planted(60, 0), "who": np.arange(60) // 10}, epochs=1, split={"by": "who"}, **QUICK)
    assert predictor.run["rows"] == {"train": 50, "valid": 10}
    assert "who" not in predictor.config.inputs["columns"].columns


def test_a_loaded_run_tells_strange_rows_without_what_training_needs(predictor, tmp_path):
    predictor.save(tmp_path / "run")
    code = """
import sys, numpy as np, sensorium as sm
scores = sm.load(sys.argv[1]).anomaly({"left": np.zeros((2, 9)), "right": np.ones((2, 7)), "size": [0.1, 0.2]})
print(len(scores), sorted({"lightning", "sklearn"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 []"


def test_alignment_alone_tells_no_strange_rows():
    predictor = sm.pretrain(planted(60, 0), epochs=1, settings=["pretraining.reconstruction=0"], **QUICK)
    assert predictor.model.rebuilder is None
    with pytest.raises(ConfigError, match=r"this run can't tell strange rows: it has not learned to rebuild"):
        predictor.anomaly(planted(5, 0))


def test_what_can_not_be_learned_from_is_refused():
    with pytest.raises(
        ConfigError, match=r"can't be brought together: there is one input only, 'left'. Set it above 0"
    ):
        sm.pretrain({"left": planted(60, 0)["left"]}, settings=["pretraining.reconstruction=0"])
    with pytest.raises(ConfigError, match=r"pretraining.contrastive and pretraining.reconstruction must not both be 0"):
        sm.pretrain(planted(60, 0), settings=["pretraining.reconstruction=0", "pretraining.contrastive=0"])
    with pytest.raises(ConfigError, match=r"pretraining.mask_shre: unknown key. Did you mean 'mask_share'\?"):
        sm.pretrain(planted(60, 0), config={"pretraining": {"mask_shre": 0.1}})
    with pytest.raises(ConfigError, match=r"pretraining.hide: must be less than 1; got 1"):
        sm.pretrain(planted(60, 0), config={"pretraining": {"hide": 1}})
    with pytest.raises(DataError, match=r"has 3 rows; 4 at least are needed, to learn and to check"):
        sm.pretrain({"left": list(planted(3, 0)["left"]), "right": list(planted(3, 0)["right"])})
