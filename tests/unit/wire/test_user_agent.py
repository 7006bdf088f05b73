"""The User-Agent tells what it tells, and is never refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.user_agent import UserAgent, parse, push_user_agent

IMS = "IMS-Entitlement"


@pytest.mark.spec("TS.43 §2.2.1")
@pytest.mark.conforms("headers.User-Agent")
@pytest.mark.parametrize(
    ("text", "agent"),
    [
        (
            "PRD-TS43 term-Goog/Pixel 9 Pr client-IMS-Entitlement/1.0 OS-Android/15",
            UserAgent("Goog", "Pixel 9 Pr", IMS, "1.0", "Android", "15"),
        ),
        (
            "PRD-TS43 term-Goog/Pixel 9 Pr /1.0 OS-Android/15",
            UserAgent("Goog", "Pixel 9 Pr", "", "1.0", "Android", "15"),
        ),
        (
            "PRD-TS43 term-vend/modelY / OS-Android/versionZ",
            UserAgent("vend", "modelY", "", "", "Android", "versionZ"),
        ),
        (
            "PRD-TS43 TVENDOR/TMODEL IMS-Entitlement/TSWVERS OS-Android/8.0",
            UserAgent("TVENDOR", "TMODEL", IMS, "TSWVERS", "Android", "8.0"),
        ),
        (
            "PRD-TS43 client-Companion-ODSA/2.1 OS-Wear/5",
            UserAgent("", "", "Companion-ODSA", "2.1", "Wear", "5"),
        ),
        ("PRD-TS43 SatMode/TSWVERS", UserAgent(client="SatMode", client_version="TSWVERS")),
        ("PRD-TS43 term-Acme/W1", UserAgent("Acme", "W1")),
        ("PRD-TS43 term-Acme/Model One", UserAgent("Acme", "Model One")),
        ("PRD-TS43 term-Acme", UserAgent("Acme")),
        ("PRD-TS43 OS-Android", UserAgent(os="Android")),
        ("prd-ts43 TERM-a/b CLIENT-c/d os-e/f g", UserAgent("a", "b", "c", "d", "e", "f g")),
        (
            "PRD-TS43 term-a/b client-c/1 beta OS-e/f",
            UserAgent("a", "b", "c", "1 beta", "e", "f"),
        ),
        ("PRD-TS43", UserAgent()),
        ("PRD-TS43x term-a/b", UserAgent()),
        ("Dalvik/2.1.0 (Linux; U; Android 15)", UserAgent()),
        ("", UserAgent()),
    ],
)
def test_parse(text: str, agent: UserAgent) -> None:
    assert parse(text) == agent


def test_parts_are_bounded() -> None:
    agent = parse(f"PRD-TS43 term-{'a' * 80}/{'b' * 80} OS-{'c' * 2000}/x")
    assert agent == UserAgent("a" * 64, "b" * 64, "", "", "c" * 64)


@pytest.mark.parametrize(
    "agent",
    [
        UserAgent("Goog", "Pixel 9 Pr", IMS, "1.0", "Android", "15"),
        UserAgent("Goog", "Pixel 9 Pr", "", "1.0", "Android", "15"),
    ],
)
def test_what_was_pushed_is_read(agent: UserAgent) -> None:
    assert parse(push_user_agent(agent)) == agent


@pytest.mark.conforms("headers.user-agent-never-refused")
@given(st.text() | st.text("PRDTS43 term-client/OS").map("PRD-TS43 ".__add__))
def test_nothing_is_refused(text: str) -> None:
    agent = parse(text)
    for part in (agent.vendor, agent.model, agent.client, agent.os, agent.os_version):
        assert len(part) <= 64
        assert part.isprintable()
