"""Settings of what consumers of partner APIs may process, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from simgrant.config.section import Section

LegalBasis = Literal["consent", "legitimate_interest", "contract", "legal_obligation"]
_PURPOSE: Final = re.compile(r"[A-Za-z0-9]{1,64}")


class CamaraPurpose(Section, frozen=True):
    """The legal basis of one purpose, named as W3C's DPV does: `[camara_purposes.ServiceProvision]`
    (see [Consent](../open-gateway-consent.md)). One that is not named needs consent."""

    basis: LegalBasis = "consent"
    """Why it may be processed: `consent` once the subscriber gave it, `legitimate_interest` until
    he objects, `contract` and `legal_obligation` without asking him."""
    apis: dict[str, LegalBasis] = {}
    """Another basis for some APIs, such as `{ "sim-swap" = "consent" }`."""
    text: dict[str, str] = {}
    """What subscribers read of it on the page that asks for their consent, by language tag: `{ en =
    "to prevent fraud" }`. Beside or in place of what comes with simgrant, which knows the usual
    ones; others are called by the words that they are made of."""


def purpose_problems(purposes: Mapping[str, Any]) -> Iterator[str]:
    """Name what is no purpose."""
    for name in purposes:
        if not _PURPOSE.fullmatch(name):
            yield f"camara_purposes.{name}: a purpose is a word of W3C's DPV, without its prefix"
