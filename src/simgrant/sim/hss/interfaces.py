"""The interfaces of a simulated HSS: how each reads requests for vectors and writes answers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

from simgrant.nouns import named_noun, replace
from simgrant.sim.hss.faults import Fault
from simgrant.wire.diameter import cx, s6a, sh, swx
from simgrant.wire.diameter.avps import USER_NAME, VISITED_PLMN_ID
from simgrant.wire.diameter.message import Avps
from simgrant.wire.diameter.vectors import Brought, Scheme, Wanted

_OTHER_USER: Final = "999990000000000"
_NO_KEYS: Final = b""


@named_noun
class Interface:
    """One of them."""

    name: str
    """As the settings of the server call it."""
    pull: Callable[[Avps], Wanted]
    """Reads a request; BadDiameter."""
    push: Callable[[Brought, Avps], bytes]
    """Writes an answer to a request."""
    schemes: frozenset[str]
    """What there are vectors for."""
    other: Scheme
    """What it answers that mistakes the scheme."""


def written(interface: Interface, item: Brought, asked: Avps, fault: Fault | None) -> bytes:
    """Return a vector's AVPs, with what is to be wrong in them."""
    match fault:
        case Fault.SHORT_AUTN:
            item = replace(item, autn=item.autn[:-1])
        case Fault.OTHER_SCHEME:
            item = replace(item, scheme=interface.other)
        case Fault.OTHER_USER:
            item = replace(item, user_name=_OTHER_USER)
        case Fault.NO_KEYS:
            item = replace(item, ck=_NO_KEYS, ik=_NO_KEYS)
    return interface.push(item, asked)


def _push_maa(item: Brought, asked: Avps) -> bytes:
    del asked
    return swx.push_item(item)


def _push_aia(item: Brought, asked: Avps) -> bytes:
    # Its answers name nobody, but for the one that is about somebody else.
    user = USER_NAME.push(item.user_name) if item.user_name == _OTHER_USER else b""
    if item.scheme == Scheme.E_UTRAN:
        return user + s6a.push_eutran_item(item, kasme(item, asked.need(VISITED_PLMN_ID)))
    return user + s6a.push_item(item)


def kasme(item: Brought, plmn: bytes) -> bytes:
    """Return KASME (TS 33.401 §A.2), for which SQN and AK are the first six bytes of AUTN."""
    text = b"\x10" + plmn + b"\x00\x03" + item.autn[:6] + b"\x00\x06"
    return hmac.digest(item.ck + item.ik, text, hashlib.sha256)


INTERFACES: Final[Mapping[tuple[int, int], Interface]] = {
    (swx.APPLICATION, swx.Command.MULTIMEDIA_AUTH): Interface(
        name="swx",
        pull=swx.pull_request,
        push=_push_maa,
        schemes=frozenset({Scheme.AKA, Scheme.AKA_PRIME}),
        other=Scheme.IMS_AKA,
    ),
    (cx.APPLICATION, cx.Command.MULTIMEDIA_AUTH): Interface(
        name="cx",
        pull=cx.pull_request,
        push=_push_maa,
        schemes=frozenset({Scheme.IMS_AKA}),
        other=Scheme.AKA,
    ),
    (s6a.APPLICATION, s6a.Command.AUTHENTICATION_INFORMATION): Interface(
        name="s6a",
        pull=s6a.pull_request,
        push=_push_aia,
        schemes=frozenset({Scheme.UTRAN, Scheme.E_UTRAN}),
        other=Scheme.E_UTRAN,
    ),
}
"""By application and command."""
APPLICATIONS: Final = (swx.APPLICATION, cx.APPLICATION, sh.APPLICATION, s6a.APPLICATION)
