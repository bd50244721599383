"""Pictures of pages in headless Chromium, by its DevTools protocol.

Contract: the browser keeps nothing, is reached on loopback alone, and ends with the block. It needs `chromium` on PATH.
"""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp

FLAGS: Final = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0")
PATIENCE: Final = 30.0
"""Seconds for the browser to start, and for a page to show what is waited for."""


@dataclass(slots=True)
class Browser:
    """One page of a running browser."""

    socket: aiohttp.ClientWebSocketResponse
    numbers: count[int] = field(default_factory=count)

    @classmethod
    @asynccontextmanager
    async def start(cls, width: int = 1600, height: int = 950) -> AsyncIterator[Browser]:
        """Run a browser with a window of this size while the block lasts."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = ("chromium", *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank")
            process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
            try:
                async with aiohttp.ClientSession() as session, session.ws_connect(await _page(session, profile)) as socket:
                    yield cls(socket)
            finally:
                process.terminate()
                await process.wait()

    async def remember(self, key: str, value: str) -> None:
        """Have every page that is opened find this in its local storage."""
        script = f"localStorage.setItem({json.dumps(key)}, {json.dumps(value)})"
        await self._do("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def open(self, url: str, until: str) -> None:
        """Open the page, and wait until it shows this text."""
        await self._do("Page.enable")
        await self._do("Page.navigate", url=url)
        await self.wait(until)

    async def wait(self, until: str) -> None:
        """Wait until the page shows this text."""
        async with asyncio.timeout(PATIENCE):
            while not await self.run(f"document.body && document.body.innerText.includes({json.dumps(until)})"):
                await asyncio.sleep(0.2)
        await asyncio.sleep(1.0)  # for what follows the text: icons, and lines between them

    async def run(self, script: str) -> Any:
        """Evaluate the script and return its value."""
        answer = await self._do("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def shoot(self, path: Path) -> None:
        """Save a picture of the window."""
        answer = await self._do("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    async def _do(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self.socket.receive_json(timeout=PATIENCE)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result


async def _page(session: aiohttp.ClientSession, profile: str) -> str:
    """Return the address of the one page's debugger."""
    told = Path(profile, "DevToolsActivePort")
    async with asyncio.timeout(PATIENCE):
        while not (told.exists() and "\n" in told.read_text()):
            await asyncio.sleep(0.1)
    port = told.read_text().splitlines()[0]
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = await answer.json()
    address: str = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
    return address
