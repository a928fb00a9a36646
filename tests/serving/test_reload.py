"""Another run takes the place of the one that is served, and no request is lost."""

import asyncio
import shutil
import threading

import pandas as pd
import pytest

import sensorium as sm
from sensorium.serving.engine import run_name


@pytest.fixture(scope="module")
def another(table, tmp_path_factory):
    """A run of the same table with fewer inputs and another target."""
    folder = tmp_path_factory.mktemp("runs") / "another"
    config = {
        "inputs": {"note": {"modality": "text", "encoder": {"type": "bag"}}, "columns": {"columns": ["age"]}},
        "fusion": {"type": "mean", "width": 16},
        "training": {"epochs": 1, "precision": "32", "probes": False},
    }
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    sm.fit(frame, "price", config=config, out=folder)
    return folder


def look(server) -> None:
    """What happens when it is time to."""
    asyncio.run(server.app.state.served.look())


def test_no_request_is_lost(serve, run, another, tmp_path):
    link = tmp_path / "current"
    link.symlink_to(run)
    with serve(link) as server:
        told, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                told.append(server.client.post("/predict", json={"rows": [{"note": "a fine day"}]}))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        fresh = tmp_path / "fresh"
        fresh.symlink_to(another)
        fresh.replace(link)
        look(server)
        server.client.post("/predict", json={"rows": [{"note": "a fine day"}]}).raise_for_status()
        stop.set()
        for thread in threads:
            thread.join(30)
        assert {one.status_code for one in told} == {200}
        first, second = run_name(run), run_name(another)
        assert {one.json()["run"] for one in told} <= {first, second}
        assert told[0].json()["run"] == first
        assert server.client.get("/ready").json()["run"] == second
        assert [target["name"] for target in server.client.get("/schema").json()["targets"]] == ["price"]
        body = server.client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]
        row = body["content"]["application/json"]["schema"]["properties"]["rows"]["items"]
        assert set(row["properties"]) == {"note", "age"}
        assert isinstance(
            server.client.post("/predict", json={"rows": [{}]}).json()["rows"][0]["answers"]["price"], float
        )
        assert 'sensorium_reloads_total{result="done"} 1.0' in server.client.get("/metrics").text


def test_a_damaged_run_changes_nothing_until_it_is_whole(serve, run, another, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    with serve(folder) as server:
        first = server.client.get("/ready").json()["run"]
        shutil.rmtree(folder)
        look(server)  # nothing is there
        shutil.copytree(another, folder)
        weights = (folder / "weights.safetensors").read_bytes()
        (folder / "weights.safetensors").write_bytes(weights[:-1])
        look(server)
        look(server)
        assert server.client.get("/ready").json()["run"] == first
        server.client.post("/predict", json={"rows": [{"shop": "north"}]}).raise_for_status()
        failed = [record for record in caplog.records if record.message.startswith("reload failed: ")]
        assert len(failed) == 1  # not at every look
        assert "weights.safetensors" in failed[0].message
        (folder / "weights.safetensors").write_bytes(weights)
        look(server)
        assert server.client.get("/ready").json()["run"] == run_name(another)


def test_it_looks_by_itself(serve, run, another, tmp_path):
    link = tmp_path / "current"
    link.symlink_to(run)
    with serve(link, watch=0.05) as server:
        fresh = tmp_path / "fresh"
        fresh.symlink_to(another)
        fresh.replace(link)
        for _ in range(600):
            if server.client.get("/ready").json()["run"] == run_name(another):
                return
            threading.Event().wait(0.05)
        pytest.fail("the run was not changed in 30 s")


def test_a_run_that_is_one_file_is_served_and_changed(serve, run, another, tmp_path):
    file = tmp_path / "model.sensorium"
    sm.load(run).save(file)
    with serve(file) as server:
        answer = server.client.post("/predict", json={"rows": [{"note": "a fine day"}]}).json()
        assert answer["run"] == run_name(file)
        sm.load(another).save(tmp_path / "fresh.sensorium")
        (tmp_path / "fresh.sensorium").replace(file)
        look(server)
        assert server.client.get("/ready").json()["run"] == run_name(file) != answer["run"]
