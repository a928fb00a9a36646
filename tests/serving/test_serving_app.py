"""What the paths answer, over HTTP."""

import json
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sensorium as sm
from sensorium.serving import engine


@pytest.fixture(scope="module")
def offline(run, table):
    """What the command line writes for the table's rows."""
    predictor = sm.load(run)
    return predictor.answers(sm.data.table.read_table(table))


def assert_as_offline(answers: list[dict], offline) -> None:
    assert [one["answers"]["label"] for one in answers] == offline["label"].tolist()
    for name in ("yes", "no"):
        told = [one["probabilities"]["label"][name] for one in answers]
        np.testing.assert_allclose(told, offline[f"label_{name}"], atol=1e-5)


def lines_of(caplog, count: int) -> list:
    """The server's lines in the log, so many: each is written when its answer is on the way already."""
    end = time.monotonic() + 30
    while len(lines := [record for record in caplog.records if record.name == "sensorium.serving"]) < count:
        assert time.monotonic() < end
        time.sleep(0.01)
    return lines


def slowed(server) -> tuple[threading.Event, threading.Event, list[int]]:
    """Have the network wait: events that it has begun and may go on, and the sizes of its batches."""
    begun, held, sizes = threading.Event(), threading.Event(), []
    of_run = server.app.state.served.engine
    work = of_run.answer

    def slow(rows):
        sizes.append(len(rows))
        begun.set()
        assert held.wait(30)
        return work(rows)

    of_run.answer = slow
    return begun, held, sizes


class TestPredict:
    def test_many_rows_are_answered_as_offline(self, server, rows, offline):
        told = server.client.post("/predict", json={"rows": rows}).raise_for_status().json()
        assert_as_offline(told["rows"], offline)
        assert told["rows"][0]["missing"] == ["photo", "call"]
        assert told["rows"][1]["missing"] == []
        assert not any(one["problems"] for one in told["rows"])

    def test_rows_of_many_clients_are_not_mixed_up(self, server, rows, offline):
        def ask(row):
            return server.client.post("/predict", json={"rows": [row]}).raise_for_status().json()["rows"][0]

        before = server.app.state.metrics.registry.get_sample_value("sensorium_batch_rows_count")
        with ThreadPoolExecutor(20) as pool:
            assert_as_offline(list(pool.map(ask, rows)), offline)
        batches = server.app.state.metrics.registry.get_sample_value("sensorium_batch_rows_count") - before
        assert batches < len(rows)  # some were answered together

    def test_a_form_of_one_row(self, server, cells, table, offline):
        for place in (1, 2):
            cell = cells[place]
            media = {name: (table.parent / cell[name]).read_bytes() for name in ("photo", "call", "clip")}
            values = {name: text for name, text in cell.items() if name not in media}
            told = server.client.post("/predict", data=values, files=media).raise_for_status().json()["rows"]
            assert_as_offline(told, offline.iloc[[place]])

    def test_a_form_of_several_rows(self, server, rows, cells, table, offline):
        files, sent = {}, []
        for place in (1, 2, 3):
            row = dict(rows[place])
            row["photo"], files[f"file {place}"] = (
                {"file": f"file {place}"},
                (table.parent / cells[place]["photo"]).read_bytes(),
            )
            sent.append(row)
        told = server.client.post("/predict", data={"rows": json.dumps(sent)}, files=files).raise_for_status().json()
        assert_as_offline(told["rows"], offline.iloc[[1, 2, 3]])

    def test_fields_may_be_left_out_null_or_empty(self, server):
        empty = {"photo": None, "call": "", "clip": [], "note": " ", "pose": None, "age": "n/a", "shop": ""}
        told = server.client.post("/predict", json={"rows": [{}, empty]}).raise_for_status().json()["rows"]
        assert told[0] == told[1]
        assert set(told[0]["missing"]) == {"photo", "call", "clip", "clip_sound", "note", "pose", "columns"}

    def test_a_file_that_cannot_be_read_is_missing_and_told(self, server, rows):
        whole, broken = dict(rows[1]), dict(rows[1])
        broken["photo"] = whole["call"]
        without = {name: value for name, value in whole.items() if name != "photo"}
        told = server.client.post("/predict", json={"rows": [broken, without]}).raise_for_status().json()["rows"]
        assert told[0]["probabilities"]["label"] == pytest.approx(told[1]["probabilities"]["label"], abs=1e-6)
        assert told[0]["missing"] == told[1]["missing"] == ["photo"]
        (problem,) = told[0]["problems"]
        assert (problem["field"], problem["kind"]) == ("photo", "broken")
        assert problem["reason"].startswith("cannot be read as image: ")

    def test_a_url_of_a_browser_holds_the_file_itself(self, server, rows):
        row = dict(rows[1])
        row["photo"] = f"data:image/png;base64,{row['photo']}"
        told = server.client.post("/predict", json={"rows": [row, rows[1]]}).raise_for_status().json()["rows"]
        assert told[0]["probabilities"]["label"] == pytest.approx(told[1]["probabilities"]["label"], abs=1e-6)
        assert told[0]["missing"] == []

    def test_wrong_fields_are_named_together(self, server):
        row = {"age": "old", "pose": [1, 2], "photo": "../p0.png", "shoop": "north", "note": ["a"], "shop": {"a": 1}}
        found = server.client.post("/predict", json={"rows": [{}, row]})
        assert found.status_code == 422
        told = found.json()
        assert told["error"] == "the rows are not as the run reads them."
        assert {one["where"]: one["message"] for one in told["details"]} == {
            "rows.1.age": "must be a number that is finite.",
            "rows.1.pose": "must be a list of 3 finite numbers; got 2.",
            "rows.1.photo": "must be a file's bytes in base64; paths and addresses are not read.",
            "rows.1.shoop": "unknown field. Did you mean 'shop'? There are: age, call, clip, note, photo, pose, shop.",
            "rows.1.note": "must be text; got a list.",
            "rows.1.shop": "must be a category; got an object.",
        }

    def test_an_answer_that_is_no_number_is_refused_and_the_others_are_given(self, server, monkeypatch):
        work = engine.outputs

        def broken(model, rows, size):
            found = work(model, rows, size)
            for place, note in enumerate(rows.table.cells("note")):
                if note == "break":
                    found["label"][place] = np.nan
            return found

        monkeypatch.setattr(engine, "outputs", broken)
        found = server.client.post("/predict", json={"rows": [{}, {"note": "break"}]})
        assert found.status_code == 422
        reason = "what comes out is no finite number; a number in it is far from all of training"
        assert found.json()["details"] == [{"where": "rows.1", "message": reason}]
        assert server.client.post("/predict", json={"rows": [{"note": "whole"}]}).status_code == 200


class TestExplain:
    def test_as_offline(self, server, rows, run, table):
        wanted = sm.load(run).explain(table, [2, 3], label="no", parts=False).to_json()
        told = server.client.post("/explain?label=no", json={"rows": rows[1:3]}).raise_for_status().json()["rows"]
        for one, known in zip(told, wanted, strict=True):
            assert one["explained"] == "no"
            assert one["answer"] == known["answer"]
            assert one["values"] == pytest.approx(known["values"], abs=1e-4)
            assert sum(one["values"].values()) == pytest.approx(one["output"] - one["base"], abs=1e-4)

    def test_parts(self, server, rows):
        told = server.client.post("/explain?parts=true", json={"rows": [rows[1]]}).raise_for_status().json()["rows"]
        parts = told[0]["parts"]
        assert set(parts) == {"photo", "call", "clip", "clip_sound", "note", "pose", "columns"}
        assert set(parts["columns"]["values"]) == {"age", "shop"}

    def test_refused(self, server):
        def ask(query: str, rows: list) -> tuple[int, dict]:
            found = server.client.post(f"/explain{query}", json={"rows": rows})
            return found.status_code, found.json()

        status, told = ask("?target=lable", [{}])
        assert status == 422
        assert told["error"] == "unknown target 'lable'. Did you mean 'label'? There are: label."
        status, told = ask("?label=maybe", [{}])
        assert status == 422
        assert told["error"] == "target 'label' has no class 'maybe'. There are: no, yes."
        status, told = ask("?parts=perhaps", [{}])
        assert status == 422
        assert told["details"][0]["where"] == "query.parts"
        status, told = ask("", [{}] * 9)
        assert status == 422
        assert told["details"] == [{"where": "rows", "message": "must be at most 8 rows to explain; got 9."}]


class TestTold:
    def test_schema(self, server):
        told = server.client.get("/schema").raise_for_status().json()
        assert {field["name"]: field["kind"] for field in told["fields"]} == {
            "photo": "image", "call": "audio", "clip": "video", "note": "text", "pose": "vector", "age": "numeric",
            "shop": "categorical",
        }  # fmt: skip
        assert told["targets"] == [{"name": "label", "task": "binary", "classes": ["no", "yes"]}]
        assert told["limits"]["bytes"] == 2_000_000

    def test_the_examples_of_the_schema_are_answered(self, server):
        fields = server.client.get("/schema").json()["fields"]
        row = {field["name"]: field["example"] for field in fields}
        told = server.client.post("/predict", json={"rows": [row]}).raise_for_status().json()["rows"][0]
        assert told["missing"] == ["clip_sound"]  # the example has no sound track

    def test_openapi_has_a_field_for_each_column(self, server):
        told = server.client.get("/openapi.json").raise_for_status().json()
        for path in ("/predict", "/explain"):
            content = told["paths"][path]["post"]["requestBody"]["content"]
            row = content["application/json"]["schema"]["properties"]["rows"]["items"]
            names = {"photo", "call", "clip", "note", "pose", "age", "shop"}
            assert set(row["properties"]) == names
            assert set(content["multipart/form-data"]["schema"]["properties"]) == names | {"rows"}
            assert all(part["examples"] for part in row["properties"].values())
        assert server.client.get("/docs").status_code == 200

    def test_metrics(self, server):
        server.client.post("/predict", json={"rows": [{}]}).raise_for_status()
        text = server.client.get("/metrics").raise_for_status().text
        assert 'sensorium_requests_total{path="/predict",status="200"}' in text
        assert "sensorium_batch_rows_bucket" in text
        assert "sensorium_model_seconds_sum" in text

    def test_the_log_holds_nothing_that_was_sent(self, server, caplog):
        secret = "somebodyssecret"
        with caplog.at_level(logging.DEBUG):
            server.client.post("/predict", json={"rows": [{"note": secret}]}, headers={"User-Agent": secret})
            server.client.post("/predict", json={"rows": [{secret: secret, "age": secret}]})
            server.client.post("/predict", content=f"{{{secret}")
            server.client.get(f"/{secret}?{secret}={secret}")
            server.client.request(secret.upper(), "/predict")
        lines = lines_of(caplog, 5)
        assert [(line.path, line.status) for line in lines] == [
            ("/predict", 200), ("/predict", 422), ("/predict", 415), ("other", 404), ("/predict", 405),
        ]  # fmt: skip
        # httpx is the client; uvicorn.access is turned off, which only pytest gets round: `test_serve_command` reads stderr
        ours = [record for record in caplog.records if not record.name.startswith(("http", "uvicorn.access"))]
        assert not any(secret in str(vars(record)).lower() for record in ours)

    def test_every_answer_has_its_number(self, server):
        found = server.client.post("/predict", json={"rows": []})
        assert found.json()["request"] == found.headers["x-request-id"]


class TestGuards:
    def test_an_api_key(self, serve, run):
        with serve(run, api_key="a-key") as server:
            for path in ("/predict", "/explain"):
                assert server.client.post(path, json={"rows": [{}]}).status_code == 401
                wrong = server.client.post(path, json={"rows": [{}]}, headers={"X-API-Key": "a-kez"})
                assert wrong.status_code == 401
                assert wrong.json()["error"] == "the header X-API-Key must hold the server's key."
                server.client.post(path, json={"rows": [{}]}, headers={"X-API-Key": "a-key"}).raise_for_status()
            for path in ("/schema", "/openapi.json"):
                assert server.client.get(path).status_code == 401
                server.client.get(path, headers={"X-API-Key": "a-key"}).raise_for_status()
            assert server.client.get("/docs").status_code == 404
            assert server.client.get("/metrics").status_code == 401
            server.client.get("/health").raise_for_status()
            server.client.get("/ready").raise_for_status()

    def test_pages_of_elsewhere(self, server, serve, run):
        asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
        assert "access-control-allow-origin" not in server.client.options("/predict", headers=asked).headers
        with serve(run, origins=("https://page.example",)) as other:
            told = other.client.options("/predict", headers=asked).headers
            assert told["access-control-allow-origin"] == "https://page.example"
            other_page = {**asked, "Origin": "https://other.example"}
            assert "access-control-allow-origin" not in other.client.options("/predict", headers=other_page).headers

    def test_a_full_server_says_when_to_come_back(self, serve, run):
        with serve(run, queue=2) as server:
            begun, held, _ = slowed(server)
            with ThreadPoolExecutor(2) as pool:
                taken = [pool.submit(server.client.post, "/predict", json={"rows": [{}]}) for _ in range(2)]
                assert begun.wait(30)
                end = time.monotonic() + 30
                while server.app.state.admission.requests < 2:
                    assert time.monotonic() < end
                    time.sleep(0.01)
                full = server.client.post("/predict", json={"rows": [{}]})
                assert (full.status_code, full.headers["retry-after"]) == (503, "1")
                assert server.client.get("/ready").status_code == 503
                server.client.get("/health").raise_for_status()
                held.set()
                assert [one.result().status_code for one in taken] == [200, 200]
            assert server.client.post("/predict", json={"rows": [{}]}).status_code == 200

    def test_what_takes_too_long_is_given_up_and_not_begun(self, serve, run):
        with serve(run, seconds=0.5) as server:
            begun, held, sizes = slowed(server)
            with ThreadPoolExecutor(1) as pool:
                first = pool.submit(server.client.post, "/predict", json={"rows": [{}]})
                assert begun.wait(30)
                waiting = server.client.post("/predict", json={"rows": [{}] * 5})  # it waits for the first one's end
                assert first.result().status_code == waiting.status_code == 504
                assert waiting.json()["error"] == "there was no answer in 0.5 s."
            held.set()
            assert server.client.post("/predict", json={"rows": [{}] * 2}).status_code == 200
            assert sizes == [1, 2]

    def test_a_graceful_stop_finishes_what_was_taken(self, serve, run):
        with serve(run) as server:
            begun, held, _ = slowed(server)
            with ThreadPoolExecutor(1) as pool:
                taken = pool.submit(server.client.post, "/predict", json={"rows": [{}]})
                assert begun.wait(30)
                server.server.should_exit = True
                end = time.monotonic() + 30
                while server.server.servers and server.server.servers[0].is_serving():
                    assert time.monotonic() < end
                    time.sleep(0.01)
                assert server.thread.is_alive()
                held.set()
                assert taken.result().status_code == 200
                server.thread.join(30)
                assert not server.thread.is_alive()

    def test_a_fault_of_ours_is_a_number_and_not_the_end(self, serve, run, caplog):
        with serve(run) as server:

            def fail(rows):
                raise RuntimeError("somebody's words")

            server.app.state.served.engine.answer = fail
            with caplog.at_level(logging.DEBUG):
                found = server.client.post("/predict", json={"rows": [{}]})
            assert found.status_code == 500
            assert found.json()["error"] == "the server failed; its log has the reason under this number."
            (line,) = lines_of(caplog, 1)
            assert line.fault.startswith("RuntimeError at ")
            assert line.request == found.json()["request"]
            assert "somebody" not in caplog.text


def test_neither_training_nor_scikit_learn_is_loaded(run, tmp_path):
    code = (
        "import sys; from pathlib import Path; from starlette.testclient import TestClient\n"
        "from sensorium.serving.app import create_app; from sensorium.serving.options import Options\n"
        f"with TestClient(create_app(Path({str(run)!r}), Options(decoders=1))) as client:\n"
        "    assert client.post('/predict', json={'rows': [{'note': 'a day'}]}).status_code == 200\n"
        "    assert client.post('/explain', json={'rows': [{'note': 'a day'}]}).status_code == 200\n"
        "print([name for name in ('lightning', 'sklearn', 'sensorium.training') if name in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert found.stdout.strip() == "[]", found.stderr
