"""A real local Ray Serve: the answers, the limits, and a process that is killed."""

import base64
import os
import signal
import socket
import subprocess
import time
from types import SimpleNamespace

import httpx2 as httpx
import pandas as pd
import pytest

import sensorium as sm
from sensorium.cli import app
from sensorium.cluster.serve import NAME, serving
from sensorium.errors import ConfigError, DataError
from sensorium.serving.options import Options

pytestmark = pytest.mark.xdist_group("ray")  # where groups are kept together, one cluster does
LIMITS = Options(max_bytes=100_000, max_rows=4, queue=2, watch=0)


@pytest.fixture(scope="module")
def served(local_cluster, run):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(run, port=port, options=LIMITS, least=1, most=2):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield SimpleNamespace(client=client, port=port)


def processes():
    """The numbers of those of this program's cluster that answer."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    found = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    parents = {pid: parent for pid, parent, _ in found}
    names = {pid: args for pid, _, args in found if args.startswith("ray::ServeReplica:" + NAME)}
    return [int(pid) for pid in names if parents[parents[pid]] == str(os.getpid())]  # a child of its raylet


def until(served, status):
    """What /ready says when its status is this one, which it must be within 30 s."""
    end = time.monotonic() + 30
    while (found := served.client.get("/ready")).status_code != status:
        assert time.monotonic() < end, f"/ready said {found.status_code} for 30 s"
        time.sleep(0.05)
    return found


def test_answers_are_those_of_the_run(served, run, table):
    frame = pd.read_csv(table, dtype=str, keep_default_na=False).iloc[:4]
    rows = [
        {
            "photo": base64.b64encode((table.parent / row["photo"]).read_bytes()).decode() if row["photo"] else None,
            "note": row["note"],
            "age": float(row["age"]) if row["age"] else None,
            "shop": row["shop"],
        }
        for row in frame.to_dict(orient="records")
    ]
    answer = served.client.post("/predict", json={"rows": rows})
    assert answer.status_code == 200
    predictor = sm.load(run)
    wanted = predictor.predict_proba(frame[["photo", "note", "age", "shop"]], table.parent)
    told = pd.DataFrame([row["probabilities"]["label"] for row in answer.json()["rows"]])
    pd.testing.assert_frame_equal(told, wanted, check_dtype=False, atol=1e-6)
    assert served.client.get("/schema").json()["limits"]["rows"] == 4


def test_limits_are_those_of_the_application(served):
    few = served.client.post("/predict", json={"rows": [{"note": "a"}] * 5})
    assert (few.status_code, few.json()["details"][0]["where"]) == (422, "rows")
    large = served.client.post("/predict", content=b" " * 100_001, headers={"Content-Type": "application/json"})
    assert (large.status_code, large.json()["error"]) == (413, "the body must have at most 100000 bytes.")
    unknown = served.client.post("/predict", json={"rows": [{"nothing": 1}]})
    assert unknown.status_code == 422
    assert served.client.get("/elsewhere").status_code == 404


def test_too_many_at_once_are_told_to_come_back(served):
    """As many bodies are begun, and not ended, as are taken at once; the next request finds no room."""
    held = []
    for _ in range(LIMITS.queue):
        one = socket.create_connection(("127.0.0.1", served.port))
        head = "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{"
        one.sendall(head.encode())
        held.append(one)
    try:
        refused = until(served, 503)
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["error"] == "the server has as many requests as it can take. Try again."
    finally:
        for one in held:
            one.close()
    assert until(served, 200).json()["status"] == "ready"


def test_after_a_process_is_killed_the_next_request_is_answered(served):
    (process,) = processes()
    os.kill(process, signal.SIGKILL)
    found = served.client.post("/predict", json={"rows": [{"note": "a fine bright day"}]})
    assert found.status_code == 200
    assert found.json()["rows"][0]["answers"]["label"] in {"yes", "no"}


def test_mistakes_are_told_before_there_are_processes(run, tmp_path):
    with pytest.raises(DataError, match="there is no such folder or file"), serving(tmp_path / "none"):
        pass
    with pytest.raises(ConfigError, match=r"at least 1 and at most --max-replicas \(2\); got 3"):
        with serving(run, least=3, most=2):
            pass
    with pytest.raises(ConfigError, match="--workers is for one machine"):
        app(["serve", str(run), "--cluster", "local", "--workers", "2"], standalone_mode=False)
