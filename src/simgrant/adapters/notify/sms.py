"""Short messages to the phone's port for TS.43, through the operator's message centre by SMPP.

A short message needs no registration: its target is the subscription's number. It is the channel
for devices that never gave a token, and what it costs is the operator's to say. SMPP's own way to
replace a message that waits goes by service type, sender and receiver, and would replace what has
nothing to do with it. So nothing is collapsed here, and a repeated notice makes a device ask twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from simgrant.links.smpp import SmppConfig, SmppLink, Submit, SubmitReply
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.notifier import Dead, Delivered, Later, Notice, Receipt, Refused, Target
from simgrant.wire.push_sms import (
    DATA_CODING,
    DESTINATION_PORT,
    PORT,
    SOURCE_PORT,
    UDHI,
    push_header,
    push_port,
    push_text,
    push_time,
)
from simgrant.wire.push_token import Channel, is_token

_BUSY_S: Final = 1.0
"""A centre that throttles counts messages a second, as a rule."""
_RECEIPTS: Final[Mapping[int, Receipt]] = {
    0x0B: Dead("invalid_token"),  # ESME_RINVDSTADR
    0x14: Later("queue_full"),  # ESME_RMSGQFUL
    0x58: Later("throttled", _BUSY_S),  # ESME_RTHROTTLED
    0x08: Later("push_service_unavailable"),  # ESME_RSYSERR
    0x45: Later("push_service_unavailable"),  # ESME_RSUBMITFAIL
    0x64: Later("push_service_unavailable"),  # ESME_RX_T_APPN
}
"""What each ``command_status`` means for a notice (SMPP 3.4 §5.1.3); any other is a refusal."""


@named_noun
class Config:
    """How messages look, and the centre that takes them."""

    smpp: SmppConfig
    source: str
    """Sender: a short code, a number without ``+``, or up to 11 letters."""
    source_ton: int = 0
    """0 unknown, 1 international number, 3 short code, 5 letters."""
    source_npi: int = 0
    """0 unknown, 1 telephone number."""
    port: int = PORT
    """Port on the phone."""
    addressing: Literal["udh", "tlv"] = "udh"
    """Where the port stands: in a user data header, or in optional parameters."""


def open_notifier(config: Config, *, clock: Clock) -> Sms:
    """Return the channel; raise StartRefused where the password's file is no use."""
    return Sms(config, clock)


class Sms:
    """Short messages (the ``Notifier`` port)."""

    channel = Channel.SMS

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._smpp = SmppLink(config.smpp, clock)

    async def notify(self, target: Target, notice: Notice, *, deadline: float) -> Receipt:
        """Submit one message (see the port); the target needs its IMSI."""
        if not is_token(Channel.SMS, target.token):
            return Dead("invalid_token")
        if target.imsi is None:
            return Refused("imsi_missing")
        config = self._config
        text = push_text(target.imsi.digits, notice.apps)
        header = config.addressing == "udh"
        ports = ((SOURCE_PORT, push_port(0)), (DESTINATION_PORT, push_port(config.port)))
        message = Submit(
            source=config.source,
            source_ton=config.source_ton,
            source_npi=config.source_npi,
            destination=target.token,
            message=push_header(config.port) + text if header else text,
            esm_class=UDHI if header else 0,
            data_coding=DATA_CODING,
            validity=push_time(notice.expires_at),
            tlvs=() if header else ports,
        )
        return receipt(await self._smpp.submit(message, deadline=deadline))

    async def close(self) -> None:
        """Unbind."""
        await self._smpp.close()


def receipt(reply: SubmitReply) -> Receipt:
    """Return what an answer means for a notice."""
    if reply.status == 0:
        return Delivered(reply.message_id)
    return _RECEIPTS.get(reply.status) or Refused(f"smpp_{reply.status:#x}")
