"""What each device of a subscription would be told now, as values that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from simgrant.domain.companions import NOT_COUNTED, Counted
from simgrant.domain.facts import Device, Wish
from simgrant.domain.holdings import NOTHING, HeldBilling
from simgrant.domain.life import Life
from simgrant.domain.network_facts import NOTHING_HEARD, Heard
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import (
    SERVED,
    ConsentKind,
    ConsentStatus,
    Profile,
    Terminal,
)
from simgrant.domain.tenant import Tenant
from simgrant.domain.told import Told, effective
from simgrant.flows.answer import Portal, answer, page_of
from simgrant.flows.gather import NOTHING_MORE, View, counting, gather, held, look
from simgrant.flows.verdicts import NO_DEVICE
from simgrant.identities import Imei
from simgrant.keyring.ring import KeyRing
from simgrant.services import SERVICES
from simgrant.services.service import PrivateIdentity, ServiceFlow
from simgrant.spec.ids import PrivateUserIdType
from simgrant.spec.version import NEWEST
from simgrant.wire.document import Application
from simgrant.wire.request import StoreClaim

Documents: TypeAlias = tuple[Application, ...]
"""What one service tells one device: an answer, and one for each boost or each user of a store."""
REFUSED: Documents = ()
"""No document at all."""


class Answers:
    """The answers of one tenant's policy; equal circumstances are answered once."""

    MOST = 4096

    def __init__(
        self,
        tenant: Tenant,
        policy: Callable[[], Policy],
        portal: Portal,
        *,
        ring: Callable[[], KeyRing],
        roaming_max_age_s: int,
    ) -> None:
        """``policy`` and ``ring`` give those that are in force."""
        self._tenant = tenant
        self._policy = policy
        self._portal = portal
        self._ring = ring
        self._roaming_max_age_s = roaming_max_age_s
        self._kept: tuple[Policy | None, dict[_Key, Mapping[str, _Answer]]] = None, {}

    def of(
        self,
        life: Life,
        terminals: Sequence[Terminal],
        *,
        now: float,
        told: Told | None = None,
        gone: bool = False,
        heard: Heard = NOTHING_HEARD,
        counted: Counted = NOT_COUNTED,
    ) -> Answered:
        """Return what each terminal is told of each service, by terminal and AppID.

        ``told`` is what a BSS says, where one is asked; ``gone``, that it serves nobody like that;
        ``heard`` is what core networks say, ``counted`` how many companions there are.
        """
        policy = self._policy()
        profile = Profile(
            life.subscription,
            life.terms,
            life.address,
            None,
            held=life.held,
            heard=heard,
            counted=counted,
        )
        if told is not None:
            profile = effective(profile, told)
        imsi, status = profile.subscription.imsi, profile.subscription.status
        if not (status in SERVED and not gone and self._tenant.serves(imsi)):
            return {
                (each.terminal_id, app_id): _NOTHING for each in terminals for app_id in SERVICES
            }
        view = look(
            profile,
            tenant=self._tenant,
            now=now,
            roaming_max_age=self._roaming_max_age_s,
            policy=policy,
            ring=self._ring(),
        )

        def answered(app_id: str, device: Device) -> _Answer:
            return self._answered(
                policy, app_id, _views(view, profile, app_id, policy, now), device
            )

        found: dict[tuple[str, str], _Answer] = {}
        for apps, views, sees_device in _asked(view, profile, policy, now):
            for terminal in terminals:
                key = _Key(apps, views, _device(terminal) if sees_device else NO_DEVICE)
                for app_id, each in self._told(policy, key, answered).items():
                    found[terminal.terminal_id, app_id] = each
        return found

    @property
    def counts(self) -> bool:
        """Whether anything that is told depends on how many companions there are."""
        return bool(counting(self._policy()))

    def has_plan(self, plan: str) -> bool:
        """Say whether the policy has a plan of that name: by another nobody has any service."""
        return plan in self._policy().plans

    def agreed(self, life: Life) -> bool:
        """Say whether the subscriber owes the policy no consent."""
        policy = self._policy()
        given = {
            kind: consent is not None and consent.status is ConsentStatus.GIVEN
            for kind, consent in (
                (ConsentKind.TERMS, life.terms),
                (ConsentKind.ADDRESS, life.address),
            )
        }
        return all(there or not policy.requires(kind) for kind, there in given.items())

    def _told(
        self, policy: Policy, key: _Key, answered: Callable[[str, Device], _Answer]
    ) -> Mapping[str, _Answer]:
        kept_for, kept = self._kept
        if kept_for is not policy:
            kept = {}
            self._kept = policy, kept
        told = kept.get(key)
        if told is None:
            told = {app_id: answered(app_id, key.device) for app_id in key.apps}
            if len(kept) >= self.MOST:
                kept = dict(islice(kept.items(), self.MOST // 2, None))
                self._kept = policy, kept
            kept[key] = told
        return told

    def _answered(self, policy: Policy, app_id: str, views: _Views, device: Device) -> _Answer:
        applications: list[Application] = []
        said: list[str] = []
        for view, wish in views:
            facts = gather(view, device, policy=policy, wish=wish)
            made = answer(
                [app_id],
                facts,
                policy=policy,
                version=NEWEST,
                languages=(),
                flow=self._flow,
                identity=PrivateIdentity(PrivateUserIdType.PSEUDONYM, "…", "…"),
            )
            applications += made.applications
            said += (f"{each.result} {each.reason}".rstrip() for each in made.decisions)
        return _Answer(tuple(applications), ", ".join(dict.fromkeys(said)))

    def _flow(self, app_id: str) -> ServiceFlow | None:
        url = page_of(self._portal, app_id)
        return ServiceFlow(url, "…") if url else None


_Views: TypeAlias = tuple[tuple[View, Wish], ...]


class _Key(NamedTuple):
    apps: tuple[str, ...]
    views: _Views
    device: Device


class _Answer(NamedTuple):
    """What is told, and the decisions behind it for people."""

    told: Documents
    said: str


Answered: TypeAlias = Mapping[tuple[str, str], _Answer]
"""By terminal and AppID."""
_NOTHING = _Answer(REFUSED, "refused")


_SEEING: Final = tuple(app_id for app_id, each in SERVICES.items() if "device" in each.needs)
"""The services whose answers depend on the device."""
_BLIND: Final = tuple(app_id for app_id in SERVICES if app_id not in _SEEING)


def _asked(
    view: View, profile: Profile, policy: Policy, now: float
) -> Iterator[tuple[tuple[str, ...], _Views, bool]]:
    """Yield all services, those together that answer alike in what is yielded with them: what the
    facts are made of, and whether the device is looked at."""
    sees_all = policy.looks_at_device
    if profile.held == NOTHING:
        # What the facts say of holdings follows from the plan, which the view has.
        views: _Views = ((view, NOTHING_MORE.wish),)
        yield _BLIND, views, sees_all
        if _SEEING:
            yield _SEEING, views, True
        return
    for app_id in SERVICES:
        views = _views(view, profile, app_id, policy, now)
        yield (app_id,), views, sees_all or app_id in _SEEING


def _device(terminal: Terminal) -> Device:
    return Device(
        Imei.tac_of(terminal.terminal_id), terminal.vendor, terminal.model, terminal.sw_version
    )


def _views(view: View, profile: Profile, app_id: str, policy: Policy, now: float) -> _Views:
    """Return what the facts of one service are made of: of a store's, for each of its users."""
    needs = SERVICES[app_id].needs
    billing: tuple[HeldBilling | None, ...] = (None,)
    if "store" in needs and profile.held.billing:
        billing = profile.held.billing
    views: list[tuple[View, Wish]] = []
    for each in billing:
        store, wish = NOTHING_MORE.store, NOTHING_MORE.wish
        if each is not None:
            store = StoreClaim(each.store_vendor, each.store_user_id)
            wish = Wish(None, each.store_vendor)
        has = held(profile, (app_id,), store, policy=policy, now=now)
        views.append((view._replace(held=has), wish))
        if "boosts" in needs:
            # Who asks for one is told how far that one is.
            types = sorted(boost.boost_type for boost in profile.held.boosts)
            views += ((view._replace(held=has), Wish(boost_type)) for boost_type in types)
    return tuple(views)
