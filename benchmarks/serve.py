"""What batching brings to a server, and whether it keeps its head: load over loopback, beside plain FastAPI.

    pip install 'sensorium[serve]' locust httpx2 psutil && python benchmarks/serve.py

Throughput and latency: locust's clients, each asking for one row after the other, against (1) FastAPI with one prediction
a request, as one would write it in ten lines, (2) `sensorium serve --batch 1`, (3) `sensorium serve`. One process each, the
same run (two Transformers of 8 layers that read short texts, and numbers), the load generator on the same processors; every number of clients
is tried with all three in turn, and the ratios are of medians over the rounds. Then mixed requests (good ones of one or more
rows, as JSON and forms; bad, slow and broken-off ones), each answer checked against what the run says offline.
Writes benchmarks/results/serve.{json,md}.
"""

import argparse
import asyncio
import base64
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pandas as pd
import psutil
from PIL import Image

import sensorium as sm

RESULTS = Path(__file__).parent / "results"
CLIENTS = (1, 8, 64)
KINDS = {"good": 0.8, "bad": 0.1, "slow": 0.05, "broken off": 0.05}
WORDS = "sun rain wind fog ice dawn dusk moor hill lake road inn mill barn gate yard".split()


def table(rows: int) -> pd.DataFrame:
    """Rows of a picture, two texts and numbers; a label and a price that no two rows share."""
    random = np.random.default_rng(0)
    cells = []
    for _ in range(rows):
        level = int(random.integers(0, 250))
        file = io.BytesIO()
        Image.fromarray(np.full((32, 32, 3), level, dtype=np.uint8)).save(file, "PNG")
        words = [" ".join(random.choice(WORDS, 8)) for _ in range(2)]
        age = round(float(random.normal(50, 9)), 2)
        price = level + 3 * age + 20 * words[0].count("sun") + random.normal()
        cells.append(
            {"photo": file.getvalue(), "title": words[0], "note": words[1], "age": age, "label": ("low", "high")[price > 275],
             "price": round(price, 3)}
        )  # fmt: skip
    return pd.DataFrame(cells)


def fit(frame: pd.DataFrame, folder: Path, photo: bool) -> Path:
    inputs: dict[str, Any] = {
        name: {"modality": "text", "encoder": {"type": "transformer", "layers": 8}} for name in ("title", "note")
    }
    if photo:
        inputs["photo"] = {"modality": "image", "size": 32}
    config = {
        "inputs": {**inputs, "columns": {"columns": ["age"]}},
        "fusion": {"type": "attention", "width": 64},
        "training": {"epochs": 3, "precision": "32", "probes": False},
    }
    out = folder / ("photo" if photo else "text")
    sm.fit(frame, ["label", "price"] if photo else "label", config=config, out=out)
    return out


class Server:
    """A process that answers at a port, in `with`."""

    def __init__(self, kind: str, run: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        serve = ["-c", "from sensorium.cli import main; main()", "serve", str(run), "--port", str(self.port)]
        command = {
            "plain FastAPI": [__file__, "--plain", str(run), str(self.port)],
            "serve --batch 1": [*serve, "--batch", "1"],
            "serve": serve,
        }[kind]
        self.process = subprocess.Popen(
            [sys.executable, *command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Server":
        while True:
            try:
                httpx.get(f"{self.url}/openapi.json", timeout=10).raise_for_status()
                return self
            except httpx.TransportError:
                if self.process.poll() is not None:
                    raise RuntimeError("the server did not start") from None
                time.sleep(0.1)

    def __exit__(self, *error: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def megabytes(self) -> float:
        own = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in [own, *own.children(recursive=True)]) / 2**20


def plain(run: str, port: int) -> None:
    """What batching is measured against."""
    import uvicorn
    from fastapi import Body, FastAPI

    predictor, app = sm.load(run), FastAPI()

    @app.post("/predict")
    def predict(rows: list[dict] = Body(embed=True)) -> list[dict]:  # noqa: B008 - FastAPI's own way
        return predictor.answers(sm.data.table.read_table(rows)).to_dict("records")

    uvicorn.run(app, port=port, http="h11", access_log=False)


def load(server: Server, clients: int, seconds: int, rows: Path, folder: Path) -> dict[str, float]:
    """Requests a second and latencies in ms of so many clients."""
    out = folder / "load"
    command = [
        sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("serve_load.py")), "--headless", "--host", server.url,
        "-u", str(clients), "-r", str(clients), "-t", f"{seconds}s", "--csv", str(out), "--only-summary",
    ]  # fmt: skip
    subprocess.run(command, env={**os.environ, "SERVE_ROWS": str(rows)}, check=True, capture_output=True)
    found = pd.read_csv(f"{out}_stats.csv").query("Name == '/predict'").iloc[0]
    if found["Failure Count"]:
        raise RuntimeError(f"{found['Failure Count']} requests failed")
    return {"rate": float(found["Requests/s"]), **{f"p{p}": float(found[f"{p}%"]) for p in (50, 95, 99)}}


def as_sent(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.drop(columns=["label", "price"]).to_dict("records")
    return [{**row, "photo": base64.b64encode(row["photo"]).decode()} if "photo" in row else row for row in rows]


async def mixed(server: Server, frame: pd.DataFrame, offline: pd.DataFrame, requests: int) -> dict[str, Any]:
    """So many requests of all kinds, 64 at once; what came of them."""
    rows, random = as_sent(frame), np.random.default_rng(1)
    kinds = random.choice(list(KINDS), requests, p=list(KINDS.values()))
    turns, told, memory = iter(enumerate(kinds)), Counter(), []
    limits = httpx.Limits(max_connections=64)

    def check(places: np.ndarray, answer: httpx.Response) -> str:
        if answer.status_code != 200:
            return f"refused {answer.status_code}"
        found = answer.json()["rows"]
        same = len(found) == len(places) and all(
            abs(one["answers"]["price"] - offline["price"][place]) < 0.01
            and abs(one["probabilities"]["label"]["low"] - offline["label_low"][place]) < 1e-4
            for one, place in zip(found, places, strict=True)
        )
        return "right" if same else "WRONG"

    async def good(client: httpx.AsyncClient, slow: bool = False) -> str:
        places = random.integers(0, len(rows), random.integers(1, 4))
        body = json.dumps({"rows": [rows[place] for place in places]}).encode()

        async def parts() -> Any:
            for start in range(0, len(body), len(body) // 3 + 1):
                await asyncio.sleep(0.3)
                yield body[start : start + len(body) // 3 + 1]

        if slow:
            content: Any = parts()
        elif len(places) == 1 and random.random() < 0.5:
            row = dict(frame.drop(columns=["label", "price"]).iloc[places[0]])
            photo = row.pop("photo")
            data = {name: str(value) for name, value in row.items()}
            return check(places, await client.post("/predict", data=data, files={"photo": photo}))
        else:
            content = body
        return check(
            places, await client.post("/predict", content=content, headers={"content-type": "application/json"})
        )

    async def bad(client: httpx.AsyncClient) -> str:
        body, kind, status = [
            (b'{"rows": [{"age": "old"}]}', "application/json", 422),
            (b'{"rows": [{"photo": "/etc/passwd"}]}', "application/json", 422),
            (b'{"rows": ', "application/json", 400),
            (b"rows", "text/plain", 415),
        ][random.integers(4)]
        answer = await client.post("/predict", content=body, headers={"content-type": kind})
        return "right" if answer.status_code == status else f"WRONG {answer.status_code}"

    async def broken() -> str:
        place = random.integers(len(rows))
        body = json.dumps({"rows": [rows[place]]}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        sent = head.encode() + body
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent[: random.integers(1, len(sent) + 1)])
        await writer.drain()
        writer.close()
        return "right"

    async def work(client: httpx.AsyncClient) -> None:
        for turn, kind in turns:
            if kind == "bad":
                result = await bad(client)
            elif kind == "broken off":
                result = await broken()
            else:
                result = await good(client, kind == "slow")
            told[f"{kind}: {result}"] += 1
            if turn % (requests // 10) == requests // 10 - 1:
                memory.append(round(server.megabytes()))

    begun = time.monotonic()
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client:
        await asyncio.gather(*(work(client) for _ in range(64)))
        alive = check(np.array([0]), await client.post("/predict", json={"rows": [rows[0]]}))
    return {
        "told": dict(sorted(told.items())),
        "memory_mb": memory,
        "alive": alive,
        "seconds": time.monotonic() - begun,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--plain", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plain:
        plain(given.plain[0], int(given.plain[1]))
        return
    kinds = ("plain FastAPI", "serve --batch 1", "serve")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = table(300)
        text = frame.drop(columns="photo")
        run, rows = fit(text, folder, photo=False), folder / "rows.json"
        rows.write_text(json.dumps(as_sent(text)))
        every: dict[tuple[str, int], list[dict[str, float]]] = {
            (kind, count): [] for kind in kinds for count in CLIENTS
        }
        for _ in range(given.rounds):
            for kind in kinds:
                with Server(kind, run) as server:
                    for count in CLIENTS:
                        every[kind, count].append(load(server, count, given.seconds, rows, folder))
        run = fit(frame, folder, photo=True)
        offline = sm.load(run).answers(sm.data.table.read_table(frame))
        with Server("serve", run) as server:
            told = asyncio.run(mixed(server, frame, offline, given.requests))
    scores = {
        key: {what: statistics.median(one[what] for one in found) for what in found[0]} for key, found in every.items()
    }
    lines = [
        "# Serving",
        "",
        f"Medians of {given.rounds} rounds of {given.seconds} s each over loopback; the load generator and other work share the",
        "processors, so that only the ratios within a row tell something. Repeat with `python benchmarks/serve.py`.",
        "",
        "| clients | server | requests/s | x | p50 ms | p95 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for count in CLIENTS:
        for kind in kinds:
            score = scores[kind, count]
            ratio = score["rate"] / scores[kinds[0], count]["rate"]
            times = " | ".join(f"{score[p]:.0f}" for p in ("p50", "p95", "p99"))
            lines.append(f"| {count} | {kind} | {score['rate']:.0f} | {ratio:.2f} | {times} |")
    lines += [
        "",
        f"{given.requests} mixed requests, 64 at once, in {told['seconds']:.0f} s; every answer against the run's offline one "
        "(`right`: the same to 1e-4, or for bad requests the refusal that they should get):",
        "",
        "| request: result | count |",
        "|---|---|",
        *(f"| {what} | {count} |" for what, count in told["told"].items()),
        "",
        f"Memory of the server with its decoding processes after each tenth, MiB: {', '.join(map(str, told['memory_mb']))}. "
        f"Alive afterwards, and its answer: {told['alive']}.",
    ]
    RESULTS.mkdir(exist_ok=True)
    plain_data = [{"server": kind, "clients": count, **score} for (kind, count), score in scores.items()]
    (RESULTS / "serve.json").write_text(json.dumps({"load": plain_data, "mixed": told}, indent=1) + "\n")
    (RESULTS / "serve.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
