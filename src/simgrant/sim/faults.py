"""What a simulated handset can do wrong on purpose, one thing at a time."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """A way to misbehave; the text under it says what the server owes such a handset."""

    WRONG_RES = "wrong-res"
    """The SIM's answer has one bit flipped, under a correct AT_MAC: 403."""
    WRONG_MAC = "wrong-mac"
    """AT_MAC has one bit flipped: 403."""
    SQN_AHEAD = "sqn-ahead"
    """The SIM has seen later sequence numbers and answers AUTS: a new challenge, then 200."""
    ALWAYS_RESYNC = "always-resync"
    """The SIM answers AUTS to every challenge: 403 at the second."""
    WRONG_AUTS = "wrong-auts"
    """AUTS has one bit flipped, as from a SIM with another key: 403."""
    SILENT = "silent"
    """The SIM refuses and the handset says nothing more: the session just expires."""
    BROKEN_BASE64 = "broken-base64"
    """The EAP packet is not base64: 400, or 403."""
    TRUNCATED = "truncated"
    """The EAP packet lacks its last bytes: 400, or 403."""
    REPEAT_ANSWER = "repeat-answer"
    """The last answer is posted twice, as if the document had been lost: 200 both times."""
    COOKIE_BIT = "cookie-bit"
    """The session cookie has one bit flipped: 511."""
    NO_COOKIE = "no-cookie"
    """The session cookie is not sent back: 511."""

    @property
    def words(self) -> str:
        """The name with spaces, for people."""
        return self.value.replace("-", " ")
