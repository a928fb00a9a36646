"""The commands that make one file of a run and use it, as a user types them."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

import sensorium as sm


@pytest.fixture(scope="module")
def file(run, tmp_path_factory):
    from sensorium.export.pack import pack

    path = tmp_path_factory.mktemp("file") / "model.sensorium"
    pack(run, path)
    return path


def test_pack_and_unpack(sensorium, run, table, tmp_path):
    code, out, _ = sensorium("pack", run, tmp_path / "m.sensorium")
    assert code == 0
    size = (tmp_path / "m.sensorium").stat().st_size
    assert out == f"{run} packed as {tmp_path / 'm.sensorium'}, {size:,} bytes.\n"
    code, out, _ = sensorium("unpack", tmp_path / "m.sensorium", tmp_path / "back", "--json")
    assert json.loads(out) == {"folder": str(tmp_path / "back")}
    assert "# m\n" in (tmp_path / "back" / "README.md").read_text()
    assert (tmp_path / "back" / "problems.csv").exists()
    code, out, _ = sensorium("pack", run, tmp_path / "less.sensorium", "--no-rows", "--json")
    assert json.loads(out)["bytes"] < size
    code, _, err = sensorium("pack", run, tmp_path / "m.zip")
    assert (code, err) == (2, "error: FILE must end in .sensorium; got m.zip.\n")


def test_card(sensorium, run, tmp_path):
    code, out, _ = sensorium("card", run, "--title", "shops", "--use", "Sorting.", "--license", "mit")
    assert code == 0
    assert out.startswith("---\nlibrary_name: sensorium\nlicense: mit\n")
    assert "\n# shops\n" in out
    assert "\nSorting.\n" in out
    code, out, err = sensorium("card", run, "-o", tmp_path / "README.md")
    assert (out, err) == ("", f"written to {tmp_path / 'README.md'}.\n")
    assert "\n# run\n" in (tmp_path / "README.md").read_text()


def test_sign_and_verify(sensorium, file, tmp_path):
    signed = tmp_path / "signed.sensorium"
    signed.write_bytes(file.read_bytes())
    assert sensorium("keys", tmp_path / "me")[0] == 0
    key = tmp_path / "me.pub"
    code, _, err = sensorium("verify", signed, "--key", key)
    assert (code, err) == (2, f"error: {signed} is not signed, and a signature is asked for.\n")
    assert sensorium("sign", signed, "--key", tmp_path / "me.pem")[1] == f"{signed} is signed.\n"
    assert sensorium("verify", signed, "--key", key)[1] == f"{signed} is as the owner of {key} signed it.\n"
    assert sensorium("unpack", signed, tmp_path / "run", "--key", key)[0] == 0
    assert json.loads(sensorium("verify", tmp_path / "run", "--key", key, "--json")[1])["verified"] == str(
        tmp_path / "run"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "FILE", "TABLE", "-o", "OUT/answers.csv"],
        ["evaluate", "FILE", "TABLE"],
        ["summary", "FILE"],
        ["diagram", "FILE"],
        ["embed", "FILE", "TABLE", "-o", "OUT/vectors.npy"],
        ["index", "FILE", "TABLE", "--out", "OUT/index"],
        ["explain", "FILE", "TABLE", "--rows", "1", "-o", "OUT/explained.html"],
        ["card", "FILE"],
    ],
)
def test_commands_take_the_file_in_place_of_the_folder(sensorium, file, table, tmp_path, arguments):
    places = {"FILE": str(file), "TABLE": str(table)}
    given = [places.get(word, word.replace("OUT", str(tmp_path))) for word in arguments]
    code, _, err = sensorium(*given)
    assert code == 0, err


def test_predictions_are_those_of_the_folder(sensorium, run, file, table, tmp_path):
    for name, source in (("a.csv", run), ("b.csv", file)):
        assert sensorium("predict", source, table, "-o", tmp_path / name)[0] == 0
    assert pd.read_csv(tmp_path / "a.csv").equals(pd.read_csv(tmp_path / "b.csv"))


def test_a_fit_starts_from_the_file(file, table, config):
    started = sm.fit(table, "label", config=config, start=file, epochs=1)
    assert started.coders


def test_a_report_lies_beside_the_file(sensorium, file, tmp_path, monkeypatch):
    def stand_in(run):
        page = SimpleNamespace(save=lambda path: path.write_text(f"on {run.name}"))
        return SimpleNamespace(report=lambda *_, **__: page)

    monkeypatch.setattr("sensorium.predictor.load", stand_in)
    copy = tmp_path / "m.sensorium"
    copy.write_bytes(file.read_bytes())
    code, _, err = sensorium("report", copy)
    assert code == 0, err
    assert (tmp_path / "m.html").read_text() == "on m.sensorium"


def test_push_and_pull_say_what_happened(sensorium, run, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("sensorium.export.hub.push", lambda *given: asked.append(given) or "https://hub/me/shops")
    monkeypatch.setattr("sensorium.export.hub.pull", lambda *given: asked.append(given))
    assert sensorium("push", run, "me/shops", "--public")[1] == f"{run} is at https://hub/me/shops\n"
    assert sensorium("pull", "me/shops", "m.sensorium", "--revision", "v1")[1] == "me/shops is at m.sensorium\n"
    assert [str(part) for part in asked[0]] == [str(run), "me/shops", "False", "None"]
    assert [str(part) for part in asked[1]] == ["me/shops", "m.sensorium", "v1", "None"]


@pytest.mark.parametrize("command", ["pack", "unpack", "card", "keys", "sign", "verify", "push", "pull"])
def test_help_has_an_example(sensorium, command):
    assert f"Example: sensorium {command} " in sensorium(command, "--help")[1]
