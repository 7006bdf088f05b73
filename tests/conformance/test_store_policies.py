"""Published policies: versions, changes, and that of two who publish at once one is told so."""

from __future__ import annotations

import asyncio

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.ports.policies import PolicyChange, PolicyVersion, Published
from tests.conformance.conftest import Place
from tests.conformance.test_store import T


def version(number: int, text: str = "é\n") -> PolicyVersion:
    return PolicyVersion(number, f"sha of {text}", number - 1)


def change(number: int, of: int, author: str = "ann") -> PolicyChange:
    return PolicyChange(number, of, author, 2**40 + number, f"why {number}", bytes([number]) * 32)


async def test_who_never_published_has_nothing(store: SqlStore) -> None:
    policies = store.policies
    assert await policies.current() == {}
    assert await policies.published(T, 1) is None
    assert await policies.history(T, limit=10) == []
    assert await policies.text(T, 1) is None
    assert await policies.version(T, 1) is None
    assert await policies.newest_version(T) == 0


async def test_what_was_published_is_there_as_it_was(store: SqlStore) -> None:
    policies = store.policies
    large = "x" * (1 << 20)
    assert await policies.put(T, change(1, 1), version(1), "é\n")
    assert await policies.put(T, change(2, 2), version(2), large)
    assert await policies.put(T, change(3, 1))
    assert await policies.current() == {T: 3}
    assert await policies.published(T, 1) == Published(change(1, 1), version(1), b"")
    third = Published(change(3, 1), version(1), change(2, 2).signature)
    second = Published(change(2, 2), version(2), change(1, 1).signature)
    assert await policies.published(T, 3) == third
    assert await policies.history(T, limit=2) == [third, second]
    assert await policies.version(T, 2) == version(2)
    assert await policies.text(T, 1) == "é\n"
    assert await policies.text(T, 2) == large
    assert await policies.newest_version(T) == 2


async def test_tenants_are_apart(store: SqlStore) -> None:
    policies = store.policies
    assert await policies.put(T, change(1, 1), version(1))
    assert await policies.put("other", change(1, 1, "bob"), version(1, "o"), "o")
    assert await policies.put("other", change(2, 1, "bob"))
    assert await policies.current() == {T: 1, "other": 2}
    assert await policies.version("other", 1) == version(1, "o")
    assert await policies.text("other", 1) == "o"
    assert await policies.history(T, limit=9) == [Published(change(1, 1), version(1), b"")]


async def test_who_saw_an_older_change_changes_nothing(store: SqlStore, place: Place) -> None:
    policies = store.policies
    assert not await policies.put(T, change(2, 1), version(1))
    assert await policies.put(T, change(1, 1), version(1))
    assert not await policies.put(T, change(1, 2, "bob"), version(2))
    assert not await policies.put(T, change(3, 2, "bob"), version(2))
    # The version's number is taken, so the change is undone as well.
    assert not await policies.put(T, change(2, 1, "bob"), version(1, "another"))
    assert await policies.current() == {T: 1}
    assert len(await place.rows("SELECT * FROM policy_version")) == 1
    assert len(await place.rows("SELECT * FROM policy_change")) == 1


async def test_of_many_who_publish_at_once_one_does(store: SqlStore) -> None:
    policies = store.policies
    for round_ in range(1, 6):
        done = await asyncio.gather(
            *(policies.put(T, change(round_, round_, who), version(round_)) for who in "abcdef")
        )
        assert sum(done) == 1
        (newest,) = await policies.history(T, limit=1)
        assert newest.change.author == "abcdef"[done.index(True)]
    assert await policies.current() == {T: 5}


async def test_the_row_that_is_polled_is_made_again(store: SqlStore) -> None:
    policies = store.policies
    assert await policies.put(T, change(1, 1), version(1))
    await policies._engine.write("DELETE FROM policy_current WHERE tenant = ?1", (T,))
    assert await policies.current() == {}
    assert await policies.put(T, change(2, 2), version(2))
    assert await policies.current() == {T: 2}


async def test_a_change_of_a_version_that_is_gone_is_not_given(store: SqlStore) -> None:
    assert await store.policies.put(T, change(1, 7))
    assert await store.policies.published(T, 1) is None
