"""Several operators on one server: each is found, and none can see or use what is another's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from simgrant.adapters.keyring import file as key_file
from simgrant.domain.policy import default_policy_text
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import StartRefused
from simgrant.identities import Imsi
from simgrant.ports.store import Change
from tests.device.harness import (
    ALLOWED,
    RELAY,
    START,
    XML,
    Phone,
    Request,
    Server,
    Workbench,
    new_subscription,
    relay_body,
    service,
)

TWO = """
[tenants.red]
hosts = ["red.example"]
plmns = ["001-01"]

[tenants.blue]
hosts = ["blue.example", "also-blue.example"]
plmns = ["001-01"]

[tenants.green]
plmns = ["001-01"]
gid1 = ["00FF"]

[tenants.grey]
imsi_ranges = ["001010000005000-001010000005999"]
"""
GREY = Imsi("001010000005001")


@pytest.fixture
async def shared(bench: Workbench) -> AsyncIterator[Server]:
    """A server with four tenants beside the default, the same IMSI in most of them."""
    async with bench.opened(TWO) as server:
        plans = {"red": "standard", "blue": "basic", "green": "standard"}
        for tenant, plan in plans.items():
            await server.add(new_subscription(ALLOWED, server.ring, tenant=tenant, plan=plan))
        await server.add(new_subscription(GREY, server.ring, tenant="grey"))
        yield server


def red(server: Server) -> Phone:
    return Phone(server, host="red.example")


def blue(server: Server) -> Phone:
    return Phone(server, host="blue.example")


# --- who is asked --------------------------------------------------------------------------


async def tenant_of(server: Server, phone: Phone) -> tuple[str, int]:
    """Start an authentication and return whose request the server took it for."""
    status = (await phone.begin()).status
    record = (await server.records())[-1]
    return record["tenant"], status


@pytest.mark.parametrize(
    ("host", "tenant"),
    [
        ("red.example", "red"),
        ("RED.Example:8443", "red"),
        ("red.example.", "red"),
        ("blue.example:80", "blue"),
        ("also-blue.example", "blue"),
        ("elsewhere.example", "default"),
        ("xred.example", "default"),
        ("red.example.evil.example", "default"),
        ("", "default"),
        ("[::1]:8080", "default"),
    ],
)
async def test_by_host(shared: Server, host: str, tenant: str) -> None:
    assert await tenant_of(shared, Phone(shared, host=host)) == (tenant, 200)


@pytest.mark.conforms("request.GID1")
@pytest.mark.parametrize(
    ("gid1", "tenant"),
    [("00FF", "green"), ("00ff", "green"), ("00FE", "default"), ("", "default")],
)
async def test_by_gid1_and_network(shared: Server, gid1: str, tenant: str) -> None:
    phone = Phone(shared, extra=(("gid1", gid1),))
    assert await tenant_of(shared, phone) == (tenant, 200)


async def test_gid1_alone_is_not_enough(shared: Server) -> None:
    """The value is unique within one network only."""
    phone = Phone(shared, imsi=Imsi("999990000000001"), extra=(("gid1", "00FF"),))
    assert await tenant_of(shared, phone) == ("default", 403)


async def test_by_imsi_range(shared: Server) -> None:
    assert await tenant_of(shared, Phone(shared, imsi=GREY)) == ("grey", 200)
    outside = Phone(shared, imsi=Imsi("001010000006000"))
    assert await tenant_of(shared, outside) == ("default", 403)


async def test_the_host_wins_over_gid1_and_gid1_over_the_range(shared: Server) -> None:
    both = Phone(shared, host="red.example", extra=(("gid1", "00FF"),))
    assert await tenant_of(shared, both) == ("red", 200)
    shadowed = Phone(shared, imsi=GREY, extra=(("gid1", "00FF"),))
    assert (await tenant_of(shared, shadowed))[0] == "green"


async def test_a_tenant_serves_its_own_range_only(shared: Server, bench: Workbench) -> None:
    del shared
    settings = (
        '[tenants.grey]\nhosts = ["grey.example"]\n'
        'imsi_ranges = ["001010000005000-001010000005999"]'
    )
    async with bench.opened(settings) as server:
        phone = Phone(server, host="grey.example")
        assert await tenant_of(server, phone) == ("grey", 403)
        assert server.store.asked == []


# --- what is another's ---------------------------------------------------------------------


async def test_each_tenant_answers_for_its_own_subscription(shared: Server) -> None:
    assert service(await red(shared).full(), "ap2004")["EntitlementStatus"] == "1"
    assert service(await blue(shared).full(), "ap2004")["EntitlementStatus"] == "2"


async def test_a_token_is_good_at_its_own_tenant_only(shared: Server) -> None:
    token = await red(shared).token()
    assert (await red(shared).fast(token)).status == 200
    assert (await blue(shared).fast(token)).status == 511
    other = await blue(shared).token()
    assert (await red(shared).fast(other)).status == 511
    assert service(await blue(shared).fast(other), "ap2004")["EntitlementStatus"] == "2"


async def test_a_cookie_is_good_at_its_own_tenant_only(shared: Server) -> None:
    challenge = await red(shared).begin()
    phone = red(shared)
    packet = phone.reply(challenge)
    assert (await blue(shared).post(packet, challenge.cookie)).status == 511
    assert shared.store.writes == []
    assert (await phone.post(packet, challenge.cookie)).status == 200


async def test_a_bare_cookie_and_a_bare_token_find_their_tenant(shared: Server) -> None:
    """By an address that is no tenant's, nothing but the seal says whose they are."""
    bare = [("accept", f"{RELAY}, {XML}"), ("host", "192.0.2.1:443")]
    for phone, status in ((red(shared), "1"), (blue(shared), "2")):
        challenge = await phone.begin()
        answer = await shared.send(
            Request(
                "POST",
                b"",
                [*bare, ("cookie", challenge.cookie)],
                relay_body(phone.reply(challenge)),
            )
        )
        assert service(answer, "ap2004")["EntitlementStatus"] == status
        again = await shared.get(f"token={answer.token}", *bare)
        assert service(again, "ap2004")["EntitlementStatus"] == status
        assert again.token == answer.token


async def test_a_session_found_by_gid1_keeps_its_tenant(shared: Server) -> None:
    phone = Phone(shared, extra=(("gid1", "00FF"),))
    answer = await phone.full()
    assert service(answer, "ap2004")["EntitlementStatus"] == "1"
    await shared.store.real.revoke_tokens("green", ALLOWED, None)
    assert (await phone.fast(answer.token)).status == 511


async def test_both_cookies_sent_at_once_lead_to_the_host_s_own(shared: Server) -> None:
    """One browser store, two tenants: the cookie of the other one is passed over."""
    theirs = await blue(shared).begin()
    mine = await red(shared).begin()
    packet = red(shared).reply(mine)
    answer = await red(shared).post(packet, f"{theirs.cookie}; {mine.cookie}")
    assert service(answer, "ap2004")["EntitlementStatus"] == "1"


async def test_changes_at_one_tenant_leave_the_other(shared: Server) -> None:
    store = shared.store.real
    mine, other = await red(shared).token(), await blue(shared).token()
    await store.revoke_tokens("red", ALLOWED, None)
    change = Change(status=SubscriptionStatus.BARRED)
    await store.change("red", ALLOWED, change, now=START)
    assert (await red(shared).fast(mine)).status == 511
    assert (await red(shared).full()).status == 403
    assert (await blue(shared).fast(other)).status == 200
    await store.erase("red", ALLOWED, (), now=90)
    assert (await blue(shared).fast(other)).status == 200
    assert (await blue(shared).full()).status == 200


async def test_records_and_references_of_one_tenant_say_nothing_to_another(
    shared: Server,
) -> None:
    await red(shared).full()
    await blue(shared).full()
    await shared.parts.journal.flush()
    references = {
        name: shared.ring.references(name, "imsi", ALLOWED.digits) for name in ("red", "blue")
    }
    assert set(references["red"]).isdisjoint(references["blue"])
    store = shared.store.real
    assert len(await store.records("red", references["red"])) == 2
    assert await store.records("red", references["blue"]) == []
    assert await store.records("blue", references["red"]) == []
    records = await shared.records()
    by_tenant: dict[str, set[str]] = {}
    for record in records:
        by_tenant.setdefault(record["tenant"], set()).add(record["terminal_ref"])
    assert by_tenant["red"].isdisjoint(by_tenant["blue"]), "one terminal, two names"


async def test_limits_count_each_tenant_s_imsi_apart(bench: Workbench) -> None:
    settings = TWO + "\n[limits]\nimsi_source_burst = 2\nimsi_burst = 2\n"
    async with bench.opened(settings) as server:
        for tenant in ("red", "blue"):
            await server.add(new_subscription(ALLOWED, server.ring, tenant=tenant))
        for _ in range(2):
            assert (await red(server).begin()).status == 200
        assert (await red(server).begin()).status == 503
        assert (await blue(server).begin()).status == 200


async def test_tenants_with_key_files_of_their_own(bench: Workbench) -> None:
    settings = (
        '[tenants.red]\nhosts = ["red.example"]\nplmns = ["001-01"]\nkeys = "state/red.json"\n'
    )
    own = bench.directory / "state" / "red.json"
    key_file.write_keys(own, key_file.initial_keys(now=START - 1000))
    async with bench.opened(settings) as server:
        await server.add(new_subscription(ALLOWED, server.ring, tenant="red"))
        token = await red(server).token()
        assert (await red(server).fast(token)).status == 200
        assert (await Phone(server, host="").fast(token)).status == 200, "the seal says whose"
        key_file.write_keys(own, key_file.initial_keys(now=START - 1000))
        server.clock.advance(1)
        assert server.parts.keys.refresh()
        assert (await red(server).fast(token)).status == 511
        assert (await Phone(server).full()).status == 200, "the other ring is as it was"


async def test_a_tenant_s_portal_and_policy_are_its_own(bench: Workbench) -> None:
    strict = default_policy_text().replace('"vowifi", ', "", 1)
    (bench.directory / "strict.toml").write_text(strict)
    settings = (
        '[tenants.red]\nhosts = ["red.example"]\nplmns = ["001-01"]\npolicy = "strict.toml"\n'
        '[tenants.blue]\nhosts = ["blue.example"]\nplmns = ["001-01"]\n'
        'portal_url = "https://blue.example/pages"\n'
    )
    async with bench.opened(settings) as server:
        for tenant in ("red", "blue"):
            await server.add(new_subscription(ALLOWED, server.ring, tenant=tenant, consents=()))
        assert service(await red(server).full(), "ap2004")["EntitlementStatus"] == "2"
        url = service(await blue(server).full(), "ap2004")["ServiceFlow_URL"]
        assert url == "https://blue.example/pages/vowifi"


# --- configurations that are refused -------------------------------------------------------

AMBIGUOUS = {
    "one host": '[tenants.a]\nhosts = ["x.example"]\n[tenants.b]\nhosts = ["X.EXAMPLE"]\n',
    "one GID1": (
        '[tenants.a]\nplmns = ["001-01"]\ngid1 = ["0A"]\n'
        '[tenants.b]\nplmns = ["001-01"]\ngid1 = ["0a"]\n'
    ),
    "one range": (
        '[tenants.a]\nimsi_ranges = ["001010000000000-001010000000999"]\n'
        '[tenants.b]\nimsi_ranges = ["001010000000999-001010000002000"]\n'
    ),
    "a range inside another": (
        '[tenants.a]\nimsi_ranges = ["001010000000000-001010000009999"]\n'
        '[tenants.b]\nimsi_ranges = ["001010000000500-001010000000600"]\n'
    ),
    "GID1 in networks of which one begins like the other": (
        '[tenants.a]\nplmns = ["310-41"]\ngid1 = ["0A"]\n'
        '[tenants.b]\nplmns = ["310-410"]\ngid1 = ["0A"]\n'
    ),
    "one host with and without its last dot": (
        '[tenants.a]\nhosts = ["x.example"]\n[tenants.b]\nhosts = ["x.example."]\n'
    ),
}


@pytest.mark.parametrize("settings", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_two_tenants_that_match_alike_are_refused(bench: Workbench, settings: str) -> None:
    with pytest.raises(StartRefused, match=r"tenants\.b"):
        bench.loaded(settings)


@pytest.mark.parametrize(
    "settings",
    [
        '[tenants.A]\nhosts = ["x.example"]',
        '[tenants.a]\nplmns = ["00101"]',
        '[tenants.a]\ngid1 = ["0A"]',
        '[tenants.a]\nimsi_ranges = ["001010000000999-001010000000000"]',
        '[tenants.a]\nimsi_ranges = ["00101000000000-001010000000000"]',
        '[tenants.a]\nimsi_range = ["001010000000000-001010000000999"]',
    ],
)
def test_tenants_that_cannot_be_are_refused(bench: Workbench, settings: str) -> None:
    with pytest.raises(StartRefused, match="tenants"):
        bench.loaded(settings)


async def test_neighbouring_ranges_and_shared_networks_are_not_refused(bench: Workbench) -> None:
    settings = (
        '[tenants.a]\nimsi_ranges = ["001010000000000-001010000000999"]\n'
        '[tenants.b]\nimsi_ranges = ["001010000001000-001010000001999"]\n'
        '[tenants.c]\nplmns = ["001-01"]\ngid1 = ["0A"]\n'
        '[tenants.d]\nplmns = ["001-01"]\ngid1 = ["0B"]\n'
    )
    async with bench.opened(settings) as server:
        assert len(server.parts.tenancy.by_name) == 5
