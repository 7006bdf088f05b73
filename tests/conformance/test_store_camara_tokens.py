"""What access tokens are got for, as every store has to keep it: one winner, or nothing written."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.camara_tokens import (
    Assertion,
    AssertionKind,
    Exchange,
    Exchanged,
    Question,
    RequestKind,
    RequestState,
    Temporary,
    UserRequest,
)
from simgrant.ports.store import TokenState, TokenUse

IMSI = Imsi("001010000000001")
NUMBER = Msisdn("447700900001")
DONE, SPENT = Exchanged.DONE, Exchanged.SPENT


def assertion(number: int, client_id: str = "bank") -> Assertion:
    return Assertion(client_id, bytes([number]) * 32, 1_300, AssertionKind.CLIENT)


def temporary(number: int, holder: bytes = b"") -> Temporary:
    return Temporary(
        imsi=IMSI, token_id=bytes([number]) * 16, at=1_000, expires_at=1_300, redeemed_for=holder
    )


REQUEST = UserRequest(
    request_id=b"\x00r" * 16,
    kind=RequestKind.CIBA,
    client_id="bank",
    state=RequestState.GRANTED,
    body=b"\x00sealed",
    expires_at=1_120,
    poll_from=1_002,
    interval_s=2,
)


async def use(store: SqlStore, number: int) -> TokenUse | None:
    return await store.token_use("red", IMSI, bytes([number]) * 16)


@pytest.mark.parametrize("many", [False, True], ids=["one journey", "a transaction"])
async def test_a_temporary_token_is_exchanged_once(store: SqlStore, many: bool) -> None:
    more: tuple[Assertion, ...] = (assertion(99, "dpop"),) if many else ()
    more_too = (assertion(98, "dpop"),) if many else ()
    exchange = store.camara_tokens.exchange
    first = Exchange(assertions=(assertion(1), *more), temporary=temporary(1))
    assert await exchange("red", first) is DONE
    assert await use(store, 1) == TokenUse(TokenState.CONSUMED, 1_000, 1_300, b"")
    # Another assertion, the same token; what is refused has not used the assertion up.
    again = Exchange(assertions=(assertion(2), *more_too), temporary=temporary(1))
    assert await exchange("red", again) is SPENT
    other = Exchange(assertions=(assertion(2), *more_too), temporary=temporary(2, b"h" * 32))
    assert await exchange("red", other) is DONE
    assert await use(store, 2) == TokenUse(TokenState.REDEEMED, 1_000, 1_300, b"h" * 32)
    # The same assertion, another token, which it has not burnt.
    replayed = Exchange(assertions=(assertion(2), *more), temporary=temporary(3))
    assert await exchange("red", replayed) is replayed.assertions[0]
    if many:
        # Of several, it is said which one.
        replayed = Exchange(assertions=(assertion(3), *more), temporary=temporary(3))
        assert await exchange("red", replayed) is more[0]
    assert await use(store, 3) is None
    # Assertions are each consumer's own, and each tenant's.
    theirs = Exchange(assertions=(assertion(2, "shop"), *more[1:]), temporary=temporary(3))
    assert await exchange("red", theirs) is DONE
    assert await exchange("blue", first) is DONE


@pytest.mark.parametrize("same", ["assertion", "token", "both"])
async def test_of_fifty_who_come_at_once_one_wins(store: SqlStore, same: str) -> None:
    exchanges = [
        Exchange(
            assertions=(assertion(0 if same != "token" else number),),
            temporary=temporary(0 if same != "assertion" else number),
        )
        for number in range(50)
    ]
    became = await asyncio.gather(
        *(store.camara_tokens.exchange("red", each) for each in exchanges)
    )
    assert became.count(DONE) == 1
    if same != "both":
        assert became.count(assertion(0) if same == "assertion" else SPENT) == 49
    if same == "assertion":
        there = [await use(store, number) is not None for number in range(50)]
        assert sum(there) == 1
        assert there[became.index(DONE)]


async def test_a_request_is_made_with_what_it_is_made_of(store: SqlStore) -> None:
    rows = store.camara_tokens
    made = Exchange(assertions=(assertion(1),), temporary=temporary(1), made=REQUEST)
    assert await rows.exchange("red", made) is DONE
    assert await rows.request("red", REQUEST.request_id) == REQUEST
    assert await rows.request("blue", REQUEST.request_id) is None
    twice = replace(made, assertions=(assertion(2),))
    assert await rows.exchange("red", twice) is SPENT
    assert await rows.exchange("red", Exchange(assertions=(assertion(2),))) is DONE


async def test_a_granted_request_is_used_once(store: SqlStore) -> None:
    rows = store.camara_tokens
    await rows.exchange("red", Exchange(made=REQUEST))
    await rows.polled("red", REQUEST.request_id, poll_from=1_010, interval_s=7)
    became = await asyncio.gather(
        *(
            rows.exchange("red", Exchange(assertions=(assertion(number),), used=REQUEST.request_id))
            for number in range(8)
        )
    )
    assert sorted(became, key=str) == [DONE, *[SPENT] * 7]
    used = replace(REQUEST, state=RequestState.USED, poll_from=1_010, interval_s=7)
    assert await rows.request("red", REQUEST.request_id) == used
    lost = became.index(SPENT)
    assert await rows.exchange("red", Exchange(assertions=(assertion(lost),))) is DONE


@pytest.mark.parametrize("state", [RequestState.GRANTED, RequestState.DENIED])
async def test_a_pending_request_is_settled_once(store: SqlStore, state: RequestState) -> None:
    rows, pending = store.camara_tokens, replace(REQUEST, state=RequestState.PENDING)
    await rows.exchange("red", Exchange(made=pending))
    assert await rows.exchange("red", Exchange(used=REQUEST.request_id)) is SPENT
    over = REQUEST.expires_at
    assert not await rows.settle("red", REQUEST.request_id, state, b"late", now=over)
    assert not await rows.settle("blue", REQUEST.request_id, state, b"theirs", now=over - 1)
    assert await rows.settle("red", REQUEST.request_id, state, b"new", now=over - 1)
    granted = RequestState.GRANTED
    assert not await rows.settle("red", REQUEST.request_id, granted, b"newer", now=1_000)
    settled = replace(REQUEST, state=state, body=b"new")
    assert await rows.request("red", REQUEST.request_id) == settled
    became = await rows.exchange("red", Exchange(used=REQUEST.request_id))
    assert became is (DONE if state is granted else SPENT)


ANSWERED = (RequestState.GRANTED, RequestState.DENIED)


def question(number: int, *asked: int, quiet_until: int = 0) -> Question:
    """Return one about a request of its own."""
    return Question(
        msisdn=NUMBER,
        request_id=bytes([number]) * 32,
        proof=bytes([0, number]) * 8,
        open_until=asked[-1] + 120,
        asked=asked,
        quiet_until=quiet_until,
    )


def asking(one: Question, before: bytes = b"") -> Exchange:
    pending = replace(REQUEST, request_id=one.request_id, state=RequestState.PENDING)
    return Exchange(made=pending, asks=one, asked_before=before)


async def test_of_those_who_ask_a_number_at_once_one_does(store: SqlStore) -> None:
    rows = store.camara_tokens
    first = [question(number, 1_000) for number in range(8)]
    became = await asyncio.gather(*(rows.exchange("red", asking(each)) for each in first))
    assert sorted(became, key=str) == [*[Exchanged.ASKED] * 7, DONE]
    won = first[became.index(DONE)]
    assert await rows.question("red", NUMBER) == won
    assert await rows.question("blue", NUMBER) is None
    for each in first:
        there = await rows.request("red", each.request_id)
        assert (there is not None) == (each is won)
    # Whoever looked at what was asked asks next; who looked before that does not.
    later = [question(number, 1_000, 1_060, quiet_until=1_070) for number in range(10, 18)]
    became = await asyncio.gather(
        *(rows.exchange("red", asking(each, won.request_id)) for each in later)
    )
    assert sorted(became, key=str) == [*[Exchanged.ASKED] * 7, DONE]
    assert await rows.question("red", NUMBER) == later[became.index(DONE)]


async def test_of_those_who_answer_at_once_one_decides(store: SqlStore) -> None:
    rows, asked = store.camara_tokens, question(1, 1_000)
    await rows.exchange("red", asking(asked))
    closes = replace(asked, quiet_until=4_600)
    became = await asyncio.gather(
        *(
            rows.settle(
                "red", asked.request_id, ANSWERED[n % 2], bytes([n]), now=1_060, closes=closes
            )
            for n in range(8)
        )
    )
    assert sorted(became) == [*[False] * 7, True]
    won = became.index(True)
    there = await rows.request("red", asked.request_id)
    assert there is not None
    assert (there.state, there.body) == (ANSWERED[won % 2], bytes([won]))
    assert await rows.question("red", NUMBER) == replace(closes, open_until=0)


async def test_an_answer_to_another_question_closes_none(store: SqlStore) -> None:
    rows, first = store.camara_tokens, question(1, 1_000)
    second = question(2, 1_000, 1_010)
    await rows.exchange("red", asking(first))
    await rows.exchange("red", asking(second, first.request_id))
    denied = RequestState.DENIED
    assert await rows.settle("red", first.request_id, denied, b"", now=1_020, closes=first)
    assert await rows.question("red", NUMBER) == second
    assert not await rows.tried("red", first, most=3)


async def test_answers_are_counted(store: SqlStore) -> None:
    rows, asked = store.camara_tokens, question(1, 1_000)
    await rows.exchange("red", asking(asked))
    became = await asyncio.gather(*(rows.tried("red", asked, most=3) for _ in range(8)))
    assert sorted(became) == [*[False] * 5, *[True] * 3]
    # The next question has its own.
    after = question(2, 1_000, 1_200)
    await rows.exchange("red", asking(after, asked.request_id))
    assert await rows.tried("red", after, most=3)


async def test_of_those_who_find_a_question_over_one_closes_it(store: SqlStore) -> None:
    rows = store.camara_tokens
    asked = [
        replace(question(number, 1_000 + number), msisdn=Msisdn(f"4477009000{number:02}"))
        for number in range(4)
    ]
    for each in asked:
        await rows.exchange("red", asking(each))
    # One is answered, and one is found by whoever asks that number next.
    denied = RequestState.DENIED
    assert await rows.settle("red", asked[0].request_id, denied, b"", now=1_010, closes=asked[0])
    became = await asyncio.gather(*(rows.close_unanswered("red", asked[1]) for _ in range(8)))
    assert sorted(became) == [*[False] * 7, True]
    assert not await rows.close_unanswered("blue", asked[2])

    async def all_closed(until: int, asked_since: int = 0) -> list[str]:
        found = [await rows.close_all_unanswered(until=until, asked_since=asked_since)]
        while found[-1]:
            found.append(await rows.close_all_unanswered(until=until, asked_since=asked_since))
        return [tenant for each in found for tenant in each]

    assert await all_closed(until=1_121) == []
    assert await all_closed(until=2_000, asked_since=1_003) == []
    found = await asyncio.gather(*(all_closed(until=1_122) for _ in range(4)))
    assert [tenant for each in found for tenant in each] == ["red"]
    assert await all_closed(until=2_000, asked_since=1_002) == ["red"]
    assert await all_closed(until=2_000) == []
    assert await rows.question("red", asked[3].msisdn) == replace(asked[3], open_until=0)


async def test_what_was_asked_is_forgotten_after_a_day(store: SqlStore) -> None:
    rows, asked = store.camara_tokens, question(1, 1_000)
    await rows.exchange("red", asking(asked))
    assert await rows.purge(before=1_000 + 86_400) == 1  # The request.
    assert await rows.question("red", NUMBER) == asked
    assert await rows.purge(before=1_001 + 86_400) == 1
    assert await rows.question("red", NUMBER) is None


async def test_a_token_is_revoked_where_it_is_of(store: SqlStore) -> None:
    rows = store.camara_tokens
    for _ in range(2):
        await rows.revoke("red", b"\x00t" * 8, expires_at=1_300)
    assert await rows.revoked("red", b"\x00t" * 8)
    assert not await rows.revoked("blue", b"\x00t" * 8)
    assert not await rows.revoked("red", b"\x00u" * 8)


async def test_what_is_over_is_forgotten(store: SqlStore) -> None:
    rows = store.camara_tokens
    made = Exchange(
        assertions=tuple(map(assertion, range(40))), made=replace(REQUEST, expires_at=1_300)
    )
    await rows.exchange("red", made)
    await rows.revoke("red", b"t" * 16, expires_at=1_300)
    assert await rows.purge(before=1_300) == 0
    assert await rows.purge(before=1_301) == 42
    assert await rows.exchange("red", made) is DONE
    assert not await rows.revoked("red", b"t" * 16)
