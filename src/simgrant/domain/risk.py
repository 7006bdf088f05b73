"""What speaks for or against giving a line to a device: the words for it.

The facts themselves come from a source (``ports/risk.py``), are looked at by rules (the policy),
and stand in records by these words.
"""

from __future__ import annotations

from typing import Final

from simgrant.nouns import Word


class Way(Word):
    """How whoever asks proved whose line it is."""

    SIM = "sim"
    """By the SIM alone, now or when the device got its token."""
    OIDC = "oidc"
    """By signing in with an OpenID provider, not long ago."""
    OTP = "otp"
    """By a one-time password, not long ago."""
    TEMPORARY_TOKEN = "temporary_token"  # noqa: S105 - a name
    OPERATOR_TOKEN = "operator_token"  # noqa: S105 - a name
    PAGE = "page"
    """By the page of an order that was let before: what proof that took, was asked then."""
    REQUESTOR = "requestor"
    """It is a system, which proved nobody's line."""
    UNKNOWN = "unknown"


SIGNED_IN: Final = frozenset({Way.OIDC, Way.OTP, Way.PAGE})
"""The ways by which a person, and not only a SIM, was asked, where that was wanted."""


class NumberType(Word):
    """What kind of number the line has."""

    UNKNOWN = "unknown"
    MOBILE = "mobile"
    FIXED = "fixed"
    VOIP = "voip"
    DATA_ONLY = "data_only"
    M2M = "m2m"
