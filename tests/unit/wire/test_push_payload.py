"""What cloud pushes say (TS.43 §2.6.2), for each channel's shape and back."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.push_payload import (
    BadPayload,
    Payload,
    pull_data,
    pull_json,
    push_data,
    push_json,
    push_timestamp,
)

AT = 1_795_424_400
APPS = st.lists(
    st.from_regex(r"ap[0-9]{4}", fullmatch=True), min_size=1, max_size=15, unique=True
).map(tuple)
TIMES = st.integers(min_value=0, max_value=2**32)


@pytest.mark.spec("TS.43 §2.6.2")
def test_the_timestamp_is_iso_8601_in_utc() -> None:
    assert push_timestamp(AT) == "2026-11-23T09:00:00Z"


@pytest.mark.spec("TS.43 §2.6.2")
@pytest.mark.conforms("push.payload", "push.app-one-or-several")
def test_fcm_data_are_texts_and_a_list_is_the_text_of_one() -> None:
    assert push_data(("ap2004",), AT) == {"app": "ap2004", "timestamp": "2026-11-23T09:00:00Z"}
    assert push_data(("ap2003", "ap2004"), AT)["app"] == '["ap2003","ap2004"]'


@pytest.mark.spec("TS.43 §2.6.2")
@pytest.mark.conforms("push.payload", "push.app-one-or-several")
def test_the_other_channels_carry_json() -> None:
    assert json.loads(push_json(("ap2003",), AT, aps=False)) == {
        "data": {"app": "ap2003", "timestamp": "2026-11-23T09:00:00Z"}
    }
    assert json.loads(push_json(("ap2003", "ap2004"), AT, aps=True)) == {
        "aps": {"content-available": 1},
        "data": {"app": ["ap2003", "ap2004"], "timestamp": "2026-11-23T09:00:00Z"},
    }


@given(APPS, TIMES)
def test_every_notice_is_read_back_as_it_was(apps: tuple[str, ...], at: int) -> None:
    said = Payload(apps, push_timestamp(at))
    assert pull_data(push_data(apps, at)) == said
    for aps in (False, True):
        assert pull_json(push_json(apps, at, aps=aps)) == said


@given(APPS, TIMES)
def test_android_finds_its_application_in_the_text(apps: tuple[str, ...], at: int) -> None:
    assert all(app in push_data(apps, at)["app"] for app in apps)


@given(st.binary(max_size=200))
def test_bytes_are_a_notice_or_bad(body: bytes) -> None:
    with contextlib.suppress(BadPayload):
        assert pull_json(body).apps


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("[" * 3000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["app", "timestamp", "x"]), _JSON) | _JSON)
def test_data_are_a_notice_or_bad(data: object) -> None:
    with contextlib.suppress(BadPayload):
        assert pull_data(data).apps
