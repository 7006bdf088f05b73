"""The pages of the documentation, taken apart as far as the tests need it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text("utf-8")

    def fences(self, language: str) -> Iterator[str]:
        """Yield the fenced blocks of a language."""
        for found in _FENCE.finditer(self.text):
            if found[1] == language:
                yield found[2]

    def commands(self) -> Iterator[str]:
        """Yield what stands behind ``$`` or ``#`` in the console blocks."""
        for block in self.fences("console"):
            for line in block.splitlines():
                if line.startswith(("$ ", "# ")):
                    yield line[2:]

    @property
    def prose(self) -> str:
        """All but the fenced blocks."""
        return _FENCE.sub("", self.text)

    def links(self) -> Iterator[str]:
        """Yield the targets of its links."""
        for found in _LINK.finditer(_CODE.sub("", self.prose)):
            yield found[1]

    def anchors(self) -> set[str]:
        """Return the anchors of its headings, as GitHub makes them."""
        headings = re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)
        return {
            re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in headings
        }


def pages() -> list[Page]:
    """Return every page, and those at the top of the repository."""
    tops = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
    return [Page(ROOT / name) for name in tops] + [
        Page(path) for path in sorted(DOCS.rglob("*.md"))
    ]


def page(name: str) -> Page:
    """Return the page ``docs/NAME``."""
    return Page(DOCS / name)
