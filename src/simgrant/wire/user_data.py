"""The user data with which a device opens a web view, back from whatever it made of them.

TS.43 §6.5.9 knows a query, JSON and XML. What comes is told by its look and not by its label:
Android posts JSON as a form, others encode a form as a whole, or leave it in base64
(divergence "user-data-by-its-look").
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from simgrant.errors import BadRequest

MEMBER: Final = "flow"
"""The one name in the user data that we make."""
_ENCODED: Final = "encodedValue="
_XML: Final = re.compile(
    rf"<{MEMBER}>\s*([\w-]+)\s*</{MEMBER}>"
    rf"|<parm\s+name=\"{MEMBER}\"\s+value=\"([\w-]+)\"",
    re.ASCII,
)


def pull_handle(data: bytes) -> str:
    """Return the handle in a query or a body; empty where there is none. BadRequest for no text.

    Whoever calls bounds the length.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadRequest("user_data_not_text") from None
    text = text.strip()
    if "=" not in text and "%" in text:
        text = unquote(text)  # A form that was encoded as a whole.
    if text.startswith(_ENCODED):
        text = _decoded(unquote(text.removeprefix(_ENCODED))).strip()
    if text.startswith("{"):
        return _in_json(text)
    if text.startswith("<"):
        found = _XML.search(text)
        return (found[1] or found[2]) if found else ""
    return _in_form(text)


def pull_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form that one of our pages posts; the last of a name counts.

    BadRequest for one that is not UTF-8 or has more fields than any of ours.
    """
    try:
        text = body.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=32, errors="strict"))
    except ValueError:
        raise BadRequest("form_malformed") from None


def _in_json(text: str) -> str:
    try:
        members = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest("user_data_not_json") from None
    found = members.get(MEMBER, "")
    return found if isinstance(found, str) else ""


def _in_form(text: str) -> str:
    try:
        fields = parse_qsl(text, max_num_fields=64)
    except ValueError:
        raise BadRequest("user_data_malformed") from None
    return next((value for name, value in fields if name == MEMBER), "")


def _decoded(text: str) -> str:
    try:
        return b64decode(text.replace(" ", "+"), validate=True).decode()
    except (binascii.Error, ValueError):
        raise BadRequest("user_data_malformed") from None
