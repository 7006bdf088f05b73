"""Requests of OAuth as they come: forms, Basic, scopes (RFC 6749 appendices A and B)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from simgrant.errors import BadRequest
from simgrant.nouns import noun

FORM: Final = "application/x-www-form-urlencoded"
PURPOSE: Final = "dpv:"
OPENID: Final = "openid"
_MOST_FIELDS: Final = 32
_TEXT: Final = re.compile(r"[\x20-\x7e]*")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_MOST_SCOPES: Final = 32
_MOST_BASIC: Final = 1_024


def pull_form(data: bytes) -> Mapping[str, str]:
    """Return the parameters of a form or a query; raise BadRequest.

    None may come twice (RFC 6749 §3.1, §3.2); one without a value is left out.
    """
    try:
        pairs = parse_qsl(
            data.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise BadRequest("oauth_form_malformed") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRequest("form_parameter_repeated")
    if not all(_TEXT.fullmatch(value) for value in found.values()):
        raise BadRequest("oauth_form_malformed")
    return {name: value for name, value in found.items() if value}


def pull_basic(authorization: str) -> tuple[str, str] | None:
    """Return (client_id, secret) of an Authorization header (RFC 6749 §2.3.1); None = no Basic."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic" or len(text) > _MOST_BASIC:
        return None
    try:
        name, colon, secret = b64decode(text.strip(), validate=True).decode().partition(":")
        return (unquote_plus(name), unquote_plus(secret)) if colon else None
    except (binascii.Error, ValueError):
        return None


@noun
class Scopes:
    """What a scope text asks for."""

    purposes: frozenset[str]
    """W3C DPV purposes, without the prefix."""
    scopes: frozenset[str]
    """All others."""
    openid: bool


def pull_scopes(text: str) -> Scopes | None:
    """Return what a text of scopes says (RFC 6749 §3.3); None for one that is malformed."""
    words = text.split(" ") if text else []
    if len(words) > _MOST_SCOPES or not all(_SCOPE.fullmatch(word) for word in words):
        return None
    purposes = {word[len(PURPOSE) :] for word in words if word.startswith(PURPOSE)}
    scopes = {word for word in words if not word.startswith(PURPOSE)}
    return Scopes(frozenset(purposes), frozenset(scopes - {OPENID}), OPENID in scopes)
