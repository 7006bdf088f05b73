"""User data from the wire: whatever comes is a handle, nothing, or a BadRequest."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simgrant.errors import BadRequest
from simgrant.wire.user_data import pull_form, pull_handle

HANDLES = st.text("ABCxyz019-_", min_size=1, max_size=300)


@pytest.mark.spec("TS.43 §6.5.9")
@given(HANDLES)
def test_a_handle_comes_back_from_every_form(handle: str) -> None:
    form, object_ = f"flow={handle}", json.dumps({"flow": handle})
    encoded = b64encode(object_.encode()).decode()
    for text in (
        form,
        f"a=b&{form}",
        object_,
        f"\r\n {object_}",
        f"<x><flow> {handle} </flow></x>",
        f'<parm name="flow" value="{handle}"/>',
        f"encodedValue={encoded}",
        f"encodedValue%3D{quote(encoded)}",
        quote(form, safe=""),
    ):
        assert pull_handle(text.encode()) == handle, text


@given(st.binary(max_size=400))
@example(b"{" * 5000)
@example(b'{"flow":"\\ud800"}')
@example(b"encodedValue=encodedValue=encodedValue=")
@example(b"encodedValue=" + b64encode(b"encodedValue=" + b64encode(b"flow=x")))
@example(b"%25" * 100)
@example(b"a=1&" * 100)
def test_anything_else_is_nothing_or_refused(data: bytes) -> None:
    try:
        found = pull_handle(data)
    except BadRequest:
        return
    assert isinstance(found, str)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=32))
def test_a_form_comes_back(fields: dict[str, str]) -> None:
    body = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in fields.items()
    )
    if any(
        "\ud800" <= letter <= "\udfff" for text in (*fields, *fields.values()) for letter in text
    ):
        return
    assert pull_form(body.encode()) == fields


@given(st.binary(max_size=400))
@example(b"a=%ff")
@example(b"&".join(b"a%d=" % number for number in range(40)))
def test_any_body_is_a_form_or_refused(body: bytes) -> None:
    try:
        found = pull_form(body)
    except BadRequest:
        return
    assert all(isinstance(each, str) for pair in found.items() for each in pair)
