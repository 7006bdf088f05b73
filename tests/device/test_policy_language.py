"""What rules can say, as phones see it: schedules, roll-outs, expressions, other forms, and why."""

from __future__ import annotations

import time

import pytest
from prometheus_client import generate_latest

from simgrant.compose import core_network
from simgrant.domain.policy import default_policy_text
from simgrant.flows.explain import Explanation, Inquiry, Rules, explain
from tests.clocks import set_clock
from tests.device.harness import ALLOWED, START, Answer, Phone, Server, SetClock, Workbench

RULES = """
[schedules.sale]
from = {begins}
until = {ends}

[rollouts.everybody]
percent = 100

[rollouts.nobody]
percent = 0

[own.ap2004]
X_Quality = "standard"

[[rule]]
id = "sale"
features = ["vowifi"]
during = "sale"
when = {{ rollout = "everybody" }}
result = "allowed"
with = {{ X_Quality = "high" }}
care = "The sale of this week."

[[rule]]
id = "nobody"
when = {{ rollout = "nobody" }}
result = "allowed"

[[rule]]
id = "broken"
features = ["smsoip"]
when = {{ expr = "size(plan) / (size(vendor) - size(vendor)) > 1" }}
result = "allowed"

[[rule]]
id = "no-wifi"
features = ["vowifi"]
when = {{ expr = "plan.startsWith('st') && 'volte' in features" }}
result = "denied"
reason = "by_expression"
"""
DAY = 86_400


def instant(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def told(answer: Answer, name: str, app: str = "ap2004") -> str | None:
    assert answer.status == 200, answer
    return answer.phone.get(app, name)


async def decided(server: Server) -> tuple[str, str]:
    """Return rule and reason of the last request, as they are on record."""
    (found,) = (await server.records())[-1]["decisions"]
    return found["rule"], found["reason"]


async def why(server: Server, app: str, clock: SetClock) -> Explanation:
    profile = await server.store.profile("default", ALLOWED, "", "")
    return await explain(
        Inquiry(app),
        profile.subscription,
        tenant=server.parts.tenancy.by_name["default"],
        policy=server.parts.policies["default"],
        portal=server.parts.portals["default"],
        store=server.store.real,
        ring=server.ring,
        rules=Rules(DAY, core_network.tellers(server.loaded)),
        now=clock.now(),
    )


async def test_a_sale_begins_and_ends_to_the_second_and_says_why(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock()
    set_clock(monkeypatch, clock)
    begins, ends = START + DAY, START + 2 * DAY
    text = RULES.format(begins=instant(begins), ends=instant(ends)) + default_policy_text()
    (bench.directory / "policy.toml").write_text(text)

    async with bench.opened('[tenants.default]\npolicy = "policy.toml"\n') as server:
        phone = Phone(server, ALLOWED)
        first = await phone.full()
        assert told(first, "EntitlementStatus") == "2"
        assert told(first, "X_Quality") == "standard"
        assert await decided(server) == ("no-wifi", "by_expression")

        before = await why(server, "ap2004", clock)
        sale = before.explained[0].tried[0]
        assert sale.failed is not None
        assert sale.failed.condition == 'during = "sale"'
        assert before.facts.rollouts.value == ("everybody",)

        clock.advance(DAY)
        second = await phone.fast(first.token)
        assert told(second, "EntitlementStatus") == "1"
        assert told(second, "X_Quality") == "high"
        assert await decided(server) == ("sale", "sale")
        facts = (await server.records())[-1]["facts"]
        version = server.parts.policies["default"].version
        assert facts["schedules"] == [["sale"], f"policy {version}"]
        assert facts["rollouts"] == [["everybody"], f"policy {version}"]
        within = (await why(server, "ap2004", clock)).explained[0].tried[-1]
        assert (within.rule, within.care) == ("sale", "The sale of this week.")

        clock.advance(DAY)
        assert told(await phone.fast(second.token or first.token), "EntitlementStatus") == "2"
        assert await decided(server) == ("no-wifi", "by_expression")


async def test_an_expression_that_fails_is_a_denial_that_operators_see(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock()
    set_clock(monkeypatch, clock)
    text = RULES.format(begins=instant(START), ends=instant(START + 1)) + default_policy_text()
    (bench.directory / "policy.toml").write_text(text)
    async with bench.opened('[tenants.default]\npolicy = "policy.toml"\n') as server:
        answer = await Phone(server, ALLOWED).but(apps=("ap2005",)).full()
        assert told(answer, "EntitlementStatus", "ap2005") == "2"
        assert await decided(server) == ("broken", "expression_failed")
        last = (await why(server, "ap2005", clock)).explained[0].tried[-1]
        assert last.error == "divide by zero"
        counted = generate_latest(server.parts.metrics.registry).decode()
        assert 'feature="smsoip",reason="expression_failed",result="denied"' in counted
