"""What can be written into a consumer's contract and was probably not meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final

from simgrant.domain.problems import did_you_mean
from simgrant.flows.camara.apis import APIS
from simgrant.flows.camara.consumer_document import PermissionDocument
from simgrant.flows.camara.scopes import INTROSPECTION, ScopeRules

_MOST: Final = 20


def doubts(permissions: Iterable[PermissionDocument], purposes: Collection[str]) -> tuple[str, ...]:
    """Return a sentence about each API and scope that there is not, and each unknown purpose.

    ``purposes`` are those that are known, in any case of letters. Nothing of it is wrong: a scope
    may be of a later release, and a purpose that nobody knows needs the subscriber's consent. The
    first twenty are said.
    """
    return tuple(islice(_doubts(permissions, purposes), _MOST))


def _doubts(permissions: Iterable[PermissionDocument], purposes: Collection[str]) -> Iterator[str]:
    scopes = ScopeRules(APIS.values()).all | {INTROSPECTION}
    apis = {*APIS, INTROSPECTION.partition(":")[0]}
    known = {each.lower() for each in purposes}
    said: set[str] = set()
    for permission in permissions:
        if permission.api not in apis:
            yield f"there is no API {permission.api} here{did_you_mean(permission.api, APIS)}"
        for scope in sorted(set(permission.scopes) - scopes):
            yield f"no API of ours has the scope {scope}{did_you_mean(scope, scopes)}"
        for purpose in sorted({*permission.purposes} - said):
            said.add(purpose)
            if purpose.lower() not in known:
                yield (
                    f"there are no camara_purposes.{purpose}, so it needs the subscriber's consent"
                    f"{did_you_mean(purpose, purposes)}"
                )
