"""What equal circumstances lead to: decided and written down once, then looked up.

Policy and services are pure: for equal facts, version, languages and applications there is one
answer, whoever asks. A million phones are in some hundred different circumstances; so a request
looks its answer up, decisions, text and record alike, and only what is its own is put in: token,
validity, sealed user data, ages. ADR 0014 says what that saves, and why nothing can go stale.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple, TypeAlias

from simgrant.domain.facts import Device
from simgrant.domain.policy import Policy
from simgrant.domain.trail import Verdict
from simgrant.flows.answer import Portal, answer, page_of
from simgrant.flows.gather import View, gather
from simgrant.services import SERVICES
from simgrant.services.service import PrivateIdentity, ServiceFlow
from simgrant.spec.ids import PrivateUserIdType, RegisterNotifStatus
from simgrant.spec.version import SpecVersion
from simgrant.telemetry.record import push_verdict
from simgrant.wire.document import Application, Parm
from simgrant.wire.negotiate import Format
from simgrant.wire.writers import WRITERS

NO_DEVICE = Device("", "", "", "")


class Asked(NamedTuple):
    """What a request asks for, as far as its answer depends on it."""

    apps: tuple[str, ...]
    version: SpecVersion
    languages: tuple[str, ...]
    registered: RegisterNotifStatus | None
    """What became of its wish to be told of changes, if it had one."""


Key: TypeAlias = tuple[Asked, View] | tuple[Asked, View, Device]


@dataclass(slots=True)
class Kept:
    """A verdict and the answer that follows from it."""

    verdict: Verdict
    applications: tuple[Application, ...]
    _texts: dict[Format, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def text(self, format_: Format, own: Callable[[str], str]) -> str:
        """Return the applications as they are written, with what is the subscriber's own in it.

        ``own`` gives it by name: an AppID for the user data of that service's page.
        """
        written = self._texts.get(format_)
        if written is None:
            text = WRITERS[format_].push_applications(self.applications)
            names = tuple(dict.fromkeys(_MARKED.findall(text)))
            written = self._texts[format_] = text, names
        text, names = written
        for name in names:
            text = text.replace(_mark(name), own(name))
        return text


class Verdicts:
    """The verdicts of one tenant; of too many, the older half is forgotten."""

    MOST = 4096
    _MOST_LETTERS = 256
    """Of a word that a device says of itself; with longer ones an answer is not kept."""

    def __init__(
        self,
        policy: Policy,
        portal: Portal,
        identities: PrivateUserIdType = PrivateUserIdType.PSEUDONYM,
    ) -> None:
        self._policy = policy
        self._portal = portal
        self._identity = PrivateIdentity(identities, _mark(IDENTITY), _mark(IDENTITY_EXPIRY))
        self._kept: dict[Key, Kept] = {}
        self._seeing = frozenset(
            app_id
            for app_id, service in SERVICES.items()
            if policy.looks_at_device or "device" in service.needs
        )
        """The applications whose answer may depend on the device."""

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, asked: Asked, view: View, device: Device) -> Kept:
        """Return what is decided and answered in these circumstances."""
        key: Key = asked, view
        if self._seeing.isdisjoint(asked.apps):
            device = NO_DEVICE
        else:
            key = asked, view, device
        kept = self._kept.get(key)
        if kept is None:
            kept = self._decided(asked, view, device)
            if max(map(len, (device.vendor, device.model, device.sw_version))) < self._MOST_LETTERS:
                self._keep(key, kept)
        return kept

    def _keep(self, key: Key, kept: Kept) -> None:
        if len(self._kept) >= self.MOST:
            for old in list(islice(self._kept, self.MOST // 2)):
                del self._kept[old]
        self._kept[key] = kept

    def _decided(self, asked: Asked, view: View, device: Device) -> Kept:
        # Without times: an answer that looked at a fact's age could not be kept.
        facts = gather(view, device, policy=self._policy)
        answered = answer(
            asked.apps,
            facts,
            policy=self._policy,
            version=asked.version,
            languages=asked.languages,
            flow=self._marked_flow,
            identity=self._identity,
        )
        applications = answered.applications
        if asked.registered is not None:
            parm = Parm("RegisterNotifStatus", str(int(asked.registered)))
            applications = tuple(
                replace(application, items=(*application.items, parm))
                for application in applications
            )
        verdict = Verdict(answered.decisions, push_verdict(facts, answered.decisions))
        return Kept(verdict, applications)

    def _marked_flow(self, app_id: str) -> ServiceFlow | None:
        url = page_of(self._portal, app_id)
        return ServiceFlow(url, _mark(app_id)) if url else None


IDENTITY, IDENTITY_EXPIRY = "PrivateUserID", "PrivateUserIDExpiry"
"""Names of what is a subscriber's own, beside the AppIDs of services with a page."""

_MARKED = re.compile("\ue000([^\ue000]*)\ue000")


def _mark(name: str) -> str:
    """Return what stands for a value of the subscriber's own, in letters that no text may have."""
    return f"\ue000{name}\ue000"
