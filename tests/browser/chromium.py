"""A real browser, spoken to over pipes."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """Headless Chromium with one tab, driven by the DevTools protocol: messages of JSON with a zero byte after each.

    errors: what the console said of errors and warnings. requests: addresses that were asked for, but for the page itself.
    """

    def __init__(self, program: str, folder: str, flags: tuple[str, ...] = ()):
        ours, theirs = os.pipe(), os.pipe()  # what Chromium says, what it hears
        # Chromium reads from 3 and writes to 4.
        command = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{ours[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, program, *FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"],
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

    def open(self, page: Path | str) -> None:
        """Open a file or an address and wait until it has loaded; what was noted of another one is forgotten."""
        self.events.clear()
        self.address = page.absolute().as_uri() if isinstance(page, Path) else page
        told = self.ask("Page.navigate", url=self.address)
        assert "errorText" not in told, told
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._next()

    def run(self, script: str):
        """The value of a JavaScript expression."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, script: str, seconds: float = 30):
        """The value of an expression, once it is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"not in {seconds} s: {script}"
            time.sleep(0.05)
        return found

    def upload(self, selector: str, *paths: Path) -> None:
        """Choose files in an input of files."""
        found = self.ask("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        files = [str(path) for path in paths]
        self.ask("DOM.setFileInputFiles", objectId=found["result"]["objectId"], files=files)

    def press(self, key: str, code: int, text: str = "", modifiers: int = 0) -> None:
        """A key of the keyboard; modifiers: 2 is Ctrl, 8 is Shift."""
        given = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **given)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **given)

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
def browsing(folder: Path, *flags: str) -> Iterator[Browser]:
    """A browser whose profile is kept in a folder."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    browser = Browser(program, str(folder), flags)
    try:
        yield browser
    finally:
        browser.close()
