"""sensorium serve, as processes of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_it_answers_and_stops_when_what_it_took_is_answered(run, workers):
    port = free_port()
    program = "import sys; from sensorium.cli import main; sys.argv[0] = 'sensorium'; main()"
    command = [sys.executable, "-c", program, "serve", str(run), "--port", str(port), "--workers", str(workers)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "SENSORIUM_API_KEY": "a-key"}
    ) as process:
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=60, headers={"X-API-Key": "a-key"}
            ) as client:
                end = time.monotonic() + 120
                while True:
                    try:
                        client.get("/ready").raise_for_status()
                        break
                    except httpx.TransportError:
                        assert process.poll() is None, process.stderr.read()
                        assert time.monotonic() < end
                        time.sleep(0.1)
                assert client.post("/predict", json={"rows": []}, headers={"X-API-Key": ""}).status_code == 401

                def ask(row: int) -> int:
                    return client.post("/predict", json={"rows": [{"note": f"somebodyssecret {row}"}]}).status_code

                with ThreadPoolExecutor(8) as pool:
                    assert set(pool.map(ask, range(40))) == {200}
                counted = [
                    float(line.split()[-1])
                    for line in client.get("/metrics").text.splitlines()
                    if line.startswith('sensorium_requests_total{path="/predict",status="200"}')
                ]
                assert counted == [40.0]  # by all processes
                many = {"rows": [{"note": "words " * 3000, "age": row} for row in range(64)]}
                with ThreadPoolExecutor(1) as pool:
                    taken = pool.submit(client.post, "/predict", json=many)
                    while not taken.done() and " 1.0" not in active(client):
                        time.sleep(0.005)
                    process.send_signal(signal.SIGTERM)
                    assert taken.result().status_code == 200
            assert process.wait(60) == 0
            lines = [json.loads(line) for line in process.stderr.read().splitlines() if line.startswith("{")]
            assert sum(line.get("path") == "/predict" for line in lines) == 42
            assert "somebodyssecret" not in json.dumps(lines)
        finally:
            process.kill()


def active(client: httpx.Client) -> str:
    """The line of requests at work; it counts itself."""
    return next(
        line for line in client.get("/metrics").text.splitlines() if line.startswith("sensorium_requests_active")
    )


def test_a_page_is_asked_for(sensorium, run, monkeypatch):
    asked = []

    def serve(*given, begins):
        asked.append(given[-1])
        begins()

    monkeypatch.setattr("sensorium.serving.server.serve", serve)
    code, _, err = sensorium("serve", run, "--ui", "--examples", 2)
    assert code == 0
    assert "a page at /" in err
    code, _, err = sensorium("serve", run)
    assert code == 0
    assert "a page at /" not in err
    assert [(options.page, options.examples) for options in asked] == [(True, 2), (False, 6)]


def test_mistakes_are_told(sensorium, run, tmp_path, monkeypatch):
    code, _, err = sensorium("serve", tmp_path / "none")
    assert "serving" not in err
    assert code == 2
    assert "there is no such folder" in err
    code, _, err = sensorium("serve", run, "--queue", 0)
    assert code == 2
    assert "serve: queue must be above 0; got 0." in err
    monkeypatch.setattr("sensorium.serving.packages.NEEDED", ("no_such_package",))
    code, _, err = sensorium("serve", run)
    assert code == 2
    assert "pip install 'sensorium[serve]'" in err
