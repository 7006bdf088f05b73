"""Which format, encoding and language the device wants (TS.43 §2.2, §2.9; RFC 9110 §12.5).

Never a reason to refuse: 406 is for versions of the protocol, so every header, absent or broken,
leads to an answer. XML is the answer when in doubt, since Android reads it where it accepts both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from simgrant.nouns import Word
from simgrant.wire import content_types


class Format(Word):
    """How a document is written; the value is its content type."""

    XML = content_types.XML
    JSON = content_types.JSON


_MAX_HEADER: Final = 1024
_COMMON_BYTES: Final = 64
_MAX_LANGUAGES: Final = 10
_MAX_TAG: Final = 35

# What Android and the simulator send; all else takes the long way.
_COMMON: Final = {
    "": Format.XML,
    "*/*": Format.XML,
    content_types.XML: Format.XML,
    content_types.JSON: Format.JSON,
    content_types.EAP_RELAY: Format.JSON,
    f"{content_types.JSON}, {content_types.XML}": Format.XML,
    f"{content_types.EAP_RELAY}, {content_types.XML}": Format.XML,
    f"{content_types.EAP_RELAY}, {content_types.JSON}": Format.JSON,
    f"{content_types.EAP_RELAY}, {content_types.JSON}, {content_types.XML}": Format.XML,
}
_COMMON_ENCODINGS: Final = {"": False, "gzip": True, "identity": False, "gzip, deflate": True}


def document_format(accept: str) -> Format:
    """Return the format of the document that answers a request with this Accept header.

    JSON when it is the only document type in the list, and when the list is the relay type
    alone: older Android calls JSON so, and a document is due only when no EAP round is. Else XML.
    The order and the q-values say nothing, save that q=0 takes a type out.
    """
    common = _COMMON.get(accept)
    if common is not None:
        return common
    kinds = {kind for kind, q in _weighted(accept) if q > 0}
    kinds.discard("")
    if kinds == {content_types.EAP_RELAY}:
        return Format.JSON
    if content_types.JSON in kinds and not any(map(_may_be_xml, kinds)):
        return Format.JSON
    return Format.XML


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether the answer may be compressed (TS.43 §2.2)."""
    common = _COMMON_ENCODINGS.get(accept_encoding)
    if common is not None:
        return common
    weights = dict(_weighted(accept_encoding))
    named = weights.get("gzip", weights.get("x-gzip"))
    return (weights.get("*", 0.0) if named is None else named) > 0


def languages(accept_language: str) -> tuple[str, ...]:
    """Return the languages that the device wants, best first, in lower case.

    Equal weights keep their order; ``en_US``, as Java prints a locale, is ``en-us``.
    """
    if not accept_language:
        return ()
    if len(accept_language) <= _COMMON_BYTES:
        return _common_languages(accept_language)
    return _languages(accept_language)


@lru_cache(maxsize=256)
def _common_languages(accept_language: str) -> tuple[str, ...]:
    """Phones send a handful of different headers, over and over."""
    return _languages(accept_language)


def _languages(accept_language: str) -> tuple[str, ...]:
    wanted = [
        (tag.replace("_", "-"), q)
        for tag, q in _weighted(accept_language)
        if q > 0 and len(tag) <= _MAX_TAG and tag.isascii()
    ]
    wanted = [(tag, q) for tag, q in wanted if tag.replace("-", "").isalnum()]
    wanted.sort(key=_weight, reverse=True)
    return tuple(dict.fromkeys(tag for tag, _ in wanted))[:_MAX_LANGUAGES]


def best_text(texts: Mapping[str, str], languages: Sequence[str]) -> str:
    """Return the text in the first of ``languages`` that there is one for (RFC 4647 §3.4).

    For each language: the tag, the tag cut shorter from its end, then any other variety of the
    language. If all that fails English, else any, else nothing.
    """
    by_tag = {tag.lower(): text for tag, text in texts.items()}
    for language in (*languages, "en"):
        tag = language.lower()
        primary = tag.partition("-")[0]
        while tag:
            if tag in by_tag:
                return by_tag[tag]
            tag = tag.rpartition("-")[0]
        for other, text in by_tag.items():
            if other.startswith(primary + "-"):
                return text
    return next(iter(by_tag.values()), "")


def _weighted(header: str) -> Iterator[tuple[str, float]]:
    """Yield each element in lower case with its q-value; what cannot be read weighs 1."""
    for element in header[:_MAX_HEADER].split(","):
        value, *attributes = element.split(";")
        q = 1.0
        for attribute in attributes:
            name, _, number = attribute.partition("=")
            if name.strip().lower() == "q":
                q = _q(number.strip())
        yield value.strip().lower(), q


def _q(number: str) -> float:
    if len(number) <= 5 and number.isascii() and number.replace(".", "", 1).isdigit():
        return float(number)
    return 1.0


def _weight(pair: tuple[str, float]) -> float:
    return pair[1]


def _may_be_xml(kind: str) -> bool:
    return "xml" in kind or kind in ("*/*", "text/*", "text/vnd.wap.connectivity")
