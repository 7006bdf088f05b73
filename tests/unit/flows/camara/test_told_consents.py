"""Consents to partner APIs that an operator's systems tell: what is written, and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.bss_events import MOST_APIS, BssEvent, Change, ToldConsent
from simgrant.domain.camara.consent import NOES, ConsentEntry, Said, holds_after, last_said
from simgrant.domain.camara.consumer import Application, Consumer, Permission
from simgrant.domain.life import NotPossible
from simgrant.flows.camara.consents import UnknownProcessing, check_known, is_genuine
from simgrant.flows.camara.told_consents import SAYS, scribe, told_consent
from simgrant.ports.camara_consents import MOST_ENTRIES, Speaker
from tests.unit.flows.lives import IMSI, NUMBER, START, Keys, T, subscription

BANK = Consumer(
    client_id="bank",
    name="Bank",
    applications=(Application(id="app", name="App"),),
    permissions=tuple(
        Permission(api=api, scopes=frozenset({api}), purposes=frozenset({"Fraud"}))
        for api in ("sim-swap", "kyc-tenure")
    ),
)
TOLD = ToldConsent(client_id="bank", purpose="Fraud", apis=("sim-swap",))
KEYS = Keys()


def event(change: Change = Change.CONSENT_GIVEN, *, at: int = START, **members: object) -> BssEvent:
    told = replace(TOLD, **members)  # type: ignore[arg-type]
    return BssEvent(event_id=f"e-{at}", change=change, at=at, imsi=IMSI, api_consent=told)


def write(
    told: BssEvent,
    said: Sequence[ConsentEntry] = (),
    *,
    consumer: Consumer | None = BANK,
    now: float = START + 1000,
) -> Sequence[ConsentEntry]:
    speaker = Speaker(subscription=subscription(), consumer=consumer, said=said)
    return scribe(KEYS.ring, now=now)(speaker, "crm", told)


def refused(*args: object, **members: object) -> str:
    with pytest.raises(NotPossible) as caught:
        write(*args, **members)  # type: ignore[arg-type]
    return str(caught.value)


def test_what_is_told_is_an_entry_for_each_api_with_what_proves_it() -> None:
    apis = ("sim-swap", "kyc-tenure")
    told = event(apis=apis, application="app", expires_at=START + 9000)
    entries = write(told)
    assert [each.api for each in entries] == list(apis)
    one = entries[0]
    assert (one.said, one.at, one.expires_at) == (Said.GIVEN, START, START + 9000)
    assert (one.source, one.evidence, one.number) == ("bss", f"crm e-{START}", 1)
    assert (one.application, one.subject) == ("app", NUMBER.e164)
    assert all(is_genuine(each, T, KEYS) for each in entries)
    assert write(event(evidence="call 7"))[0].evidence == "call 7"


def test_who_and_what_for_has_to_be_in_a_contract() -> None:
    assert refused(event(), consumer=None) == "unknown_consumer"
    assert refused(event(purpose="Other")) == "not_of_contract"
    assert refused(event(apis=("sim-swap", "sim-swapp"))) == "not_of_contract"
    assert refused(event(application="other")) == "not_of_contract"
    assert refused(event(Change.SUSPENDED)) == "bad_consent"
    assert refused(replace(event(), api_consent=None)) == "bad_consent"


def test_what_was_given_can_be_withdrawn_whatever_became_of_the_contract() -> None:
    given_ = write(event())
    withdrawn = event(Change.CONSENT_WITHDRAWN, at=START + 5)
    for consumer in (None, replace(BANK, permissions=())):
        (entry,) = write(withdrawn, given_, consumer=consumer)
        assert (entry.said, entry.number) == (Said.WITHDRAWN, 2)
        assert refused(event(at=START + 5), given_, consumer=consumer)
    assert refused(withdrawn, consumer=None) == "unknown_consumer"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"client_id": "shop"}, "there is no consumer 'shop'"),
        (
            {"application": "web"},
            "the contract of 'bank' has no application 'web': it has app",
        ),
        (
            {"purpose": "fraud"},
            "the contract of 'bank' has no purpose 'fraud': it has Fraud, Service",
        ),
        (
            {"api": "sim-swapp"},
            "the contract of 'bank' has no API 'sim-swapp' for Fraud: it has kyc-tenure, sim-swap",
        ),
    ],
)
def test_whoever_says_something_else_is_told_what_there_is(
    wrong: dict[str, str], text: str
) -> None:
    other = Permission(
        api="device-swap", scopes=frozenset({"device-swap:check"}), purposes=frozenset({"Service"})
    )
    bank = replace(BANK, permissions=(*BANK.permissions, other))
    (entry,) = write(event(application="app"))
    said = replace(entry, **wrong)  # type: ignore[arg-type]
    consumer = None if "client_id" in wrong else bank
    for word in Said:
        with pytest.raises(UnknownProcessing) as caught:
            check_known(replace(said, said=word), consumer, {entry.about: entry})
        assert str(caught.value) == text
    # A no is heard of whatever he said something of.
    for word in NOES:
        check_known(replace(said, said=word), consumer, {said.about: said})


def test_what_a_contract_has_is_told_by_its_scopes() -> None:
    """As calls ask by their scopes, whatever a permission is called."""
    own = Permission(api="own-api", scopes=frozenset({"own:read"}), purposes=frozenset({"Fraud"}))
    bank = replace(BANK, permissions=(own,))
    assert refused(event(apis=("own-api",)), consumer=bank) == "not_of_contract"
    assert [each.api for each in write(event(apis=("own",)), consumer=bank)] == ["own"]


def test_a_word_older_than_the_last_one_is_not_written() -> None:
    withdrawn = write(event(Change.CONSENT_WITHDRAWN, at=START + 5))
    assert write(event(at=START + 4), withdrawn) == []
    assert write(event(at=START + 5), withdrawn) == [], "within one second a no counts"
    (again,) = write(event(at=START + 6), withdrawn)
    assert (again.said, again.number) == (Said.GIVEN, 2)
    # About another application, or another API, it is not older than anything.
    assert write(event(at=START + 4, application="app"), withdrawn)
    assert write(event(at=START + 4, apis=("kyc-tenure",)), withdrawn)


def test_nobody_says_anything_later_than_now() -> None:
    (early,) = write(event(at=START + 1200), now=START + 1000)
    assert early.at == START + 1000
    assert write(event(Change.CONSENT_WITHDRAWN, at=START + 1001), [early], now=START + 1001)


def test_too_many_words_are_set_aside() -> None:
    (one,) = write(event())
    many = [replace(one, api=f"api-{number}") for number in range(MOST_ENTRIES)]
    assert refused(event(), many) == "too_many_entries"
    assert write(event(), many[1:])
    assert write(event(Change.CONSENT_WITHDRAWN, at=START + 1), [one, *many]), "a no has room"


words = st.tuples(
    st.sampled_from(sorted(SAYS)), st.integers(0, 6), st.none() | st.integers(100, 103)
).map(
    lambda each: event(
        each[0],
        at=START + each[1],
        expires_at=None if each[2] is None or each[0] != "consent_given" else START + each[2],
    )
)


@given(st.lists(words, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_in_whichever_order_and_however_often_words_come_the_last_one_said_holds(
    told: list[BssEvent], random: object
) -> None:
    """What holds is the same for every order, and every entry counts as the last when written."""
    ends = set()
    for _ in range(3):
        shuffled = [*told, *told]
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        said: list[ConsentEntry] = []
        for each in shuffled:
            said += write(each, said)
        assert [each.number for each in said] == list(range(1, len(said) + 1))
        assert [each.at for each in said] == sorted(each.at for each in said)
        last = last_said(said, client_id="bank", application="", purpose="Fraud", api="sim-swap")
        assert last is said[-1]
        ends.add((last.said, last.at, last.expires_at))
        at_last = [each for each in told if each.at == last.at]
        assert last.at == max(each.at for each in told)
        no = any(each.change is Change.CONSENT_WITHDRAWN for each in at_last)
        assert last.said is (Said.WITHDRAWN if no else Said.GIVEN)
    assert len(ends) == 1


def test_the_same_word_and_an_older_question_change_nothing() -> None:
    (one,) = write(event())
    assert not holds_after(one, one)
    assert not holds_after(replace(one, said=Said.REQUESTED, expires_at=None), one)
    assert holds_after(one, replace(one, said=Said.REQUESTED))


def test_what_is_spelled_otherwise_is_spelled_as_we_do() -> None:
    told = replace(TOLD, purpose="dpv:Fraud", apis=("sim-swap", "sim-swap"))
    assert told_consent(Change.CONSENT_GIVEN, told, at=START) == TOLD


@pytest.mark.parametrize(
    ("change", "members"),
    [
        (Change.SUSPENDED, {}),
        (Change.CONSENT_GIVEN, {"apis": ()}),
        (Change.CONSENT_GIVEN, {"apis": tuple(f"a{n}" for n in range(MOST_APIS + 1))}),
        (Change.CONSENT_GIVEN, {"apis": ("Sim Swap",)}),
        (Change.CONSENT_GIVEN, {"purpose": "no such thing"}),
        (Change.CONSENT_GIVEN, {"client_id": "ba\0nk"}),
        (Change.CONSENT_GIVEN, {"client_id": "b" * 65}),
        (Change.CONSENT_GIVEN, {"application": "a\0"}),
        (Change.CONSENT_GIVEN, {"evidence": "e" * 257}),
        (Change.CONSENT_GIVEN, {"evidence": "\n"}),
        (Change.CONSENT_GIVEN, {"expires_at": START}),
        (Change.CONSENT_WITHDRAWN, {"expires_at": START + 1}),
    ],
)
def test_what_nobody_could_write_down_is_told_apart(
    change: Change, members: dict[str, object]
) -> None:
    told = replace(TOLD, **members)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"."):
        told_consent(change, told, at=START)
