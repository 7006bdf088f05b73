"""Whose an eSIM order is: a subscription's, or an enterprise's (TS.43 §6, §10)."""

from __future__ import annotations

from typing import Final, TypeAlias

from simgrant.identities import Imsi
from simgrant.nouns import noun

_ENTERPRISE: Final = "enterprise:"
"""What an enterprise's text begins with; that of a subscription is digits alone."""


@noun
class Enterprise:
    """A company whose devices get eSIMs: it has a contract, and no SIM of its own (TS.43 §10)."""

    enterprise_id: str
    """Its account with the operator, in lower case."""


Owner: TypeAlias = Imsi | Enterprise


def push_owner(owner: Owner) -> str:
    """Return an owner as text, as stores keep it and operators write it."""
    return owner.digits if isinstance(owner, Imsi) else f"{_ENTERPRISE}{owner.enterprise_id}"


def is_enterprise(text: str) -> bool:
    """Say whether a text is meant to be that of an enterprise."""
    return text.startswith(_ENTERPRISE)


def pull_owner(text: str) -> Owner:
    """Return whose text that is; raise InvalidIdentity for one that is nobody's."""
    if is_enterprise(text):
        return Enterprise(text.removeprefix(_ENTERPRISE).lower())
    return Imsi(text)
