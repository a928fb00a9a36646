"""The worked applications: what their makers write, what their configurations learn, and what stands in their folders."""

import re
import shlex
import subprocess
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import sensorium as sm
from sensorium.cli.app import app
from sensorium.examples import EXAMPLES, make
from sensorium.examples.image_captions import make_image_captions

FOLDER = Path(__file__).parents[2] / "examples"
TARGETS = {"customer-service": "wish", "image-captions": "number", "sentiment": "sentiment", "video": "event"}
SAID = {"customer-service": "line", "image-captions": "covered", "sentiment": "words", "video": "track"}
ROWS = (40, 20, 20)

pytest.importorskip("espeakng_loader", reason="the voices need espeakng-loader")


@pytest.fixture(scope="module", params=sorted(TARGETS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def made(name, tmp_path_factory):
    return make(name, tmp_path_factory.mktemp(name) / "data", rows=ROWS)


def test_every_maker_has_a_folder_and_is_named_by_the_command():
    assert set(EXAMPLES) == {*TARGETS, "demo"}
    text = " ".join(CliRunner().invoke(app, ["example", "--help"]).output.split())
    for name in EXAMPLES:
        assert name in text
        assert (FOLDER / name / "config.yaml").exists()


def test_the_same_seed_makes_the_same_rows(name, made, tmp_path):
    again, other = make(name, tmp_path / "again", rows=ROWS), make(name, tmp_path / "other", rows=ROWS, seed=1)
    for split in ("train", "valid", "test"):
        assert again[split].read_bytes() == made[split].read_bytes()
        assert other[split].read_bytes() != made[split].read_bytes()
    files = sorted(path.relative_to(made["train"].parent) for path in made["train"].parent.rglob("*.*"))
    assert len(files) == sum(ROWS) + 4
    for path in files:
        if path.suffix != ".wav":  # eSpeak NG varies a word's length by a few samples
            assert (tmp_path / "again" / path).read_bytes() == (made["train"].parent / path).read_bytes()


def test_the_table_explains_itself(name, made):
    text = made["readme"].read_text()
    assert text.startswith("# ")
    assert f"--by {SAID[name]}" in text
    assert {TARGETS[name], SAID[name]} < set(pd.read_csv(made["train"]).columns)


def test_the_seed_of_the_command_is_the_maker_s(tmp_path, monkeypatch):
    monkeypatch.setitem(EXAMPLES, "image-captions", partial(make_image_captions, rows=(8, 4, 4)))
    for seed, folder in (((), "none"), (("--seed", "0"), "zero"), (("--seed", "1"), "one")):
        result = CliRunner().invoke(app, ["example", "image-captions", "--out", str(tmp_path / folder), *seed])
        assert result.exit_code == 0, result.output
    none, zero, one = ((tmp_path / folder / "test.csv").read_bytes() for folder in ("none", "zero", "one"))
    assert none == zero
    assert none != one


def test_its_configuration_learns(name, made):
    config = FOLDER / name / "config.yaml"
    asked = ["check", str(made["train"]), "--target", TARGETS[name], "--config", str(config)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "All is well." in result.output
    predictor = sm.fit(
        made["train"], target=TARGETS[name], valid=made["valid"], config=config, epochs=1, precision="32", probes=False
    )
    read = yaml.safe_load(config.read_text())["inputs"]
    assert set(predictor.model.modalities) == set(read)
    assert not {SAID[name], "typing"} & {options.get("column", key) for key, options in read.items()}
    found = predictor.evaluate(made["test"], by=SAID[name])
    assert found["rows"] == ROWS[2]
    assert sum(group["rows"] for group in found["by"]["groups"].values()) == ROWS[2]


def test_its_commands_are_whole(name, tmp_path):
    """run.sh as bash reads it: each of its commands has the options that the program has, and every input is tried alone."""
    (tmp_path / "sensorium").write_text('#!/bin/sh\nprintf "%s\\n" "$*" >> "$CALLS"\n')
    (tmp_path / "sensorium").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(tmp_path / "calls")}
    subprocess.run(
        ["bash", str(FOLDER / name / "run.sh"), str(tmp_path / "out")], env=environment, check=True, capture_output=True
    )
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == f"example {name} --out {tmp_path}/out/data"
    fits = [call for call in calls if call.startswith("fit ")]
    inputs = yaml.safe_load((FOLDER / name / "config.yaml").read_text())["inputs"]
    alone = [yaml.safe_load(call.split(" --set inputs=")[1]) for call in fits[1:]]
    assert alone == [{key: options} for key, options in inputs.items()]  # as the configuration has it
    assert all(f"--target {TARGETS[name]} " in call for call in fits)
    assert len([call for call in calls if call.startswith("evaluate ")]) >= len(fits)


def test_its_page_has_what_a_reader_needs(name):
    page = (FOLDER / name / "README.md").read_text()
    assert page.startswith("# ")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert {kind for kind, _ in fences} == {"sh", "text"}
    commands = [shlex.split(line) for kind, text in fences if kind == "sh" for line in text.splitlines()]
    assert ["bash", f"examples/{name}/run.sh"] in commands
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert all(words[0] == "bash" or (words[0] == "sensorium" and words[1] in known) for words in commands)
    assert re.search(r"\[0\.\d+, [01]\.\d+\]", page)  # what was measured has its interval
