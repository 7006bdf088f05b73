"""The User-Agent of TS.43 §2.2.1, for records and statistics only.

``PRD-TS43 term-<vendor>/<model> client-<name>/<version> OS-<os>/<version>``; every part is
missing somewhere, models have spaces and AOSP's library names no client at all, so whatever can
be told apart is taken and the rest is empty. Nothing is ever refused for it.
"""

from __future__ import annotations

import re
from typing import Final

from simgrant.nouns import noun

_MAX_TEXT: Final = 512
_MAX_PART: Final = 64
_PRODUCT: Final = re.compile(r"\s*PRD-TS43(?:\s+|$)", re.IGNORECASE | re.ASCII)
_OS: Final = re.compile(r"(?:^|\s)OS-([^\s/]*)/?(.*)$", re.IGNORECASE | re.ASCII)
_CLIENT: Final = re.compile(r"(?:^|\s)client-([^\s/]*)/?(.*)$", re.IGNORECASE | re.ASCII)


@noun
class UserAgent:
    """The parts of a User-Agent; empty when not there."""

    vendor: str = ""
    model: str = ""
    client: str = ""
    """Such as ``IMS-Entitlement``, without the prefix ``client-``."""
    client_version: str = ""
    os: str = ""
    os_version: str = ""


def parse(text: str) -> UserAgent:
    """Return what ``text`` tells; all empty when it is not of TS.43."""
    text = text[:_MAX_TEXT]
    product = _PRODUCT.match(text)
    if product is None:
        return UserAgent()
    rest = text[product.end() :].strip()
    rest, os, os_version = _split(_OS, rest)
    rest, client, client_version = _split(_CLIENT, rest)
    if not client and not client_version:
        rest, client, client_version = _unmarked_client(rest)
    vendor, _, model = _without(rest, "term-").partition("/")
    return UserAgent(*map(_part, (vendor, model, client, client_version, os, os_version)))


def push_user_agent(agent: UserAgent) -> str:
    """Return the User-Agent as Android writes it, for the simulator."""
    client = f"client-{agent.client}" if agent.client else ""
    return (
        f"PRD-TS43 term-{agent.vendor}/{agent.model} {client}/{agent.client_version} "
        f"OS-{agent.os}/{agent.os_version}"
    )


def _split(pattern: re.Pattern[str], text: str) -> tuple[str, str, str]:
    found = pattern.search(text)
    if found is None:
        return text, "", ""
    return text[: found.start()].strip(), found[1], found[2]


def _unmarked_client(text: str) -> tuple[str, str, str]:
    """Take ``IMS-Entitlement/1.0``, or AOSP's ``/1.0``, off the end of what precedes the OS."""
    head, _, tail = text.rpartition(" ")
    if "/" not in tail or tail.lower().startswith("term-"):
        return text, "", ""
    client, _, client_version = tail.partition("/")
    return head, client, client_version


def _without(text: str, prefix: str) -> str:
    return text[len(prefix) :] if text.lower().startswith(prefix) else text


def _part(text: str) -> str:
    text = text[:_MAX_PART].strip()
    return text if text.isprintable() else "".join(filter(str.isprintable, text))
