"""Who changed what, and calls that come again, as every store has to keep them."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import pytest

from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.errors import Conflict
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.deeds import Answer, AnswerKey, Deed, Progress, chained
from simgrant.ports.store import Change, NewSubscription, Store

T = "blue"
IMSI, OTHER = Imsi("001010000000001"), Imsi("001010000000002")
KEY = AnswerKey(T, "crm", "k-1")


def digest(data: bytes) -> bytes:
    return sha256(b"key" + data).digest()


def deed(call: str = "change", **fields: Any) -> Deed:
    return Deed(
        **{
            "tenant": T,
            "at": 1_000,
            "client": "crm",
            "actor": "ann",
            "call": call,
            "request_id": "r1",
            "subject": "ref-1",
            "imsi": IMSI,
            "digest": digest,
            **fields,
        }
    )


async def filled(store: Store) -> None:
    for number, imsi in enumerate((IMSI, OTHER)):
        await store.add(
            NewSubscription(
                Subscription(
                    T, imsi, Msisdn(f"44770090000{number}"), SubscriptionStatus.ACTIVE, "gold"
                )
            )
        )


async def test_an_entry_is_of_what_was_changed(store: Store) -> None:
    await filled(store)
    before = await store.deeds.state(T, IMSI)
    assert before is not None
    await store.doing(deed()).change(T, IMSI, Change(plan="basic"), now=1_000)
    after = await store.deeds.state(T, IMSI)
    assert after is not None
    assert after != before
    (entry,) = await store.deeds.entries(T)
    assert (entry.number, entry.before, entry.after) == (1, digest(before), digest(after))
    assert entry.chain == chained(b"", T, entry, digest)
    await store.doing(deed()).set_marks(T, IMSI, [LineMark(MarkName.PREPAID, "yes", 1_000)])
    await store.doing(deed("erase")).erase(T, IMSI, ["ref-1"], now=90)
    _, second, third = await store.deeds.entries(T)
    assert second.chain == chained(entry.chain, T, second, digest)
    assert (third.before, third.after) == (second.after, b"")
    assert await store.deeds.state(T, IMSI) is None
    assert await store.deeds.entries("other") == []


async def test_what_does_not_happen_leaves_no_entry(store: Store) -> None:
    await filled(store)
    with pytest.raises(Conflict):
        await store.doing(deed()).change(T, IMSI, Change(msisdn=Msisdn("447700900001")), now=1)
    with pytest.raises(Conflict):
        await store.doing(deed()).revoke_tokens(T, IMSI, "no-terminal")
    with pytest.raises(Conflict, match="no longer"):
        await store.doing(deed(seen=b"x")).remove(T, IMSI, now=1)
    assert await store.deeds.entries(T) == []
    found = await store.find(T, imsi=IMSI)
    assert found is not None
    assert (found.plan, found.status) == ("gold", SubscriptionStatus.ACTIVE)


async def test_of_two_who_have_seen_the_same_one_changes_it(store: Store) -> None:
    await filled(store)
    state = await store.deeds.state(T, IMSI)
    assert state is not None
    seen = deed(seen=digest(state))

    async def change(plan: str) -> bool:
        try:
            await store.doing(seen).change(T, IMSI, Change(plan=plan), now=2_000)
        except Conflict:
            return False
        return True

    done = await asyncio.gather(*(change(f"plan{number}") for number in range(8)))
    assert done.count(True) == 1
    assert len(await store.deeds.entries(T)) == 1


async def test_the_chain_has_no_gap_when_many_change_something(store: Store) -> None:
    await filled(store)

    async def change(number: int) -> None:
        imsi = (IMSI, OTHER)[number % 2]
        await store.doing(deed(imsi=imsi, subject=f"ref-{number % 2}")).change(
            T, imsi, Change(plan=f"plan{number}"), now=2_000
        )

    await asyncio.gather(*map(change, range(20)))
    entries = await store.deeds.entries(T)
    assert [entry.number for entry in entries] == list(range(1, 21))
    chain = b""
    for entry in entries:
        assert entry.chain == chained(chain, T, entry, digest)
        chain = entry.chain
    about = await store.deeds.entries(T, subjects=["ref-1"], limit=3)
    assert [entry.subject for entry in about] == ["ref-1"] * 3
    newest = await store.deeds.entries(T, after=-1, limit=2)
    assert [entry.number for entry in newest] == [20, 19]
    assert [entry.number for entry in await store.deeds.entries(T, after=18)] == [19, 20]


async def test_a_call_is_carried_out_once(store: Store) -> None:
    await filled(store)
    begun = [await store.deeds.begin(KEY, b"d", at=1_000, lease_s=60) for _ in range(3)]
    assert [each.is_new for each in begun] == [True, False, False]
    assert (begun[1].digest, begun[1].progress) == (b"d", Progress.BEGUN)
    mine = deed(answer=KEY, began=1_000)
    await store.doing(mine).change(T, IMSI, Change(plan="basic"), now=1_000)
    await store.deeds.give_up(KEY, began=1_000)
    found = await store.deeds.begin(KEY, b"d", at=9_000, lease_s=60)
    assert (found.is_new, found.progress, found.answer) == (False, Progress.CHANGED, None)
    answer = Answer(status=200, headers="{}", body=b"\x00{}")
    await store.deeds.finish(KEY, answer, began=999)
    await store.deeds.finish(KEY, answer, began=1_000)
    found = await store.deeds.begin(KEY, b"other", at=9_000, lease_s=60)
    assert (found.digest, found.answer) == (b"d", answer)
    assert await store.deeds.purge(T, answers_before=1_001, entries_before=0) == 1
    assert (await store.deeds.begin(KEY, b"d", at=9_000, lease_s=60)).is_new


async def test_who_was_taken_over_changes_nothing(store: Store) -> None:
    await filled(store)
    assert (await store.deeds.begin(KEY, b"d", at=1_000, lease_s=60)).is_new
    assert (await store.deeds.begin(KEY, b"d", at=1_061, lease_s=60)).is_new
    with pytest.raises(Conflict, match="anew"):
        await store.doing(deed(answer=KEY, began=1_000)).remove(T, IMSI, now=1_000)
    found = await store.find(T, imsi=IMSI)
    assert found is not None
    assert found.status is SubscriptionStatus.ACTIVE
    assert await store.deeds.entries(T) == []


async def test_of_many_who_begin_at_once_one_does(store: Store) -> None:
    begun = await asyncio.gather(
        *(store.deeds.begin(KEY, b"d", at=1_000, lease_s=60) for _ in range(10))
    )
    assert [each.is_new for each in begun].count(True) == 1


async def test_old_entries_go_and_the_numbers_go_on(store: Store) -> None:
    await filled(store)
    for at in (1, 2, 3):
        await store.doing(deed(at=at)).change(T, IMSI, Change(plan=f"p{at}"), now=at)
    assert await store.deeds.purge(T, answers_before=0, entries_before=3) == 2
    await store.doing(deed(at=4)).change(T, IMSI, Change(plan="p4"), now=4)
    third, fourth = await store.deeds.entries(T)
    assert (third.number, fourth.number) == (3, 4)
    assert fourth.chain == chained(third.chain, T, fourth, digest)
