"""Reads a tenant's file of words: a table for each place, in it one for each text."""

from __future__ import annotations

from collections.abc import Mapping

from simgrant.domain.policy import PolicyError, toml_of
from simgrant.domain.problems import Problems, did_you_mean, shown
from simgrant.domain.reading import Reader
from simgrant.domain.words import POLICY, Words


def read_words(text: str, *, language: str, services: Mapping[str, Mapping[str, object]]) -> Words:
    """Return the words of a TOML text; raise PolicyError with all its mistakes.

    ``services`` has the texts of each service by its AppID. Which ones the policy has is known
    where it is read.
    """
    data = toml_of(text)
    problems = Problems()
    reader = Reader(problems)
    found = {}
    for place, texts in data.items():
        if place != POLICY and place not in services:
            hint = did_you_mean(place, services)
            problems.add("", "", f"{shown(place)} is neither policy nor a served AppID{hint}")
        elif not isinstance(texts, dict):
            problems.add(place, "", f"must be a table, not {shown(texts)}")
        else:
            for name in texts:
                if place != POLICY and name not in services[place]:
                    problems.unknown(place, "", name, services[place])
            found[place] = {
                name: reader.languages(given, f"{place}.{name}", "")
                for name, given in texts.items()
            }
    if problems.found:
        raise PolicyError(problems.found)
    return Words(language, found)
