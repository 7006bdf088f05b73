"""Format, encoding and language of the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.negotiate import Format, accepts_gzip, best_text, document_format, languages

XML = "text/vnd.wap.connectivity-xml"
JSON = "application/json"
RELAY = "application/vnd.gsma.eap-relay.v1.0+json"


@pytest.mark.spec("TS.43 §2.2, §2.9")
@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (XML, Format.XML),
        (JSON, Format.JSON),
        (f"{JSON}, {XML}", Format.XML),
        (f"{XML},{JSON}", Format.XML),
        (f"{JSON};q=1.0, {XML};q=0.1", Format.XML),
        (RELAY, Format.JSON),
        (f" {RELAY} ", Format.JSON),
        (f"{RELAY}, {XML}", Format.XML),
        (f"{RELAY}, {JSON}", Format.JSON),
        (f"{JSON},{RELAY}", Format.JSON),
        (f"{RELAY}, {JSON}, {XML}", Format.XML),
        ("", Format.XML),
        ("*/*", Format.XML),
        (f"{JSON}, */*", Format.XML),
        (f"{JSON}, */*;q=0", Format.JSON),
        (f"{JSON}, {XML};q=0", Format.JSON),
        (f"{JSON};q=0", Format.XML),
        (f"{RELAY}, */*;q=0.1", Format.XML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format.XML),
        ("Application/JSON", Format.JSON),
        ("application/json; charset=utf-8", Format.JSON),
        ("text/html, application/json", Format.JSON),
        ("text/vnd.wap.connectivity, application/json", Format.XML),
        ("image/png", Format.XML),
        (",;q=,", Format.XML),
    ],
)
def test_document_format(accept: str, wanted: Format) -> None:
    assert document_format(accept) is wanted


def test_format_is_its_content_type() -> None:
    assert (str(Format.XML), str(Format.JSON)) == (XML, JSON)


@pytest.mark.parametrize(
    ("header", "yes"),
    [
        ("gzip", True),
        ("", False),
        ("gzip, deflate, br", True),
        ("GZIP;q=0.5", True),
        ("x-gzip", True),
        ("br, *", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("br", False),
        ("identity", False),
        ("notgzip", False),
    ],
)
def test_accepts_gzip(header: str, yes: bool) -> None:
    assert accepts_gzip(header) is yes


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", ()),
        ("en-US", ("en-us",)),
        ("de;q=0.5, fr-CH, en;q=0.8", ("fr-ch", "en", "de")),
        ("de, fr", ("de", "fr")),
        ("en_US", ("en-us",)),
        ("de;q=0, fr", ("fr",)),
        ("*, fr", ("fr",)),
        ("de;q=nan, fr;q=9", ("fr", "de")),
        ("de, DE", ("de",)),
        ("a" * 36 + ", fr", ("fr",)),
        ("日本, <b>, fr", ("fr",)),
    ],
)
def test_languages(header: str, wanted: tuple[str, ...]) -> None:
    assert languages(header) == wanted


def test_languages_are_bounded() -> None:
    assert len(languages(",".join(f"x{number}" for number in range(50)))) == 10


TEXTS = {"de-CH": "Grüezi", "de": "Hallo", "en": "Hello", "pt-BR": "Oi", "zh-Hant": "你好"}


@pytest.mark.conforms("headers.languages-fall-back")
@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (("de-ch",), "Grüezi"),
        (("de-AT",), "Hallo"),
        (("fr", "de"), "Hallo"),
        (("zh-Hant-TW",), "你好"),
        (("pt-pt",), "Oi"),
        (("fr",), "Hello"),
        ((), "Hello"),
        (("", "x"), "Hello"),
    ],
)
def test_best_text(wanted: tuple[str, ...], text: str) -> None:
    assert best_text(TEXTS, wanted) == text


def test_best_text_of_few() -> None:
    assert best_text({"fr": "Salut"}, ("de",)) == "Salut"
    assert best_text({"en-GB": "Hello", "a": "b"}, ("de",)) == "Hello"
    assert best_text({}, ("de",)) == ""


@given(st.text() | st.text("a*/;,q=01. -_"))
def test_no_header_is_refused(header: str) -> None:
    assert document_format(header) in Format
    assert accepts_gzip(header) in (True, False)
    assert best_text(TEXTS, languages(header)) in TEXTS.values()
