"""Calls that come again, changes that are written down, and a chain that shows what is missing."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import apsw
import pytest

from simgrant.adapters.store.sql.engine import Rows
from simgrant.errors import PeerUnavailable
from simgrant.flows.management import audit
from simgrant.flows.management.audit import digest
from simgrant.flows.management.carry_out import LEASE_S
from simgrant.identities import Imsi
from simgrant.ports.deeds import AnswerKey, Deed
from tests.management.world import AT, IMSI, ONE, V1, World


async def entries(world: World) -> list[dict[str, Any]]:
    answer = await world.call("GET", "/v1/audit")
    assert answer.status == 200
    return list(answer.json["items"])


async def verdict(world: World) -> audit.Verdict:
    return await audit.check(
        world.store, "default", lambda data: digest(world.keys.ring, "default", data)
    )


# --- saying it again ---------------------------------------------------------------------------


async def test_a_repeat_gets_the_same_answer_and_does_nothing(world: World) -> None:
    first = await world.call("POST", V1, ONE, idempotency_key="a-1")
    await world.call("PATCH", AT, {"plan": "premium"})
    again = await world.call("POST", V1, ONE, idempotency_key="a-1")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotency-replayed"] == "true"
    assert (await world.call("GET", AT)).json["plan"] == "premium"
    assert [each["call"] for each in await entries(world)] == [
        "create_subscription",
        "change_subscription",
    ]


@pytest.mark.parametrize(
    ("method", "at", "body"),
    [
        ("POST", V1, {**ONE, "plan": "premium"}),
        ("POST", f"{AT}/suspend", None),
        ("DELETE", AT, None),
        ("POST", f"{V1}?tenant=default", ONE),
    ],
)
async def test_a_key_is_of_one_call(
    world: World, method: str, at: str, body: dict[str, str] | None
) -> None:
    await world.call("POST", V1, ONE, idempotency_key="a-1")
    answer = await world.call(method, at, body, idempotency_key="a-1")
    assert (answer.status, answer.code) == (422, "key_reused")
    # Another client's keys are its own.
    assert (await world.call("POST", f"{AT}/suspend", client="root")).status == 200


async def test_of_two_at_once_one_is_carried_out(world: World) -> None:
    answers = await asyncio.gather(
        *(world.call("POST", V1, ONE, idempotency_key="a-1") for _ in range(8))
    )
    assert {each.status for each in answers} <= {201, 409}
    assert {each.code for each in answers} <= {"", "in_progress"}
    assert len(await entries(world)) == 1
    late = await world.call("POST", V1, ONE, idempotency_key="a-1")
    assert late.status == 201


async def test_a_refused_call_may_be_tried_anew(world: World) -> None:
    wrong = await world.call("POST", f"{AT}/suspend", idempotency_key="a-1")
    assert wrong.code == "not_found"
    await world.made()
    assert (await world.call("POST", f"{AT}/suspend", idempotency_key="a-1")).status == 200


class Dying:
    """A store that is gone between the change and the keeping of its answer."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def finish(self, *_: Any, **__: Any) -> None:
        raise PeerUnavailable("store_down")


async def test_what_was_done_before_its_answer_was_kept_is_not_done_twice(world: World) -> None:
    real = world.store.deeds
    world.store.deeds = Dying(real)  # type: ignore[misc]
    told = await world.call("POST", V1, ONE, idempotency_key="a-1")
    assert told.status == 201
    world.store.deeds = real  # type: ignore[misc]
    # It may be on its way for a while.
    again = await world.call("POST", V1, ONE, idempotency_key="a-1")
    assert (again.status, again.code) == (409, "in_progress")
    with closing(apsw.Connection(str(world.loaded.state_dir / "simgrant.db"))) as db, db:
        db.execute("UPDATE api_answer SET at = at - 60")
    again = await world.call("POST", V1, ONE, idempotency_key="a-1")
    assert (again.status, again.code) == (409, "answer_lost")
    assert (await world.call("GET", AT)).status == 200
    assert len(await entries(world)) == 1


async def test_a_call_that_was_begun_and_left_is_taken_over(world: World) -> None:
    key, deeds = AnswerKey("default", "root", "a-1"), world.store.deeds
    assert (await deeds.begin(key, b"x", at=1_000, lease_s=LEASE_S)).is_new
    assert not (await deeds.begin(key, b"x", at=1_000 + LEASE_S, lease_s=LEASE_S)).is_new
    assert (await deeds.begin(key, b"x", at=1_001 + LEASE_S, lease_s=LEASE_S)).is_new
    # Who was thought dead comes back, and changes nothing any more.
    slow = world.store.doing(deed(world, answer=key, began=1_000))
    await world.made()
    before = await world.store.find("default", imsi=Imsi(IMSI))
    with pytest.raises(Exception, match="begun anew"):
        await slow.remove("default", Imsi(IMSI), now=2_000)
    assert await world.store.find("default", imsi=Imsi(IMSI)) == before


def deed(world: World, **fields: Any) -> Deed:
    return Deed(
        **{
            "tenant": "default",
            "at": 1_000,
            "client": "root",
            "actor": "",
            "call": "test",
            "request_id": "",
            "digest": lambda data: digest(world.keys.ring, "default", data),
            "imsi": Imsi(IMSI),
            **fields,
        }
    )


async def test_answers_and_entries_end(world: World) -> None:
    await world.call("POST", V1, ONE, idempotency_key="a-1")
    deeds = world.store.deeds
    assert await deeds.purge("default", answers_before=0, entries_before=0) == 0
    assert await deeds.purge("default", answers_before=2**40, entries_before=2**40) == 2
    assert (await world.call("POST", V1, ONE, idempotency_key="a-1")).code == "exists"


# --- the audit ---------------------------------------------------------------------------------


async def test_every_change_has_its_entry_and_says_nothing_of_a_person(world: World) -> None:
    await world.made()
    changed = await world.call("PATCH", AT, {"plan": "premium"}, x_actor="ann@example.com")
    await world.call("PUT", f"{AT}/consents/terms", {"status": "given"}, client="care")
    await world.call("POST", f"{AT}/tokens/revoke", client="care")
    await world.call("GET", AT)
    made, patched, consent, revoked = await entries(world)
    assert (patched["client"], patched["actor"]) == ("root", "ann@example.com")
    assert patched["call"] == "change_subscription"
    assert patched["detail"] == "plan"
    assert patched["request_id"] == changed.headers["x-request-id"]
    assert (made["before"], made["after"]) == ("", patched["before"])
    assert f'"{patched["after"]}"' == changed.headers["etag"]
    assert consent["client"] == revoked["client"] == "care"
    text = (await world.call("GET", "/v1/audit")).body.decode()
    assert IMSI not in text
    assert [each["number"] for each in (made, patched, consent, revoked)] == [1, 2, 3, 4]
    assert (await verdict(world)).wrong is None


async def test_what_failed_has_no_entry(world: World) -> None:
    await world.made()
    await world.call("POST", V1, ONE)
    await world.call("PATCH", AT, {"plan": "premium"}, if_match='"00"')
    await world.call("POST", f"{AT}/terminals/350000000000017/revoke")
    await world.call("DELETE", f"{AT}/holdings/boosts/166")
    assert [each["call"] for each in await entries(world)] == ["create_subscription"]


async def test_an_erased_subscriber_is_found_by_who_knows_the_imsi(world: World) -> None:
    await world.made()
    await world.made(imsi="001010000000002", msisdn="+447700900002")
    await world.call("POST", f"{AT}/erase")
    answer = await world.call("GET", f"/v1/audit?subscription={IMSI}")
    assert [each["call"] for each in answer.json["items"]] == [
        "create_subscription",
        "erase_subscription",
    ]
    newest = await world.call("GET", "/v1/audit?newest=true&limit=1")
    assert [each["number"] for each in newest.json["items"]] == [3]
    page = await world.call("GET", "/v1/audit?limit=2")
    rest = await world.call("GET", f"/v1/audit?limit=2&after={page.json['next']}")
    assert [each["number"] for each in rest.json["items"]] == [3]


async def test_an_erasure_takes_kept_answers_along(world: World) -> None:
    await world.call("POST", V1, ONE, idempotency_key="a-1")
    await world.call("POST", f"{AT}/erase", idempotency_key="a-2")
    with closing(apsw.Connection(str(world.loaded.state_dir / "simgrant.db"))) as db:
        kept: Rows = db.execute("SELECT call_key, body FROM api_answer").fetchall()
    assert [key for key, _ in kept] == ["a-2"]
    assert IMSI.encode() not in kept[0][1]


@pytest.fixture
async def busy(world: World) -> World:
    await world.made()
    for plan in ("premium", "standard", "premium"):
        await world.call("PATCH", AT, {"plan": plan})
    return world


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("UPDATE audit_entry SET client = 'care' WHERE number = 2", 2),
        ("UPDATE audit_entry SET at = at - 1 WHERE number = 3", 3),
        ("UPDATE audit_entry SET after_digest = x'00' WHERE number = 4", 4),
        ("DELETE FROM audit_entry WHERE number = 2", 2),
        ("UPDATE audit_entry SET number = 9 WHERE number = 4", 4),
    ],
)
async def test_an_entry_that_was_touched_is_found(busy: World, sql: str, wrong: int) -> None:
    assert (await verdict(busy)).wrong is None
    with closing(apsw.Connection(str(busy.loaded.state_dir / "simgrant.db"))) as db, db:
        db.execute(sql)
    await asyncio.sleep(0)  # Who reads in this turn of the loop sees what was (ADR 0067).
    assert (await verdict(busy)).wrong == wrong


async def test_what_is_past_its_time_breaks_no_chain(busy: World) -> None:
    with closing(apsw.Connection(str(busy.loaded.state_dir / "simgrant.db"))) as db, db:
        db.execute("UPDATE audit_entry SET at = 1 WHERE number < 3")
    await busy.store.deeds.purge("default", answers_before=0, entries_before=2)
    found = await verdict(busy)
    assert (found.entries, found.first, found.wrong) == (2, 3, None)
