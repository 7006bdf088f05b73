"""Which profile a client has, and what it changes in documents."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.trail import Trail
from simgrant.errors import UnsupportedVersion
from simgrant.flows.authenticate import Call
from simgrant.flows.clients import Clients, Match, Patterns, Profile, Told, completed
from simgrant.flows.shape import Shape, shaped
from simgrant.spec.load import tables
from simgrant.spec.version import FIRST, NEWEST, SpecVersion
from simgrant.wire import json, request, xml
from simgrant.wire.document import Application, Characteristic, CharacteristicList, Parm

CALL = Call("ecs.example", "192.0.2.1", "*/*", "", "Acme/1.0", 0.0)
REST = Profile(name="generic")

versions = st.builds(SpecVersion, st.integers(0, 9999), st.integers(0, 9999))
served = st.builds(SpecVersion, st.integers(1, 13), st.just(0))


def ask(**parameters: str) -> request.Ask:
    return request.ask(tuple(parameters.items()))


def found(clients: Clients, call: Call = CALL, **parameters: str) -> str:
    return clients.of(ask(**parameters), call, Trail("1")).profile.name


# --- patterns ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "text", "fits"),
    [
        ((), "anything", True),
        (("acme/*",), "Acme/1.0", True),
        (("acme/*",), "x Acme/1.0", False),
        (("*acme*", "other"), "OTHER", True),
        (("a?c",), "abc", True),
        (("a?c",), "ac", False),
        (("a.c",), "abc", False),
        (("",), "", True),
        (("*",), "", True),
    ],
)
def test_patterns(patterns: tuple[str, ...], text: str, fits: bool) -> None:
    assert Patterns(*patterns).fit(text) is fits


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=12))
def test_a_pattern_means_what_it_says(pattern: str, text: str) -> None:
    assert Patterns(pattern).fit(text) is _fits(pattern, text)


def _fits(pattern: str, text: str) -> bool:
    """Return the same by trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_fits(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and _fits(pattern[1:], text[1:])


def test_the_classic_catastrophe_ends() -> None:
    """With backtracking this would outlast everybody who could wait for it."""
    assert not Patterns("*a" * 99 + "b").fit("a" * 512)
    assert not Patterns(*["*a*?b" * 40] * 32).fit("ab" * 255 + "a")


# --- profiles ------------------------------------------------------------------------------


def test_the_first_that_fits_counts_and_all_conditions_must_hold() -> None:
    clients = Clients(
        [
            Profile(
                name="picky",
                match=Match(
                    user_agent=Patterns("acme/*"),
                    app_name=Patterns("health"),
                    accept=Patterns("*json*"),
                    vendor=Patterns("ac*"),
                    model=Patterns("m1"),
                    tacs=(("49015420", "49015421"),),
                    apps=frozenset({"ap2004"}),
                    oldest=SpecVersion(2, 0),
                    newest=SpecVersion(4, 0),
                    bare=False,
                ),
            ),
            REST,
        ]
    )
    all_right = {
        "app_name": "Health",
        "terminal_vendor": "ACME",
        "terminal_model": "M1",
        "terminal_id": "490154203237518",
        "app": "ap2004",
        "entitlement_version": "4.0",
    }
    call = replace(CALL, accept="application/json")
    assert found(clients, call, **all_right) == "picky"
    assert found(clients, CALL, **all_right) == "generic"
    assert found(clients, replace(call, user_agent="Other"), **all_right) == "generic"
    for name, other in {
        "app_name": "x",
        "terminal_vendor": "x",
        "terminal_model": "M2",
        "terminal_id": "350154203237518",
        "app": "ap2005",
        "entitlement_version": "4.1",
    }.items():
        assert found(clients, call, **{**all_right, name: other}) == "generic", name


def test_bare_is_neither_terminal_nor_version() -> None:
    clients = Clients([Profile(name="bare", match=Match(bare=True)), REST])
    assert found(clients, eap_id="0") == "bare"
    assert found(clients, eap_id="0", app="ap2004") == "bare"
    assert found(clients, eap_id="0", terminal_id="1") == "generic"
    assert found(clients, eap_id="0", entitlement_version="2.0") == "generic"


@pytest.mark.parametrize("token", ["temporary_token", "operator_token"])
def test_a_third_party_that_names_no_terminal_is_no_bare_client(token: str) -> None:
    clients = Clients([Profile(name="bare", match=Match(bare=True)), REST])
    assert found(clients, CALL, **{token: "x"}) == "generic"
    assert found(clients, CALL, **{token: ""}) == "bare"


def test_what_a_client_means_is_put_in_where_it_names_nothing() -> None:
    profile = replace(REST, apps=("ap2004", "ap2005"))
    filled = completed(ask(eap_id="0"), profile)
    assert filled.apps == ("ap2004", "ap2005")
    assert request.ask(filled.parameters).apps == filled.apps, "the cookie keeps it"
    named = ask(app="ap2003")
    assert completed(named, profile) is named


def test_memory_is_bounded_whatever_clients_say() -> None:
    clients = Clients([REST])
    for number in range(Clients.MOST + 100):
        found(clients, replace(CALL, user_agent=f"Agent/{number}"))
    assert len(clients) <= Clients.MOST
    before = len(clients)
    found(clients, replace(CALL, user_agent="x" * 10_000))
    assert len(clients) == before, "a long text is not kept"


# --- versions ------------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §2.5")
def test_the_newest_version_is_that_of_the_table() -> None:
    assert max(tables().versions) == NEWEST
    assert min(tables().versions) == FIRST


@pytest.mark.spec("TS.43 §2.5")
@given(versions)
def test_every_version_from_1_0_on_is_served_by_default(version: SpecVersion) -> None:
    expected = None if version < FIRST else min(version, NEWEST)
    assert REST.served(version) == expected


@given(versions, served, served)
def test_a_version_outside_is_served_as_the_nearest(
    version: SpecVersion, one: SpecVersion, other: SpecVersion
) -> None:
    oldest, newest = sorted((one, other))
    nearest = replace(REST, oldest=oldest, newest=newest).served(version)
    assert (nearest is None) is (version < FIRST)
    assert nearest is None or oldest <= nearest <= newest
    strict = replace(REST, oldest=oldest, newest=newest, refuses=True).served(version)
    inside = version >= FIRST and oldest <= min(version, NEWEST) <= newest
    assert (strict is not None) is inside


def test_a_version_that_is_switched_off_is_refused_each_time() -> None:
    clients = Clients([replace(REST, oldest=SpecVersion(8, 0), refuses=True)])
    for _ in range(2):
        trail = Trail("1")
        with pytest.raises(UnsupportedVersion):
            clients.of(ask(entitlement_version="2.0"), CALL, trail)
        assert trail.profile == "generic", "the record says whose rule it was"


# --- shapes --------------------------------------------------------------------------------

ENTRY = Characteristic(
    "RATVoiceEntitleInfoDetails",
    (Parm("AccessType", "1"), Parm("HomeRoamingNWType", "2"), Parm("EntitlementStatus", "2")),
)
ABROAD = replace(ENTRY, items=(ENTRY.items[0], Parm("HomeRoamingNWType", "3"), Parm("X", "0")))
NR = replace(ENTRY, items=(Parm("AccessType", "2"), *ENTRY.items[1:2], Parm("X", "1")))
VOICE = Application(
    "ap2003", (CharacteristicList("VoiceOverCellularEntitleInfo", (NR, ABROAD, ENTRY)),)
)


def test_the_flat_status_is_that_of_lte_at_home() -> None:
    (flat,) = shaped((VOICE,), Shape(flat_voice=True))
    assert flat.items == (Parm("EntitlementStatus", "2"), *VOICE.items)
    old = Application("ap2003", (Parm("EntitlementStatus", "1"),))
    wifi = Application("ap2004", VOICE.items)
    assert shaped((old, wifi), Shape(flat_voice=True)) == (old, wifi), "nothing to add"


@given(
    st.dictionaries(
        st.sampled_from(["AccessType", "EntitlementStatus", "X", "Unknown"]),
        st.sampled_from(["a", "b", "c", "d"]),
    )
)
def test_renaming_changes_names_of_parms_and_nothing_else(names: dict[str, str]) -> None:
    if len(set(names.values())) < len(names):
        return
    (changed,) = shaped((VOICE,), Shape(parm_names=tuple(names.items())))
    (back,) = shaped((changed,), Shape(parm_names=tuple((new, old) for old, new in names.items())))
    assert back == VOICE
    for push in (xml.push_applications, json.push_applications):
        text = push((changed,))
        for old, new in names.items():
            assert old == "Unknown" or f'"{new}"' in text
            assert f'"{old}"' not in text


def test_nothing_is_said_twice_by_a_new_name() -> None:
    own = Application("ap2005", (Parm("EntitlementStatus", "1"), Parm("mine", "x")))
    assert shaped((own,), Shape(parm_names=(("EntitlementStatus", "mine"),))) == (own,)


def test_the_shipped_profiles_end_with_the_one_that_fits_everybody() -> None:
    text = resources.files("simgrant.config").joinpath("profiles.toml").read_text("utf-8")
    shipped = tomllib.loads(text)["profiles"]
    assert list(shipped) == ["samsung", "huawei", "microg", "android", "generic"]
    assert shipped["generic"] == {}


# --- what support is told ------------------------------------------------------------------


def test_a_condition_says_what_it_wants_and_what_was_said() -> None:
    match = Match(
        user_agent=Patterns("a/*", "b/*"),
        model=Patterns("X"),
        tacs=(("35000000", "35000009"),),
        apps=frozenset(("ap2004", "ap2003")),
        oldest=SpecVersion(2, 0),
        newest=SpecVersion(8, 0),
        bare=False,
    )
    told = Told(
        "A/1", "name", SpecVersion(9, 0), False, "*/*", "ACME", "x", "35000010", ("ap2004",)
    )
    assert list(match.conditions(told)) == [
        ("user_agent", "a/* or b/*", "A/1", True),
        ("terminal_model", "X", "x", True),
        ("tac", "35000000-35000009", "35000010", False),
        ("apps", "ap2003 or ap2004", "ap2004", True),
        ("version_from", "2.0", "9.0", True),
        ("version_to", "8.0", "9.0", False),
        ("bare", "false", "false", True),
    ]
    assert not match.fits(told)
    assert match.fits(replace(told, tac="35000009", version=SpecVersion(8, 0)))
    assert list(Match().conditions(told)) == []


def test_profiles_are_shown_up_to_the_one_that_fits() -> None:
    first = Profile(
        name="first", match=Match(user_agent=Patterns("acme/*"), app_name=Patterns("app"))
    )
    clients = Clients([first, Profile(name="second", match=Match(user_agent=Patterns("*"))), REST])
    told = Told("Acme/1", "", NEWEST, False)
    tried = [
        (profile.name, [each.holds for each in found]) for profile, found in clients.tried(told)
    ]
    assert tried == [("first", [True, False]), ("second", [True])]
    assert clients.named("second") is not None
    assert clients.named("third") is None
