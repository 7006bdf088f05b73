"""Filling in the form of a page, as a person does who agrees to everything."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlencode, urljoin

from simgrant.nouns import noun

_TYPED: Final = frozenset(
    {"text", "search", "tel", "url", "email", "number", "date", "password", ""}
)
_BUTTONS: Final = frozenset({"submit", "image"})


@noun
class Form:
    """A form that was filled in, ready to be sent."""

    url: str = field(repr=False)
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    typed: tuple[str, ...]
    """Names of the fields that a person writes into."""
    lacking: tuple[str, ...]
    """Those of them that have to be written into, and nobody said what."""

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names, each once."""
        return tuple(dict.fromkeys(name for name, _ in self.fields))

    @property
    def encoded(self) -> str:
        """The fields as they are sent."""
        return urlencode(self.fields)


def form_of(html: str, url: str, fill: Mapping[str, str]) -> Form | None:
    """Return the page's first form that is POSTed, filled in; None where there is none.

    Boxes are ticked, of choices the first is taken, the first button is pressed. What is typed is
    in ``fill``, by the fields' names, else what the page has there already.
    """
    reader = _Reader(fill)
    read(reader, html)
    draft = next((each for each in reader.drafts if each.method == "post"), None)
    if draft is None:
        return None
    return Form(
        urljoin(url, draft.action) if draft.action else url,
        tuple(draft.fields),
        tuple(draft.typed),
        tuple(draft.lacking),
    )


def read(reader: HTMLParser, html: str) -> None:
    """Feed a page to a reader, as far as it can be read."""
    # It calls what it does not know in a declaration an error, where browsers call it a comment.
    with contextlib.suppress(AssertionError):
        reader.feed(html)
        reader.close()


@dataclass(slots=True)
class _Draft:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    chosen: set[str] = field(default_factory=set)
    """Names of radio buttons of which one is chosen."""
    pressed: bool = False


@dataclass(slots=True)
class _Choice:
    """A ``select`` that is open."""

    name: str
    value: str | None = None
    preset: bool = False


class _Reader(HTMLParser):
    """Collects forms with their fields, filled in."""

    def __init__(self, fill: Mapping[str, str]) -> None:
        super().__init__()
        self.drafts: list[_Draft] = []
        self._fill = fill
        self._open: _Draft | None = None
        self._choice: _Choice | None = None
        self._text: tuple[str, bool] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a form or a field of one."""
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = found.get("method", "get").lower()
            self._open = _Draft(found.get("action", ""), method)
            self.drafts.append(self._open)
        draft, name = self._open, found.get("name", "")
        if draft is None or "disabled" in found:
            return
        match tag:
            case "input":
                self._input(draft, name, found)
            case "button" if found.get("type", "submit").lower() == "submit":
                self._press(draft, name, found.get("value", ""))
            case "select" if name:
                self._choice = _Choice(name)
            case "option" if self._choice is not None:
                self._option(self._choice, found)
            case "textarea" if name:
                self._text = name, "required" in found
                if name in self._fill:
                    draft.fields.append((name, self._fill[name]))

    def handle_endtag(self, tag: str) -> None:
        """End a form, or a choice in one."""
        if tag == "form":
            self._open = None
        elif tag == "select" and self._choice is not None and self._open is not None:
            choice, self._choice = self._choice, None
            value = self._fill.get(choice.name, choice.value)
            if value is not None:
                self._open.fields.append((choice.name, value))
        elif tag == "textarea" and self._text is not None and self._open is not None:
            (name, required), self._text = self._text, None
            self._open.typed.append(name)
            if name not in self._fill and required:
                self._open.lacking.append(name)

    def _input(self, draft: _Draft, name: str, found: Mapping[str, str]) -> None:
        kind, value = found.get("type", "").lower(), found.get("value", "")
        if kind in _BUTTONS:
            self._press(draft, name, value)
        elif not name:
            return
        elif kind == "hidden":
            draft.fields.append((name, value))
        elif kind == "checkbox":
            draft.fields.append((name, value or "on"))
        elif kind == "radio":
            wanted = self._fill.get(name, value)
            if name not in draft.chosen and wanted == value:
                draft.chosen.add(name)
                draft.fields.append((name, value))
        elif kind in _TYPED:
            draft.typed.append(name)
            text = self._fill.get(name, value)
            if not text and "required" in found:
                draft.lacking.append(name)
            draft.fields.append((name, text))

    def _press(self, draft: _Draft, name: str, value: str) -> None:
        if not draft.pressed and name:
            draft.fields.append((name, value))
        draft.pressed = True

    def _option(self, choice: _Choice, found: Mapping[str, str]) -> None:
        value = found.get("value")
        if value is None or choice.preset:
            return
        if "selected" in found or not choice.value:
            choice.value, choice.preset = value, "selected" in found and bool(value)
