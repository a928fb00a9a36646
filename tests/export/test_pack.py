"""A run as one file: it comes back as it was, and in no other state than that."""

import hashlib
import json
import os
import pickle
import random
import shutil
import sys
import tempfile
import zipfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import yaml

import sensorium as sm
from sensorium.errors import ConfigError, DataError, SensoriumError
from sensorium.export.container import contained, read_entries
from sensorium.export.pack import LIMITS, MANIFEST, check_unpacked, opened, pack, packable, unpack, write_manifest
from sensorium.report.source import Found, find_rows


def contents(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in packable(folder).items()}


def sealed(files: dict[str, bytes], path: Path) -> Path:
    """An archive of any files, with all checksums right: as somebody makes one who means harm."""
    try:
        run = json.loads(files["run.json"])
        run["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in run["files"] if name in files}
        files = {**files, "run.json": json.dumps(run).encode()}
    except (ValueError, TypeError, KeyError, AttributeError):
        pass  # the run.json is what is wrong
    path.write_bytes(b"".join(contained({**files, MANIFEST: write_manifest(files)})))
    return path


def refused(path: Path, **options) -> str:
    with pytest.raises(DataError) as error:
        sm.load(path, **options)
    return str(error.value).replace(str(path), "FILE")


def test_a_predictor_comes_back_from_its_file(rows, small, tmp_path):
    predictor, file = sm.load(small), tmp_path / "deep" / "model.sensorium"
    predictor.save(file)
    back = sm.load(file)
    assert back.predict_proba(rows).equals(predictor.predict_proba(rows))
    assert back.config == predictor.config
    assert back.run == predictor.run
    assert back.metrics == predictor.metrics
    assert back.history.equals(predictor.history)
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.read("README.md").startswith(b"---\nlibrary_name: sensorium\n")
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_every_modality_comes_back(run, table, tmp_path):
    pack(run, tmp_path / "m.sensorium")
    first, second = sm.load(run), sm.load(tmp_path / "m.sensorium")
    assert second.predict_proba(table).equals(first.predict_proba(table))


def test_packing_and_unpacking_change_nothing(small, tmp_path):
    for name in ("a.sensorium", "b.sensorium"):
        pack(small, tmp_path / name)
    unpack(tmp_path / "a.sensorium", tmp_path / "back")
    pack(tmp_path / "back", tmp_path / "c.sensorium")
    first = (tmp_path / "a.sensorium").read_bytes()
    assert first == (tmp_path / "b.sensorium").read_bytes() == (tmp_path / "c.sensorium").read_bytes()
    assert contents(tmp_path / "back") == contents(small)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.sensorium", "b.sensorium", "back", "c.sensorium"]


def test_only_files_of_a_run_are_packed(small, tmp_path):
    copy = shutil.copytree(small, tmp_path / "run")
    (copy / "notes.txt").write_text("mine")
    (copy / "tokenizers" / "evil.json").write_text("{}")
    (copy / "checkpoints").mkdir()
    pack(copy, tmp_path / "m.sensorium")
    with zipfile.ZipFile(tmp_path / "m.sensorium") as archive:
        assert set(archive.namelist()) == {*contents(small), MANIFEST}


def test_a_card_of_the_folder_is_kept(small, tmp_path):
    copy = shutil.copytree(small, tmp_path / "run")
    (copy / "README.md").write_text("written by hand")
    pack(copy, tmp_path / "m.sensorium", card="made")
    unpack(tmp_path / "m.sensorium", tmp_path / "back")
    assert (tmp_path / "back" / "README.md").read_text() == "written by hand"


def test_without_what_tells_of_single_rows(run, table, tmp_path, monkeypatch):
    pack(run, tmp_path / "m.sensorium", rows=False)
    unpack(tmp_path / "m.sensorium", tmp_path / "back")
    assert not (tmp_path / "back" / "problems.csv").exists()
    told = json.loads((tmp_path / "back" / "run.json").read_text())
    assert told["data"]["train"] == {"table": "table.csv", "media_root": table.parent.name,
                                     "sha256": hashlib.sha256(table.read_bytes()).hexdigest()}  # fmt: skip
    content = (tmp_path / "m.sensorium").read_bytes()
    assert str(table.parent).encode() not in content
    predictor = sm.load(tmp_path / "m.sensorium")
    assert predictor.predict(table).equals(sm.load(run).predict(table))
    monkeypatch.chdir(table.parent)  # where a file of the name that is left lies
    assert find_rows(predictor.run, "valid") == Found(None, "gone", "table.csv")


def test_nothing_is_written_over(small, packed, tmp_path):
    with pytest.raises(ConfigError, match=r"model.sensorium is there already. Take another name, or delete it."):
        pack(small, packed)
    with pytest.raises(ConfigError, match=r"model.sensorium is there already. Take another name, or delete it."):
        sm.load(small).save(packed)
    (tmp_path / "mine").write_text("mine")
    for target in (tmp_path, tmp_path / "mine"):
        with pytest.raises(ConfigError, match=r"is there already and not empty. Take another folder."):
            unpack(packed, target)
    (tmp_path / "empty").mkdir()
    unpack(packed, tmp_path / "empty")
    assert sm.load(tmp_path / "empty").coders


def test_a_fit_makes_a_folder(rows, tmp_path):
    with pytest.raises(ConfigError, match=r"out must be a folder; got .*m.sensorium. `sensorium pack RUN m.sensorium`"):
        sm.fit(rows, "label", out=tmp_path / "m.sensorium")


def test_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*m.sensorium: No such file or directory."):
        sm.load(tmp_path / "m.sensorium")
    with pytest.raises(DataError, match=r"cannot unpack .*: there is no such file."):
        unpack(tmp_path, tmp_path / "new")
    with pytest.raises(DataError, match=r"is no finished run: it has no run.json."):
        pack(tmp_path, tmp_path / "m.sensorium")


def test_a_folder_that_was_changed_is_not_packed(small, tmp_path):
    copy = shutil.copytree(small, tmp_path / "run")
    with (copy / "weights.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    with pytest.raises(DataError, match=r"weights.safetensors is not the file that was saved \(its checksum differs\)"):
        pack(copy, tmp_path / "m.sensorium")
    assert not (tmp_path / "m.sensorium").exists()


def test_what_can_not_be_unpacked_leaves_nothing(packed, tmp_path):
    content = bytearray(packed.read_bytes())
    content[content.index(b"PK\x01\x02") - 1] ^= 1  # of the last file, the weights
    (tmp_path / "m.sensorium").write_bytes(content)
    with pytest.raises(DataError, match=r"the checksum of 'weights.safetensors' differs"):
        unpack(tmp_path / "m.sensorium", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["m.sensorium"]


def test_the_folder_of_the_while_goes(packed, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with opened(packed) as folder:
        assert (folder / "run.json").is_file()
        assert (
            folder.stat().st_mode & 0o077 == 0 or folder.parent.stat().st_mode & 0o077 == 0
        )  # nobody else's to change
    with pytest.raises(DataError, match=f"^about {packed}/x$"), opened(packed) as folder:
        raise DataError(f"about {folder}/x")
    assert list(tmp_path.iterdir()) == []


def test_every_part_of_every_file_is_guarded(packed, tmp_path):
    """A bit changed at the beginning, in the middle and at the end of each file, its header, and in the directory."""
    content = packed.read_bytes()
    with packed.open("rb") as file:
        entries = read_entries(file, len(content), "it", lambda name: 2**40)
    assert len(entries) == 12
    places = [
        at for e in entries.values() for at in (*range(e.start, e.begin, 3), e.begin, (e.begin + e.end) // 2, e.end - 1)
    ]
    places += range(list(entries.values())[-1].end, len(content), 7)
    path = tmp_path / "m.sensorium"
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert "FILE" in refused(path)


def test_files_exchanged_with_their_crc(packed, tmp_path):
    """The container is whole, and the manifest is not of these files."""
    with zipfile.ZipFile(packed) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    path = tmp_path / "m.sensorium"
    metrics = files["metrics.json"].replace(b"1", b"2", 1)
    for changed, message in (
        ({"metrics.json": metrics}, "FILE was changed since it was written: the checksum of 'metrics.json' differs. "
                                    "It is not loaded."),
        ({"tokenizers/7.json": b"{}"}, f"FILE is not what its {MANIFEST} says: 'tokenizers/7.json' is in one of them alone."),
        ({MANIFEST: b"["}, f"FILE is damaged: its {MANIFEST} can't be read."),
        ({MANIFEST: b"[" * 100_000}, f"FILE is damaged: its {MANIFEST} can't be read."),
        ({MANIFEST: b"{}"}, f"FILE is damaged: its {MANIFEST} can't be read."),
        ({MANIFEST: b'{"files": {}, "format": 2}'}, "FILE has the format 2; this sensorium reads format 1."),
    ):  # fmt: skip
        path.write_bytes(b"".join(contained({**files, **changed})))
        assert refused(path) == message
    for lost in ("metrics.json", MANIFEST):
        path.write_bytes(b"".join(contained({name: files[name] for name in files if name != lost})))
        assert MANIFEST in refused(path)


class Bomb:
    """What runs a program as it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch " + str(Path(tempfile.gettempdir()) / "sensorium-was-run"),)


def test_pickles_are_refused(small, tmp_path, watch):
    files, path = contents(small), tmp_path / "m.sensorium"
    evil = pickle.dumps(Bomb())
    with watch() as seen:
        for name in LIMITS:
            if name not in {MANIFEST, "signature.json", "README.md", "history.png"}:
                assert "FILE" in refused(sealed({**files, name: evil}, path)), name
        for name in ("data.pkl", "archive/data.pkl", "weights.pt", "model.pkl"):
            assert f"FILE holds a file '{name}', which no archive of sensorium has" in refused(
                sealed({**files, name: evil}, path)
            )
        path.write_bytes(evil)
        assert refused(path) == "FILE is no archive of sensorium: it does not begin as one."
    assert seen == []
    assert not (Path(tempfile.gettempdir()) / "sensorium-was-run").exists()


def test_what_torch_saves_is_refused(tmp_path):
    import torch

    torch.save({"weight": torch.zeros(3)}, tmp_path / "m.sensorium")
    assert "FILE" in refused(tmp_path / "m.sensorium")


def test_the_watch_sees(watch, tmp_path):
    """Else the tests that nothing is seen would tell nothing."""
    with watch() as seen:
        pickle.loads(pickle.dumps(Path))
        eval("1 + 1")
        os.system("true")
    assert {"pickle.find_class", "compile", "exec", "os.system"} <= set(seen)


def test_yaml_that_unfolds_is_refused(small, tmp_path):
    bomb = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n + 1, n + 1, n, n) for n in range(97, 121))
    assert refused(sealed({**contents(small), "config.yaml": bomb}, tmp_path / "m.sensorium")) == (
        "FILE/config.yaml has an alias (*name), which no run has; it is not loaded."
    )
    tag = b"!!python/object/apply:os.system ['true']"
    assert "FILE/config.yaml is damaged" in refused(sealed({**contents(small), "config.yaml": tag}, tmp_path / "m"))
    large = b"#" * (LIMITS["config.yaml"] + 1)
    assert "at most 262,144 are read" in refused(sealed({**contents(small), "config.yaml": large}, tmp_path / "m"))


@pytest.mark.parametrize(
    "change",
    [
        lambda config, inputs: config["fusion"].update(width=10**8),
        lambda config, inputs: inputs["readers"]["pose"].update(size=10**10),
        lambda config, inputs: config["inputs"]["note"].update(encoder={"type": "transformer", "layers": 10**6}),
    ],
)
def test_a_network_larger_than_its_weights_is_refused_before_it_takes_memory(small, tmp_path, change):
    files = contents(small)
    config, inputs = yaml.safe_load(files["config.yaml"]), json.loads(files["inputs.json"])
    change(config, inputs)
    changed = {"config.yaml": yaml.safe_dump(config).encode(), "inputs.json": json.dumps(inputs).encode()}
    assert "does not fit the configuration of the run" in refused(
        sealed({**files, **changed}, tmp_path / "m.sensorium")
    )


def test_a_pretrained_encoder_is_not_looked_for_elsewhere(small, tmp_path, watch):
    files = contents(small)
    config = yaml.safe_load(files["config.yaml"])
    config["inputs"]["note"]["encoder"] = {"type": "pretrained", "model": "someone/something"}
    with watch() as seen:
        message = refused(sealed({**files, "config.yaml": yaml.safe_dump(config).encode()}, tmp_path / "m.sensorium"))
    assert message == "FILE/inputs.json does not say what the pretrained encoder of 'note' is."
    assert seen == []


def mutated(content: bytes, seed: int) -> bytes:
    """Bytes changed, cut out, put in, doubled or moved."""
    chance = random.Random(seed)
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 10))):
        if not made:
            break
        start = chance.randrange(len(made)) if chance.random() < 0.5 else chance.randrange(min(len(made), 5000))
        length = chance.choice((1, 2, 4, 100, 5000))
        part = made[start : start + length]
        kind = chance.randrange(6)
        if kind <= 1:
            made[start] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del made[start : start + length]
        elif kind == 3:
            made[start:start] = chance.randbytes(length)
        elif kind == 4:
            made[start:start] = part
        else:
            made = made[:start] + made[start + length :] + part if chance.random() < 0.5 else made[: start + 1]
    return bytes(made)


def test_a_thousand_mutated_archives(rows, packed, tmp_path, watch):
    """Each is refused with a message, or is the archive as it was; nothing is run, and nothing is left."""
    content, path, whole = packed.read_bytes(), tmp_path / "m.sensorium", sm.load(packed)
    same = unnamed = 0
    with watch() as seen:
        for seed in range(1000):
            changed = mutated(content, seed)
            path.write_bytes(changed)
            try:
                back = sm.load(path)
            except SensoriumError as error:
                unnamed += str(path) not in str(error)
                continue
            same += 1
            assert changed == content
            assert back.predict_proba(rows).equals(whole.predict_proba(rows))
    assert seen == []
    assert same < 10
    assert unnamed == 0
    assert [p.name for p in tmp_path.iterdir()] == ["m.sensorium"]


HOSTILE = (
    None,
    True,
    -1,
    0,
    10**9,
    10**18,
    1e308,
    float("nan"),
    "",
    "x",
    "../../etc/passwd",
    [],
    [[[]]],
    {},
    {"a": 1},
    "\x00",
)


def spoilt(data, seed: int):
    """Plain data with entries lost, or other values in their place."""
    chance, data = random.Random(seed), json.loads(json.dumps(data))
    for _ in range(chance.choice((1, 1, 3))):
        here = data
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(here[key], dict | list) and chance.random() < 0.8:
                here = here[key]
                continue
            if chance.random() < 0.25:
                del here[key]
            else:
                here[key] = deepcopy(chance.choice(HOSTILE))
            break
    return data


def test_archives_of_other_content_with_right_checksums(small, tmp_path, watch):
    """What is sealed anew is loaded, if it is a run; else it is refused with a message. Nothing is run."""
    files, path = contents(small), tmp_path / "m.sensorium"
    names = (
        "config.yaml",
        "inputs.json",
        "schema.json",
        "run.json",
        "metrics.json",
        "tokenizers/0.json",
        "weights.safetensors",
    )
    found, longest = {"loaded": 0, "refused": 0}, 0
    with watch() as seen:
        for seed in range(280):
            name = names[seed % len(names)]
            if name == "weights.safetensors":
                changed = mutated(files[name][:3000], seed) + files[name][3000:]
            elif name == "config.yaml":
                changed = yaml.safe_dump(spoilt(yaml.safe_load(files[name]), seed)).encode()
            else:
                changed = json.dumps(spoilt(json.loads(files[name]), seed)).encode()
            try:
                sm.load(sealed({**files, name: changed}, path))
                found["loaded"] += 1
            except SensoriumError as error:
                found["refused"] += 1
                longest = max(longest, len(str(error)))
    assert seen == []
    assert min(found.values()) > 30
    assert longest < 5000


def test_loading_imports_no_training_library(packed):
    import subprocess

    code = f"""
import sys, sensorium as sm
sm.load({str(packed)!r})
print(sorted({{"sklearn", "lightning", "cryptography", "huggingface_hub"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_that_is_not_what_its_manifest_says(packed, tmp_path):
    unpack(packed, tmp_path / "run")
    check_unpacked(tmp_path / "run", None)
    card = tmp_path / "run" / "README.md"
    card.write_text("another")
    with pytest.raises(DataError, match=r"is not what its manifest.json says: the checksum of 'README.md' differs."):
        check_unpacked(tmp_path / "run", None)
    card.unlink()
    with pytest.raises(DataError, match=r"is not what its manifest.json says: 'README.md' is in one of them alone."):
        check_unpacked(tmp_path / "run", None)
    (tmp_path / "run" / MANIFEST).unlink()
    check_unpacked(tmp_path / "run", None)


def test_numbers_come_back_to_the_bit(small, packed):
    first, second = (sm.load(path).model.state_dict() for path in (small, packed))
    assert list(first) == list(second)
    for name in first:
        assert np.array_equal(first[name].numpy(), second[name].numpy(), equal_nan=True)
