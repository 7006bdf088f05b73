"""Cookies as Android and poorer clients send them back, and ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.errors import BadRequest, TooLarge
from simgrant.wire.cookies import MAX_COOKIES, MAX_LINE, cookie_values, set_cookie


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ([b"S=abc"], ("abc",)),
        ([], ()),
        ([b"T=1", b"S=abc"], ("abc",)),
        ([b"T=1; S=abc; U=2"], ("abc",)),
        ([b"T=1;S=abc"], ("abc",)),
        ([b'S="abc"'], ("abc",)),
        ([b"S=abc; Path=/; HttpOnly"], ("abc",)),
        ([b'$Version="1"; S="abc";$Path="/"'], ("abc",)),
        ([b"S=a", b"S=b; S=c"], ("a", "b", "c")),
        ([b"S=a", b"S=a"], ("a",)),
        ([b"S=a==_.-"], ("a==_.-",)),
        ([b"s=abc", b"SS=abc", b"S", b"S=", b'S=""', b"=S"], ()),
        ([b"S=\xff", b"S=a b", b'S="', b"S=a,b"], ()),
    ],
)
def test_cookie_values(lines: list[bytes], values: tuple[str, ...]) -> None:
    assert cookie_values(lines, "S") == values


def test_only_a_few_of_one_name_are_looked_at() -> None:
    assert len(cookie_values([b"S=%d" % number for number in range(9)], "S")) == MAX_COOKIES


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(TooLarge):
        cookie_values([b"S=" + b"a" * 9000] * 2, "S")


@given(st.lists(st.binary() | st.text('S=";, a$').map(str.encode)))
def test_any_lines_are_read_or_refused(lines: list[bytes]) -> None:
    try:
        values = cookie_values(lines, "S")
    except BadRequest:
        return
    assert all(set_cookie("S", value, secure=False) for value in values)


def test_set_cookie_has_no_lifetime() -> None:
    """Max-Age makes Java quote the value."""
    assert set_cookie("S", "abc", secure=False) == b"S=abc; Path=/; HttpOnly"
    assert set_cookie("S", "abc", secure=True) == b"S=abc; Path=/; HttpOnly; Secure"


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "a"), ("S S", "a"), ("S", "a;b"), ("S", 'a"'), ("S", "a\r\nb"), ("S", "é")],
)
def test_set_cookie_takes_no_nonsense(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        set_cookie(name, value, secure=True)


def test_set_cookie_is_bounded() -> None:
    rest = len(set_cookie("S", "", secure=True))
    assert set_cookie("S", "a" * (MAX_LINE - 1 - rest), secure=True)
    with pytest.raises(ValueError, match="3800 bytes"):
        set_cookie("S", "a" * (MAX_LINE - rest), secure=True)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,50}", fullmatch=True))
def test_what_was_set_comes_back(value: str) -> None:
    assert cookie_values([set_cookie("S", value, secure=True)], "S") == (value,)
