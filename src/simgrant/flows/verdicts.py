"""What equal circumstances lead to: decided and written down once, then looked up.

Policy and services are pure: for equal facts, version, languages and applications there is one
answer, whoever asks. A million phones are in some hundred different circumstances; so a request
looks its answer up, decisions, text and record alike, and only what is its own is put in: token,
validity, sealed user data, ages. ADR 0014 says what that saves, and why nothing can go stale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, TypeAlias

from simgrant.domain.facts import Device, Wish
from simgrant.domain.policy import Policy
from simgrant.domain.trail import Verdict
from simgrant.flows.answer import Portal, answer, page_of
from simgrant.flows.gather import NOTHING_MORE, View, counting, gather
from simgrant.flows.shape import PLAIN, Shape, shaped
from simgrant.nouns import replace
from simgrant.services import SERVICES
from simgrant.services.service import OWN_VALUE, PrivateIdentity, ServiceFlow, own_value
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
    registered: tuple[RegisterNotifStatus, ...] | None
    """What became of its wish to be told of changes, for each of ``apps``, if it had one."""
    wish: Wish = NOTHING_MORE.wish
    shape: Shape = PLAIN
    """What its family of clients needs changed."""


Key: TypeAlias = tuple[Asked, View] | tuple[Asked, View, Device]


@dataclass(slots=True)
class Kept:
    """A verdict and the answer that follows from it."""

    verdict: Verdict
    applications: tuple[Application, ...]
    _texts: dict[Format, list[str]] = field(default_factory=dict)
    """What is written, and the names of what is put in between, in turns."""

    def text(self, format_: Format, own: Callable[[str], str]) -> str:
        """Return the applications as they are written, with what ``own`` gives in its places."""
        parts = self._texts.get(format_)
        if parts is None:
            text = WRITERS[format_].push_applications(self.applications)
            parts = self._texts[format_] = OWN_VALUE.split(text)
        if len(parts) == 1:
            return parts[0]
        filled = parts.copy()
        filled[1::2] = map(own, parts[1::2])
        return "".join(filled)


class Verdicts:
    """The verdicts by one policy of a tenant; of too many, the older half is forgotten."""

    MOST = 4096
    _MOST_LETTERS = 256
    """Of a word that a device says of itself; with longer ones an answer is not kept."""

    def __init__(
        self,
        policy: Policy,
        portal: Portal,
        identities: PrivateUserIdType = PrivateUserIdType.PSEUDONYM,
    ) -> None:
        self.policy = policy
        self._portal = portal
        self._identity = PrivateIdentity(
            identities, own_value(IDENTITY), own_value(IDENTITY_EXPIRY)
        )
        self._kept: dict[Key, Kept] = {}
        self._seeing = frozenset(
            app_id
            for app_id, service in SERVICES.items()
            if policy.looks_at_device or "device" in service.needs
        )
        """The applications whose answer may depend on the device."""
        self.counting = counting(policy)
        """The applications whose answer may depend on the companions of the line."""

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
        facts = gather(view, device, policy=self.policy, wish=asked.wish)
        answered = answer(
            asked.apps,
            facts,
            policy=self.policy,
            version=asked.version,
            languages=asked.languages,
            flow=self._marked_flow,
            identity=self._identity,
            own_parameters=asked.shape.own_parameters,
        )
        applications = answered.applications
        if asked.registered is not None:
            applications = tuple(
                replace(each, items=(*each.items, Parm("RegisterNotifStatus", str(int(status)))))
                for each, status in zip(applications, asked.registered, strict=True)
            )
        verdict = Verdict(answered.decisions, push_verdict(facts, answered.decisions))
        return Kept(verdict, shaped(applications, asked.shape))

    def _marked_flow(self, app_id: str) -> ServiceFlow | None:
        url = page_of(self._portal, app_id)
        return ServiceFlow(url, own_value(app_id)) if url else None


IDENTITY, IDENTITY_EXPIRY = "PrivateUserID", "PrivateUserIDExpiry"
"""Names of what is a subscriber's own, beside the AppIDs of services with a page."""
