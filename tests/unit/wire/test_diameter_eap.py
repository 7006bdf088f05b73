"""EAP over Diameter, as it is written and read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.diameter.avps import AUTH_APPLICATION_ID, AUTH_REQUEST_TYPE, ORIGIN_HOST
from simgrant.wire.diameter.base import Node, pull_capabilities, push_capabilities
from simgrant.wire.diameter.eap import (
    APPLICATIONS,
    EapAnswer,
    EapRequest,
    pull_answer,
    pull_request,
    push_answer,
    push_fixed,
    push_request,
)
from simgrant.wire.diameter.message import pull_avps

names = st.from_regex(r"[a-z]{1,20}(\.[a-z]{1,20}){1,2}", fullmatch=True)
texts = st.text(min_size=1, max_size=100)


@given(texts, texts, st.binary(max_size=200), names, st.binary(max_size=512))
def test_a_request_is_read_as_it_was_written(
    session: str, user: str, payload: bytes, host: str, state: bytes
) -> None:
    asked = EapRequest(session, user, payload, host, state)
    avps = pull_avps(push_request(asked, push_fixed(16777264, "example.com")))
    assert pull_request(avps) == asked
    assert avps.need(AUTH_APPLICATION_ID) == 16777264
    assert avps.need(AUTH_REQUEST_TYPE) == 3


@given(names, st.binary(max_size=200), st.binary(max_size=512), st.text(max_size=50))
def test_an_answer_is_read_as_it_was_written(
    host: str, payload: bytes, state: bytes, user: str
) -> None:
    written = ORIGIN_HOST.push(host) + push_answer(payload, state=state, user_name=user)
    assert pull_answer(pull_avps(written)) == EapAnswer("", host, payload, state, user)


def test_applications_of_standards_are_no_vendors() -> None:
    assert APPLICATIONS == {"swm": 16777264, "sta": 16777250, "eap": 5}
    node = Node("a.example.com", "example.com", "x", (5, 16777264), 0)
    found = pull_avps(push_capabilities(node, "127.0.0.1"))
    assert list(found.all(AUTH_APPLICATION_ID)) == [5]
    assert pull_capabilities(found).applications == {5, 16777264}
