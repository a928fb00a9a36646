"""A real browser, spoken to over pipes; a run whose table tries to get scripts into a page."""

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import sensorium as sm

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """Headless Chromium with one tab, driven by the DevTools protocol: messages of JSON with a zero byte after each.

    errors: what the console said of errors and warnings. requests: addresses that were asked for, but for the page itself.
    """

    def __init__(self, program: str, folder: str):
        ours, theirs = os.pipe(), os.pipe()  # what Chromium says, what it hears
        # Chromium reads from 3 and writes to 4.
        command = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{ours[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=[theirs[0], ours[1]], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs[0])
        os.close(ours[1])
        self.hears, self.says = os.fdopen(theirs[1], "wb", buffering=0), os.fdopen(ours[0], "rb", buffering=0)
        self.rest, self.number, self.events, self.session = b"", 0, [], None
        targets = self.ask("Target.getTargets")["targetInfos"]
        tab = next(one["targetId"] for one in targets if one["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **given):
        """The answer to a command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": given}
        message |= {} if self.session is None else {"sessionId": self.session}
        self.hears.write(json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self.number:
                assert "error" not in told, told
                return told["result"]

    def look(self, width: int, dark: bool = False) -> None:
        """Of which width the window is, in CSS pixels, and which colours the reader likes."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, path) -> None:
        """Open a file and wait until it has loaded; what was noted of another one is forgotten."""
        self.events.clear()
        self.address = path.absolute().as_uri()
        told = self.ask("Page.navigate", url=self.address)
        assert "errorText" not in told, told
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._next()

    def run(self, script: str):
        """The value of a JavaScript expression."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def picture(self) -> bytes:
        """The whole page as a PNG file."""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    @property
    def errors(self) -> list[str]:
        self.run("0")  # what happened before is told before the answer
        found = []
        for event in self.events:
            told = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(told["exceptionDetails"]["text"] + str(told["exceptionDetails"].get("exception")))
            elif event["method"] == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
                found.append(str(told["args"]))
            elif event["method"] == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
                found.append(told["entry"]["text"])
        return found

    @property
    def requests(self) -> list[str]:
        self.run("0")
        asked = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if url != self.address and not url.startswith(("data:", "blob:"))]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.hears.close()
        self.says.close()

    def _next(self):
        """The next message; an event is kept."""
        while b"\0" not in self.rest:
            part = os.read(self.says.fileno(), 1 << 20)
            assert part, "Chromium has ended"
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        told = json.loads(message)
        if "method" in told:
            self.events.append(told)
        return told


@contextmanager
def browsing(folder):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    browser = Browser(program, str(folder))
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("chromium")) as found:
        yield found


EVIL = "<b>x</b><script>window.evil = 1</script>"
NETWORK_ONLY = {
    "training": {"epochs": 1, "batch_size": 8, "precision": "32", "wide": False},
    "balance": {"method": "none"},
}


def write_evil(folder: Path, rows: int = 24) -> Path:
    """A table whose names, classes and cells hold what a browser would run; the text tells the class."""
    random = np.random.default_rng(0)
    cells = []
    for row in range(rows):
        yes, photo = row % 2 == 0, f"p{row}.png"
        Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / photo)
        words = "a fine bright day it was" if yes else "a dark and gloomy night"
        cells.append(
            {
                f"photo {EVIL}": photo if row % 5 else "",
                "note": f"{EVIL} {words} <img src=x onerror=evil()> {row}",
                "age": f"{random.normal(50, 9):.1f}",
                f"label {EVIL}": f"{EVIL} & yes" if yes else '" onmouseover="evil()',
            }
        )
    (folder / "p1.png").write_bytes(b"no picture")
    pd.DataFrame(cells).to_csv(folder / "evil.csv", index=False)
    return folder / "evil.csv"


@pytest.fixture(scope="session")
def evil_table(tmp_path_factory) -> Path:
    return write_evil(tmp_path_factory.mktemp("evil"))


@pytest.fixture(scope="session")
def evil_run(evil_table, tmp_path_factory) -> Path:
    """A run learned from such a table, with every comparison."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    config = {**NETWORK_ONLY, "inputs": {
        "photo": {"column": f"photo {EVIL}", "modality": "image", "size": 16, "encoder": {"type": "cnn", "channels": [4, 8]}},
        "note": {"modality": "text"},
        "columns": {"columns": ["age"]},
    }, "fusion": {"type": "gated", "width": 16}}  # fmt: skip
    sm.fit(evil_table, f"label {EVIL}", config=config, out=folder)
    return folder


@pytest.fixture(scope="session")
def evil_report(evil_run, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("reports") / "report.html"
    sm.load(evil_run).report(title=f"run {EVIL}").save(path)
    return path
