"""Calls on a tenant's policy: versions, checking, publishing, rolling back (ADR 0042)."""

from __future__ import annotations

import asyncio
import tomllib
from typing import Annotated, Final

import msgspec

from simgrant.domain.access import Scope
from simgrant.domain.lint import lint
from simgrant.domain.policy import PolicyError
from simgrant.flows.management.call import Asked, Call, Desk, Done, Query
from simgrant.flows.management.problem import Code, Problem
from simgrant.flows.moments import moment
from simgrant.flows.policies import (
    MOST_CHANGES,
    MOST_LETTERS_OF_AUTHOR,
    MOST_LETTERS_OF_COMMENT,
    PolicyDesk,
    name_of,
)
from simgrant.ports.policies import Published

PATH: Final = "/v1/policies"
_MOST_TEXT: Final = 256 * 1024
_MOST_DETAIL: Final = 4_000
_Text = Annotated[str, msgspec.Meta(max_length=_MOST_TEXT)]
_Comment = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=MOST_LETTERS_OF_COMMENT, pattern=r"^[^\x00-\x1f\x7f-\xa0]*$"
    ),
]
_Change = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class PolicyChange(msgspec.Struct):
    """That a version came in force."""

    change: int
    """Counted from 1."""
    version: int
    name: str
    """What the version is called in records and metrics."""
    author: str
    at: str | None
    comment: str
    genuine: bool
    """Whether it is as it was signed."""
    is_new: bool
    """Whether the version was published by it; else it was rolled back to."""


class PolicyChanges(msgspec.Struct):
    """The changes of a policy, the newest first."""

    items: list[PolicyChange]


class PolicyText(msgspec.Struct):
    """A version with its text."""

    version: int
    name: str
    text: str
    """TOML."""


class PolicyDraft(msgspec.Struct, forbid_unknown_fields=True):
    """A policy that is not in force."""

    text: _Text
    """TOML."""


class PolicyChecked(msgspec.Struct):
    """What is wrong with a policy."""

    problems: list[str]
    """Empty = it could be published."""
    warnings: list[str]
    """What can be read and was probably not meant; nothing of it keeps it from being published."""


class Publication(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A policy that is to come in force."""

    text: _Text
    """TOML."""
    comment: _Comment
    """Why, for those who look at the history."""
    seen: _Change
    """The newest change that is known, 0 for none: another one since then is not overridden."""


class Rollback(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An older version that is to come in force again."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    comment: _Comment
    seen: _Change
    """The newest change that is known."""


class PolicyInForce(msgspec.Struct):
    """What is in force from now on; every worker decides by it within a second."""

    change: int
    version: int
    name: str


def _policies(desk: Desk, detail: str = "") -> PolicyDesk:
    rows = desk.doing(None, detail, subject="policy").policies if detail else desk.store.policies
    return PolicyDesk(rows, desk.tenant, keys=desk.office.keys, compile_=desk.office.compile)


def _author(desk: Desk) -> str:
    """Return who is named in the history: the person, if he is."""
    return (desk.actor.strip() or desk.client.name)[:MOST_LETTERS_OF_AUTHOR]


async def _list(asked: Asked[Query, None]) -> Done:
    found = await _policies(asked.desk).history(MOST_CHANGES)
    return Done(
        content=PolicyChanges(
            [
                PolicyChange(
                    change=each.published.change.change,
                    version=each.published.version.number,
                    name=name_of(each.published.version),
                    author=each.published.change.author,
                    at=moment(each.published.change.at),
                    comment=each.published.change.comment,
                    genuine=each.genuine,
                    is_new=each.is_new,
                )
                for each in found
            ]
        )
    )


async def _get(asked: Asked[Query, None]) -> Done:
    desk = _policies(asked.desk)
    version = await desk.version(int(asked.path["version"]))
    return Done(content=PolicyText(version.number, name_of(version), await desk.text(version)))


async def _check(asked: Asked[Query, PolicyDraft]) -> Done:
    desk, text = asked.desk, asked.body.text
    try:
        # It takes a moment, for which nobody else is to wait.
        policy = await asyncio.to_thread(desk.office.compile, desk.tenant, text, "draft")
    except PolicyError as error:
        return Done(content=PolicyChecked(list(map(str, error.problems)), []))
    # And this takes several, for long ones: one after another.
    async with desk.office.looking:
        odd = await asyncio.to_thread(lambda: lint(policy, tomllib.loads(text)))
    return Done(content=PolicyChecked([], list(map(str, odd))))


async def _publish(asked: Asked[Query, Publication]) -> Done:
    desk, said = asked.desk, asked.body
    try:
        published = await _policies(desk, "publish").publish(
            said.text, author=_author(desk), comment=said.comment, seen=said.seen, at=desk.now
        )
    except PolicyError as error:
        raise _wrong(error) from None
    return Done(content=_in_force(published))


async def _roll_back(asked: Asked[Query, Rollback]) -> Done:
    desk, said = asked.desk, asked.body
    try:
        published = await _policies(desk, f"rollback to {said.version}").roll_back(
            said.version, author=_author(desk), comment=said.comment, seen=said.seen, at=desk.now
        )
    except PolicyError as error:
        raise _wrong(error) from None
    return Done(content=_in_force(published))


def _in_force(published: Published) -> PolicyInForce:
    version = published.version
    return PolicyInForce(published.change.change, version.number, name_of(version))


def _wrong(error: PolicyError) -> Problem:
    return Problem(Code.INVALID, f"the policy has mistakes: {error}"[:_MOST_DETAIL])


CALLS: Final = (
    Call(
        name="list_policies",
        group="policies",
        method="GET",
        path=PATH,
        scope=Scope.POLICIES_READ,
        about="List what was published, and what is in force",
        run=_list,
        answer=PolicyChanges,
    ),
    Call(
        name="publish_policy",
        group="policies",
        method="POST",
        path=PATH,
        scope=Scope.POLICIES_WRITE,
        about="Publish a policy: it is in force on every worker within a second",
        run=_publish,
        body=Publication,
        most_bytes=2 * _MOST_TEXT,
        answer=PolicyInForce,
        status=201,
    ),
    Call(
        name="check_policy",
        group="policies",
        method="POST",
        path=f"{PATH}/check",
        scope=Scope.POLICIES_READ,
        about="Say what is wrong with a policy, and change nothing",
        run=_check,
        body=PolicyDraft,
        most_bytes=2 * _MOST_TEXT,
        answer=PolicyChecked,
        slow=True,
    ),
    Call(
        name="roll_back_policy",
        group="policies",
        method="POST",
        path=f"{PATH}/rollback",
        scope=Scope.POLICIES_WRITE,
        about="Put an older version in force again",
        run=_roll_back,
        body=Rollback,
        answer=PolicyInForce,
    ),
    Call(
        name="get_policy",
        group="policies",
        method="GET",
        path=PATH + "/{version}",
        scope=Scope.POLICIES_READ,
        about="Get the text of a version",
        run=_get,
        answer=PolicyText,
    ),
)
