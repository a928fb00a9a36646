"""How much is done, in counts: steps, decoded files, forward passes, modules. Seconds differ, these do not."""

import os
import subprocess
import sys
from collections import Counter

import pytest
import torch

import sensorium as sm
from sensorium import encoders
from sensorium.data.table import read_table
from sensorium.media import cache, loader
from sensorium.training.module import TrainingModule

ENCODERS = tuple(getattr(encoders, name) for name in encoders.__all__ if isinstance(getattr(encoders, name), type))
MODALITIES = ("photo", "call", "clip", "clip_sound", "note", "pose", "columns")
EPOCHS, TRAIN, VALID, BATCH = 2, 34, 6, 8
STEPS = EPOCHS * -(-TRAIN // BATCH)


class Counted:
    """What was done while it looked."""

    def __init__(self, monkeypatch):
        self.decoded, self.hashed, self.passes, self.steps = Counter(), Counter(), Counter(), 0

        def count(counter, module, name, key):
            real = getattr(module, name)

            def counted(*given):
                counter[key(*given)] += 1
                return real(*given)

            monkeypatch.setattr(module, name, counted)

        count(self.decoded, loader, "decode", lambda kind, source, *_: (kind, os.path.basename(source)))
        count(self.hashed, cache, "content_digest", os.path.basename)
        real = TrainingModule.optimizer_step

        def step(module, *given):
            self.steps += 1
            return real(module, *given)

        monkeypatch.setattr(TrainingModule, "optimizer_step", step)

    def __enter__(self):
        inside = []

        def enter(module, given):
            if isinstance(module, ENCODERS):
                inside.append(module)

        def leave(module, given, result):
            if isinstance(module, ENCODERS):
                inside.pop()
                if not inside:  # an encoder may have others for parts
                    self.passes[type(module).__name__] += 1

        hooks = torch.nn.modules.module
        self.hooks = hooks.register_module_forward_pre_hook(enter), hooks.register_module_forward_hook(leave)
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


@pytest.fixture(scope="module")
def counts(table, config, tmp_path_factory):
    """Of a fit, of a second one, and of a prediction after it."""
    found, predictor = {}, None
    training = {**config["training"], "epochs": EPOCHS, "batch_size": BATCH, "wide": False, "workers": 0}
    given = {**config, "training": training, "balance": {"method": "none"}}
    folder = str(tmp_path_factory.mktemp("cold"))
    for name in ("fit", "again", "predict"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SENSORIUM_CACHE", folder)
            patch.setattr(cache, "RACY", -60.0)  # files that were made just now count as such that won't change
            with Counted(patch) as found[name]:
                if name == "predict":  # by what was fitted last
                    predictor.predict(table)
                else:
                    predictor = sm.fit(table, "label", config=given)
    return found


def cells(table, column):
    return [cell for cell in read_table(table).cells(column) if cell]


def test_a_fit_makes_one_step_a_batch(counts):
    assert counts["fit"].steps == counts["again"].steps == STEPS
    assert counts["predict"].steps == 0


def test_a_file_is_decoded_once_for_all_epochs_fits_and_answers(counts, table):
    """A clip is decoded twice: its pictures and its sound. Other files may have the content of one that was decoded."""
    decoded, clips = counts["fit"].decoded, cells(table, "clip")
    assert set(decoded.values()) == {1}
    assert {key for key in decoded if key[1] in clips} == {
        (kind, clip) for kind in ("audio", "video") for clip in clips
    }
    assert len(decoded) <= 2 * len(clips) + len(cells(table, "photo")) + len(cells(table, "call"))
    assert not counts["again"].decoded
    assert not counts["predict"].decoded


def test_a_file_is_hashed_once(counts, table):
    hashed = {name: {key: n for key, n in found.hashed.items() if key != "table.csv"} for name, found in counts.items()}
    files = [cell for column in ("photo", "call", "clip") for cell in cells(table, column)]
    assert hashed == {"fit": dict.fromkeys(files, 1), "again": {}, "predict": {}}


def test_an_encoder_is_asked_once_a_batch(counts):
    """Each step, each epoch's validation rows, and the validation rows once more, which are measured."""
    asked = STEPS + EPOCHS + 1
    assert sum(counts["fit"].passes.values()) == asked * len(MODALITIES)
    assert counts["again"].passes == counts["fit"].passes
    assert sum(counts["predict"].passes.values()) == 2 * len(MODALITIES)  # 40 rows, 32 a batch


NEVER = {"lightning", "optuna", "ray", "sklearn", "transformers", "matplotlib", "fastapi", "onnxruntime"}


@pytest.mark.parametrize(
    ("code", "most", "without"),
    [
        ("import sensorium", 80, NEVER | {"torch", "numpy", "pandas", "pyarrow", "scipy", "PIL", "av"}),
        ("from sensorium.cli import app; app(['--help'], standalone_mode=False)", 260, NEVER | {"torch", "numpy", "pandas"}),
        ("import sensorium as sm; sm.load", 2300, NEVER),
        ("import sensorium as sm; sm.load(sys.argv[1]).predict(sys.argv[2])", 2500, NEVER),
    ],
)  # fmt: skip
def test_no_more_is_imported_than_is_needed(code, most, without, run, table):
    """The numbers are a tenth to a third above those of the day they were written: a library that creeps in has hundreds."""
    code = f"import sys\n{code}\nprint(len(sys.modules), *sorted({without!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(run), str(table)], capture_output=True, text=True, check=True
    )
    count, *forbidden = done.stdout.splitlines()[-1].split()
    assert not forbidden
    assert int(count) <= most
