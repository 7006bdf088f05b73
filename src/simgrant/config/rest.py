"""What the settings of BSS APIs that the operator describes mean, and what of them cannot work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from simgrant.config.rest_tables import RestAnswer, RestAspect, RestRequest
from simgrant.domain.answer_rules import SETS, Missing, Reading, ValueRule, aspect_reader
from simgrant.domain.aspect_values import WORDS
from simgrant.domain.eligibility import Aspect
from simgrant.domain.problems import did_you_mean
from simgrant.wire.json_path import BadPath, JsonPath
from simgrant.wire.template import BadTemplate, Body, Template

PLACES: Final = frozenset({"imsi", "msisdn", "e164", "tenant", "correlation_id"})
"""What paths, headers and bodies of look-ups may have in braces."""
_SOMEBODY: Final = frozenset({"imsi", "msisdn", "e164"})
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_FEATURE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_MOST_REQUESTS: Final = 8
_MOST_MEANINGS: Final = 1000
_SAYS_OTHERWISE: Final = frozenset({401, 403, 407, 408, 429})
"""Statuses about us and not about a subscriber."""


def find(path: str) -> Callable[[object], list[object] | None]:
    """Return what finds the values of a path; BadPath."""
    return JsonPath(path).every


def rule_of(table: RestAspect) -> ValueRule:
    """Return how an aspect is read; BadPath."""
    return ValueRule(
        find=find(table.path) if table.path else None,
        features={feature: find(path) for feature, path in table.features.items()},
        meanings=table.meanings,
        default=table.default,
        missing=Missing(table.missing),
        dates=table.dates,
    )


def reading_of(table: RestAnswer, aspects: Mapping[str, RestAspect]) -> Reading:
    """Return how answers are read; ValueError."""
    return Reading(
        {Aspect(name): rule_of(aspect) for name, aspect in aspects.items()},
        echo=[find(path) for path in table.echo],
        nobody=find(table.nobody) if table.nobody else None,
        nobody_values=table.nobody_values,
    )


def rest_problems(where: str, requests: Mapping[str, RestRequest]) -> Iterator[str]:
    """Name what is missing or malformed."""
    if not requests:
        yield f"{where}.requests: nothing is mapped, so it would never be asked"
    if len(requests) > _MOST_REQUESTS:
        yield f"{where}.requests: more than {_MOST_REQUESTS}"
    told: dict[str, str] = {}
    for name, table in requests.items():
        place = f"{where}.requests.{name}"
        if not _NAME.fullmatch(name):
            yield f"{place}: a name is lower case letters, digits, hyphens and underscores"
        yield from request_problems(place, table, PLACES)
        yield from answer_problems(place, table)
        yield from read_problems(place, table.aspects)
        for aspect in table.aspects:
            if aspect in told:
                yield f"{place}.aspects.{aspect}: {told[aspect]} tells it already"
            told.setdefault(aspect, name)


def request_problems(where: str, table: RestRequest, known: frozenset[str]) -> Iterator[str]:
    """Name what keeps a request from being made; ``known`` may stand in braces."""
    if not table.path.startswith("/") or not table.path.isascii() or not table.path.isprintable():
        yield f"{where}.path: {table.path!r} is no path such as /subscribers/{{imsi}}"
    if table.body and table.method == "GET":
        yield f"{where}.body: a GET has none"
    texts = {"path": table.path}
    for header, value in table.headers.items():
        if not _HEADER.fullmatch(header):
            yield f"{where}.headers: {header!r} is no name of a header"
        if not value.isascii() or not value.isprintable():
            yield f"{where}.headers.{header}: its value can be sent in no header"
        texts[f"headers.{header}"] = value
    places: set[str] = set()
    for key, text in texts.items():
        try:
            places |= Template(text, known).places
        except BadTemplate as error:
            yield f"{where}.{key}: {error}"
    try:
        places |= Body(table.body, known).places
    except BadTemplate as error:
        yield f"{where}.body: {error}"
        return
    if not places & _SOMEBODY:
        yield f"{where}: it asks about nobody; {{imsi}}, {{msisdn}} or {{e164}} is missing"


def answer_problems(where: str, table: RestAnswer) -> Iterator[str]:
    """Name what keeps it from being known whom answers are about."""
    for status in table.not_found:
        if not 400 <= status < 500 or status in _SAYS_OTHERWISE:
            yield f"{where}.not_found: {status} does not say that there is nobody"
    if table.nobody_values and not table.nobody:
        yield f"{where}.nobody: must be set, for nobody_values"
    if not table.echo and not table.unchecked:
        yield (
            f"{where}.echo: must be set, so that another subscriber's answer is known; say "
            "unchecked = true where answers do not say whom they are about"
        )
    if table.echo and table.unchecked:
        yield f"{where}.unchecked: echo is set, which is checked"
    for key, path in (("nobody", table.nobody), *(("echo", each) for each in table.echo)):
        if text := path_problem(path) if path or key == "echo" else "":
            yield f"{where}.{key}: {text}"


def read_problems(where: str, aspects: Mapping[str, RestAspect]) -> Iterator[str]:
    """Name what keeps answers from being understood."""
    if not aspects:
        yield f"{where}.aspects: nothing is read of its answers"
    for name, aspect in aspects.items():
        yield from _aspect_problems(f"{where}.aspects", name, aspect)


def _aspect_problems(where: str, name: str, table: RestAspect) -> Iterator[str]:
    try:
        aspect = Aspect(name)
    except ValueError:
        yield f"{where}: there is no aspect {name!r}{did_you_mean(name, Aspect)}"
        return
    where = f"{where}.{name}"
    if bool(table.path) == bool(table.features):
        other = " or features" if aspect in SETS else ""
        yield f"{where}.path: must be set{other}, and not both"
        return
    if table.features and aspect not in SETS:
        yield f"{where}.features: only options and refusals are sets of features"
        return
    found = [
        *_paths_wrong(where, table),
        *_words_wrong(where, aspect, table),
    ]
    if not found:
        try:
            aspect_reader(aspect, rule_of(table))
        except ValueError as error:
            found.append(f"{where}: {str(error).removeprefix(f'{name}: ')}")
    yield from found


def _paths_wrong(where: str, table: RestAspect) -> Iterator[str]:
    for feature in table.features:
        if not _FEATURE.fullmatch(feature):
            yield f"{where}.features: {feature!r} is no name of a feature"
    paths = {f"features.{feature}": path for feature, path in table.features.items()}
    for key, path in ({"path": table.path} if table.path else paths).items():
        if text := path_problem(path):
            yield f"{where}.{key}: {text}"


def _words_wrong(where: str, aspect: Aspect, table: RestAspect) -> Iterator[str]:
    if len(table.meanings) > _MOST_MEANINGS:
        yield f"{where}.meanings: more than {_MOST_MEANINGS}"
    known = ("true", "false") if table.features else WORDS.get(aspect, ())
    said = {f"meanings.{text}": word for text, word in table.meanings.items()}
    if table.default is not None:
        said["default"] = table.default
    for key, word in said.items():
        if known and word and word not in known:
            yield f"{where}.{key}: {word!r} is no word of ours{did_you_mean(word, known)}"
        if aspect in SETS and not table.features and word and not _FEATURE.fullmatch(word):
            yield f"{where}.{key}: {word!r} is no name of a feature"


def path_problem(path: str) -> str:
    """Return why a JSONPath is none; empty where it is one."""
    try:
        JsonPath(path)
    except BadPath as error:
        return f"{path[:64]!r}: {error}"
    return ""
