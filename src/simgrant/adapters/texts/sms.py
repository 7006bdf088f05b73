"""Texts through the operator's message centre, by SMPP."""

from __future__ import annotations

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.identities import Msisdn
from simgrant.links.smpp import SmppConfig, SmppLink, Submit
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.wire.push_sms import push_time
from simgrant.wire.sms_text import push_text

_BUSY = frozenset({0x08, 0x14, 0x45, 0x58, 0x64})
"""``command_status`` of a centre that may take the message later (SMPP 3.4 §5.1.3)."""


@named_noun
class Config:
    """The centre, and who the messages are from."""

    smpp: SmppConfig
    source: str
    """A short code, a number without ``+``, or up to 11 letters."""
    source_ton: int = 0
    """0 unknown, 1 international number, 3 short code, 5 letters."""
    source_npi: int = 0
    """0 unknown, 1 telephone number."""


def open_texts(config: Config, *, clock: Clock) -> SmsTexts:
    """Return the way; raise StartRefused where the password's file is no use."""
    return SmsTexts(config, clock)


class SmsTexts:
    """Texts by SMPP (the ``Texts`` port)."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._smpp = SmppLink(config.smpp, clock)

    async def send(self, to: Msisdn, text: str, *, expires_at: int, deadline: float) -> None:
        """Submit one message (see the port)."""
        coding, message = push_text(text)
        reply = await self._smpp.submit(
            Submit(
                source=self._config.source,
                source_ton=self._config.source_ton,
                source_npi=self._config.source_npi,
                destination=to.digits,
                message=message,
                esm_class=0,
                data_coding=coding,
                validity=push_time(expires_at),
            ),
            deadline=deadline,
        )
        if reply.status in _BUSY:
            raise PeerUnavailable(for_operator=f"{self._smpp.peer}: smpp_{reply.status:#x}")
        if reply.status:
            raise PeerMisbehaved(
                "text_refused", for_operator=f"{self._smpp.peer}: smpp_{reply.status:#x}"
            )

    async def close(self) -> None:
        """Unbind."""
        await self._smpp.close()
