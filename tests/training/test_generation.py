"""Texts written from a picture and a word: learned, saved, answered, scored."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sacrebleu
from descriptors import TinyLanguage
from tiny_language import write_language

import sensorium as sm
from sensorium.cli import main
from sensorium.config import Training
from sensorium.data.table import read_table
from sensorium.encoders import VectorDense
from sensorium.errors import ConfigError
from sensorium.fusion import Concat
from sensorium.heads import Generation
from sensorium.planning import plan
from sensorium.training.fit import rehearse
from sensorium.training.module import TrainingModule

COLOURS = {"red": (200, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 200)}
THINGS = ("square", "circle", "star")
QUESTIONS = {"which colour?": 0, "which thing?": 1}
TRAINING = {
    "epochs": 12, "batch_size": 16, "learning_rate": 3e-3, "precision": "32", "cache_size": 0, "modality_dropout": 0.05,
}  # fmt: skip
INPUTS = {
    "photo": {"modality": "image", "size": 16, "encoder": {"type": "cnn", "channels": [8, 16]}},
    "count": {"modality": "categorical"},
}


def make(rows: int, seed: int) -> pd.DataFrame:
    """The picture tells the colour, the number's word the thing."""
    random = np.random.default_rng(seed)
    cells = []
    for _ in range(rows):
        colour, thing = random.choice(list(COLOURS)), int(random.integers(3))
        noisy = np.array(COLOURS[colour]) + random.normal(0, 20, (16, 16, 3))
        question, place = list(QUESTIONS.items())[int(random.integers(2))]
        cells.append(
            {
                "photo": np.clip(noisy, 0, 255).astype(np.uint8),
                "count": ("one", "two", "three")[thing],
                "caption": f"a {colour} {THINGS[thing]}",
                "question": question,
                "answer": (colour, THINGS[thing])[place],
            }
        )
    return pd.DataFrame(cells)


TRAIN, TEST = make(200, 0), make(60, 1)


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    return write_language(tmp_path_factory.mktemp("lm") / "tiny", [*TRAIN["caption"], *QUESTIONS])


def fit(language, target="caption", table=TRAIN, out=None, say=lambda _: None, training=None, **options):
    given = {"model": str(language), "train": "all", "learning_rate": 3e-3, **options}
    config = {"inputs": INPUTS, "fusion": {"width": 32}, "targets": {target: given}}
    return sm.fit(
        table, config={**config, "training": {**TRAINING, "probes": False, **(training or {})}}, out=out, say=say
    )


@pytest.fixture(scope="module")
def folder(language, tmp_path_factory):
    """A run; the folder that its language model came from is gone."""
    own = shutil.copytree(language, tmp_path_factory.mktemp("own") / "lm")
    out = tmp_path_factory.mktemp("runs") / "run"
    predictor = fit(own, out=out, training={"probes": True})
    predictor.predict(TEST).to_csv(out.parent / "expected.csv", index=False)
    shutil.rmtree(own)
    return out


@pytest.fixture(scope="module")
def run(folder):
    return sm.load(folder)


def test_captions_of_rows_never_seen_are_right(run):
    said = run.predict(TEST)
    assert said.name == "caption"
    assert (said == TEST["caption"]).mean() >= 0.9
    alone = run.metrics["targets"]["caption"]
    assert alone["main"] == "chrf"
    assert alone["majority"]["exact_match"]["value"] < 0.4
    assert set(alone["alone"]) == {"photo", "count"}
    assert alone["alone"]["photo"]["exact_match"]["value"] < 0.8  # neither input tells the whole caption
    assert not alone["floors"]
    assert not alone["probes"]


def test_a_saved_run_writes_the_same_texts(folder, run):
    expected = pd.read_csv(folder.parent / "expected.csv")["caption"]
    assert run.predict(TEST).tolist() == expected.tolist()


def test_saved_again_and_loaded(run, tmp_path):
    run.save(tmp_path / "copy")
    again = sm.load(tmp_path / "copy")
    assert again.predict(TEST).tolist() == run.predict(TEST).tolist()
    assert again.coders == run.coders


def test_a_rows_text_depends_on_that_row_alone(run):
    for sample in (None, {"temperature": 1.5, "seed": 4}):
        whole = run.predict(TEST, sample=sample)
        for row in (0, 7, 59):
            assert run.predict(TEST.iloc[[row]], sample=sample).tolist() == [whole[row]]
        backwards = run.predict(TEST.iloc[::-1], sample=sample)
        assert backwards.tolist()[::-1] == whole.tolist()


def test_missing_inputs_are_answered_all_the_same(run):
    said = run.predict(TEST.assign(photo=None))
    assert said.str.split().str[-1].tolist() == TEST["caption"].str.split().str[-1].tolist()
    nothing = run.predict(pd.DataFrame({"photo": [None], "count": [None]}))
    assert isinstance(nothing[0], str)
    told = []
    assert len(run.predict(TEST[["count"]], say=told.append)) == len(TEST)
    assert "lacks the columns photo" in told[0]


def test_drawn_texts(run):
    hot = {"temperature": 3.0}
    texts = [run.predict(TEST, sample={**hot, "seed": seed}).tolist() for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert run.predict(TEST, sample={**hot, "top_p": 1e-9}).tolist() == run.predict(TEST).tolist()
    with pytest.raises(ConfigError, match=r"sample: unknown key 'topp'. Did you mean 'top_p'\?"):
        run.predict(TEST, sample={"topp": 0.9})
    with pytest.raises(ConfigError, match="temperature must be a number above 0; got -1"):
        run.predict(TEST, sample={"temperature": -1})


def test_evaluate_scores_the_texts(run):
    table = TEST.assign(caption=[*TEST["caption"][:-2], "a purple star", None])
    found = run.evaluate(table)
    said = run.predict(table).tolist()[:-1]
    expected = sacrebleu.corpus_chrf(said, [table["caption"].tolist()[:-1]]).score
    assert found["metrics"]["chrf"]["value"] == pytest.approx(expected)
    assert (found["rows"], found["left_out"], found["trust"]) == (59, 1, {})
    right = found["metrics"]["exact_match"]
    assert right["low"] < right["value"] < 1
    only = run.evaluate(TEST, inputs=["photo"])["metrics"]["exact_match"]["value"]
    assert only < right["value"] - 0.2


def test_robustness_scores_what_is_left(run):
    found = run.robustness(TEST.iloc[:20])["targets"]["caption"]
    assert found["metric"] == "chrf"
    assert found["clean"] == pytest.approx(100, abs=10)
    assert found["inputs"]["photo"]["alone"] < found["clean"]


def test_what_a_text_has_not(run):
    with pytest.raises(ConfigError, match="targets caption are texts and have no probabilities; use predict"):
        run.predict_proba(TEST)
    with pytest.raises(ConfigError, match="'caption' holds texts, and there are no prediction sets of those"):
        run.predict_sets(TEST)
    head = run.parts()[-1]
    assert (head["layer"], head["output"]) == ("Generation", f"(B, {run.coders['caption'].max_tokens})")


def test_the_command_line(folder, run, tmp_path, capsys, monkeypatch):
    def sensorium(*words):
        monkeypatch.setattr(sys, "argv", ["sensorium", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        return capsys.readouterr().out

    table, out = tmp_path / "rows.csv", tmp_path / "said.jsonl"
    TEST[["count", "caption"]].to_csv(table, index=False)
    sensorium("predict", folder, table, "-o", out)
    assert pd.read_json(out, lines=True)["caption"].tolist() == run.predict(TEST[["count"]]).tolist()
    sensorium("predict", folder, table, "-o", out, "--temperature", 3, "--top-p", 0.9, "--seed", 5)
    sample = {"temperature": 3.0, "top_p": 0.9, "seed": 5}
    assert pd.read_json(out, lines=True)["caption"].tolist() == run.predict(TEST[["count"]], sample=sample).tolist()
    assert "rouge_l" in sensorium("evaluate", folder, table)
    assert "Generation" in sensorium("summary", folder)


def test_load_and_predict_need_neither_peft_nor_what_trains(folder):
    code = (
        "import sys, pandas as pd, sensorium as sm\n"
        f"print(sm.load({str(folder)!r}).predict(pd.DataFrame({{'count': ['two']}}))[0])\n"
        "print([name for name in ('peft', 'lightning', 'sklearn', 'sacrebleu') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, loaded = done.stdout.strip().split("\n")
    assert said.endswith("circle")
    assert loaded == "[]"


def test_the_answer_to_a_question(language, tmp_path):
    predictor = fit(language, "answer", table=pd.concat([TRAIN, make(100, 2)]), prompt="question")
    assert (predictor.predict(TEST) == TEST["answer"]).mean() >= 0.9
    other = TEST.assign(question=[next(q for q in QUESTIONS if q != asked) for asked in TEST["question"]])
    assert not (predictor.predict(other) == TEST["answer"]).any()
    told = []
    assert len(predictor.predict(TEST.drop(columns="question"), say=told.append)) == len(TEST)
    assert any("lacks the column 'question': nothing is asked for 'answer'" in line for line in told)
    predictor.save(tmp_path / "run")
    assert sm.load(tmp_path / "run").predict(TEST).tolist() == predictor.predict(TEST).tolist()


@pytest.mark.parametrize("train", ["lora", "frozen"])
def test_what_learns_of_the_language_model(language, tmp_path, train):
    predictor = fit(language, train=train, learning_rate=1e-2, training={"epochs": 2})
    body = predictor.model.head("caption").body
    theirs = write_language(tmp_path / "same", [*TRAIN["caption"], *QUESTIONS])  # the same again
    from transformers import GPT2LMHeadModel

    before = GPT2LMHeadModel.from_pretrained(theirs).state_dict()
    changed = {name for name, value in body.state_dict().items() if not value.equal(before[name])}
    if train == "frozen":
        assert not changed
    else:
        assert changed == {
            name for name in before if name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight"))
        }
    predictor.save(tmp_path / "run")
    assert sm.load(tmp_path / "run").predict(TEST).tolist() == predictor.predict(TEST).tolist()


def test_beside_another_target(language):
    rows, told = TRAIN.iloc[:60].copy(), []
    rows["shade"] = np.where(rows["caption"].str.contains("red"), "warm", "cold")
    rows.loc[rows.index[:5], "caption"] = None
    config = {
        "inputs": INPUTS, "fusion": {"width": 32}, "balance": "auxiliary",
        "targets": {"shade": {}, "caption": {"model": str(language), "train": "frozen", "weight": 0.5, "max_tokens": 3}},
    }  # fmt: skip
    predictor = sm.fit(rows, config=config, say=told.append, **{**TRAINING, "epochs": 1})
    assert list(predictor.predict(TEST).columns) == ["shade", "caption"]
    assert list(predictor.answers(read_table(TEST)).columns) == [
        "shade",
        "shade_cold",
        "shade_warm",
        "caption",
    ]
    assert predictor.predict_proba(TEST)["shade"].shape == (60, 2)
    assert predictor.model.wide is None
    assert any("balance.method=auxiliary does nothing beside 'caption' (generation)" in line for line in told)
    assert any("texts have more than 3 tokens and are cut" in line for line in told)
    assert set(predictor.evaluate(TEST.assign(shade="warm"))["trust"]) == {"shade"}
    plain = sm.fit(rows, "shade", config={"inputs": {"count": INPUTS["count"]}}, probes=False, epochs=1)
    with pytest.raises(ConfigError, match="sample is for targets of texts"):
        plain.predict(TEST, sample={"seed": 1})


def test_a_stopped_fit_goes_on_to_the_same_texts(language, tmp_path):
    def stop(told):
        if told["epoch"] == 2:
            raise InterruptedError

    options = {"train": "lora", "model": str(language), "learning_rate": 1e-2}
    config = {"inputs": INPUTS, "fusion": {"width": 32}, "targets": {"caption": options}}
    training = {**TRAINING, "epochs": 3, "probes": False}
    with pytest.raises(InterruptedError):
        sm.fit(TRAIN.iloc[:64], config=config, out=tmp_path / "run", report=stop, **training)
    resumed = sm.fit(TRAIN.iloc[:64], config=config, out=tmp_path / "run", resume=True, **training)
    whole = sm.fit(TRAIN.iloc[:64], config=config, **training)
    for name, value in whole.model.state_dict().items():
        np.testing.assert_allclose(resumed.model.state_dict()[name], value, atol=1e-6, err_msg=name)


def test_folds_write_the_rows_that_they_were_kept_from(language):
    config = {"inputs": INPUTS, "fusion": {"width": 32}, "targets": {"caption": {"model": str(language)}}}
    predictor = sm.fit(TRAIN.iloc[:40], config=config, folds=2, **{**TRAINING, "epochs": 1})
    assert len(predictor.out_of_fold) == 40
    assert predictor.out_of_fold["caption"].map(type).eq(str).all()
    assert len(predictor.metrics["folds"]["metrics"]["chrf"]["values"]) == 2


def test_a_rehearsal(language):
    config = {"inputs": INPUTS, "targets": {"caption": {"model": str(language), "train": "frozen"}}}
    table = read_table(TRAIN.iloc[:40])
    found = rehearse(table, None, *plan(table, config=config))
    assert found["loss"] > 0
    assert found["problems"] == 0


def test_the_language_model_learns_at_a_rate_of_its_own():
    head = Generation(TinyLanguage(), 16, learning_rate=1e-5)
    model = sm.MultimodalModel({"pose": VectorDense(3, 16)}, Concat(16), {"text": head})
    module = TrainingModule(model, Training(learning_rate=1e-3), {"pose": "vector"}, {}, 10, 0.0)
    rates = {
        id(p): group["initial_lr"]
        for group in module.configure_optimizers()["optimizer"].param_groups
        for p in group["params"]
    }
    assert {rates[id(parameter)] for parameter in head.body.parameters()} == {1e-5}
    assert {rates[id(parameter)] for parameter in head.project.parameters()} == {1e-3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": None}, r"targets\.caption\.model: must be"),
        ({"train": "lorra"}, r"targets\.caption\.train: unknown value 'lorra'. Did you mean 'lora'\?"),
        ({"prefix": 0}, r"targets\.caption\.prefix: must be greater than or equal to 1; got 0"),
        ({"task": "regression"}, r"targets\.caption\.model: unknown key"),
        ({"model": "./nowhere"}, r"targets\.caption: model './nowhere' can't be read: there is no such folder"),
        ({"prompt": "questoin"}, r"targets\.caption\.prompt: .* has no column 'questoin'. Did you mean 'question'\?"),
        ({"prompt": "caption"}, r"targets\.caption\.prompt: column 'caption' is a target; the answer can't be what is"),
        ({"max_tokens": 45}, r"targets\.caption: prefix \(8\) and max_tokens \(45\) must fit into the 48 tokens"),
    ],
)
def test_a_wrong_option(language, options, message):
    with pytest.raises(ConfigError, match=message):
        fit(language, **options)


def test_a_text_that_is_no_class_says_how_it_is_written():
    rows = make(40, 3).assign(caption=[f"text number {row} of many" for row in range(40)])
    with pytest.raises(
        sm.SensoriumError, match=r"if a text to be written, caption: \{task: generation, model: \.\.\.\}"
    ):
        sm.fit(rows, "caption", config={"inputs": INPUTS})


def test_texts_are_not_compared(language):
    config = {"inputs": INPUTS, "targets": {"caption": {"model": str(language)}}}
    with pytest.raises(
        ConfigError, match="'caption' is a text to be written; classes, labels and numbers are compared"
    ):
        sm.compare(TRAIN, config=config)
