"""The model card: the hub's own reader takes its header, and nothing from a table means anything in it."""

import re
from types import SimpleNamespace

import pytest
import yaml
from huggingface_hub import ModelCard

import sensorium as sm
from sensorium.export.card import card


@pytest.fixture(scope="module")
def predictor(run):
    return sm.load(run)


def section(text: str, name: str) -> str:
    return re.search(rf"\n## {name}\n\n(.*?)(?=\n## |\Z)", text, re.DOTALL).group(1)


def test_the_hub_reads_its_header(predictor):
    read = ModelCard(card(predictor, "shops", licence="apache-2.0"))
    assert read.data.library_name == "sensorium"
    assert read.data.license == "apache-2.0"
    assert read.data.tags == ["multimodal", "audio", "image", "tabular", "text", "video"]
    assert read.data.pipeline_tag is None  # the hub has no word for several inputs
    scores = predictor.metrics["targets"]["label"]["valid"]
    found = {result.metric_type: result.metric_value for result in read.data.eval_results}
    assert found == {name: round(score["value"], 4) for name, score in scores.items()}
    assert {result.dataset_name for result in read.data.eval_results} == {"table.csv (validation rows)"}


def test_a_model_of_one_input_is_called_as_the_hub_does(small):
    predictor = sm.load(small)
    predictor.config = predictor.config.model_copy(update={"inputs": {"note": predictor.config.inputs["note"]}})
    header = yaml.safe_load(card(predictor, "notes").split("---")[1])
    assert header["pipeline_tag"] == "text-classification"
    assert header["tags"] == ["text"]
    assert "license" not in header


def test_what_is_in_it(predictor):
    text = card(predictor, "shops", use="Telling shops apart; not for hiring.")
    assert "Answers `label` (one of two classes) from `photo` (image), `call` (audio)," in text
    assert section(text, "Intended use").startswith("Telling shops apart; not for hiring.\n")
    assert "| `photo` | image | `photo` | cnn | 20% |" in section(text, "Inputs")
    data = section(text, "Data")
    assert "| learned from | 34 | `table.csv` | " + predictor.run["data"]["train"]["sha256"] in data
    assert "| `yes` | 17 |" in data
    own = predictor.metrics["targets"]["label"]
    score, base = own["valid"]["accuracy"], own["majority"]["accuracy"]["value"]
    line = f"| accuracy | {score['value']:.3f} | {score['low']:.3f} – {score['high']:.3f} | {base:.3f} |"
    assert line in section(text, "Scores")
    assert "The 6 validation rows also chose the best epoch" in section(text, "Limits")
    assert "`label`: fewer than 20 training rows each for `no`, `yes`." in section(text, "Limits")
    assert f"{sum(part['parameters'] for part in predictor.parts()):,} parameters" in section(text, "Network")
    assert 'sm.load("shops.sensorium")' in section(text, "How to use it")


def test_no_folder_of_the_machine_is_in_it(predictor, table, run):
    text = card(predictor, "shops")
    assert str(table.parent) not in text
    assert str(run.parent) not in text


def test_what_nobody_said_is_said_to_be_missing(predictor):
    assert "**Not said by those who made it.**" in card(predictor, "shops")


def test_a_score_no_better_than_chance_is_said(predictor):
    told = predictor.metrics["targets"]["label"]
    low = {"value": 0.5, "low": 0.4, "high": 0.6}
    changed = {**told, "valid": {**told["valid"], "accuracy": low}, "majority": {"accuracy": {"value": 0.55}}}
    stand_in = _with(predictor, metrics={"targets": {"label": changed}, "warnings": ["odd *rows*"]})
    limits = section(card(stand_in, "shops"), "Limits")
    assert "- `label`: on the validation rows it is not surely better than always the same answer." in limits
    assert "- odd \\*rows\\*" in limits
    assert "not surely better" not in section(card(predictor, "shops"), "Limits")


def test_a_run_without_scores(predictor):
    assert (
        section(card(_with(predictor, metrics={}), "shops"), "Scores").strip() == "None were measured when it was made."
    )


def test_names_from_a_table_mean_nothing(predictor):
    evil = "<script>alert(1)</script> | [x](http://y) ``\n\n# head"
    coder = SimpleNamespace(task="binary", classes=[evil, "`"], counts=[1, 2], name=evil)
    text = card(_with(predictor, coders={evil: coder}, metrics={}), f"{evil}")
    assert "\n# head" not in text.split("---", 2)[2]
    body = text.split("---", 2)[2]
    spans = re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", body.split("```python")[0])  # what is no code
    assert "<script>" not in spans.replace("\\<", "")
    assert "](http" not in spans.replace("\\]", "")
    for line in body.split("```python")[0].splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) in {3, 5, 6}


def _with(predictor, **changed):
    """The predictor with other parts."""
    names = ("config", "schema", "readers", "coders", "metrics", "run", "parts")
    return SimpleNamespace(**{name: getattr(predictor, name) for name in names} | changed)
