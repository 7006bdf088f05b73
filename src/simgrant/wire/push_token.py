"""Which channel a ``notif_action`` asks for, and whether its ``notif_token`` can be one of it.

A push token is input from a stranger that decides where this server sends requests to, so each
channel has an alphabet, and the one whose tokens are addresses (WNS) has one domain besides:
whatever else is in a token, no request goes to a host that is not Microsoft's. A token that is
refused here is answered with RegisterNotifStatus 1 (TS.43 Table 12) and never kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from simgrant.nouns import Word
from simgrant.spec.ids import NotifAction

MOST_CHARACTERS: Final = 4096
"""All alphabets are ASCII, so these are bytes as well."""


class Channel(Word):
    """A way to reach a device."""

    FCM = "fcm"
    """Firebase Cloud Messaging, for Android."""
    APNS = "apns"
    """Apple Push Notification service."""
    WNS = "wns"
    """Windows Push Notification Services."""
    SMS = "sms"
    """A message to an application port of the phone (TS.43 §2.6.1)."""


CHANNELS: Final[Mapping[NotifAction, Channel]] = {
    # GCM became FCM, which takes the tokens of both.
    NotifAction.GCM: Channel.FCM,
    NotifAction.FCM: Channel.FCM,
    NotifAction.WNS: Channel.WNS,
    NotifAction.APNS: Channel.APNS,
}
"""The channel that each ``notif_action`` of TS.43 Table 4 asks for; SMS needs no registration."""

_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_TOKENS: Final[Mapping[Channel, re.Pattern[str]]] = {
    Channel.FCM: re.compile(r"[A-Za-z0-9_:.=-]+", re.ASCII),
    # The bytes that iOS hands to the app, in the hexadecimal that Apple's path wants them in.
    Channel.APNS: re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII),
    # No user name, no port, no fragment, no backslash: nothing that one reader of addresses takes
    # for the end of the host and another does not.
    Channel.WNS: re.compile(
        rf"https://(?:(?i:{_LABEL})\.){{1,3}}(?i:notify\.windows\.com)"
        r"(?:/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:%/?-]*)?",
        re.ASCII,
    ),
    Channel.SMS: re.compile(r"[0-9]{5,15}", re.ASCII),
}


def is_token(channel: Channel, token: str) -> bool:
    """Tell whether ``token`` has the form of the channel's tokens; never raises."""
    return len(token) <= MOST_CHARACTERS and _TOKENS[channel].fullmatch(token) is not None
