"""What is learned is never lost: signals, damaged checkpoints, a full disk, another configuration."""

import errno
import hashlib
import os
import signal

import numpy as np
import pytest
import torch

import sensorium as sm
from sensorium.errors import ConfigError, DataError
from sensorium.stopping import Stopped
from sensorium.training import checkpoints, loop
from sensorium.training.checkpoints import BEST, latest, read_checkpoint
from sensorium.training.unfinished import BEFORE, LAST, claim, made_of

OPTIONS = {"epochs": 3, "batch_size": 20, "precision": "32", "probes": False}  # 51 rows to learn from: 3 steps an epoch
PLAIN = ["training.wide=false", "balance.method=none"]


def table(count=60, seed=0):
    random = np.random.default_rng(seed)
    found = {"a": random.normal(size=(count, 4)), "b": random.normal(size=(count, 4))}
    return {**found, "label": np.where(found["a"][:, 0] + random.normal(size=count) > 0, "yes", "no")}


def fitted(rows, *, settings=PLAIN, **more):
    return sm.fit(rows, "label", settings=settings, **{**OPTIONS, **more})


def assert_same(one, other):
    first, second = one.model.state_dict(), other.model.state_dict()
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    left = ["seconds", "waited"]
    assert other.history.drop(columns=left).equals(one.history.drop(columns=left))


def at(step, do, part=None):
    """A report that does something after a step."""

    def told(numbers):
        if numbers["step"] == step and "row" not in numbers and numbers.get("part") == part:
            do()

    return told


class Killed(Exception):
    """Stands for a kill: nobody expects it."""


def kill():
    raise Killed


def term():
    signal.raise_signal(signal.SIGTERM)


ALL = {
    "the fused loss alone": {},
    "a network of one input": {"settings": []},
    "gradients that are changed by what an epoch has come to": {"settings": ["balance.method=blending", "balance.every=1"]},
    "domains and rows beside": {
        "settings": [*PLAIN, "domain.method=coral"], "domain": "place", "unlabelled": {**table(30, 1), "place": ["x", "y"] * 15},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_sigterm_amid_an_epoch_keeps_the_step_and_goes_on_to_the_same_weights(name, tmp_path):
    rows, said, more = {**table(), "place": ["x", "y", "z"] * 20}, [], {"ignore": ["place"], **ALL[name]}
    if "domain" in more:
        del more["ignore"]
    plain = fitted(rows, **more)
    for step in (2, 4):  # amid the first epoch and the second; the third step is an epoch's last
        with pytest.raises(Stopped) as stopped:
            fitted(rows, out=tmp_path / "run", resume=True, report=at(step, term), say=said.append, **more)
        assert stopped.value.code == 143
        assert read_checkpoint(tmp_path / "run" / "checkpoints" / LAST)["global_step"] == step
        assert "--resume" in said[-1]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    steps = []
    again = fitted(rows, out=tmp_path / "run", resume=True, report=lambda told: steps.append(told["step"]), **more)
    assert steps[0] == 5
    assert_same(plain, again)


def test_sigint_after_an_epochs_last_step_waits_for_the_validation(tmp_path):
    rows = table()
    with pytest.raises(KeyboardInterrupt):
        fitted(rows, out=tmp_path / "run", report=at(3, lambda: signal.raise_signal(signal.SIGINT)))
    kept = read_checkpoint(tmp_path / "run" / "checkpoints" / LAST)
    assert len(kept["callbacks"]["Watch"]["history"]) == 1
    assert_same(fitted(rows), fitted(rows, out=tmp_path / "run", resume=True))


def test_what_was_stopped_after_its_last_epoch_is_not_trained_further(tmp_path, monkeypatch):
    rows, options = table(), {"epochs": 50, "patience": 1, "learning_rate": 0.05}
    plain, trained = fitted(rows, **options), []
    assert len(plain.history) < 50
    with monkeypatch.context() as patch:
        patch.setattr("sensorium.training.fit.measure", lambda *_: kill())
        with pytest.raises(Killed):
            fitted(rows, out=tmp_path / "run", **options)
    again = fitted(rows, out=tmp_path / "run", resume=True, report=trained.append, **options)
    assert not trained
    assert again.metrics["stopped"] == plain.metrics["stopped"] == "no better validation loss for 1 epochs"
    assert_same(plain, again)


def test_a_long_epoch_has_checkpoints_within(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "OFTEN", 0.0)
    rows = table()
    with pytest.raises(Killed):
        fitted(rows, out=tmp_path / "run", report=at(5, kill))
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / LAST)["global_step"] == 4
    assert_same(fitted(rows), fitted(rows, out=tmp_path / "run", resume=True))


def test_a_fold_that_is_stopped_goes_on(tmp_path):
    rows, options = table(), {"folds": 2, "epochs": 2}
    plain = fitted(rows, **options)
    with pytest.raises(Stopped):
        fitted(rows, out=tmp_path / "run", report=at(1, term, "fold 2 of 2"), **options)
    told = []
    again = fitted(rows, out=tmp_path / "run", resume=True, report=told.append, **options)
    assert {numbers["part"] for numbers in told} == {"fold 2 of 2", "all rows"}
    assert_same(plain, again)
    assert again.out_of_fold.equals(plain.out_of_fold)


@pytest.fixture
def killed(tmp_path):
    """The folder of checkpoints of a fit that was killed in its third epoch."""
    with pytest.raises(Killed):
        fitted(table(), out=tmp_path / "run", report=at(7, kill))
    return tmp_path / "run" / "checkpoints"


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    content = bytearray(path.read_bytes())
    at = content.index(b"\x80\x02") + 40  # in what says how the parts go together
    content[at] ^= 16
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
@pytest.mark.parametrize(
    ("names", "first"),
    [((LAST,), 4), ((LAST, BEFORE), 1), ((BEST,), 1), ((), 7)],  # the first step that is made again
)
def test_a_damaged_checkpoint_is_said_and_an_earlier_one_used(killed, damage, names, first):
    for name in names:
        damage(killed / name)
    said, steps = [], []
    again = fitted(
        table(), out=killed.parent, resume=True, say=said.append, report=lambda told: steps.append(told["step"])
    )
    assert steps[0] == first
    warned = [line for line in said if "is damaged" in line and not line.startswith("warning")]
    assert len(warned) == (2 if BEST in names else len(names))
    for name in names:
        assert any(name in line for line in warned)
    assert_same(fitted(table()), again)


def test_every_flipped_bit_is_found_or_changes_nothing(killed):
    path = killed / LAST
    whole, random = path.read_bytes(), np.random.default_rng(0)
    expected, found = list(read_checkpoint(path)["state_dict"].values()), 0
    for place in random.choice(np.flatnonzero(np.frombuffer(whole, np.uint8)), 60):
        content = bytearray(whole)
        content[place] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
        try:
            values = read_checkpoint(path)["state_dict"].values()
        except DataError:
            found += 1
        else:  # it was in what nobody reads
            assert all(map(torch.equal, values, expected))
    assert found > 40


def no_room(names, times):
    """`write_atomically` on a disk that is full for so many files of these names."""
    real, left = checkpoints.write_atomically, [times]

    def write(path, content):
        if path.name in names and left[0]:
            left[0] -= 1
            raise DataError(f"cannot write {path}: {os.strerror(errno.ENOSPC)}.")
        real(path, content)

    return write


@pytest.mark.parametrize(("names", "times"), [((LAST,), 1), ((BEST,), 1), ((BEST, LAST), 100)])
def test_training_goes_on_where_checkpoints_cannot_be_written(names, times, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "write_atomically", no_room(names, times))
    said = []
    found = fitted(table(), out=tmp_path / "run", say=said.append)
    warned = [line for line in said if "No space left on device" in line and not line.startswith("warning")]
    assert len(warned) == 1
    assert "Training goes on" in warned[0]
    assert warned[0] in found.metrics["warnings"]
    assert_same(fitted(table()), found)


def test_what_cannot_be_written_is_learned_again_after_a_kill(tmp_path, monkeypatch):
    """Of the best epochs the first alone finds room: a later checkpoint would go with the wrong weights."""
    real = checkpoints.write_atomically

    def write(path, content):
        if path.name == BEST and path.exists():
            raise DataError(f"cannot write {path}: {os.strerror(errno.ENOSPC)}.")
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_atomically", write)
        with pytest.raises(Killed):
            fitted(table(), out=tmp_path / "run", report=at(8, kill))
    plain, again = fitted(table()), fitted(table(), out=tmp_path / "run", resume=True)
    assert plain.history["valid_loss"].idxmin() > 0
    assert_same(plain, again)


def test_a_run_that_cannot_be_saved_keeps_its_checkpoints_and_says_so(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("sensorium.export.run_folder.write_atomically", no_room(("weights.safetensors",), 1))
        with pytest.raises(DataError, match=r"weights.safetensors: No space left on device. What was learned is kept"):
            fitted(table(), out=tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()
    trained = []
    again = fitted(table(), out=tmp_path / "run", resume=True, report=trained.append)
    assert not trained
    assert_same(fitted(table()), again)


def test_a_folder_that_cannot_be_written_to_is_an_error_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("sensorium.fitting.claim", lambda *_: claim(tmp_path / "file" / "checkpoints", {}, False))
    (tmp_path / "file").write_text("no folder")
    said = []
    with pytest.raises(DataError, match=r"cannot write .*file/checkpoints/made_of.json: Not a directory"):
        fitted(table(), out=tmp_path / "run", say=said.append)
    assert not said


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    [
        (table(), {"learning_rate": 0.5}, r"training.learning_rate was \d.* and is 0.5. Give what was given before"),
        (table(), {"seed": 4}, "training.seed was 0 and is 4"),
        (table(seed=9), {}, "the rows to learn from have changed"),
        (table(), {"valid": table(seed=3)}, "the rows to validate with have changed"),
    ],
)
def test_checkpoints_of_something_else_are_refused_and_stay(killed, rows, more, words):
    before = {path.name: path.read_bytes() for path in killed.iterdir()}
    with pytest.raises(ConfigError, match=f"holds checkpoints of another training: .*{words}"):
        fitted(rows, out=killed.parent, resume=True, **more)
    assert {path.name: path.read_bytes() for path in killed.iterdir()} == before


def test_what_only_decides_how_a_training_is_done_may_change(killed):
    again = fitted(table(), out=killed.parent, resume=True, time_limit=10_000, threads=torch.get_num_threads())
    assert len(again.history) == 3


def test_an_unfinished_run_is_not_begun_anew_unless_it_is_deleted(killed):
    with pytest.raises(ConfigError, match=r"holds a run that is not finished. --resume .*goes on with it"):
        fitted(table(), out=killed.parent)
    assert read_checkpoint(killed / LAST)["epoch"] == 1


def test_a_run_that_starts_from_another_run_is_another(tmp_path):
    config = fitted(table()).config
    first, second = (made_of(config, {}, start) for start in ("one", "two"))
    claim(tmp_path, first, resume=True)
    claim(tmp_path, first, resume=True)
    with pytest.raises(ConfigError, match="it starts from another run"):
        claim(tmp_path, second, resume=True)


def test_a_finished_run_that_is_resumed_says_so_and_changes_nothing(tmp_path):
    fitted(table(), out=tmp_path / "run")

    def state():
        return {
            path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in (tmp_path / "run").rglob("*")
            if path.is_file()
        }

    before, said = state(), []
    (tmp_path / "run" / "checkpoints").mkdir()  # as a kill between saving and tidying leaves it
    again = fitted(table(), out=tmp_path / "run", resume=True, say=said.append)
    assert said == [f"{tmp_path / 'run'} is finished; nothing is changed."]
    assert state() == before
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert len(again.predict(table())) == 60


def test_a_loss_that_is_not_finite_keeps_the_last_good_epoch(tmp_path, monkeypatch):
    real, steps = loop.TrainingModule._losses, []

    def spoilt(module, batch, inputs, whole=None):
        loss, back = real(module, batch, inputs, whole)
        steps.append(module.training)
        bad = sum(steps) == 5 and module.training  # the second step of the second epoch
        return loss, back * float("nan") if bad else back

    monkeypatch.setattr(loop.TrainingModule, "_losses", spoilt)
    found = fitted(table())
    assert found.metrics["stopped"] == "the loss was not finite"
    assert len(found.history) == 1
    (note,) = [line for line in found.metrics["warnings"] if "not finite" in line or "loss is nan" in line]
    assert "the loss is nan at step 4 (epoch 2)" in note
    assert "The weights of the best epoch before are kept." in note
    monkeypatch.setattr(loop.TrainingModule, "_losses", real)
    first = fitted(table(), epochs=3)
    assert found.history["train_loss"][0] == first.history["train_loss"][0]


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert latest(tmp_path, print) is None


def test_an_error_before_anything_is_learned_leaves_nothing_behind(tmp_path):
    rows = {"a": [1.0, 2.0] * 20, "label": ["yes", "no"] * 20}
    with pytest.raises(DataError, match="too few for 50 folds"):
        sm.fit(rows, "label", folds=50, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "note.txt").write_text("mine")
    with pytest.raises(DataError, match="too few for 50 folds"):
        sm.fit(rows, "label", folds=50, out=tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["note.txt"]
