"""What a person reads of signing in and on the portal, in the languages that come with simgrant.

Settings replace a language or add one. A one-time password is one short message, in seventy letters
where it has others than English does. The portal's texts are in ``portal_texts.toml``, those of
eSIM orders in ``esim_texts.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Final, TypeAlias

Texts: TypeAlias = Mapping[str, Mapping[str, str]]
"""Texts by name and language."""

OTP: Final = {
    "en": "{code} is your code. Never tell it to anybody.",
    "de": "{code} ist Ihr Code. Geben Sie ihn niemandem weiter.",
    "es": "{code} es su código. No se lo dé a nadie.",
    "fr": "{code} est votre code. Ne le donnez à personne.",
    "it": "{code} è il suo codice. Non lo dia a nessuno.",
}
QUESTION_SMS: Final = {
    "en": "{consumer} wants to know that it is you ({purpose}). "
    "Reply YES {code} to agree or NO to refuse. Not you? Reply NO.",
    "de": "{consumer} fragt, ob Sie es sind ({purpose}). "
    "Antworten Sie JA {code} oder NEIN. Wenn Sie es nicht sind: NEIN.",
    "es": "{consumer} pregunta si es usted ({purpose}). "
    "Responda SI {code} o NO. Si no es usted: NO.",
    "fr": "{consumer} demande si c'est bien vous ({purpose}). "
    "Repondez OUI {code} ou NON. Si ce n'est pas vous: NON.",
    "it": "{consumer} chiede se e' lei ({purpose}). "
    "Risponda SI {code} oppure NO. Se non e' lei: NO.",
}
"""Without letters that would halve the room of a short message."""
QUESTION_USSD: Final = {
    "en": "{consumer} wants to know that it is you ({purpose}). Reply 1 to agree, 2 to refuse.",
    "de": "{consumer} fragt, ob Sie es sind ({purpose}). Antworten Sie 1 = ja, 2 = nein.",
    "es": "{consumer} pregunta si es usted ({purpose}). Responda 1 = si, 2 = no.",
    "fr": "{consumer} demande si c'est bien vous ({purpose}). Repondez 1 = oui, 2 = non.",
    "it": "{consumer} chiede se e' lei ({purpose}). Risponda 1 = si, 2 = no.",
}
QUESTION_END: Final = {
    "en": "Thank you.",
    "de": "Danke.",
    "es": "Gracias.",
    "fr": "Merci.",
    "it": "Grazie.",
}
"""What ends a USSD dialogue."""
SIGN_IN_FAILED: Final = {
    "en": "Signing in did not work. Please try again.",
    "de": "Die Anmeldung hat nicht geklappt. Bitte versuchen Sie es noch einmal.",
    "es": "No se ha podido iniciar sesión. Inténtelo de nuevo.",
    "fr": "La connexion a échoué. Veuillez réessayer.",
    "it": "L'accesso non è riuscito. Riprovi.",
}


def esim() -> Texts:
    """Return what phones show of eSIM orders."""
    text = resources.files(__package__).joinpath("esim_texts.toml").read_text("utf-8")
    return tomllib.loads(text)


CONSENT_SMS: Final = {
    "en": "{code} is your code to decide what {consumer} may know. "
    "Type it on our page only and tell nobody.",
    "de": "{code} ist Ihr Code, um zu entscheiden, was {consumer} wissen darf. "
    "Nur auf unserer Seite eingeben, niemandem sagen.",
    "es": "{code} es su codigo para decidir que puede saber {consumer}. "
    "Solo para nuestra pagina; no se lo diga a nadie.",
    "fr": "{code} est votre code pour decider ce que {consumer} peut savoir. "
    "Pour notre page seulement; ne le dites a personne.",
    "it": "{code} e' il codice per decidere che cosa puo' sapere {consumer}. "
    "Solo per la nostra pagina; non lo dica a nessuno.",
}
"""Likewise, as a question is."""


def purposes() -> Texts:
    """Return what purposes of W3C's Data Privacy Vocabulary are called."""
    text = resources.files(__package__).joinpath("portal_texts.toml").read_text("utf-8")
    found: Texts = tomllib.loads(text)["purposes"]
    return found


def portal() -> tuple[Texts, Texts]:
    """Return the texts of the portal's pages, and the terms that come with simgrant."""
    text = resources.files(__package__).joinpath("portal_texts.toml").read_text("utf-8")
    found = tomllib.loads(text)
    return found["texts"], found["terms"]
