"""What a TS.43 service is: a name, a table of parameters and three pure functions.

Asking and answering are apart so that the policy stands between them: ``questions`` says what has
to be decided, the policy decides, ``answer`` says it in the service's own words. None of them
waits for anything or looks at a request.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import IntEnum
from importlib import resources
from typing import Any, TypeAlias

from simgrant.domain.facts import Facts, Question
from simgrant.domain.policy import Decision, Result
from simgrant.nouns import noun
from simgrant.spec.ids import EntitlementStatus, OperationResult, PrivateUserIdType
from simgrant.spec.version import SpecVersion, parse
from simgrant.wire.document import Application, Parm


@noun
class ServiceFlow:
    """Where the device sends the subscriber to give what is missing (TS.43 §3.1.2)."""

    url: str
    user_data: str = field(repr=False)
    """Posted to the page as it is; carries the sealed reference to the subscription."""


@noun
class PrivateIdentity:
    """What stands for the subscriber in Wi-Fi networks (TS.43 §12.1.2)."""

    kind: PrivateUserIdType
    value: str = field(repr=False)
    expiry: str


@noun
class Enquiry:
    """What an answer depends on besides facts and decisions."""

    spec_version: SpecVersion
    flow: ServiceFlow | None
    """None where there is no portal."""
    text: Callable[[Mapping[str, str]], str]
    """Picks the text in the subscriber's language; empty when there is none at all."""
    identity: PrivateIdentity | None = None
    """None where none can be made."""


@noun
class ParmRow:
    """A parameter that a service may emit."""

    path: str
    """Characteristics and name, joined by ``/``; a name alone stands in APPLICATION itself."""
    section: str
    presence: str
    """``mandatory``, ``conditional`` or ``optional``."""
    meaning: str
    values: Mapping[int, str]
    """What each number means; empty where the value is none."""
    words: tuple[str, ...]
    """The words it may be; empty where it is a number or free."""
    since: SpecVersion
    """First version of TS.43 whose clients get it."""
    before: SpecVersion | None
    """First version of TS.43 whose clients no longer get it."""
    apps: tuple[str, ...] = ()
    """Of an operation: the only applications that it is emitted for; empty = all of its own."""


JSON_PAGE = "ServiceFlow_ContentsType"
"""The parameter that services have whose page is posted JSON."""

Questions: TypeAlias = Callable[[SpecVersion, Facts], tuple[Question, ...]]
Answer: TypeAlias = Callable[[Facts, tuple[Decision, ...], Enquiry], Application]


@noun
class Service:
    """One TS.43 service; the flow, the console and the docs know it by this alone."""

    app_id: str
    name: str
    section: str
    """Chapter of TS.43."""
    since: SpecVersion
    """First version of TS.43 that has it; older clients are answered all the same."""
    notifiable: bool
    """Whether a device may be told of a change (TS.43 §2.6)."""
    needs: frozenset[str]
    """The facts, by their names in `Facts`, that the answer looks at besides the decisions."""
    features: tuple[str, ...]
    """What its questions may be about; a boost of any type goes as ``boost_166``."""
    requires: tuple[str, ...]
    """Request parameters of its own, without which it cannot answer."""
    parms: Mapping[str, ParmRow]
    """Every parameter it may emit, by path, in the order of the table."""
    texts: Mapping[str, Mapping[str, str]]
    """Texts of its own, by name and language, for what no rule can know."""
    questions: Questions
    """What has to be decided before it can answer."""
    answer: Answer
    """The application, from the facts and one decision for each question, in their order.

    A pure function of these and the `Enquiry`, but for the ages of facts: it is called once for
    all requests that are alike, and sees the device, and what the subscription holds, only where
    ``needs`` names it."""


def authenticating(module: str) -> Service:
    """Return a service whose requests without operation want nothing but a token (TS.43 §6).

    What the application tells is told by operations.
    """
    table = from_table(module)
    done = Application(table.app_id, (Parm("OperationResult", str(int(OperationResult.SUCCESS))),))
    return table.service(
        questions=lambda _version, _facts: (), answer=lambda _facts, _decisions, _enquiry: done
    )


class BadTable(ValueError):
    """A service's table is not as it must be; a mistake of ours, found at import."""


@noun
class Table:
    """What the TOML file beside a service says."""

    app_id: str
    name: str
    section: str
    since: SpecVersion
    notifiable: bool
    needs: frozenset[str]
    features: tuple[str, ...]
    requires: tuple[str, ...]
    parms: Mapping[str, ParmRow]
    texts: Mapping[str, Mapping[str, str]]

    def service(self, *, questions: Questions, answer: Answer) -> Service:
        """Return the service that this table and these functions make."""
        return Service(
            app_id=self.app_id,
            name=self.name,
            section=self.section,
            since=self.since,
            notifiable=self.notifiable,
            needs=self.needs,
            features=self.features,
            requires=self.requires,
            parms=self.parms,
            texts=self.texts,
            questions=questions,
            answer=answer,
        )


def from_table(module: str) -> Table:
    """Return the table of the same stem as ``module``, which calls this with its ``__name__``.

    The module must be in a package; one that is not reads its file itself, for `read_table`.
    """
    package, _, stem = module.rpartition(".")
    text = resources.files(package).joinpath(f"{stem}.toml").read_text("utf-8")
    return read_table(text, name=f"{stem}.toml")


def read_table(text: str, *, name: str) -> Table:
    """Return what a table's text says, or raise `BadTable`."""
    try:
        data = tomllib.loads(text)
        table = Table(
            app_id=data.pop("id"),
            name=data.pop("name"),
            section=data.pop("section"),
            since=_version(data.pop("since")),
            notifiable=data.pop("notifiable"),
            needs=frozenset(data.pop("needs")),
            features=tuple(data.pop("features")),
            requires=tuple(data.pop("requires", ())),
            texts=data.pop("texts", {}),
            parms=parm_rows(data.pop("parm")),
        )
        _all_read(data)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadTable(f"{name}: {error!r}") from error
    return table


def parm_rows(data: Mapping[str, Any]) -> Mapping[str, ParmRow]:
    """Return the rows of a ``[parm.…]`` table by path; raise ValueError for a bad one."""
    return {path: _row(path, row) for path, row in data.items()}


def number_parms(name: str, numbers: Iterable[IntEnum]) -> Mapping[IntEnum, Parm]:
    """Return the parm for each number that ``name`` may have, made once for all answers."""
    return {number: Parm(name, str(int(number))) for number in numbers}


def own_value(name: str) -> str:
    """Return what stands for a value that is each subscription's own, in a letter no text may have.

    An answer is made once for all requests that are alike (ADR 0014, 0017). What is not alike, a
    page's user data or the bytes used, is put in its place when the answer is written out.
    """
    return f"\ue000{name}\ue000"


OWN_VALUE = re.compile("\ue000([^\ue000]*)\ue000")
"""What `own_value` returns, with the name in its group."""


def page_parms(flow: ServiceFlow | None) -> tuple[Parm, ...]:
    """Return the page of a service whose page is told only where there is one.

    The user data are JSON to be posted: in a query they would end up in logs and histories
    (divergence "page-user-data-json").
    """
    if flow is None:
        return ()
    return (
        Parm("ServiceFlow_URL", flow.url),
        Parm("ServiceFlow_UserData", flow.user_data),
        _JSON_CONTENTS,
    )


_JSON_CONTENTS = Parm(JSON_PAGE, "json")


def status_parm(decision: Decision) -> Parm:
    """Return a decision as the EntitlementStatus of a service that has nothing more to say."""
    return _STATUS[decision.result]


_STATUS = {
    Result.ALLOWED: Parm("EntitlementStatus", str(int(EntitlementStatus.ENABLED))),
    Result.DENIED: Parm("EntitlementStatus", str(int(EntitlementStatus.INCOMPATIBLE))),
    Result.PENDING: Parm("EntitlementStatus", str(int(EntitlementStatus.PROVISIONING))),
}


def _row(path: str, data: dict[str, Any]) -> ParmRow:
    before = data.pop("before", None)
    row = ParmRow(
        path=path,
        section=data.pop("section"),
        presence=data.pop("presence"),
        meaning=data.pop("meaning"),
        values={int(value): word for value, word in data.pop("values", {}).items()},
        words=tuple(data.pop("words", ())),
        since=_version(data.pop("since", "1.0")),
        before=None if before is None else _version(before),
        apps=tuple(data.pop("apps", ())),
    )
    if row.presence not in ("mandatory", "conditional", "optional"):
        raise ValueError(f"no presence: {row.presence!r}")
    _all_read(data)
    return row


def _version(text: str) -> SpecVersion:
    version = parse(text)
    if version is None:
        raise ValueError(f"no version: {text!r}")
    return version


def _all_read(data: dict[str, Any]) -> None:
    if data:
        raise ValueError(f"unknown keys: {sorted(data)}")
