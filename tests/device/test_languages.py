"""Texts in the phone's language, and in the tenant's words (TS.43 §2.2; RFC 4647 §3.4)."""

from __future__ import annotations

import pytest

from simgrant.domain.policy import default_policy
from simgrant.domain.words import LANGUAGES
from simgrant.errors import StartRefused
from simgrant.services import SERVICES
from tests.device.harness import NO_CONSENT, SUSPENDED, Phone, Server, Workbench

SHIPPED = next(rule.texts for rule in default_policy().rules if rule.id == "suspended")


async def told(server: Server, language: str, **changes: object) -> str | None:
    """Return what a phone shows whose subscription is suspended."""
    phone = Phone(server, imsi=SUSPENDED, language=language).but(**changes)
    return (await phone.full()).phone.get("ap2004", "MessageForIncompatible")


@pytest.mark.spec("TS.43 §2.2")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_shipped_language(server: Server, language: str) -> None:
    assert await told(server, language) == SHIPPED[language]
    assert await told(server, f"{language}-{language.upper()}") == SHIPPED[language]


async def test_a_language_that_there_is_not(server: Server) -> None:
    assert await told(server, "nl-BE, x-klingon") == SHIPPED["en"]
    assert await told(server, "nl, it;q=0.1, fr;q=0") == SHIPPED["it"]


async def test_a_tenants_words(bench: Workbench) -> None:
    (bench.directory / "texts.toml").write_text(
        """
[policy.suspended]
nl = "Uw abonnement is geschorst."
nl-BE = "Uw abonnement is opgeschort."
en = "Call 611."

[ap2004.no_page]
nl = "Niet beschikbaar."
"""
    )
    tenant = '[tenants.default]\ntexts = "texts.toml"\nlanguage = "nl"\n'
    async with bench.opened(tenant + '[portal]\nlisten = ""\n') as server:
        assert await told(server, "nl-BE") == "Uw abonnement is opgeschort."
        assert await told(server, "nl-NL") == "Uw abonnement is geschorst."
        assert await told(server, "en-GB") == "Call 611."
        assert await told(server, "de") == SHIPPED["de"]
        assert await told(server, "ja") == "Uw abonnement is geschorst.", "the tenant's language"
        assert await told(server, "nl", imsi=NO_CONSENT) == "Niet beschikbaar."
        own = SERVICES["ap2004"].texts["no_page"]
        assert await told(server, "fr", imsi=NO_CONSENT) == own["fr"], "what is not said stays"
        assert "nl" not in own


async def test_words_with_mistakes_stop_the_start(bench: Workbench) -> None:
    (bench.directory / "texts.toml").write_text('[policy.suspendid]\nnl = "x"\n')
    with pytest.raises(StartRefused, match='did you mean "suspended"'):
        async with bench.opened('[tenants.default]\ntexts = "texts.toml"\n'):
            pass
    with pytest.raises(StartRefused, match=r"texts .*none.toml: No such file"):
        async with bench.opened('[tenants.default]\ntexts = "none.toml"\n'):
            pass


async def test_a_language_must_be_one(bench: Workbench) -> None:
    with pytest.raises(StartRefused, match="'Deutsch' is no language tag"):
        bench.loaded('[tenants.default]\nlanguage = "Deutsch"\n')
