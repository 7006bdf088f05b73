"""Profiles of clients in the settings: the shipped ones, and what is wrong with any."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from simgrant.config.model import Match, Profile
from simgrant.spec.version import FIRST, NEWEST, SpecVersion, parse

LAST = "generic"
"""The profile of whoever fits no other."""
_MOST_PROFILES = 100
_MOST_PATTERNS = 32
_MOST_LETTERS = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_TAC = re.compile(r"(\d{8})(?:-(\d{8}))?", re.ASCII)
_APP = re.compile(r"ap\d{4}", re.ASCII)
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}/[a-z0-9][a-z0-9.+-]{0,63}")
_PARM = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_LONGEST_S = 400 * 86_400
PATTERNS = ("user_agent", "app_name", "accept", "terminal_vendor", "terminal_model")
"""The conditions of a match that are patterns."""


def shipped() -> dict[str, dict[str, Any]]:
    """Return the profiles that simgrant comes with, as data."""
    text = resources.files("simgrant.config").joinpath("profiles.toml").read_text("utf-8")
    found: dict[str, dict[str, Any]] = tomllib.loads(text)["profiles"]
    return found


def with_shipped(own: Any) -> Any:
    """Return the settings' profiles and the shipped ones in the order in which they are tried.

    Data that is no table of tables is left to whoever checks it.
    """
    if not isinstance(own, dict) or not all(isinstance(each, dict) for each in own.values()):
        return own
    ours = shipped()
    return {
        **{name: profile for name, profile in own.items() if name not in ours},
        **{name: {**profile, **own.get(name, {})} for name, profile in ours.items()},
    }


def profile_problems(profiles: Mapping[str, Profile]) -> Iterator[str]:
    """Yield a line for everything that cannot be meant so."""
    if len(profiles) > _MOST_PROFILES:
        yield f"profiles: more than {_MOST_PROFILES}"
    for name, profile in profiles.items():
        for problem in _problems(name, profile):
            yield f"profiles.{name}{problem}"


def version_of(text: str, default: SpecVersion) -> SpecVersion:
    """Return the version that a checked setting names; empty = the default."""
    return (text and parse(text)) or default


def tac_range(text: str) -> tuple[str, str]:
    """Return first and last of a checked TAC or range."""
    first, _, last = text.partition("-")
    return first, last or first


def _problems(name: str, profile: Profile) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield ": a name is lower case letters, digits, hyphens and underscores"
    if profile.match == Match() and name != LAST:
        yield ".match: needs a condition, or it fits every client"
    if profile.match != Match() and name == LAST:
        yield ".match: this is the profile of all the others; give yours another name"
    yield from _match_problems(profile.match)
    for key in ("version_min", "version_max"):
        text = getattr(profile, key)
        if text and parse(text) is None:
            yield f".{key}: {text!r} is no version such as 8.0"
    if version_of(profile.version_max, NEWEST) < version_of(profile.version_min, FIRST):
        yield ".version_max: is older than version_min"
    for app in profile.apps:
        if not _APP.fullmatch(app):
            yield f".apps: {app!r} is no AppID such as ap2004"
    if not _CONTENT_TYPE.fullmatch(profile.xml_content_type):
        yield f".xml_content_type: {profile.xml_content_type!r} is no type such as application/xml"
    for key in ("token_validity_s", "vers_validity_s"):
        seconds = getattr(profile, key)
        if seconds and not 60 <= seconds <= _LONGEST_S:
            yield f".{key}: {seconds} is neither 0 nor within 60 to {_LONGEST_S}"
    for word in (*profile.parm_names, *profile.parm_names.values()):
        if not _PARM.fullmatch(word):
            yield f".parm_names: {word!r} is no name of a parameter"
    if len(set(profile.parm_names.values())) != len(profile.parm_names):
        yield ".parm_names: two parameters get the same name"


def _match_problems(match: Match) -> Iterator[str]:
    for key in PATTERNS:
        patterns = getattr(match, key)
        if len(patterns) > _MOST_PATTERNS:
            yield f".match.{key}: more than {_MOST_PATTERNS} patterns"
        for pattern in patterns:
            if not 1 <= len(pattern) <= _MOST_LETTERS:
                yield f".match.{key}: a pattern has 1 to {_MOST_LETTERS} characters"
    for text in match.tac:
        found = _TAC.fullmatch(text)
        if not found or (found[2] is not None and found[1] > found[2]):
            yield f".match.tac: {text!r} is neither 8 digits nor a range first-last of them"
    for app in match.apps:
        if not _APP.fullmatch(app):
            yield f".match.apps: {app!r} is no AppID such as ap2004"
    if version_of(match.version_to, NEWEST) < version_of(match.version_from, FIRST):
        yield ".match.version_to: is older than version_from"
    for key in ("version_from", "version_to"):
        text = getattr(match, key)
        if text and parse(text) is None:
            yield f".match.{key}: {text!r} is no version such as 8.0"
