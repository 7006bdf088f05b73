"""Devices, tokens, consents, holdings, history, explanations, imports, orders and policies."""

from __future__ import annotations

import json
import time
import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest

from simgrant.domain.bss_events import Change
from simgrant.domain.lint import lint
from simgrant.domain.policy import default_policy_text, parse_policy
from simgrant.domain.subscription import PushRegistration, Terminal
from simgrant.flows.management import imports
from simgrant.identities import Imsi
from simgrant.ports.store import Outcome, RequestRecord, SessionRow
from simgrant_client import Problem
from tests.management.world import AT, IMSI, NUMBER, ONE, V1, World

IMEI = "350000000000017"
TERMINAL = f"{AT}/terminals/{IMEI}"
CODE = "LPA:1$bss.example.net$CODE-1"
ICCID = "8944600000000000017"
WATCH = {
    "subscription": IMSI,
    "app": "companion",
    "eid": "89049032123451234512345678901235",
    "iccid": ICCID,
    "activation_code": CODE,
}


async def with_a_phone(world: World) -> None:
    """Let a phone authenticate and register."""
    await world.made()
    imsi = Imsi(IMSI)
    await world.store.decide_session(
        "default",
        imsi,
        b"s" * 16,
        SessionRow(Outcome.ACCEPTED, 1_000, answer_hash=b"x"),
        expected=None,
        terminal=Terminal(IMEI, "Maker", "Model", "1", 1_000, 1_000),
        client="",
    )
    await world.store.register_push(
        "default", imsi, [PushRegistration(IMEI, "ap2004", "app", 2, "secret-token", 1_000)]
    )


async def test_a_lost_phone_is_told_nothing_any_more(world: World) -> None:
    await with_a_phone(world)
    shown = await world.call("GET", f"{AT}/terminals", client="viewer")
    (terminal,) = shown.json["items"]
    assert (terminal["terminal_id"], terminal["vendor"]) == (IMEI, "Maker")
    assert [each["app_id"] for each in terminal["registrations"]] == ["ap2004"]
    assert b"secret-token" not in shown.body
    profile = await world.store.profile("default", Imsi(IMSI), IMEI, "")
    assert profile is not None
    assert profile.terminal_epoch == 0
    lost = await world.call("POST", f"{TERMINAL}/lost", client="care")
    assert lost.json == {"token_epoch": 1}
    (terminal,) = (await world.call("GET", f"{AT}/terminals")).json["items"]
    assert terminal["registrations"] == []
    profile = await world.store.profile("default", Imsi(IMSI), IMEI, "")
    assert profile is not None
    assert profile.terminal_epoch == 1
    # Its orders end by the event.
    claims = await world.store.life.claim(now_ms=2**50, again_ms=2**50, limit=5)
    ((imsi, waiting),) = await world.store.life.peek(claims)
    event = waiting.event
    assert (imsi, event.change, event.terminal_id) == (Imsi(IMSI), Change.DEVICE_LOST, IMEI)


async def test_tokens_end(world: World) -> None:
    await with_a_phone(world)
    before = (await world.call("GET", AT)).json["token_epoch"]
    revoked = await world.call("POST", f"{AT}/tokens/revoke", client="care")
    assert revoked.json["token_epoch"] == before + 1
    assert (await world.call("POST", f"{TERMINAL}/revoke")).json == {"token_epoch": 1}
    unknown = await world.call("POST", f"{AT}/terminals/a%2Fb/revoke")
    assert unknown.code == "not_found"


async def test_consents_are_given_and_withdrawn(world: World) -> None:
    await world.made()
    assert (await world.call("GET", f"{AT}/consents")).json == {"items": []}
    given = await world.call(
        "PUT",
        f"{AT}/consents/terms",
        {"version": "2026-11", "expires_at": "2099-01-01"},
        client="care",
    )
    assert (given.json["status"], given.json["expires_at"]) == ("given", "2099-01-01T00:00:00Z")
    (kept,) = (await world.call("GET", f"{AT}/consents", client="viewer")).json["items"]
    assert kept == given.json
    withdrawn = await world.call("DELETE", f"{AT}/consents/terms", client="care")
    assert withdrawn.json["status"] == "missing"
    wrong = await world.call("PUT", f"{AT}/consents/terms", {"expires_at": "2026-99-99"})
    assert wrong.code == "invalid"
    assert (await world.call("PUT", f"{AT}/consents/other", {})).code == "not_found"


async def test_holdings_are_written_and_ended(world: World) -> None:
    await world.made()
    for at, body in (
        ("boosts/166", {"until": "2099-01-01T00:00:00Z"}),
        ("usage/data", {"used": 1.0, "allowance": 2**40}),
        ("satellite", {}),
    ):
        put = await world.call("PUT", f"{AT}/holdings/{at}", body)
        assert (put.status, put.body) == (204, b"")
    held = (await world.call("GET", f"{AT}/holdings")).json["items"]
    assert [each.get("boost_type") or each.get("used") or each["satellite"] for each in held] == [
        166,
        1,
        "given",
    ]
    for at in ("boosts/166", "usage/data", "satellite"):
        assert (await world.call("DELETE", f"{AT}/holdings/{at}")).status == 204
        assert (await world.call("DELETE", f"{AT}/holdings/{at}")).code == "not_found"
    assert (await world.call("GET", f"{AT}/holdings")).json == {"items": []}
    assert (await world.call("PUT", f"{AT}/holdings/usage/data", {"used": 1.5})).code == "malformed"
    assert (await world.call("PUT", f"{AT}/holdings/boosts/256", {})).code == "not_found"


async def test_history_and_explanation_are_those_of_the_command(world: World) -> None:
    await world.made()
    ring = world.keys.ring
    record = RequestRecord(
        "default",
        ring.reference("default", "imsi", IMSI, now=2**40),
        1_000_000,
        "r1",
        json.dumps({"event": "request", "request_id": "r1"}).encode(),
    )
    await world.store.append_records([record])
    history = await world.call("GET", f"{AT}/history", client="viewer")
    assert history.json == {"items": [{"event": "request", "request_id": "r1"}], "next": None}
    found = await world.call("GET", f"{AT}/explain?app=ap2004&roaming=262-01", client="viewer")
    assert found.json["subscription"]["imsi"] == IMSI
    assert found.json["records"] == history.json["items"]
    assert {each["feature"] for each in found.json["decisions"]} == {"vowifi"}
    assert (await world.call("GET", f"{AT}/explain?app=ap2099")).code == "invalid"
    assert (await world.call("GET", f"{AT}/explain?app=ap2004&like=nobody")).code == "not_found"
    assert (await world.call("GET", f"{AT}/explain")).code == "malformed"


async def test_history_comes_in_pages(world: World) -> None:
    await world.made()
    reference = world.keys.ring.reference("default", "imsi", IMSI, now=2**40)
    await world.store.append_records(
        [
            RequestRecord("default", reference, at, f"r{at}", json.dumps({"n": at}).encode())
            for at in range(1, 6)
        ]
    )
    seen, query = [], ""
    for _ in range(4):
        page = await world.call("GET", f"{AT}/history?limit=2{query}", client="viewer")
        seen.append([each["n"] for each in page.json["items"]])
        if page.json["next"] is None:
            break
        query = f"&after={page.json['next']}"
    assert seen == [[5, 4], [3, 2], [1]]
    for nonsense in ("x", "WyJhIiwiYiJd", "WyItMSIsImIiXQ=="):
        assert (await world.call("GET", f"{AT}/history?after={nonsense}")).code == "invalid"


# --- imports -----------------------------------------------------------------------------------


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"imsi": f"00101{number:010}", "plan": "standard", **fields} for number in range(count)]


def lines(of: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in of)


@pytest.mark.parametrize("form", ["application/json", "application/x-ndjson"])
async def test_an_import_is_whole(world: World, form: str) -> None:
    many = rows(700)
    body = lines(many) if form.endswith("ndjson") else json.dumps(many).encode()
    looked = await world.call("POST", "/v1/imports?check=true", body, content_type=form)
    assert looked.json == {"rows": 700, "written": 0, "existing": 0}
    assert await world.store.count("default") == 0
    done = await world.call(
        "POST", "/v1/imports", body, content_type=form, idempotency_key="batch-1"
    )
    assert done.json == {"rows": 700, "written": 700, "existing": 0}
    again = await world.call(
        "POST", "/v1/imports", body, content_type=form, idempotency_key="batch-1"
    )
    assert again.body == done.body
    replaced = await world.call("POST", "/v1/imports?replace=true", body, content_type=form)
    assert replaced.json == {"rows": 700, "written": 700, "existing": 700}
    (first, second) = (await world.call("GET", "/v1/audit")).json["items"]
    assert (first["subject"], first["detail"]) == ("import", "700 rows")
    assert second["number"] == 2


async def test_a_large_import_comes_in_parts_and_goes_on_where_it_broke_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "MOST_ROWS", 300)
    many = rows(700)
    parts = [many[start : start + 300] for start in range(0, 700, 300)]

    async def part(number: int) -> Any:
        body, form = lines(parts[number]), "application/x-ndjson"
        key = f"filling-{number}"
        return await world.call("POST", "/v1/imports", body, content_type=form, idempotency_key=key)

    whole = await world.call("POST", "/v1/imports", many)
    assert (whole.code, whole.status) == ("too_large", 413)
    first = await part(0)
    assert (await part(1)).json == {"rows": 300, "written": 300, "existing": 0}
    # Whoever was cut off there begins anew, with the same keys.
    assert (await part(0)).body == first.body
    assert [(await part(number)).json["written"] for number in range(3)] == [300, 300, 100]
    assert await world.store.count("default") == 700
    entries = (await world.call("GET", "/v1/audit")).json["items"]
    assert [each["detail"] for each in entries] == ["300 rows", "300 rows", "100 rows"]


async def test_what_is_wrong_with_an_import_is_said_by_line(world: World) -> None:
    many = rows(5)
    body = lines(many).split(b"\n")
    body[1] = b"no JSON"
    body[2] = b'{"imsi": "001010000000002", "plan": "gold"}'
    body.insert(3, b"")
    body[4] = body[0]
    answer = await world.call(
        "POST", "/v1/imports", b"\n".join(body), content_type="application/x-ndjson"
    )
    assert (answer.status, answer.code) == (422, "invalid")
    assert [each["line"] for each in answer.json["errors"]] == [2, 3, 5]
    assert "is that of line 1" in answer.json["errors"][2]["reason"]
    assert await world.store.count("default") == 0
    await world.made(imsi="001010000000003")
    answer = await world.call("POST", "/v1/imports", many)
    assert (answer.status, answer.code) == (409, "exists")
    assert [each["line"] for each in answer.json["errors"]] == [4]
    assert await world.store.count("default") == 1
    taken = rows(2, msisdn=NUMBER)
    assert (await world.call("POST", "/v1/imports", taken)).code == "invalid"
    taken[1].pop("msisdn")
    assert (await world.call("POST", "/v1/imports", taken)).code == "number_taken"


async def test_an_import_has_an_end(world: World) -> None:
    answer = await world.call("POST", "/v1/imports", rows(10_001))
    assert (answer.status, answer.code) == (413, "too_large")
    body = b" " * (16 * 1024 * 1024 + 1)
    assert (await world.call("POST", "/v1/imports", body)).code == "too_large"
    length = {"content-length": str(2**40)}
    assert (await world.call("POST", V1, b"{}", said=length)).code == "too_large"
    assert (await world.call("POST", V1, b"[" * 60_000)).code == "malformed"


# --- orders and policies -----------------------------------------------------------------------


async def test_orders_are_made_and_ended(world: World) -> None:
    await world.made()
    made = await world.call("POST", "/v1/orders", WATCH)
    assert (made.status, made.json["state"], made.json["whose"]) == (201, "released", IMSI)
    at = made.headers["location"]
    assert (await world.call("GET", at[:-8], client="viewer")).json == made.json
    page = await world.call("GET", "/v1/orders?limit=1")
    assert page.json["items"] == [made.json]
    assert (await world.call("GET", f"/v1/orders?after={page.json['next']}")).json["items"] == []
    assert (await world.call("POST", f"{at}/fail")).code == "conflict"
    ended = await world.call("POST", f"{at}/end")
    assert ended.json["state"] == "ended"
    assert (await world.call("GET", "/v1/orders/00")).code == "not_found"
    wrong = {**WATCH, "activation_code": "CODE"}
    assert (await world.call("POST", "/v1/orders", wrong)).code == "invalid"
    audit = await world.call("GET", f"/v1/audit?subscription={IMSI}")
    assert [each["call"] for each in audit.json["items"]] == [
        "create_subscription",
        "create_order",
        "end_order",
    ]


async def test_a_policy_is_checked_published_and_rolled_back(world: World) -> None:
    text = default_policy_text()
    looked = await world.call("POST", "/v1/policies/check", {"text": text})
    assert looked.json == {"problems": [], "warnings": []}
    unused = f'{text}\n[texts.nobody]\nen = "Nobody says this."\n'
    odd = (await world.call("POST", "/v1/policies/check", {"text": unused})).json
    by_command = list(map(str, lint(parse_policy(unused), tomllib.loads(unused))))
    assert odd == {"problems": [], "warnings": by_command}
    assert len(by_command) == 1
    wrong = await world.call("POST", "/v1/policies/check", {"text": "x = ["})
    assert wrong.json["problems"]
    first = {"text": text, "comment": "the first", "seen": 0}
    published = await world.call("POST", "/v1/policies", first, x_actor="ann")
    assert (published.status, published.json["version"]) == (201, 1)
    assert (await world.call("POST", "/v1/policies", first)).code == "conflict"
    second = {"text": f"{text}\n# more\n", "comment": "the second", "seen": 1}
    assert (await world.call("POST", "/v1/policies", second)).json["version"] == 2
    bad = await world.call("POST", "/v1/policies", {**second, "text": "x = [", "seen": 2})
    assert bad.code == "invalid"
    back = {"version": 1, "comment": "no", "seen": 2}
    assert (await world.call("POST", "/v1/policies/rollback", back)).json["version"] == 1
    found = (await world.call("GET", "/v1/policies", client="viewer")).json["items"]
    assert [(each["version"], each["author"], each["genuine"]) for each in found] == [
        (1, "root", True),
        (2, "root", True),
        (1, "ann", True),
    ]
    assert (await world.call("GET", "/v1/policies/2")).json["text"] == second["text"]
    assert (await world.call("GET", "/v1/policies/9")).code == "not_found"
    entries = (await world.call("GET", "/v1/audit")).json["items"]
    assert [each["detail"] for each in entries] == ["publish", "publish", "rollback to 1"]


async def test_what_is_wrong_with_events_is_said_of_each(world: World) -> None:
    await world.made()
    event = {"event_id": "e-1", "change": "changed", "at": "2026-11-01T00:00:00Z", "imsi": IMSI}
    timeless = {**event, "at": "2026-99-99"}
    nobodys = {name: value for name, value in event.items() if name != "imsi"}
    answer = await world.call("POST", "/v1/events", [event, timeless, event, nobodys])
    assert (answer.status, answer.code) == (422, "invalid")
    assert [each["line"] for each in answer.json["errors"]] == [2, 4]
    assert answer.json["errors"][1]["reason"] == "imsi or msisdn has to be there"
    assert answer.json["detail"].startswith("2 of 4 events")
    # Both are named where one is not even of the shape.
    answer = await world.call("POST", "/v1/events", [timeless, {**event, "change": "burst"}, 7])
    assert (answer.status, answer.code) == (400, "malformed")
    assert [each["line"] for each in answer.json["errors"]] == [1, 2, 3]
    problem = Problem(answer.status, answer.json, None)
    assert problem.errors == answer.json["errors"]
    assert "3 of 3 events" in str(problem)
    assert "$.change" in str(problem)
    many = await world.call("POST", "/v1/events", [nobodys] * 500)
    assert many.json["detail"].startswith("500 of 500 events")
    assert len(many.json["errors"]) == 100
    assert len(str(Problem(many.status, many.json, None))) < 2_000
    kept = await world.call("POST", "/v1/events", [event])
    assert kept.json["items"] == [{"event_id": "e-1", "taken": "kept"}]


async def test_events_are_kept_once(world: World) -> None:
    await world.made()
    now = datetime.fromtimestamp(time.time(), UTC).isoformat()
    event = {
        "event_id": "e-1",
        "change": "plan_changed",
        "at": now,
        "imsi": IMSI,
        "told": {"plan": "premium", "options": ["vowifi"], "provisioning": "provisioned"},
    }
    stranger = {"event_id": "e-2", "change": "suspended", "at": now, "msisdn": "+447700900999"}
    told = await world.call("POST", "/v1/events", [event, stranger])
    assert told.json["items"] == [
        {"event_id": "e-1", "taken": "kept"},
        {"event_id": "e-2", "taken": "set_aside"},
    ]
    again = await world.call("POST", "/v1/events", [event])
    assert again.json["items"] == [{"event_id": "e-1", "taken": "known"}]
    for wrong, code in (
        ({**event, "imsi": "1"}, "malformed"),
        ({**event, "at": "2026-99-99"}, "invalid"),
        ({"event_id": "e-3", "change": "resumed", "at": now}, "invalid"),
        ({**event, "change": "exploded"}, "malformed"),
    ):
        assert (await world.call("POST", "/v1/events", [wrong])).code == code
    many = [{**event, "event_id": f"m-{number}"} for number in range(501)]
    assert (await world.call("POST", "/v1/events", many)).code == "too_large"
    for whole in (event, b"[{]", b"["):
        assert (await world.call("POST", "/v1/events", whole)).code == "malformed"
    assert (await world.call("POST", "/v1/events", [event], client="care")).code == "forbidden"


async def test_nothing_of_anybody_is_in_the_log(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.made(k="00" * 16, opc="11" * 16)
    await world.call("GET", f"{AT}/export")
    await world.call("POST", "/v1/orders", WATCH)
    await world.call("POST", V1, {**ONE, "imsi": "262019999999999"})
    said = capsys.readouterr().out
    assert "api_called" in said
    for secret in (IMSI, NUMBER[1:], "262019999999999", ICCID, "CODE-1", "00" * 16, "token-of"):
        assert secret not in said
