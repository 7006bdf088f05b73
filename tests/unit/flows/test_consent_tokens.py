"""Links that ask for a consent, and the tokens of their pages: they come back, and nothing else."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.errors import Unauthenticated
from simgrant.flows.consent_pages.tokens import (
    LINK,
    Asked,
    CaptureLinks,
    Form,
    Step,
    holder_of,
    pull_form,
    pull_link,
    push_form,
    push_link,
)
from simgrant.flows.tokens import decode, encode
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import Purpose
from simgrant.ports.camara_consents import Purposeful
from tests.unit.flows.test_handles import NOW, Ring

KEYS = Ring("red", "blue")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
IDS = st.binary(min_size=16, max_size=16)
IMSIS = st.text("0123456789", min_size=6, max_size=15).map(Imsi)
ASKED = st.builds(
    Asked,
    IDS,
    st.integers(NOW + 1, 2**40),
    IMSIS.map(lambda imsi: imsi.digits),
    st.integers(0, 2**40),
    TEXT,
    TEXT,
    TEXT,
    st.lists(TEXT, max_size=4).map(tuple),
    TEXT,
    st.booleans(),
)
FORMS = st.builds(
    Form,
    st.sampled_from(Step),
    st.integers(0, NOW),
    IDS,
    st.none().map(holder_of) | IMSIS.map(holder_of),
    TEXT,
    st.just(b"") | IDS,
    st.integers(0, 2**40),
    TEXT,
)


@given(ASKED, FORMS)
def test_they_come_back(asked: Asked, form: Form) -> None:
    link = push_link(asked, KEYS.ring, "red", now=NOW)
    assert pull_link(link, KEYS, now=NOW) == ("red", asked)
    page = push_form(form, KEYS.ring, "blue", now=NOW)
    assert pull_form(page, KEYS, now=NOW) == ("blue", form)
    assert repr(asked) == f"Asked({asked.client_id}, {asked.purpose})"
    assert repr(form) == f"Form({form.step})"


@given(ASKED, FORMS, st.data())
def test_a_changed_one_is_none(asked: Asked, form: Form, data: st.DataObject) -> None:
    for text in (
        push_link(asked, KEYS.ring, "red", now=NOW),
        push_form(form, KEYS.ring, "red", now=NOW),
    ):
        sealed = bytearray(decode(text))
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
        _is_none(encode(bytes(sealed)))


@given(st.text(max_size=120) | st.binary(min_size=40, max_size=90).map(encode))
def test_rubbish_is_none(text: str) -> None:
    _is_none(text)


@given(ASKED, FORMS)
def test_one_never_opens_as_the_other_or_for_another_ring(asked: Asked, form: Form) -> None:
    link = push_link(asked, KEYS.ring, "red", now=NOW)
    page = push_form(form, KEYS.ring, "red", now=NOW)
    with pytest.raises(Unauthenticated):
        pull_form(link, KEYS, now=NOW)
    with pytest.raises(Unauthenticated):
        pull_link(page, KEYS, now=NOW)
    for other in (Ring("blue"), Ring("red", seed=2)):
        with pytest.raises(Unauthenticated):
            pull_link(link, other, now=NOW)
        with pytest.raises(Unauthenticated):
            pull_form(page, other, now=NOW)


@given(st.binary(max_size=60))
def test_what_another_release_sealed_is_refused(plain: bytes) -> None:
    for purpose, pull in ((Purpose.CONSENT_LINK, pull_link), (Purpose.CONSENT_PAGE, pull_form)):
        text = encode(KEYS.ring.seal(purpose, "red", plain, nonce=bytes(12), now=NOW))
        with pytest.raises(Unauthenticated):
            pull(text, KEYS, now=NOW)


@given(IMSIS)
def test_nobody_s_page_is_as_long_as_anybody_s(imsi: Imsi) -> None:
    pages = [
        push_form(
            Form(Step.CODE, NOW, bytes(16), holder_of(each), "123456"), KEYS.ring, "red", now=NOW
        )
        for each in (None, imsi)
    ]
    assert len({*map(len, pages)}) == 1
    assert [pull_form(each, KEYS, now=NOW)[1].imsi for each in pages] == [None, imsi]


def _links(**pages: str) -> CaptureLinks:
    return CaptureLinks(keys=KEYS, pages=pages, life_s=600)


def _made(links: CaptureLinks, *, number: str = "+447700900001", callback: str = "") -> str:
    line = Subscription(
        "red",
        Imsi("001010000000001"),
        Msisdn(number) if number else None,
        SubscriptionStatus.ACTIVE,
        "basic",
        token_epoch=7,
    )
    wanted = Purposeful(client_id="bank", application="app", purpose="Fraud", scopes=("a:b",))
    return links.made(line, wanted, ("a",), callback, partly=True, now=NOW)


def test_a_link_says_what_is_asked() -> None:
    callback = "https://bank.example/" + "x" * 2_000
    url = _made(_links(red="https://p.example/x"), callback=callback)
    assert url.startswith("https://p.example/x/consents?ask=")
    tenant, asked = pull_link(dict(parse_qsl(urlsplit(url).query))[LINK], KEYS, now=NOW + 599)
    assert (tenant, asked.imsi, asked.epoch, asked.until) == (
        "red",
        "001010000000001",
        7,
        NOW + 600,
    )
    assert asked.wanted == Purposeful(
        client_id="bank", application="app", purpose="Fraud", scopes=("a",)
    )
    assert asked.callback == callback


def test_there_is_no_link_where_nobody_could_answer() -> None:
    assert _made(_links(blue="https://p.example")) == ""
    assert _made(_links(red="https://p.example"), number="") == ""
    assert _made(_links(red="https://p.example"), callback="x" * 4_000) == ""


def _is_none(text: str) -> None:
    for pull in (pull_link, pull_form):
        with pytest.raises(Unauthenticated):
            pull(text, KEYS, now=NOW)
