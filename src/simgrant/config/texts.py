"""What a person reads of signing in, in the languages that come with simgrant.

Settings replace a language or add one. Each is one short message, in seventy letters where it has
others than English does.
"""

from __future__ import annotations

from typing import Final

OTP: Final = {
    "en": "{code} is your code. Never tell it to anybody.",
    "de": "{code} ist Ihr Code. Geben Sie ihn niemandem weiter.",
    "es": "{code} es su código. No se lo dé a nadie.",
    "fr": "{code} est votre code. Ne le donnez à personne.",
    "it": "{code} è il suo codice. Non lo dia a nessuno.",
}
SIGN_IN_FAILED: Final = {
    "en": "Signing in did not work. Please try again.",
    "de": "Die Anmeldung hat nicht geklappt. Bitte versuchen Sie es noch einmal.",
    "es": "No se ha podido iniciar sesión. Inténtelo de nuevo.",
    "fr": "La connexion a échoué. Veuillez réessayer.",
    "it": "L'accesso non è riuscito. Riprovi.",
}
