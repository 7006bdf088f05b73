"""A service that is switched in the network, at once or under a monitor's eyes (TMF640)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from simgrant.adapters.bss.tmf.answers import failed, misbehaved, read_answer
from simgrant.errors import PeerMisbehaved
from simgrant.identities import Iccid
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat, Reply
from simgrant.nouns import named_noun
from simgrant.ports.activation import Switched
from simgrant.ports.clock import Clock
from simgrant.ports.network_data import Subscriber
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf import activation as wire
from simgrant.wire.tmf.activation import Monitor, Outcome, Service
from simgrant.wire.tmf.inventory import ServiceState, push_query

_DONE: Final = frozenset({200, 201, 204})
_LATER: Final = 202
_LISTED: Final = frozenset({200, 206})
_NOT_FOUND: Final = 404
_ID: Final = re.compile(r"[A-Za-z0-9._~:-]{1,128}", re.ASCII)
_FIELDS: Final = ("id", "state", "serviceSpecification", "serviceCharacteristic")


@named_noun
class Config:
    """Which service, and how it is named."""

    path: str
    """What addresses of the API begin with."""
    specification: str = "vowifi"
    """The id of its specification."""
    imsi: str = "imsi"
    msisdn: str = "msisdn"
    """Characteristics that say whose it is; by the first it is found. An empty one is not sent."""
    iccid: str = ""
    """Likewise, which profile has a device's service: by that it is found."""
    patch: str = wire.MERGE_PATCH
    """The content type of changes; some servers take ``application/json`` alone."""
    patience_s: float = 3.0
    """Seconds for which a monitor is watched before it is left in progress."""
    poll_s: float = 0.3
    """Seconds between two looks at it."""


class TmfActivation:
    """A service that is switched (the ``Activation`` port)."""

    def __init__(self, link: ApiLink, config: Config, clock: Clock) -> None:
        self._link = link
        self._config = config
        self._clock = clock
        self._peer = f"{link.peer}: activation"

    async def switch(
        self, who: Subscriber, *, on: bool, deadline: float, iccid: Iccid | None = None
    ) -> Switched:
        """Have the service switched: the one that there is, else a new one (see the port)."""
        values = self._values(who, iccid)
        found = await self._find(values, deadline)
        if found is None and not on:
            return Switched(status=ProvStatus.NOT_PROVISIONED)
        if found is not None and found.state == _state(on=on):
            return as_wanted(on=on)
        return await self._change(found, values, on=on, deadline=deadline)

    async def progress(self, watch: str, *, on: bool, deadline: float) -> Switched:
        """Return how far something is that was under way (see the port)."""
        reply = await self._link.send(
            "GET",
            f"{self._config.path}/monitor/{quote(watch, safe='')}",
            repeat=Repeat.STRUGGLING,
            deadline=deadline,
        )
        if reply.status not in _LISTED:
            raise failed(reply, self._peer, now=self._clock.now())
        match read_answer(reply, Monitor, self._peer).outcome:
            case Outcome.DONE:
                return as_wanted(on=on)
            case Outcome.FAILED:
                before = ProvStatus.NOT_PROVISIONED if on else ProvStatus.PROVISIONED
                return Switched(status=before, failed=True)
            case Outcome.UNDER_WAY:
                return Switched(status=ProvStatus.IN_PROGRESS, watch=watch)
        raise misbehaved(self._peer, "a monitor is in a state that nobody knows")

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()

    async def _change(
        self, found: Service | None, values: Mapping[str, str], *, on: bool, deadline: float
    ) -> Switched:
        """Switch a service, or make one that is switched."""
        path, state = f"{self._config.path}/service", _state(on=on)
        if found is None:
            body = wire.push_service(self._config.specification, state, values)
            reply = await self._link.send("POST", path, body, deadline=deadline)
        else:
            # To be switched twice into the same state does no harm.
            reply = await self._link.send(
                "PATCH",
                f"{path}/{quote(found.id, safe='')}",
                wire.push_state(state),
                headers={"content-type": self._config.patch},
                repeat=Repeat.UNANSWERED,
                deadline=deadline,
            )
        if reply.status in _DONE:
            return self._done(reply, state, on=on)
        if reply.status != _LATER:
            raise failed(reply, self._peer, now=self._clock.now())
        return await self._watched(self._monitor(reply), on=on, deadline=deadline)

    def _values(self, who: Subscriber, iccid: Iccid | None) -> Mapping[str, str]:
        """Return what says whose service it is, by characteristic; it is found by the first."""
        values = {} if iccid is None else {self._config.iccid: iccid.digits}
        values[self._config.imsi] = who.imsi.digits
        if who.msisdn is not None:
            values[self._config.msisdn] = who.msisdn.digits
        return {name: value for name, value in values.items() if name}

    async def _find(self, values: Mapping[str, str], deadline: float) -> Service | None:
        """Return the subscriber's service; None = there is none."""
        specification = self._config.specification
        filters = [
            ("serviceSpecification.id", specification),
            ("serviceCharacteristic.value", next(iter(values.values()))),
        ]
        query = push_query(filters, _FIELDS, offset=0, limit=10)
        reply = await self._link.send(
            "GET",
            f"{self._config.path}/service?{query}",
            repeat=Repeat.STRUGGLING,
            deadline=deadline,
        )
        if reply.status == _NOT_FOUND:
            return None
        if reply.status not in _LISTED:
            raise failed(reply, self._peer, now=self._clock.now())
        services = read_answer(reply, tuple[Service, ...], self._peer)
        for each in services:
            told = {name: each.values[name] for name in values if name in each.values}
            strange = any(text.removeprefix("+") != values[name] for name, text in told.items())
            if not told or strange:
                raise PeerMisbehaved(
                    "bss_other_subscriber",
                    for_operator=f"{self._peer}: it tells of another subscriber's service",
                )
        return next(
            (
                each
                for each in services
                if each.service_specification.id in ("", specification)
                and each.state != ServiceState.TERMINATED
                and _ID.fullmatch(each.id)
            ),
            None,
        )

    def _done(self, reply: Reply, state: ServiceState, *, on: bool) -> Switched:
        """Return what an answer says that has no monitor: it is done, or it says otherwise."""
        if reply.body and read_answer(reply, Service, self._peer).state not in ("", state):
            raise misbehaved(self._peer, "it was switched, and is in another state")
        return as_wanted(on=on)

    def _monitor(self, reply: Reply) -> str:
        """Return which monitor tells how far it is."""
        id_ = wire.monitor_id(reply.header("location"))
        if not id_ and reply.body:
            told = read_answer(reply, Monitor, self._peer)
            id_ = wire.monitor_id(told.href) or told.id
        return self._checked(id_)

    def _checked(self, id_: str) -> str:
        """Return what something that is under way is asked about by."""
        if not _ID.fullmatch(id_):
            raise misbehaved(self._peer, "it is done later, and cannot be asked about")
        return id_

    async def _watched(self, watch: str, *, on: bool, deadline: float) -> Switched:
        """Return how far it is once it is over, or after a while."""
        until = min(self._clock.monotonic() + self._config.patience_s, deadline)
        while True:
            told = await self.progress(watch, on=on, deadline=deadline)
            if told.status is not ProvStatus.IN_PROGRESS:
                return told
            if self._clock.monotonic() + self._config.poll_s >= until:
                return told
            await asyncio.sleep(self._config.poll_s)


def _state(*, on: bool) -> ServiceState:
    return ServiceState.ACTIVE if on else ServiceState.INACTIVE


def as_wanted(*, on: bool) -> Switched:
    """Return that it is as it should be."""
    return Switched(status=ProvStatus.PROVISIONED if on else ProvStatus.NOT_PROVISIONED)
