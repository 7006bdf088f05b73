"""Publishing: what is in force, who put it there, and that nobody can say otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.policy import PolicyError, digest_of
from simgrant.errors import BadRequest, Conflict
from simgrant.flows.policies import _signed, is_genuine, name_of, number_of
from simgrant.ports.policies import PolicyChange, PolicyVersion, Published
from tests.unit.flows.published import (
    ALLOWING,
    DENYING,
    Keys,
    T,
    desk_of,
    key_ring,
    publish,
    store_at,
)


@pytest.fixture
async def store(template: Path, tmp_path: Path) -> AsyncIterator[SqlStore]:
    async with store_at(template, tmp_path) as opened:
        yield opened


async def test_before_anything_is_published_the_store_says_nothing(store: SqlStore) -> None:
    desk = desk_of(store)
    assert await desk.newest() is None
    assert await desk.in_force() is None
    assert await desk.history() == []


async def test_what_was_published_last_is_in_force(store: SqlStore) -> None:
    desk = desk_of(store)
    await publish(desk, ALLOWING)
    second = await publish(desk, DENYING, "bob")
    in_force = await desk.in_force()
    assert in_force is not None
    assert in_force[0] == second
    assert in_force[1].version == name_of(second.version) == f"v2-{digest_of(DENYING)[:12]}"
    assert second.version == PolicyVersion(2, digest_of(DENYING), 1)
    assert (second.change.change, second.change.author, second.change.at) == (2, "bob", 1001)


async def test_a_rollback_is_one_more_change(store: SqlStore) -> None:
    desk = desk_of(store)
    first = await publish(desk, ALLOWING)
    await publish(desk, DENYING)
    back = await desk.roll_back(1, author="cyd", comment="too strict", seen=2, at=2000)
    assert back.version == first.version
    in_force = await desk.in_force()
    assert in_force is not None
    assert in_force[1].version == name_of(first.version)
    shown = [
        (each.published.change.change, each.published.version.number, each.is_new, each.genuine)
        for each in await desk.history()
    ]
    assert shown == [(3, 1, False, True), (2, 2, True, True), (1, 1, True, True)]


async def test_who_did_not_see_the_newest_change_is_refused(store: SqlStore) -> None:
    desk = desk_of(store)
    await publish(desk, ALLOWING)
    for seen in (0, 2):
        with pytest.raises(Conflict, match="meanwhile"):
            await desk.publish(DENYING, author="ann", comment="c", seen=seen, at=1)
        with pytest.raises(Conflict, match="meanwhile"):
            await desk.roll_back(1, author="ann", comment="c", seen=seen, at=1)
    assert len(await desk.history()) == 1


async def test_of_two_who_publish_at_once_one_is_refused(store: SqlStore) -> None:
    desk = desk_of(store)
    done = await asyncio.gather(
        *(
            desk.publish(text, author=who, comment="c", seen=0, at=1)
            for who, text in (("ann", ALLOWING), ("bob", DENYING))
        ),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in done) == ["Conflict", "Published"]
    (entry,) = await desk.history()
    assert entry.published in done


async def test_a_commit_that_nobody_was_told_of_is_found(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = store.policies.put

    async def twice(*arguments: Any) -> bool:
        assert await put(*arguments)
        return await put(*arguments)

    monkeypatch.setattr(store.policies, "put", twice)
    published = await publish(desk_of(store), ALLOWING)
    assert [each.published for each in await desk_of(store).history()] == [published]


async def test_what_is_in_force_is_not_published_again(store: SqlStore) -> None:
    desk = desk_of(store)
    await publish(desk, ALLOWING)
    with pytest.raises(Conflict, match="version 1"):
        await publish(desk, ALLOWING)
    with pytest.raises(Conflict, match="in force"):
        await desk.roll_back(1, author="ann", comment="c", seen=1, at=1)
    await publish(desk, DENYING)
    assert (await publish(desk, ALLOWING)).version.number == 3


async def test_a_policy_with_mistakes_is_never_in_force(store: SqlStore) -> None:
    desk = desk_of(store)
    with pytest.raises(PolicyError):
        await publish(desk, "[[rule]]\nid = 1")
    assert await desk.newest() is None


@pytest.mark.parametrize("number", [0, 2, -1, 10**9])
async def test_there_is_no_going_back_to_what_never_was(store: SqlStore, number: int) -> None:
    desk = desk_of(store)
    await publish(desk, ALLOWING)
    with pytest.raises(Conflict, match=f"no version {number}"):
        await desk.roll_back(number, author="ann", comment="c", seen=1, at=1)


@pytest.mark.parametrize("author", ["", "x" * 65, "a\nb", "\x1b[31m"])
async def test_nobody_publishes_without_a_name(store: SqlStore, author: str) -> None:
    with pytest.raises(BadRequest):
        await publish(desk_of(store), ALLOWING, author)


@pytest.mark.parametrize("comment", ["", "x" * 501, "a\nb"])
async def test_nor_without_saying_why(store: SqlStore, comment: str) -> None:
    with pytest.raises(BadRequest):
        await desk_of(store).publish(ALLOWING, author="ann", comment=comment, seen=0, at=1)


def signed() -> Published:
    version = PolicyVersion(2, digest_of(ALLOWING), 1)
    change = PolicyChange(3, 2, "ann", 1000, "why", b"")
    about = _signed(T, change, version, b"before")
    signature = key_ring(3).sign(T, "policy", about, now=1000)
    return Published(replace(change, signature=signature), version, b"before")


def test_a_change_is_genuine_with_the_ring_that_signed_it_for_that_tenant() -> None:
    assert is_genuine(T, signed(), key_ring(3))
    assert is_genuine(T, signed(), key_ring(3, 4))
    assert not is_genuine("other", signed(), key_ring(3))
    assert not is_genuine(T, signed(), key_ring(4))


ALTERED = [
    *((PolicyChange, each.name) for each in fields(PolicyChange)),
    *((PolicyVersion, each.name) for each in fields(PolicyVersion)),
    (Published, "before"),
]


@pytest.mark.parametrize(("of", "name"), ALTERED)
@given(data=st.data())
def test_whatever_is_altered_shows(of: type, name: str, data: st.DataObject) -> None:
    published = signed()
    part: Any = {
        Published: published,
        PolicyChange: published.change,
        PolicyVersion: published.version,
    }[of]
    was = getattr(part, name)
    kinds = {int: st.integers(0, 2**62), str: st.text(max_size=80), bytes: st.binary(max_size=40)}
    other = data.draw(kinds[type(was)].filter(lambda value: value != was))
    changed = replace(part, **{name: other})
    if of is PolicyChange:
        changed = replace(published, change=changed)
    elif of is PolicyVersion:
        changed = replace(published, version=changed)
    assert not is_genuine(T, changed, key_ring(3))


async def test_an_altered_row_is_not_in_force_and_shows_in_the_history(store: SqlStore) -> None:
    desk = desk_of(store)
    await publish(desk, ALLOWING)
    await publish(desk, DENYING)
    engine = store.policies._engine
    await engine.write("UPDATE policy_change SET author = ?1 WHERE change = 2", ("eve",))
    with pytest.raises(Conflict, match="not as it was"):
        await desk.in_force()
    assert [each.genuine for each in await desk.history()] == [False, True]
    # Whoever has the keys puts it right, and the history keeps what happened.
    await desk.roll_back(2, author="ann", comment="looked through", seen=2, at=1)
    assert await desk.in_force() is not None
    assert [each.genuine for each in await desk.history()] == [True, False, True]


async def test_an_altered_text_is_never_compiled(store: SqlStore) -> None:
    desk = desk_of(store)
    await publish(desk, ALLOWING)
    engine = store.policies._engine
    await engine.write("UPDATE policy_version SET body = ?1 WHERE number = 1", (DENYING,))
    with pytest.raises(Conflict, match="not what was published"):
        await desk.in_force()


async def test_a_change_that_was_taken_out_of_the_history_shows(store: SqlStore) -> None:
    desk = desk_of(store)
    for text in (ALLOWING, DENYING, ALLOWING):
        await publish(desk, text)
    engine = store.policies._engine
    await engine.write("DELETE FROM policy_change WHERE change = ?1", (2,))
    assert [each.genuine for each in await desk.history()] == [False, True]


async def test_after_the_key_is_gone_the_policy_is_signed_anew(store: SqlStore) -> None:
    await publish(desk_of(store, Keys(key_ring(3))), ALLOWING)
    desk = desk_of(store, Keys(key_ring(4)))
    with pytest.raises(Conflict):
        await desk.in_force()
    await desk.roll_back(1, author="ann", comment="signed anew", seen=1, at=1)
    assert await desk.in_force() is not None


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("3", 3),
        ("v3", 3),
        ("v12-0123456789ab", 12),
        ("", None),
        ("v", None),
        ("policy.toml", None),
        ("v-3", None),
        ("٣", None),
        ("9" * 40, None),
        ("default-0123456789ab", None),
    ],
)
def test_versions_are_found_by_number_and_name(name: str, number: int | None) -> None:
    assert number_of(name) == number
