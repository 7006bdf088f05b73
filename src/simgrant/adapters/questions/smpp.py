"""Questions through the operator's USSD gateway or message centre, by SMPP.

A USSD question is a ``submit_sm`` with the operation "USSR request" and a number for its session;
the answer is a ``deliver_sm`` of that session, and one more message ends it. A question by SMS is a
message with a code in it, which whoever agrees sends back.
"""

from __future__ import annotations

from typing import Final

import structlog

from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable
from simgrant.identities import InvalidIdentity, Msisdn
from simgrant.links.smpp import Delivered, SmppConfig, SmppLink, Submit
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.questions import Asked, AskedBy, Hear, Heard
from simgrant.wire.answer_text import pull_answer, pull_text
from simgrant.wire.push_sms import push_time
from simgrant.wire.sms_text import push_text
from simgrant.wire.ussd import (
    MOST_SEQUENCE,
    BadDialogue,
    Dialogue,
    UssdOp,
    pull_dialogue,
    push_dialogue,
)

_BUSY: Final = frozenset({0x08, 0x14, 0x45, 0x58, 0x64})
"""``command_status`` of a centre that may take the message later (SMPP 3.4 §5.1.3)."""
_END_S: Final = 5.0
"""Seconds that the end of a dialogue may take; it ends by itself otherwise."""


@named_noun
class Config:
    """The gateway, and who the questions are from."""

    smpp: SmppConfig
    by: AskedBy
    source: str
    """A short code, or a number without ``+``; what answers by SMS go to."""
    source_ton: int = 0
    """0 unknown, 1 international number, 3 short code."""
    source_npi: int = 0
    """0 unknown, 1 telephone number."""
    service_type: str = ""
    """What some gateways want for USSD, such as ``USSD``."""
    end_text: str = ""
    """What ends a USSD dialogue once it is answered."""


def open_questions(config: Config, *, clock: Clock) -> SmppQuestions:
    """Return the way; raise StartRefused where the password's file is no use."""
    return SmppQuestions(config, clock)


class SmppQuestions:
    """Questions by SMPP (the ``AsksPeople`` port)."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.by = config.by
        self._config = config
        self._clock = clock
        self._smpp = SmppLink(config.smpp, clock)

    async def ask(self, asked: Asked, *, deadline: float) -> None:
        """Submit one question (see the port)."""
        tlvs: tuple[tuple[int, bytes], ...] = ()
        if self.by is AskedBy.USSD:
            tlvs = push_dialogue(Dialogue(UssdOp.USSR_REQUEST, int(asked.code)))
        await self._submit(asked.to, asked.text, push_time(asked.expires_at), tlvs, deadline)

    async def run(self, hear: Hear) -> None:
        """Listen for answers (see the port)."""

        async def hears(delivered: Delivered) -> None:
            await self._heard(delivered, hear)

        await self._smpp.listen(hears)

    async def close(self) -> None:
        """Unbind."""
        await self._smpp.close()

    async def _heard(self, delivered: Delivered, hear: Hear) -> None:
        try:
            number = Msisdn(delivered.source.removeprefix("+"))
            dialogue = pull_dialogue(delivered.tlvs)
        except (InvalidIdentity, BadDialogue):
            return
        if (dialogue is None) != (self.by is AskedBy.SMS):
            return
        if dialogue is not None and dialogue.op != UssdOp.USSR_CONFIRM:
            return
        text = pull_text(
            delivered.message, coding=delivered.data_coding, esm_class=delivered.esm_class
        )
        answer = pull_answer(text) if text is not None else None
        if answer is None:
            return
        code = answer.code if dialogue is None else str(dialogue.session)
        is_over = await hear(Heard(number=number, agrees=answer.agrees, code=code))
        if dialogue is not None and is_over and not dialogue.has_ended:
            await self._end(number, dialogue)

    async def _end(self, number: Msisdn, dialogue: Dialogue) -> None:
        """Have the gateway close the dialogue on the phone; the answer counts all the same."""
        following = min(dialogue.sequence + 1, MOST_SEQUENCE)
        last = Dialogue(UssdOp.USSN_REQUEST, dialogue.session, following, True)
        deadline = self._clock.monotonic() + _END_S
        try:
            await self._submit(number, self._config.end_text, "", push_dialogue(last), deadline)
        except EcsError as error:
            structlog.get_logger().info(
                "dialogue_not_ended", reason=error.reason, detail=error.for_operator
            )

    async def _submit(
        self,
        to: Msisdn,
        text: str,
        validity: str,
        tlvs: tuple[tuple[int, bytes], ...],
        deadline: float,
    ) -> None:
        config = self._config
        coding, message = push_text(text)
        reply = await self._smpp.submit(
            Submit(
                source=config.source,
                source_ton=config.source_ton,
                source_npi=config.source_npi,
                destination=to.digits,
                message=message,
                esm_class=0,
                data_coding=coding,
                validity=validity,
                tlvs=tlvs,
                service_type=config.service_type,
            ),
            deadline=deadline,
        )
        if reply.status in _BUSY:
            raise PeerUnavailable(for_operator=f"{self._smpp.peer}: smpp_{reply.status:#x}")
        if reply.status:
            raise PeerMisbehaved(
                "question_refused", for_operator=f"{self._smpp.peer}: smpp_{reply.status:#x}"
            )
