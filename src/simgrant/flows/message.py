"""What a phone shows of an eSIM order without a page: questions (MSG) and errors, in words.

TS.43 §6.5.3, Tables 40 and 45. Android takes a question for none that lacks its text, a button or
what says whether something is to be typed (AOSP service_entitlement); so all of these are there.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import fields

from simgrant.domain.order import Inquiry, Kind
from simgrant.nouns import noun
from simgrant.ports.account_pins import PIN_FORMAT
from simgrant.wire.document import Characteristic, Item, Parm
from simgrant.wire.negotiate import best_text

_NONE = -1
_is_limit = re.compile(r"-1|[0-9]{1,5}").fullmatch
_BREAK = "\r\n"
"""Between paragraphs; in XML a space is left of it (divergence "xml-escaping")."""


@noun
class Speech:
    """What a tenant says."""

    texts: Mapping[str, Mapping[str, str]]
    """By name and language."""
    language: str
    """For who wants no language that there is."""

    def say(self, name: str, languages: Sequence[str]) -> str:
        """Return a text in the first of these languages that there is one for."""
        return best_text(self.texts[name], (*languages, self.language))


@noun
class Limits:
    """How many letters a device shows of each text, -1 = all (MSG_character_display_limits)."""

    title: int = _NONE
    message: int = _NONE
    accept: int = _NONE
    reject: int = _NONE
    hint: int = _NONE
    error: int = _NONE

    @classmethod
    def pull(cls, text: str) -> Limits:
        """Return the limits in a parameter; none for what is not six numbers."""
        parts = [part.strip() for part in text.split(",")]
        if len(parts) != len(fields(cls)) or not all(map(_is_limit, parts)):
            return cls()
        return cls(*map(int, parts))


def message(
    speech: Speech, languages: Sequence[str], inquiry: Inquiry, kind: Kind, limits: Limits
) -> Characteristic:
    """Return a question with two buttons, and a place to type a PIN where that is asked for."""
    is_pin = inquiry is Inquiry.PIN

    def say(name: str) -> str:
        return speech.say(name, languages)

    what = "transfer" if kind is Kind.TRANSFER else "new"
    paragraphs = say(f"{what}_message"), say("pin" if is_pin else "confirm")
    items: list[Item] = [
        Parm("Title", _cut(say(f"{what}_title"), limits.title)),
        Parm("Message", _cut(_BREAK.join(paragraphs), limits.message)),
        Parm("Accept_btn", "1"),
        Parm("Accept_btn_label", _cut(say("accept"), limits.accept)),
        Parm("Reject_btn", "1"),
        Parm("Reject_btn_label", _cut(say("reject"), limits.reject)),
        Parm("Accept_freetext", "1" if is_pin else "0"),
    ]
    if is_pin:
        expression = "encodedValue=" + b64encode(PIN_FORMAT.encode()).decode()
        items += [
            Parm("Accept_freetext_hint", _cut(say("pin_hint"), limits.hint)),
            Parm("Accept_freetext_validation", expression),
            Parm(
                "Accept_freetext_validation_failed_error_text",
                _cut(say("pin_format"), limits.error),
            ),
        ]
    return Characteristic("MSG", tuple(items))


def _cut(text: str, most: int) -> str:
    """Return as much of a text as there is room for, and never nothing: that would be no text."""
    if most < 1 or len(text) <= most:
        return text
    return text[: most - 1].rstrip() + "…"
