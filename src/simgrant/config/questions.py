"""Settings of questions out of band, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal

from simgrant.config import texts
from simgrant.config.addresses import is_host_port
from simgrant.config.section import Section, Within, claimed_twice, unknown_tenants
from simgrant.wire.negotiate import best_text
from simgrant.wire.sms_text import fits

if TYPE_CHECKING:
    from simgrant.config.model import Settings

_SHORTEST_NAME: Final = "x" * 12
_USUAL_PURPOSE: Final = "x" * 30


class Questions(Section, frozen=True):
    """A USSD gateway or message centre by which subscribers without data are asked whether they
    agree, for consumers whose contract has `asks` (see [Open
    Gateway](../open-gateway.md#asking-the-subscriber-out-of-band)). Nobody is asked without such a
    table. It is spoken to by SMPP 3.4 (the extra `sms`), and sends us the answers."""

    tenants: tuple[str, ...] = ()
    """Tenants whose subscribers are asked by it; empty = all that no other table names."""
    by: Literal["ussd", "sms"] = "sms"
    """How. `ussd` needs a gateway that speaks `ussd_service_op` and `its_session_info`."""
    gateway: str = ""
    """Its address and port. Must be set."""
    system_id: str = ""
    """Our name there. Must be set. Every worker binds as a transceiver of its own."""
    password_file: str = ""
    """File with the password. Must be set. Read again when it changes."""
    system_type: str = ""
    """What some centres want to know of a client."""
    service_type: str = ""
    """What some gateways want to read with each USSD message, such as `USSD`."""
    tls: bool = False
    """Whether to speak TLS; certificates are checked against the system's trust store."""
    window: Annotated[int, Within(1, 1_000)] = 10
    """Messages sent and not yet answered, at most."""
    source: str = ""
    """Who asks, and whom answers by SMS go to: a short code, or a number without `+`. Must be
    set."""
    source_ton: int = 0
    """0 unknown, 1 international number, 3 short code."""
    source_npi: int = 0
    """0 unknown, 1 telephone number."""
    timeout_s: Annotated[float, Within(0.5, 30)] = 5.0
    """Seconds that the gateway may take to take a question over; then the consumer reads 503."""
    life_s: Annotated[int, Within(30, 600)] = 120
    """Seconds for the answer. The consumer may poll as long."""
    digits: Annotated[int, Within(4, 8)] = 4
    """Digits of the code that an answer by SMS brings along."""
    tries: Annotated[int, Within(1, 10)] = 3
    """Answers that agree, right or wrong, before a question is given up."""
    per_hour: Annotated[int, Within(1, 60)] = 3
    """Questions to one number in any hour, whoever asks; over all workers, as the next two are."""
    per_day: Annotated[int, Within(1, 200)] = 6
    """Questions to one number on any day."""
    rest_minutes: Annotated[int, Within(0, 1_440)] = 60
    """Minutes for which a number is left alone that said no."""
    per_consumer_and_minute: Annotated[int, Within(0, 1_000_000)] = 60
    """Questions of one consumer; each worker counts for itself. 0 = no limit."""
    proves_numbers: bool = False
    """Whether number verification believes such a proof. CAMARA wants the network to prove it, so
    consumers have to know."""
    text: dict[str, str] = {}
    """The question by language tag, beside or in place of those that come with simgrant, with
    `{consumer}`, `{purpose}` and, for SMS, `{code}` in it. It has to fit into one short message."""
    end_text: dict[str, str] = {}
    """Likewise what ends a USSD dialogue."""
    purposes: dict[str, str] = {}
    """What subscribers read of a purpose, by its word of W3C's DPV; else the word's own parts."""

    @property
    def texts(self) -> Mapping[str, str]:
        """Every language of the question."""
        shipped = texts.QUESTION_SMS if self.by == "sms" else texts.QUESTION_USSD
        return shipped | self.text


def question_problems(settings: Settings, tenants: Mapping[str, str]) -> Iterator[str]:
    """Name what would ask the wrong people, or bomb them; ``tenants`` are languages by name."""
    claimed: dict[str, str] = {}
    for name, table in settings.questions.items():
        where = f"questions.{name}"
        for key in ("gateway", "system_id", "password_file", "source"):
            if not getattr(table, key):
                yield f"{where}: {key} must be set"
        if table.gateway and not is_host_port(table.gateway):
            yield f"{where}.gateway: {table.gateway!r} is not host:port"
        if not settings.camara.listen:
            yield f"{where}: nobody asks without camara.listen"
        yield from unknown_tenants(where, table.tenants, tenants)
        yield from claimed_twice(where, table.tenants, claimed)
        yield from _texts(where, table, {*tenants.values()})


def _texts(where: str, table: Questions, languages: Collection[str]) -> Iterator[str]:
    needed = ("{consumer}", "{purpose}", *(("{code}",) if table.by == "sms" else ()))
    for language, text in table.texts.items():
        missing = [each for each in needed if each not in text]
        if missing:
            yield f"{where}.text.{language}: has no {missing[0]}"
        elif not _is_one(text, _USUAL_PURPOSE):
            yield f"{where}.text.{language}: leaves no room for names in one short message"
    for purpose, called in table.purposes.items():
        for language in sorted(languages):
            if not called or not _is_one(best_text(table.texts, (language,)), called):
                yield f"{where}.purposes.{purpose}: does not fit into one short message"
                break
    for language, text in table.end_text.items():
        if not fits(text):
            yield f"{where}.end_text.{language}: does not fit into one message"


def _is_one(text: str, purpose: str) -> bool:
    """Say whether a text is one message with the shortest name that a consumer is cut to."""
    for what, told in (
        ("{code}", "0" * 8),
        ("{purpose}", purpose),
        ("{consumer}", _SHORTEST_NAME),
    ):
        text = text.replace(what, told)
    return fits(text)
