"""A Chromium that is told what to do over a pipe (the DevTools protocol): one browser for many pages and widths."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-features=NetworkTimeServiceQuerying",
]
_PATIENCE = 120.0


class Browser:
    """A running browser with one page; a context manager that ends it.

    Attributes
    ----------
    asked : list of str
        Every address that pages asked for since :meth:`open` was last called.
    """

    def __init__(self, profile: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def as_3_and_4() -> None:
            # the protocol's pipes are the descriptors 3 and 4, which may be taken by the ends themselves
            kept = os.dup(to_browser), os.dup(from_browser)
            os.dup2(kept[0], 3)
            os.dup2(kept[1], 4)

        self._process = subprocess.Popen(
            [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=as_3_and_4,  # noqa: PLW1509 - no thread is running, and the pipes need these numbers
        )
        os.close(to_browser)
        os.close(from_browser)
        self._held, self._last, self._events = b"", 0, []
        self.asked: list[str] = []
        self._session = None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        os.close(self._write)
        os.close(self._read)

    def open(self, page: Path, *, width: int = 1280, height: int = 900) -> None:
        """Open a page in a window of so many CSS pixels, and wait until it has loaded."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **metrics)
        self.asked, self._events = [], []
        self._ask("Page.navigate", url=page.as_uri())
        self._wait(lambda: any(e["method"] == "Page.loadEventFired" for e in self._events))

    def run(self, script: str) -> Any:
        """Return what a piece of script gives, a promise's outcome included."""
        given = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self._ask("Runtime.evaluate", **given)
        if "exceptionDetails" in answer:
            raise AssertionError(str(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key, such as ``Tab``."""
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=9)

    def picture(self, path: Path) -> None:
        """Write the whole page as PNG."""
        shot = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer: list[dict[str, Any]] = []
        self._wait(lambda: bool(answer), self._last, answer)
        if "error" in answer[0]:
            raise AssertionError(f"{method}: {answer[0]['error']}")
        held: dict[str, Any] = answer[0]["result"]
        return held

    def _wait(self, done: Any, number: int = 0, answer: list[dict[str, Any]] | None = None) -> None:
        """Read what the browser says until something is so."""
        until = time.monotonic() + _PATIENCE
        while not done():
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser said nothing for too long")
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise RuntimeError("the browser ended")
            self._held += piece
            *whole, self._held = self._held.split(b"\0")
            for one in map(json.loads, whole):
                if "id" in one:
                    if one["id"] == number and answer is not None:
                        answer.append(one)
                    continue
                self._events.append(one)
                if one["method"] == "Network.requestWillBeSent":
                    self.asked.append(one["params"]["request"]["url"])
