"""Every page of every service, looked at as people look at them: small, by day and by night.

axe-core (Deque's, from npm) looks for what keeps people out; nothing serious may be found. The
pictures of the documentation are taken on the same walk, by ``make screenshots``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page

from simgrant.fronts.portal.pages import _ERROR, _TEMPLATES
from tests.device.harness import Workbench
from tests.docs.pages import ROOT, page
from tests.portal.chromium import WIDTH, fits
from tests.portal.gallery import PICTURES, Place, open_place, walk
from tests.portal.png import small

AXE: Final = ROOT / ".venv-tools" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
SHOWN: Final = ROOT / "docs" / "images" / "pages"
KEPT: Final = ROOT / "build" / "pages"
HEIGHT: Final = 568
NUMBER: Final = """
for (const each of document.querySelectorAll(".small"))
    each.textContent = each.textContent.replace(/[0-9a-f]{16}/, "0123456789abcdef");
for (const each of document.querySelectorAll("dd"))
    if (each.textContent.includes("127.0.0.1"))
        each.textContent = each.textContent.replace(/127.0.0.1:\\d+/, "portal.example.net");
"""
SCHEMES: Final = ("light", "dark")
# No sheet is fetched once more for it: the pages may connect to nothing.
RUN: Final = "axe.run(document, {resultTypes: ['violations'], preload: false MORE})"
BY_NIGHT: Final = ", runOnly: ['color-contrast']"
"""Only colours are others then."""


@pytest.fixture
async def place(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with open_place(bench, monkeypatch) as opened:
        yield opened


async def found_by_axe(page: Page, script: str, more: str = "") -> list[str]:
    """Return what axe-core finds serious, in one line each."""
    await page.evaluate(script)
    found: dict[str, Any] = await page.evaluate(RUN.replace("MORE", more))
    return [
        f"{each['id']}: {each['help']}: {node['html']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


async def test_every_page_is_for_everybody(
    place: Place, chromium: Browser, request: pytest.FixtureRequest
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make tools, which needs npm")
    script = AXE.read_text("utf-8")
    rewrite = request.config.getoption("--rewrite-screenshots")
    folder = SHOWN if rewrite else KEPT
    folder.mkdir(parents=True, exist_ok=True)
    context = await chromium.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", reduced_motion="reduce"
    )
    seen = await context.new_page()
    complaints: list[str] = []
    seen.on("console", lambda message: complaints.append(message.text))
    walked: list[str] = []
    async for name in walk(place, seen):
        walked.append(name)
        for scheme in SCHEMES:
            await seen.emulate_media(color_scheme=scheme)
            await fits(seen)
            more = BY_NIGHT if scheme == "dark" else ""
            assert await found_by_axe(seen, script, more) == [], f"{name}, {scheme}"
            taken = await picture(seen)
            (folder / f"{name}-{scheme}.png").write_bytes(small(taken) if rewrite else taken)
    assert sorted(walked) == sorted(PICTURES)
    # Chromium says of every page but those with 200 that it could not be loaded.
    assert [each for each in complaints if "the server responded with" not in each] == []
    kinds = {
        record["outcome"]
        for record in await place.server.records()
        if record.get("leg") == "web_view" and record["status"] == 200
    }
    assert kinds | {_ERROR} == {*_TEMPLATES.values(), _ERROR}, "a page of every kind"
    await context.close()


async def picture(page: Page) -> bytes:
    """Take a picture of a whole page, without the numbers that differ from run to run."""
    await page.evaluate(NUMBER)
    return await page.screenshot(full_page=True, animations="disabled", caret="hide")


async def test_what_axe_is_for(chromium: Browser) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make tools, which needs npm")
    context = await chromium.new_context()
    bad = await context.new_page()
    await bad.set_content(
        '<html><body><input name="a"><p style="color:#ccc;background:#fff">text</p></body></html>'
    )
    found = " ".join(await found_by_axe(bad, AXE.read_text("utf-8")))
    for rule in ("label", "color-contrast", "html-has-lang"):
        assert f"{rule}: " in found
    await context.close()


def test_its_lock_says_what_it_is_and_not_where_it_comes_from() -> None:
    packages = json.loads((ROOT / "requirements/axe/package-lock.json").read_text())["packages"]
    (package,) = (each for name, each in packages.items() if name)
    assert package["integrity"].startswith("sha512-")
    assert "resolved" not in package


# --- what the documentation shows ----------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PICTURES)
def test_every_page_has_its_picture(name: str, scheme: str) -> None:
    path = SHOWN / f"{name}-{scheme}.png"
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(data[16:20], "big") == WIDTH
    assert len(data) < 48 * 1024, "pictures are kept small"
    assert f"![{PICTURES[name]}](images/pages/{path.name})" in page("pages.md").text


def test_no_picture_is_left_over() -> None:
    names = {f"{name}-{scheme}.png" for name in PICTURES for scheme in SCHEMES}
    assert {path.name for path in SHOWN.iterdir()} == names
