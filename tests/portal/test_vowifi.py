"""The page of Wi-Fi calling: terms, then the address (TS.43 §3.4)."""

from __future__ import annotations

from tests.portal.browser import BERLIN, Browser, link
from tests.device.harness import Server


async def test_walk(server: Server, browser: Browser) -> None:
    shown = await browser.open(await link(server))
    print(shown.answer.body.decode())
    assert shown.title == "Wi-Fi calling"
    shown = await browser.press(shown)
    print(shown.answer.body.decode())
    shown = await browser.press(shown, **BERLIN)
    print(shown.answer.body.decode())
    assert shown.call == "changed"
    for record in await server.records(): print(record)
