"""Voice over cellular: an entry per radio access, read as Android reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.facts import Area, Facts, Question
from simgrant.domain.policy import OF_SERVICES, Result
from simgrant.services import SERVICES
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application, Characteristic, CharacteristicList, Parm
from tests.unit.domain.samples import ALL_VOICE, any_facts, decided, facts
from tests.unit.services.samples import V2, V12, enquiry, ruled

VOICE = SERVICES["ap2003"]
YES, NO, SOON = Result.ALLOWED, Result.DENIED, Result.PENDING
RESULTS = st.sampled_from(OF_SERVICES)


def entries(application: Application) -> list[dict[str, str]]:
    (info,) = application.items
    assert isinstance(info, CharacteristicList)
    assert info.type == "VoiceOverCellularEntitleInfo"
    found = []
    for entry in info.entries:
        assert isinstance(entry, Characteristic)
        assert entry.type == "RATVoiceEntitleInfoDetails"
        found.append({item.name: item.value for item in entry.items if isinstance(item, Parm)})
    return found


def told(given: Facts, *results: Result) -> list[dict[str, str]]:
    return entries(VOICE.answer(given, ruled("ap2003", given, *results), enquiry()))


def told_by(given: Facts, *results: Result) -> list[dict[str, str]]:
    """As `told`, with results for the four questions about voice and none for the options."""
    options = len(VOICE.questions(V12, given)) - len(results)
    return told(given, *results, *[NO] * options)


def android(found: list[dict[str, str]], access: str, where: str) -> str:
    """Return the status that Android takes: the entry for everywhere, else the one for there."""
    by_place = {(each["AccessType"], each["HomeRoamingNWType"]): each for each in found}
    entry = by_place.get((access, "1")) or by_place[access, where]
    return entry["EntitlementStatus"]


NUMBERS = {YES: "1", NO: "2", SOON: "3"}


@pytest.mark.spec("TS.43 §4.1.1")
@pytest.mark.conforms("voice.per-access")
@given(given=any_facts, results=st.tuples(RESULTS, RESULTS, RESULTS, RESULTS))
def test_android_finds_every_status(given: Facts, results: tuple[Result, ...]) -> None:
    found = told_by(given, *results)
    looked_up = [android(found, access, where) for access, where in ("12", "13", "22", "23")]
    assert looked_up == [NUMBERS[result] for result in results]
    places = [(each["AccessType"], each["HomeRoamingNWType"]) for each in found]
    assert len(set(places)) == len(places)
    for access in "12":
        here = {where for rat, where in places if rat == access}
        assert here in ({"1"}, {"2", "3"})


@pytest.mark.conforms("voice.message-only-refused")
@given(given=any_facts, results=st.tuples(RESULTS, RESULTS, RESULTS, RESULTS))
def test_a_text_comes_with_a_refusal_only(given: Facts, results: tuple[Result, ...]) -> None:
    for entry in told_by(given, *results):
        assert ("MessageForIncompatible" in entry) == (entry["EntitlementStatus"] == "2")


def test_one_entry_where_home_and_roaming_agree() -> None:
    assert told(facts(), YES) == [
        {"AccessType": "1", "HomeRoamingNWType": "1", "EntitlementStatus": "1"},
        {"AccessType": "2", "HomeRoamingNWType": "1", "EntitlementStatus": "1"},
    ]


@pytest.mark.conforms("voice.home-and-roaming")
def test_two_entries_where_they_differ() -> None:
    assert told(facts(), YES, YES, SOON, NO)[1:] == [
        {"AccessType": "2", "HomeRoamingNWType": "2", "EntitlementStatus": "3"},
        {
            "AccessType": "2",
            "HomeRoamingNWType": "3",
            "EntitlementStatus": "2",
            "MessageForIncompatible": "Sorry",
        },
    ]


def test_two_entries_where_only_the_texts_differ() -> None:
    home, roaming, *rest = VOICE.questions(V12, facts())
    decisions = (
        decided(home, NO, {"en": "Not in your plan"}),
        decided(roaming, NO, {"en": "Not abroad"}),
        *(decided(question) for question in rest),
    )
    found = entries(VOICE.answer(facts(), decisions, enquiry()))
    assert [each.get("MessageForIncompatible") for each in found] == [
        "Not in your plan",
        "Not abroad",
        None,
    ]


@pytest.mark.conforms("voice.message-only-refused")
def test_a_refusal_without_a_text_has_no_parameter_for_it() -> None:
    decisions = tuple(decided(question, NO) for question in VOICE.questions(V12, facts()))
    for entry in entries(VOICE.answer(facts(), decisions, enquiry())):
        assert "MessageForIncompatible" not in entry


FALLS_BACK = facts(features=ALL_VOICE | {"eps_fallback"})
ALL_WAYS = facts(features=ALL_VOICE | {"eps_fallback", "srvcc_5g", "srvcc_4g"})


def capabilities(found: list[dict[str, str]]) -> list[str | None]:
    return [each.get("NetworkVoiceIRATCapability") for each in found]


@pytest.mark.spec("TS.43 §4.1.1")
@pytest.mark.conforms("voice.fallback-only-5g", "divergence.irat-capability-spelling")
def test_5g_falls_back_where_the_plan_says_so() -> None:
    found = told(FALLS_BACK, YES, YES, YES, NO, YES, YES)
    assert capabilities(found) == [None, "EPS-Fallback", None]


def test_ways_to_another_access_are_asked_for_where_the_plan_has_them() -> None:
    asked = [(each.feature, each.area) for each in VOICE.questions(V12, ALL_WAYS)[4:]]
    assert asked == [
        (feature, area)
        for feature in ("srvcc_4g", "eps_fallback", "srvcc_5g")
        for area in (Area.HOME, Area.ROAMING)
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # srvcc_4g, eps_fallback, srvcc_5g; each at home and abroad
        ((YES, YES, YES, YES, YES, YES), ["4G-SRVCC", "EPS-Fallback"]),
        ((YES, YES, NO, NO, YES, YES), ["4G-SRVCC", "5G-SRVCC"]),
        ((NO, NO, NO, NO, NO, NO), [None, None]),
        ((NO, NO, SOON, SOON, NO, NO), [None, None]),
        ((YES, NO, YES, NO, NO, YES), ["4G-SRVCC", None, "EPS-Fallback", "5G-SRVCC"]),
    ],
)
def test_one_way_per_entry_and_each_area_has_its_own(
    options: tuple[Result, ...], expected: list[str | None]
) -> None:
    assert capabilities(told(ALL_WAYS, YES, YES, YES, YES, *options)) == expected


@given(
    voice=st.tuples(RESULTS, RESULTS, RESULTS, RESULTS),
    options=st.tuples(RESULTS, RESULTS, RESULTS, RESULTS, RESULTS, RESULTS),
)
def test_a_way_is_told_to_its_own_access_and_never_beside_a_refusal(
    voice: tuple[Result, ...], options: tuple[Result, ...]
) -> None:
    for entry in told(ALL_WAYS, *voice, *options):
        capability = entry.get("NetworkVoiceIRATCapability")
        if capability is not None:
            assert entry["EntitlementStatus"] != "2"
            assert (capability == "4G-SRVCC") == (entry["AccessType"] == "1")


@pytest.mark.spec("TS.43 §4")
@pytest.mark.conforms("volte.flat-before-7", "divergence.volte-flat-is-home")
@pytest.mark.parametrize("version", [V2, SpecVersion(6, 1)])
@pytest.mark.parametrize("area", list(Area))
@pytest.mark.parametrize("result", OF_SERVICES)
def test_before_7_one_status_and_it_is_that_of_home(
    version: SpecVersion, area: Area, result: Result
) -> None:
    given = facts(area=area)
    assert VOICE.questions(version, given) == (Question("volte", Area.HOME),)
    decisions = ruled("ap2003", given, result, version=version)
    application = VOICE.answer(given, decisions, enquiry(version))
    assert application.items == (Parm("EntitlementStatus", NUMBERS[result]),)


def test_from_7_on_every_access_is_asked_for_home_and_roaming() -> None:
    asked = VOICE.questions(SpecVersion(7, 0), facts(area=Area.ROAMING))
    assert [(question.feature, question.area) for question in asked] == [
        ("volte", Area.HOME),
        ("volte", Area.ROAMING),
        ("vonr", Area.HOME),
        ("vonr", Area.ROAMING),
    ]
