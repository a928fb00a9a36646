"""Hostile requests: no failure of the server, no file of its own read, nothing fetched, and it goes on as before."""

import base64
import http.server
import json
import os
import socket
import sys
import threading
import time

import hostile
import httpx2 as httpx
import numpy as np
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from PIL import Image
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
WATCHED: dict[str, list] = {}  # what the process did while somebody watches


def _watch(event: str, arguments: tuple) -> None:
    if WATCHED and event in {"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"}:
        WATCHED["events"].append((event, str(arguments)))


sys.addaudithook(_watch)  # it can't be taken away again, and does nothing outside of these tests


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    """A picture that is worth reading, which nobody sent."""
    path = tmp_path_factory.mktemp("secret") / "canary-4711.png"
    Image.fromarray(np.full((20, 20, 3), 200, dtype=np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def counter():
    """A server that counts who comes."""
    came = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            came.append(self.path)
            self.send_error(404)

        do_HEAD = do_POST = do_CONNECT = do_GET

        def log_message(self, *words):
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        found.came = came
        yield found
        found.shutdown()


@pytest.fixture
def watched(server, counter, canary, monkeypatch, rows):
    """Afterwards: nobody came to the counter, nothing opened the canary, decoders were given bytes, and all goes on."""
    pool = server.app.state.served.engine.workers.decoders
    given, submit = [], pool.submit

    def noted(kind, source, *more):
        given.append(type(source))
        return submit(kind, source, *more)

    monkeypatch.setattr(pool, "submit", noted)
    WATCHED["events"] = events = []
    yield
    settle(server)
    WATCHED.clear()
    assert set(given) <= {bytes}
    assert counter.came == []
    for event, told in events:
        assert canary.name not in told, event
        assert event != "os.system"
        assert event not in {"socket.connect", "socket.getaddrinfo"} or str(server.port) in told, told
        assert event != "subprocess.Popen" or "sensorium.media.worker" in told, told
    assert (
        server.client.post("/predict", json={"rows": [rows[1]]}).raise_for_status().json()["rows"][0]["missing"] == []
    )


def settle(server) -> None:
    """Wait until no request is at work."""
    deadline = time.monotonic() + 30
    while server.app.state.admission.requests or server.app.state.admission.bytes:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def check(answer, expected: set[int]) -> dict:
    """No failure, and no more told than the rows' own."""
    assert answer.status_code in expected, answer.text[:300]
    assert "set-cookie" not in answer.headers
    assert "root:" not in answer.text
    told = answer.json()
    if answer.status_code == 200:
        assert all(0 <= p <= 1 for row in told["rows"] for p in row["probabilities"]["label"].values())
    else:
        assert set(told) == {"error", "details", "request"}
        assert "Traceback" not in answer.text
    return told


def taken(server, field: str, values: list) -> dict[int, dict]:
    """The answers to rows of one field, by place; those that are refused are so by name, and the others then answered."""
    found = {}
    for start in range(0, len(values), 16):  # as many as a refusal names
        places = range(start, min(start + 16, len(values)))
        told = check(server.client.post("/predict", json={"rows": [{field: values[i]} for i in places]}), {200, 422})
        refused = {int(one["where"].split(".")[1]) + start for one in told.get("details", ())}
        left = [place for place in places if place not in refused]
        if left:
            told = check(server.client.post("/predict", json={"rows": [{field: values[i]} for i in left]}), {200})
            found.update(zip(left, told["rows"], strict=True))
    return found


@pytest.mark.parametrize("field", hostile.MEDIA)
def test_names_of_files_and_addresses(server, watched, canary, counter, field):
    places = hostile.places(str(canary), counter.server_port)
    assert len(places) == 31
    for values in (places, [[place] for place in places]):
        answers = taken(server, field, values)
        # Some happen to be base64: then what they say is the file, and it is none.
        assert 0 < len(answers) < 12
        assert {answer["problems"][0]["kind"] for answer in answers.values()} == {"broken"}
    for place in places:
        told = check(server.client.post("/predict", files={field: (None, place)}), {200, 422})
        assert "rows" not in told or told["rows"][0]["problems"][0]["kind"] == "broken"
    for place in places[:6]:
        told = check(server.client.post("/predict", files={field: (place, b"x")}), {200})
        assert told["rows"][0]["problems"][0]["kind"] == "broken"
        check(server.client.post("/explain", json={"rows": [{field: place}]}), {422})


@pytest.mark.parametrize("field", hostile.MEDIA)
def test_files_that_name_others(server, watched, canary, counter, field):
    for content in hostile.lists(str(canary), counter.server_port).values():
        told = check(server.client.post("/predict", files={field: ("a", content)}), {200})
        assert told["rows"][0]["problems"][0]["kind"] == "broken"
        assert field in told["rows"][0]["missing"]


def test_bombs(server, watched):
    before = psutil.Process().memory_info().rss
    for name, content in hostile.bombs().items():
        rows = [{field: hostile.encoded(content)} for field in hostile.MEDIA]
        told = check(server.client.post("/predict", json={"rows": rows}), {200})
        assert any(row["problems"] for row in told["rows"]), name
    assert psutil.Process().memory_info().rss - before < 100 * 2**20  # what is decoded is so elsewhere


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_files_that_end_early_or_were_changed(server, watched, rows, share):
    sent = []
    for field in hostile.MEDIA:
        content = base64.b64decode(rows[1][field])
        place = int(share * len(content))
        sent.append({field: hostile.encoded(content[:place])})
        sent.append({field: hostile.encoded(content[:place] + bytes(b ^ 0x5A for b in content[place:]))})
    check(server.client.post("/predict", json={"rows": sent}), {200})


@pytest.mark.parametrize("field", hostile.FIELDS)
def test_values_of_other_kinds(server, watched, field):
    assert len(hostile.VALUES) == 28
    answers = taken(server, field, hostile.VALUES)
    assert 0 < len(answers) < 28
    assert hostile.VALUES.index({}) not in answers


def test_bodies_that_are_no_rows(server, watched):
    good = {"a mark of order", "UTF-16", "a zero"}
    for name, body in hostile.bodies().items():
        answer = server.client.post("/predict", content=body, headers={"Content-Type": "application/json"})
        told = check(answer, {200} if name in good else {400, 422})
        assert len(json.dumps(told)) < 20_000, name


def test_types_of_bodies(server, watched):
    for kind in hostile.TYPES:
        for body in (b'{"rows": [{}]}', b"--b\r\n\r\n--b--\r\n", b"rows=1"):
            expected = {200, 400} if kind.startswith("application/json;") else {400, 415}
            check(server.client.post("/predict", content=body, headers={"Content-Type": kind}), expected)


def test_forms(server, watched):
    for name, body in hostile.FORMS.items():
        answer = server.client.post(
            "/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert answer.status_code < 500, name
        told = check(answer, {200} if name in hostile.FORMS_OF_A_ROW else {400, 422})
        assert "rows" not in told or len(told["rows"]) == 1


def test_paths_and_methods(server, watched):
    for path in (
        "/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/predict/../../x",
        "/docs/oauth2-redirect",
        "/static/x",
        "/.env",
        "/%ff",
        "/" + "a" * 9000,
    ):
        answer = server.client.get(path)
        assert answer.status_code in {200, 404}
        assert "root:" not in answer.text
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "MADEUP"):
        assert server.client.request(method, "/predict").status_code == 405


def exchange(server, sent: bytes, seconds: float = 10.0) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection((server.host, server.port), timeout=seconds) as connection:
        try:
            connection.sendall(sent)
        except OSError:  # it has closed already
            pass
        got = b""
        try:
            while part := connection.recv(65536):
                got += part
        except OSError:  # closed with what was sent unread
            pass
        return got


def test_what_is_no_proper_http(server, watched, counter, monkeypatch):
    monkeypatch.setattr("sensorium.serving.protocol.HEADER_SECONDS", 0.5)
    cases = hostile.raw(counter.server_port)
    assert len(cases) == 35
    for name, sent in cases.items():
        got = exchange(server, sent, 1.0 if name == "a chunk of 2^64" else 10.0)  # that one has time to come
        status = got.split(b" ", 2)[1:2]
        assert not status or status[0][:1] in {b"1", b"2", b"4"}, (name, got[:200])
        assert b"set-cookie" not in got.lower().partition(b"\r\n\r\n")[0], name
        assert b"evil.example" not in got, name
        assert b"root:" not in got, name
    assert b" 413 " in exchange(server, cases["a body of 2 GB"])
    assert b" 404 " in exchange(server, cases["a slash more"])
    assert (
        exchange(server, cases["a second request inside"]).count(b"HTTP/1.1 200") == 2
    )  # one after the other, as it must


def test_a_body_of_unknown_length_is_read_up_to_the_limit(server, watched):
    sent = []

    def body():
        for _ in range(1000):
            sent.append(100_000)
            yield b"x" * 100_000

    try:
        answer = server.client.post("/predict", content=body(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    except httpx.TransportError:  # the server closed before all of it was sent
        pass
    assert sum(sent) < 50_000_000  # of 100 MB; what is above the limit of 2 MB waited in buffers of the system


def test_slow_bodies_and_slow_headers_are_given_up(serve, run, monkeypatch):
    monkeypatch.setattr("sensorium.serving.protocol.HEADER_SECONDS", 0.3)
    with serve(run, seconds=2.0) as server:
        begun = time.monotonic()
        head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        assert b" 408 " in exchange(server, head)
        assert exchange(server, b"POST /predict HTTP/1.1\r\nHost: a\r\nX-Slow: ") == b""
        assert exchange(server, b"") == b""
        assert time.monotonic() - begun < 9  # else `exchange` gave up first
        assert server.client.post("/predict", json={"rows": [{}]}).status_code == 200


def test_clients_that_break_off(server, watched, rows):
    body = json.dumps({"rows": [rows[1]]}).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    for length in (10, len(head), len(head) + 5, len(head) + len(body) // 2, len(head) + len(body)):
        for _ in range(4):
            with socket.create_connection((server.host, server.port)) as connection:
                connection.sendall((head + body)[:length])
    settle(server)
    count = server.app.state.metrics.registry.get_sample_value
    deadline = time.monotonic() + 30
    while not count("sensorium_requests_total", {"path": "/predict", "status": "499"}):
        assert time.monotonic() < deadline  # those whose body did not come whole
        time.sleep(0.01)


def test_users_files_come_to_rest_nowhere(server, watched, rows, tmp_path_factory):
    """Neither in the cache of media nor in a folder for temporary files."""
    places = [os.environ["SENSORIUM_CACHE"], "/tmp"]
    before = {place: set(os.listdir(place)) for place in places}
    server.client.post("/predict", json={"rows": [rows[1]]}).raise_for_status()
    server.client.post("/predict", files={"photo": ("a", b"x" * 1_900_000)}).raise_for_status()
    opened = [told for event, told in WATCHED["events"] if event == "open" and "'w" in told]
    assert opened == []
    assert {place: set(os.listdir(place)) for place in places[:1]} == {places[0]: before[places[0]]}


@pytest.mark.parametrize("path", ["/predict", "/explain", "/schema", "/metrics", "/health", "/ready"])
def test_what_is_made_from_the_documentation(server, watched, path):
    documented = schemathesis.openapi.from_url(f"http://{server.host}:{server.port}/openapi.json")
    operations = [found.ok() for found in documented.include(path=path).get_all_operations()]
    assert len(operations) == 1
    asked = []

    @settings(max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operations[0].as_strategy())
    def ask(case):
        asked.append(case)
        case.call_and_validate(checks=CHECKS)

    ask()
    assert asked
