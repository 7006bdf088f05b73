"""Pages in a real browser: the system's Chromium, the engine of phones' web views."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from playwright.async_api import Browser, Page, async_playwright

WIDTH: Final = 320
"""Pixels that the smallest phones have."""


@asynccontextmanager
async def open_chromium() -> AsyncIterator[Browser]:
    """Start a browser, or skip where there is none."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("chromium is not installed")
    # A sandbox cannot be had by who is root already.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        await browser.close()


async def fits(page: Page) -> None:
    """Assert that nobody has to scroll sideways."""
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= WIDTH
