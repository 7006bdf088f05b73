"""Redirects as bytes: the URIs of nodes, and what an answer with 3006 says (RFC 6733)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.diameter.avps import (
    DESTINATION_HOST,
    REDIRECT_HOST,
    REDIRECT_HOST_USAGE,
    REDIRECT_MAX_CACHE_TIME,
    SESSION_ID,
    USER_NAME,
)
from simgrant.wire.diameter.message import BadDiameter, Fault, pull_avps
from simgrant.wire.diameter.redirect import (
    Place,
    Redirect,
    Usage,
    pull_place,
    pull_redirect,
    push_sent_to,
)

HOSTS = st.from_regex(r"[a-z0-9_-]{1,20}(\.[a-z0-9_-]{1,20}){0,3}", fullmatch=True)
PLACES = st.builds(Place, HOSTS, st.integers(1, 65_535), st.booleans())
U32 = st.integers(0, (1 << 32) - 1)


@pytest.mark.spec("RFC 6733 §4.3.1")
@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("aaa://host.example.com;transport=tcp", Place("host.example.com", 3868, False)),
        ("aaa://host.example.com:6666;transport=tcp", Place("host.example.com", 6666, False)),
        ("aaa://host.example.com;protocol=diameter", Place("host.example.com", 3868, False)),
        (
            "aaa://host.example.com:6666;transport=tcp;protocol=diameter",
            Place("host.example.com", 6666, False),
        ),
        ("aaas://Host.Example.COM", Place("host.example.com", 5658, True)),
        ("AAA://hss1.;transport=sctp", Place("hss1", 3868, False)),
    ],
)
def test_a_uri_names_a_place(uri: str, place: Place) -> None:
    assert pull_place(uri) == place


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "hss.example.com",
        "http://hss.example.com",
        "aaa:hss.example.com",
        "aaa://",
        "aaa://hss..example.com",
        "aaa://[::1]:3868",
        "aaa://user@hss.example.com",
        "aaa://hss.example.com/",
        "aaa://hss.example.com:0",
        "aaa://hss.example.com:65536",
        "aaa://hss.example.com:",
        "aaa://hss.example.com;transport=",
        "aaa://hss.example.com;transport=pigeon",
        "aaa://hss.example.com;protocol=radius",
        "aaa://hss.example.com;protocol=diameter;transport=tcp",
        "aaa://hss.example.com;transport=tcp;transport=tcp",
        "aaa://hss.example.com ",
        "aaa://hss.example.com\n",
        "aaa://" + "a" * 256,
    ],
)
def test_what_is_no_uri_of_a_diameter_node_names_none(uri: str) -> None:
    with pytest.raises(ValueError, match=r"that is|it is"):
        pull_place(uri)


def push_place(place: Place) -> str:
    """Return the URI of a node that is reached over TCP."""
    return f"{'aaas' if place.secure else 'aaa'}://{place.host}:{place.port};transport=tcp"


@given(PLACES)
def test_a_place_is_the_one_that_was_written(place: Place) -> None:
    assert pull_place(push_place(place)) == place


@given(st.text(max_size=300))
def test_a_text_is_a_place_or_a_value_error(text: str) -> None:
    try:
        place = pull_place(text)
    except ValueError:
        return
    assert pull_place(push_place(place)) == place


@given(st.lists(PLACES, min_size=1, max_size=5), st.sampled_from(Usage), U32)
def test_a_redirect_is_the_one_that_was_written(
    places: list[Place], usage: Usage, seconds: int
) -> None:
    avps = b"".join(REDIRECT_HOST.push(push_place(each)) for each in places)
    avps += REDIRECT_HOST_USAGE.push(usage) + REDIRECT_MAX_CACHE_TIME.push(seconds)
    said = Redirect(tuple(places), usage, seconds if usage else 0)
    assert pull_redirect(pull_avps(avps)) == said


@given(st.binary(max_size=80), U32)
def test_any_bytes_are_a_redirect_or_bad_diameter(host: bytes, usage: int) -> None:
    avps = REDIRECT_HOST.wrap(host) + REDIRECT_HOST_USAGE.push(usage)
    try:
        said = pull_redirect(pull_avps(avps + REDIRECT_MAX_CACHE_TIME.push(7)))
    except BadDiameter:
        return
    assert said.seconds in (0, 7)


def test_a_redirect_has_a_host() -> None:
    with pytest.raises(BadDiameter) as raised:
        pull_redirect(pull_avps(REDIRECT_HOST_USAGE.push(1)))
    assert raised.value.fault is Fault.MISSING_AVP


def test_one_host_that_is_none_is_no_redirect() -> None:
    avps = REDIRECT_HOST.push("aaa://hss1") + REDIRECT_HOST.push("hss2")
    with pytest.raises(BadDiameter) as raised:
        pull_redirect(pull_avps(avps))
    assert raised.value.fault is Fault.INVALID_AVP_VALUE
    assert "hss2" not in str(raised.value)


@pytest.mark.parametrize("usage", [7, 4_000_000_000])
def test_a_usage_that_has_no_name_is_kept_for_nothing(usage: int) -> None:
    avps = REDIRECT_HOST.push("aaa://hss1") + REDIRECT_HOST_USAGE.push(usage)
    said = pull_redirect(pull_avps(avps + REDIRECT_MAX_CACHE_TIME.push(60)))
    assert (said.usage, said.seconds) == (Usage.DONT_CACHE, 0)


def test_a_request_is_sent_to_another_host_and_to_no_other() -> None:
    own = SESSION_ID.push("a;1;2") + USER_NAME.push("001010000000001")
    sent = pull_avps(push_sent_to(own + DESTINATION_HOST.push("slf.example.com"), "hss1"))
    assert list(sent.all(DESTINATION_HOST)) == ["hss1"]
    assert sent.without(DESTINATION_HOST).push() == own
