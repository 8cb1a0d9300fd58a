"""Debian's Chromium, led by chromedriver over W3C WebDriver, which is JSON over HTTP: seven calls of it."""

import base64
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
INSTALL = "apt-get install --no-install-recommends chromium chromium-driver"
needs_chromium = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=f"no Chromium here: {INSTALL}")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which root has not
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
_PATIENCE = 120.0  # seconds for what a page is to show


class Browser:
    """A window of `size` (width, height) [pixels]. A context manager."""

    def __init__(self, size: tuple[int, int] = (1280, 800)):
        self._flags = [*_FLAGS, f"--window-size={size[0]},{size[1]}"]

    def __enter__(self) -> "Browser":
        assert DRIVER is not None
        self._driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True)
        assert self._driver.stdout is not None
        lines = iter(self._driver.stdout.readline, "")
        port = next(found[1] for line in lines if (found := re.search(r"successfully on port (\d+)", line)))
        self._base = f"http://127.0.0.1:{port}"
        options = {"goog:chromeOptions": {"binary": CHROMIUM, "args": self._flags}}
        wanted = {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"}} | options
        try:
            made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        except BaseException:
            self._end()
            raise
        self._base += f"/session/{made['sessionId']}"
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._call("DELETE", "")
        finally:
            self._end()

    def _end(self) -> None:
        self._driver.terminate()
        self._driver.wait()
        assert self._driver.stdout is not None
        self._driver.stdout.close()

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._base + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def open(self, url: str) -> None:
        """Goes to an address and waits for its scripts to be loaded."""
        self._call("POST", "/url", {"url": url})

    def run(self, script: str) -> Any:
        """What the body of a function in the page returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def wait(self, expression: str) -> Any:
        """The value of a JavaScript expression, once it is true."""
        end = time.monotonic() + _PATIENCE
        while not (value := self.run(f"return {expression}")):
            if time.monotonic() > end:
                shown = self.run("return document.body.innerText")
                raise AssertionError(f"never true: {expression}\n{shown}\n{self.complaints()}")
            time.sleep(0.1)
        return value

    def press(self, key: str) -> None:
        """A key, by its name in JavaScript's events."""
        codes = {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}
        code = codes.get(key, {"Escape": "\ue00c"}.get(key, key))
        strokes = [{"type": "keyDown", "value": code}, {"type": "keyUp", "value": code}]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def complaints(self) -> list[str]:
        """Errors and warnings of the console since it was last asked, refusals by the page's policy too."""
        found = self._call("POST", "/se/log", {"type": "browser"})
        return [line["message"] for line in found if line["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path: Path) -> None:
        """The window as PNG."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))
