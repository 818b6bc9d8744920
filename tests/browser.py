"""A headless Chromium driven over a pipe, as far as tests of pages need it.

The DevTools protocol: JSON messages that end in a zero byte, in on descriptor 3 and out on 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"),
    "--remote-debugging-pipe",
)
WAIT_S = 30.0
_RENUMBER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""A shell's redirection would do the same, but not every shell knows descriptors above 9."""


def find_chromium() -> str | None:
    """The first browser that is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass(slots=True)
class Page:
    """One tab, and all that it has said."""

    process: subprocess.Popen[bytes]
    to_browser: int
    from_browser: int
    session: str = ""
    said: list[dict[str, Any]] = field(default_factory=list)
    _last: int = 0
    _rest: bytes = b""

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Do one thing, and give its answer; what is told meanwhile is kept."""
        self._last += 1
        message: dict[str, object] = {"id": self._last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + WAIT_S
        while True:
            seen = self._next(deadline, method)
            if seen.get("id") == self._last:
                if "error" in seen:
                    raise AssertionError(f"{method}: {seen['error']}")
                result: dict[str, Any] = seen["result"]
                return result
            self.said.append(seen)

    def evaluate(self, script: str) -> Any:
        """The value of a script's last expression; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise AssertionError(f"{script[:200]}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """Wait until a script's value is true."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if value := self.evaluate(script):
                return value
            time.sleep(0.03)
        raise AssertionError(f"never became true: {script}")

    def look(self, width: int, height: int, *, dark: bool = False, touch: bool = False) -> None:
        """Be a screen of so many pixels, of a colour scheme, with a finger or a mouse."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, path: Path) -> None:
        """Load a file, and forget what was said before."""
        self.said.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.until("document.readyState === 'complete'")

    def point(self, x: float, y: float) -> None:
        """Move the pointer there."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x - 3, y=y)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def tap(self, x: float, y: float) -> None:
        """Touch the screen there with a finger, and let go."""
        for kind, points in (("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])):
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def shoot(self, path: Path) -> None:
        """All of the page as a picture."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Errors and warnings: of the console, of scripts, of the browser."""
        self.evaluate("0")  # what was said before this is in by now
        found = []
        for seen in self.said:
            params = seen.get("params", {})
            if seen.get("method") == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif seen.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                found.append(str(params["args"]))
            elif seen.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(str(params["entry"]))
        return found

    def requests(self) -> list[str]:
        """The address of everything that the page asked for, itself included."""
        self.evaluate("0")
        return [
            seen["params"]["request"]["url"]
            for seen in self.said
            if seen.get("method") == "Network.requestWillBeSent"
        ]

    def _next(self, deadline: float, waiting_for: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.from_browser], [], [], left)[0]:
                raise AssertionError(f"the browser did not answer to {waiting_for} in {WAIT_S:.0f} s")
            more = os.read(self.from_browser, 1 << 16)
            if not more:
                raise AssertionError(f"the browser ended at {waiting_for}")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def chromium(program: str, profile: Path) -> Iterator[Page]:
    """A browser with one empty tab and a fresh profile, ended afterwards."""
    command_out, command_in = os.pipe()
    answer_out, answer_in = os.pipe()
    # Out of the way of 3 and 4, which they become.
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (command_out, answer_in)]
    start = [sys.executable, "-c", _RENUMBER, *map(str, ends), program]
    process = subprocess.Popen(
        [*start, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=ends,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (command_out, answer_in, *ends):
        os.close(end)
    page = Page(process, command_in, answer_out)
    try:
        target = page.call("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        yield page
    finally:
        os.close(command_in)
        os.close(answer_out)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    found = find_chromium()
    print(found or "no chromium here")
    sys.exit(found is None)
