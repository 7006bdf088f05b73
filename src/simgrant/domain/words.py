"""A tenant's own words: languages added to the texts that subscribers read, or texts changed.

They say nothing new: they name texts of the policy and of the services, and give them in further
languages or otherwise, so that a translation needs no copy of the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from simgrant.nouns import noun

LANGUAGES = ("en", "de", "fr", "es", "it")
"""Every text that comes with simgrant is there in these."""
POLICY = "policy"
"""Where the texts of the policy are; those of a service are at its AppID."""


@noun
class Words:
    """What one tenant says otherwise than simgrant."""

    language: str = LANGUAGES[0]
    """For who wants no language that there is."""
    texts: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict, hash=False)
    """Texts by place, name and language (BCP 47)."""

    def of(self, place: str, name: str, texts: Mapping[str, str]) -> Mapping[str, str]:
        """Return a text by language, with the tenant's words in it."""
        own = self.texts.get(place, {}).get(name)
        return {**texts, **own} if own else texts


NO_WORDS = Words()
