"""Subscriptions on the management API: each call, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.management.world import AT, IMSI, NUMBER, ONE, V1, World


async def test_one_is_made_shown_changed_and_removed(world: World) -> None:
    made = await world.made(prepaid=True, iccid="8944500000000000001")
    assert made.headers["location"] == AT
    assert made.json["plan"] == "standard"
    assert made.json["prepaid"] is True
    shown = await world.call("GET", f"{V1}/{NUMBER}")
    assert (shown.status, shown.json) == (200, made.json)
    assert shown.headers["etag"] == made.headers["etag"]
    changed = await world.call("PATCH", AT, {"plan": "premium", "visited_plmn": "262-01"})
    assert changed.status == 200
    assert (changed.json["plan"], changed.json["visited_plmn"]) == ("premium", "26201")
    assert changed.headers["etag"] != made.headers["etag"]
    for verb, status in (("suspend", "suspended"), ("bar", "barred"), ("resume", "active")):
        answer = await world.call("POST", f"{AT}/{verb}")
        assert (answer.status, answer.json["status"]) == (200, status)
    removed = await world.call("DELETE", AT)
    assert (removed.status, removed.body) == (204, b"")
    assert (await world.call("GET", AT)).code == "removed"
    assert (await world.call("PATCH", AT, {"plan": "premium"})).code == "removed"
    # What is left of it can still be had, and erased for good.
    assert (await world.call("GET", f"{AT}/export")).json["subscription"]["status"] == "removed"
    assert (await world.call("POST", f"{AT}/erase")).json["subscriptions"] == 1
    assert (await world.call("GET", AT)).code == "not_found"


async def test_a_page_leads_to_the_next(world: World) -> None:
    imsis = [f"0010100000000{number:02}" for number in range(5)]
    for imsi in imsis:
        await world.made(imsi=imsi, msisdn=f"+4477009{imsi[-5:]}")
    seen, after = [], ""
    while True:
        page = await world.call("GET", f"{V1}?limit=2&after={after}")
        seen += [each["imsi"] for each in page.json["items"]]
        after = page.json["next"]
        if after is None:
            break
        assert imsis[0] not in after
    assert seen == imsis
    await world.call("POST", f"{V1}/{imsis[1]}/suspend")
    page = await world.call("GET", f"{V1}?status=suspended")
    assert [each["imsi"] for each in page.json["items"]] == imsis[1:2]


async def test_a_state_that_was_not_seen_is_not_written_over(world: World) -> None:
    seen = (await world.made()).headers["etag"]
    first = await world.call("PATCH", AT, {"plan": "premium"}, if_match=seen)
    assert first.status == 200
    late = await world.call("PATCH", AT, {"plan": "standard"}, if_match=seen)
    assert (late.status, late.code) == (412, "changed_meanwhile")
    late = await world.call("DELETE", AT, if_match=seen)
    assert late.code == "changed_meanwhile"
    # What is noted about the line is of its state too.
    seen = first.headers["etag"]
    assert (await world.call("PATCH", AT, {"port_freeze": True}, if_match=seen)).status == 200
    assert (await world.call("POST", f"{AT}/suspend", if_match=seen)).status == 412
    assert (await world.call("POST", f"{AT}/suspend", if_match="*")).status == 200
    assert (await world.call("GET", AT)).json["plan"] == "premium"


async def test_one_is_put_whether_it_is_there_or_not(world: World) -> None:
    body = {"plan": "standard", "msisdn": NUMBER}
    assert (await world.call("PUT", f"{AT}?only=replace", body)).code == "not_found"
    assert (await world.call("PUT", AT, body)).status == 201
    assert (await world.call("PUT", f"{AT}?only=create", body)).code == "exists"
    replaced = await world.call("PUT", AT, {"plan": "premium"})
    assert (replaced.status, replaced.json["plan"], replaced.json["msisdn"]) == (
        200,
        "premium",
        None,
    )


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"plan": "gold"}, "invalid"),
        ({"imsi": "262010000000001"}, "invalid"),
        ({"k": "00" * 16}, "invalid"),
        ({"sim_since": "2999-01-01"}, "invalid"),
        ({"imsi": "1"}, "malformed"),
        ({"imsi": 1}, "malformed"),
        ({"status": "removed"}, "malformed"),
        ({"nonsense": 1}, "malformed"),
        ({"plan": None}, "malformed"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_written(
    world: World, fields: dict[str, Any], code: str
) -> None:
    answer = await world.call("POST", V1, {**ONE, **fields})
    assert answer.code == code
    assert await world.store.count("default") == 0
    assert await world.store.deeds.entries("default") == []


async def test_a_key_is_taken_and_never_shown(world: World) -> None:
    key = "0123456789abcdef" * 2
    answer = await world.made(k=key, opc=key)
    assert key not in answer.body.decode()
    export = await world.call("GET", f"{AT}/export")
    assert export.json["has_sim_key"] is True
    assert key not in export.body.decode().lower()


async def test_two_cannot_have_an_imsi_or_a_number(world: World) -> None:
    await world.made()
    assert (await world.call("POST", V1, ONE)).code == "exists"
    other = {**ONE, "imsi": "001010000000002"}
    assert (await world.call("POST", V1, other)).code == "number_taken"
    assert (await world.call("PUT", f"{V1}/001010000000002", {"plan": "standard"})).status == 201
    answer = await world.call(
        "PATCH", f"{V1}/001010000000002", {"msisdn": NUMBER, "plan": "premium"}
    )
    assert answer.code == "number_taken"
    assert (await world.call("GET", f"{V1}/001010000000002")).json["plan"] == "standard"


async def test_devices_are_told_to_ask_again(world: World) -> None:
    await world.made()
    assert (await world.call("POST", f"{AT}/notify")).json == {"notices": 0}
    assert (await world.call("POST", f"{AT}/notify", {"apps": ["ap2004"]})).status == 200
    assert (await world.call("POST", f"{AT}/notify", {"apps": ["ap1"]})).code == "invalid"


async def test_tenants_are_apart(world: World) -> None:
    await world.made()
    blue = {"imsi": "999990000000001", "plan": "standard"}
    assert (await world.call("POST", V1, blue, client="blue")).status == 201
    # It has no other tenant, and needs not say so.
    page = await world.call("GET", V1, client="blue")
    assert [each["tenant"] for each in page.json["items"]] == ["blue"]
    for target in (f"{AT}?tenant=default", f"{V1}?tenant=default"):
        assert (await world.call("GET", target, client="blue")).code == "not_found"
    assert (await world.call("GET", AT, client="blue")).code == "not_found"
    assert (await world.call("GET", f"{V1}?tenant=red")).code == "not_found"
    assert (await world.call("GET", f"{V1}/{IMSI}?tenant=default")).status == 200
