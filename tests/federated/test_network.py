"""A server and sites over gRPC on this machine, with certificates."""

import copy
import multiprocessing
import threading
from pathlib import Path

import grpc
import numpy as np
import pandas as pd
import pytest

import sensorium as sm
from sensorium.errors import ConfigError, TrainingError
from sensorium.federated.certificates import Credentials, make_certificates
from sensorium.federated.front import join, serve
from sensorium.federated.library import need_flower
from sensorium.federated.network import NetworkGrid, take_part
from sensorium.federated.wire import asking, replying, said


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder, ["localhost", "127.0.0.1"], ["north", "south"])
    return folder


@pytest.fixture
def grid(certificates):
    need_flower()
    grid = NetworkGrid("localhost:0", Credentials(certificates, "server"), 2**20)
    yield grid
    grid.close()


def echo(message):
    return replying(message, {"back": said(message)})


def member(grid, certificates, site=echo, name="north", most=2**20, **more):
    """A site in a thread; what it raised is in the list."""
    raised = []

    def run():
        try:
            take_part(
                f"localhost:{grid.port}", certificates and Credentials(certificates, name), site, name, most, **more
            )
        except (ConfigError, TrainingError) as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def wait_for(grid, count):
    with grid.changed:
        assert grid.changed.wait_for(lambda: len(grid.lines) == count, 60)
    return list(grid.there())


def test_a_site_is_known_by_its_certificate_and_answers(grid, certificates):
    thread, _ = member(grid, certificates, name="south")
    (node,) = wait_for(grid, 1)
    assert grid.names[node] == "south"
    (reply,) = grid.send_and_receive([asking(node, "query.propose", {"a": "ä"})], timeout=60)
    assert said(reply) == {"back": {"a": "ä"}}
    assert grid.sent > 0
    assert grid.received > 0
    grid.close()
    thread.join(60)
    assert not thread.is_alive()


def test_who_has_no_certificate_of_this_authority_does_not_come(grid, certificates, tmp_path):
    make_certificates(tmp_path, ["localhost"], ["north"])  # of another authority
    thread, raised = member(grid, tmp_path, patience=0.0)
    thread.join(60)
    assert wait_for(grid, 0) == []
    assert len(raised) == 1
    assert "has been away" in str(raised[0])
    channel = grpc.insecure_channel(f"localhost:{grid.port}")
    with channel, pytest.raises(grpc.RpcError):
        next(channel.stream_stream("/sensorium.Federation/Join")(iter([])))


def test_a_site_trusts_no_server_of_another_name(certificates, tmp_path):
    need_flower()
    make_certificates(tmp_path, ["elsewhere.example"], [])
    for name in ("authority.pem", "authority.key"):
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes((certificates / name).read_bytes())
    (tmp_path / "server.pem").unlink()
    (tmp_path / "server.key").unlink()
    make_certificates(tmp_path, ["elsewhere.example"], [])  # the right authority, another host
    other = NetworkGrid("localhost:0", Credentials(tmp_path, "server"), 2**20)
    thread, raised = member(other, certificates, patience=0.0)
    thread.join(60)
    other.close()
    assert "has been away" in str(raised[0])


def test_another_version_is_told_so(grid, certificates):
    channel = grpc.secure_channel(f"localhost:{grid.port}", Credentials(certificates, "north").of_site())
    with channel, pytest.raises(grpc.RpcError, match="this server speaks protocol 1"):
        next(channel.stream_stream("/sensorium.Federation/Join")(iter([]), metadata=(("sensorium-version", "7"),)))


def test_a_message_that_is_too_large_ends_its_site_alone(grid, certificates):
    def large(message):
        return replying(message, {"much": "x" * 2**21})

    thread, raised = member(grid, certificates, large)
    other, _ = member(grid, certificates, name="south")
    nodes = wait_for(grid, 2)
    replies = grid.send_and_receive([asking(node, "query.propose", {}) for node in nodes], timeout=60)
    assert sorted(reply.has_error() for reply in replies) == [False, True]
    thread.join(60)
    assert "a message is larger than may be" in str(raised[0])
    assert "--max-message" in str(raised[0])
    (left,) = wait_for(grid, 1)
    assert grid.names[left] == "south"
    assert len(grid.send_and_receive([asking(left, "query.propose", {})], timeout=60)) == 1
    grid.close()
    other.join(60)


def test_answers_of_others_and_noise_are_refused(grid, certificates):
    need_flower()

    def false(message):
        reply = replying(message, {})
        reply.metadata.__dict__["_src_node_id"] = 12345
        return reply

    thread, _ = member(grid, certificates, false)
    (node,) = wait_for(grid, 1)
    (reply,) = grid.send_and_receive([asking(node, "query.propose", {})], timeout=60)
    assert reply.error.reason == "its answer says that another site sent it."
    asked = asking(node, "query.propose", {})
    with grid.changed:
        grid.asked[b"k" * 16], grid.answers[b"k" * 16] = asked, None
    grid._answer(node, b"k" * 16 + b"no message")
    assert "are no message of this protocol" in grid.answers.pop(b"k" * 16).error.reason
    grid.asked.pop(b"k" * 16)
    grid._answer(node, b"unasked")  # no question: nothing happens
    grid.close()
    thread.join(60)


def test_one_that_is_slow_is_left_out(grid, certificates):
    hold = threading.Event()

    def slow(message):
        hold.wait(60)
        return echo(message)

    thread, _ = member(grid, certificates, slow)
    (node,) = wait_for(grid, 1)
    assert grid.send_and_receive([asking(node, "query.propose", {})], timeout=0.2) == []
    assert grid.refused == [("north", "it did not answer in 0.2 s.")]
    hold.set()
    grid.close()
    thread.join(60)


def test_a_site_is_patient_until_it_is_not(certificates):
    with pytest.raises(TrainingError, match="the server at localhost:1 has been away for 0 s"):
        take_part("localhost:1", Credentials(certificates, "north"), echo, "north", 2**20, patience=0.0)


def test_certificates_are_asked_for(members, certificates):
    with pytest.raises(ConfigError, match="a federation needs certificates"):
        serve("label")
    with pytest.raises(ConfigError, match="certificates and insecure exclude each other"):
        serve("label", certificates=certificates, insecure=True)
    with pytest.raises(
        ConfigError, match=r"cannot read .*west.pem: No such file or directory. `sensorium federate keys"
    ):
        join(members, "localhost:1", "west", certificates=certificates)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts `run_member` in a process of its own; what all of them need is loaded once."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    from member import run_member

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sensorium.federated.front", "sensorium.federated.library", "lightning"])
    started = []

    def one(**told):
        process = context.Process(target=run_member, args=(told, str(tmp_path / f"{told['name']}.log")))
        process.start()
        started.append(process)
        return process

    yield one
    for process in started:
        if process.is_alive():
            process.terminate()
        process.join(60)
        process.close()


def test_a_federation_of_processes_goes_on_when_one_is_killed_and_comes_again(
    members, member_config, certificates, tmp_path, start
):
    rows = pd.read_csv(members, dtype=str)
    for name in ("north", "south"):
        rows[rows.site == name].to_csv(members.parent / f"{name}.csv", index=False)
    lines, ports, processes = [], [], []

    def begin(name, **more):
        table = str(members.parent / f"{name}.csv")
        told = {"table": table, "server": f"localhost:{ports[0]}", "name": name, "certificates": str(certificates)}
        processes.append(start(**told, **more))

    def say(line):
        lines.append(line)
        if line.startswith("listening at port"):
            ports.append(int(line.split()[3].rstrip(",")))
            begin("north", out=str(tmp_path / "north"))
            begin("south", dies=2)
        if line == "site 'south' has gone." and len(processes) == 2:
            begin("south")

    predictor = serve(
        "label", listen="localhost:0", certificates=certificates, config=copy.deepcopy(member_config),
        out=tmp_path / "run", terms={"rounds": 4, "epochs": 2, "wait": 200, "timeout": 200}, say=say,
    )  # fmt: skip
    for process in processes:
        process.join(60)
    logs = {name: (tmp_path / f"{name}.log").read_text() for name in ("north", "south")}
    assert [process.exitcode for process in processes] == [0, 9, 0], logs
    assert all(log.endswith("over True\n") for log in logs.values()), logs
    assert predictor.history["sites"].tolist() == [2, 1, 2, 2]
    assert ["south", "it has gone."] in predictor.run["federated"]["refused"]
    assert any("encrypted, with certificates" in line for line in lines)
    assert "site 'south' takes part with photo, columns." in lines
    assert predictor.evaluate(rows, media_root=members.parent)["metrics"]["accuracy"]["value"] > 0.9
    # What the server has is what the sites have.
    ours, theirs = sm.load(tmp_path / "run"), sm.load(tmp_path / "north")
    np.testing.assert_array_equal(
        ours.predict(rows, media_root=members.parent), theirs.predict(rows, media_root=members.parent)
    )
