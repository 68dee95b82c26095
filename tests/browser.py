"""A headless Chromium for tests of pages, where there is one: by its DevTools protocol, without another package."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import time

from tornado.websocket import websocket_connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECONDS = 30  # so that a browser that does not start ends the test


class Page:
    """One open page: `run` gives the value of an expression of its script, `complaints` what its console said."""

    def __init__(self, socket):
        self.socket, self.number, self.complaints = socket, 0, []

    async def call(self, method, **parameters):
        self.number += 1
        mine = self.number
        await self.socket.write_message(json.dumps({"id": mine, "method": method, "params": parameters}))
        while True:
            said = json.loads(await asyncio.wait_for(self.socket.read_message(), SECONDS))
            if said.get("id") == mine:
                assert "error" not in said, said
                return said["result"]
            if said.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(json.dumps(said["params"]))

    async def run(self, expression):
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def screenshot(self, path):
        found = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))


@contextlib.asynccontextmanager
async def opened(path, profile, width=1200, height=800):
    """The HTML file, open in a browser of its own that is ended in any case. profile: an empty folder."""
    assert CHROMIUM is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
    options += ["--disable-dev-shm-usage", f"--user-data-dir={profile}", f"--window-size={width},{height}"]
    browser = subprocess.Popen(
        [CHROMIUM, *options, "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port, until = profile / "DevToolsActivePort", time.monotonic() + SECONDS
        while not (port.is_file() and port.read_text().count("\n") >= 1):
            assert time.monotonic() < until and browser.poll() is None, "the browser did not start"
            await asyncio.sleep(0.02)
        number, address = port.read_text().split()
        whole = Page(await websocket_connect(f"ws://127.0.0.1:{number}{address}", max_message_size=2**28))
        target = (await whole.call("Target.createTarget", url="about:blank"))["targetId"]
        socket = await websocket_connect(f"ws://127.0.0.1:{number}/devtools/page/{target}", max_message_size=2**28)
        page = Page(socket)
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        await page.call("Page.navigate", url=path.as_uri())
        while await page.run("document.readyState") != "complete" or not (await page.run("location.href")).startswith(
            "file"
        ):
            await asyncio.sleep(0.02)
        yield page
        await whole.call("Browser.close")
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            browser.wait(5)
        browser.kill()
        browser.wait()
