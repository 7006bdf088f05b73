"""eSIMs: SM-DP+s, orders, sources of profiles, lists of devices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import structlog

from simgrant.adapters.risk.embedded import EmbeddedRisk
from simgrant.compose.clock import CLOCK
from simgrant.compose.partners import operations_of
from simgrant.config import model
from simgrant.config.esims import eid_range
from simgrant.config.load import Loaded
from simgrant.domain.device_lists import read_eids, read_tacs
from simgrant.domain.order import CompanionService, Inquiry, Kind, OrderMode, Source
from simgrant.domain.pace import Pace
from simgrant.domain.plan_offer import PlanOffer
from simgrant.domain.profile_source import SourceRule
from simgrant.errors import StartRefused
from simgrant.flows.device_lists import DeviceLists
from simgrant.flows.esim_means import Asking, Conditions, Esim, Line, OldProfile
from simgrant.flows.explain_esim import Sources
from simgrant.flows.operations.operation import Offer
from simgrant.flows.ordering import Ordering
from simgrant.flows.ordering import Rules as OrderRules
from simgrant.flows.profile_events import Events, Teller
from simgrant.fronts.es2plus.app import Call, Es2plusFront
from simgrant.fronts.es2plus.app import Limits as CallLimits
from simgrant.fronts.management.orders import OrderCalls, read_token
from simgrant.links.client_certificates import Callers
from simgrant.links.device_lists import read_list, watched_list
from simgrant.links.http import HttpConfig
from simgrant.links.secret_file import SecretFile
from simgrant.links.watched import Watched
from simgrant.ports.smdp import Smdp, Terms
from simgrant.ports.store import Store
from simgrant.spec.ids import AppId, SimIdType
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.es2plus import Function

_SMDP_IDLE_S = 4.0
"""Seconds: enough for the calls of one order, and less than servers wait before they hang up."""


def open_smdps(loaded: Loaded) -> dict[str, dict[str, Smdp]]:
    """Return each tenant's SM-DP+s by name; raise StartRefused where a file of one is no use."""
    found: dict[str, dict[str, Smdp]] = {name: {} for name in loaded.tenants}
    for name, table in loaded.settings.smdp.items():
        # Its client is loaded where there is one.
        from simgrant.adapters.smdp import es2plus

        config = es2plus.Config(
            terms=Terms(
                name=name,
                address=table.address,
                profile_types=table.profile_types,
                remembers_calls=table.remembers_calls,
                post_confirm_delay_s=table.post_confirm_delay_s,
            ),
            url=table.url,
            urls={Function(key): url for key, url in table.urls.items()},
            requester=table.requester,
            admin_protocol=table.admin_protocol,
            pad_iccid=table.iccid_pad_f,
            user=table.user,
            password_file=loaded.path(table.password_file) if table.password_file else None,
            http=HttpConfig(
                peer=f"smdp.{name}",
                ca_file=loaded.path(table.ca_file) if table.ca_file else None,
                certificate=loaded.path(table.certificate) if table.certificate else None,
                key=loaded.path(table.key) if table.key else None,
                plain=any(url.startswith("http:") for url in (table.url, *table.urls.values())),
                connect_timeout_s=table.connect_timeout_s,
                idle_s=_SMDP_IDLE_S,
                in_flight=table.in_flight,
            ),
        )
        try:
            smdp = es2plus.open_smdp(config, clock=CLOCK)
        except StartRefused as error:
            raise StartRefused(f"smdp.{name}: {error}") from None
        for tenant in table.tenants or found:
            found[tenant][name] = smdp
    return found


def open_es2plus(
    loaded: Loaded, store: Store, ordering: Ordering, metrics: Metrics
) -> Es2plusFront:
    """Return what SM-DP+s tell of their profiles; raise StartRefused for a certificate of none."""
    settings = loaded.settings

    def record(call: Call) -> None:
        metrics.count_smdp_call(call.smdp, call.answer)
        log = structlog.get_logger()
        # Whose call it is, and of which profile, was said by who took it over.
        (log.info if call.answer == 204 else log.warning)(
            "smdp_called",
            smdp=call.smdp,
            function=call.function,
            call=call.call_id,
            answer=call.answer,
            reason=call.reason,
            ms=round(call.seconds * 1000, 1),
        )

    tellers = {
        name: Teller(table.tenants or tuple(loaded.tenants), table.deletion_point or None)
        for name, table in settings.smdp.items()
    }
    callers = Callers(
        "smdp",
        sha256={name: table.tells_sha256 for name, table in settings.smdp.items()},
        subjects={name: table.tells_subjects for name, table in settings.smdp.items()},
    )
    return Es2plusFront(
        Events(store.orders, ordering=ordering, tellers=tellers),
        callers,
        clock=CLOCK,
        record=record,
        limits=CallLimits(
            in_flight=settings.es2plus.in_flight, timeout_s=settings.server.request_timeout_s
        ),
    )


def offers(loaded: Loaded) -> dict[str, Offer]:
    """Return what each tenant decides about operations; raise StartRefused."""
    settings = loaded.settings
    kinds = {"imsi": SimIdType.IMSI, "uuid": SimIdType.UUID, "hash": SimIdType.IMSI_HASH}
    return {
        name: Offer(
            withheld=operations_of(f"tenants.{name}.withheld", tenant.withheld),
            temporary_life_s=settings.temporary_tokens.life_s,
            single_use=settings.temporary_tokens.single_use,
            transfer_life_s=settings.temporary_tokens.transfer_life_s,
            operator_life_s=settings.operator_tokens.life_s,
            auth_url=settings.operator_tokens.auth_url,
            sim_id_type=kinds[tenant.sim_id],
            tells_imsi=tenant.tell_imsi,
            mvno_name=tenant.mvno_name,
            bare_json=tenant.partner_json,
        )
        for name, tenant in loaded.tenants.items()
    }


ESIM_APPS = {
    "companion": AppId.ODSA_COMPANION,
    "primary": AppId.ODSA_PRIMARY,
    "enterprise": AppId.ODSA_SERVER_INITIATED,
}


def esims(loaded: Loaded) -> dict[str, Esim]:
    """Return what each tenant offers devices of eSIMs."""
    orders = loaded.settings.orders
    lines: dict[str, dict[str, Line]] = {tenant: {} for tenant in loaded.tenants}
    for table in loaded.settings.esim.values():
        line = Line(
            _source(table),
            tuple(map(CompanionService, table.services)) if table.app == "companion" else (),
            table.most,
            by_address=table.download == "smdp_address",
            further=tuple(loaded.settings.profile_sources[name].smdp for name in table.sources),
            conditions=_conditions(table),
            not_eligible_url=table.not_eligible_url,
            old_profile=OldProfile(table.old_profile),
            inquiries={
                kind: Inquiry(asked)
                for kind, asked in (
                    (Kind.SUBSCRIBE, table.ask_new),
                    (Kind.TRANSFER, table.ask_transfer),
                    (Kind.RECOVER, table.ask_new),
                )
                if asked != "nothing"
            },
            most_an_hour=table.most_an_hour,
            plans=tuple(
                PlanOffer(name, offer.name, offer.description, offer.profile_type)
                for name in table.plans
                if (offer := loaded.settings.plan_offers.get(name)) is not None
            ),
            asking=Asking(table.portal),
        )
        app_id = ESIM_APPS[table.app]
        for tenant in table.tenants or lines:
            lines[tenant][app_id] = line
    return {
        tenant: Esim(of_tenant, orders.polling_s, orders.longest_polling_s, orders.most_polls)
        for tenant, of_tenant in lines.items()
    }


def _source(table: model.Esim) -> Source:
    if table.order_mode == "bss":
        return Source("", table.profile_type, pooled=False, mode=OrderMode.BSS)
    pooled, hold = table.allocation == "pool", table.release == "on_word"
    return Source(table.smdp, table.profile_type, pooled, hold=hold)


def source_rules(loaded: Loaded) -> dict[str, dict[str, tuple[SourceRule, ...]]]:
    """Return by which rules each tenant's orders for each application find their SM-DP+."""
    rules: dict[str, dict[str, tuple[SourceRule, ...]]] = {tenant: {} for tenant in loaded.tenants}
    for table in loaded.settings.esim.values():
        found = tuple(_source_rule(loaded.settings.profile_sources[name]) for name in table.sources)
        for tenant in table.tenants or rules:
            rules[tenant][ESIM_APPS[table.app]] = found
    return rules


def _source_rule(table: model.ProfileSource) -> SourceRule:
    return SourceRule(
        smdp=table.smdp,
        profile_type=table.profile_type,
        pooled=table.allocation == "pool" if table.allocation else None,
        eid_prefixes=table.eid_prefixes,
        eid_ranges=tuple(eid_range(text) for text in table.eid_ranges),
        profile_types=table.profile_types,
        vendors=tuple(vendor.strip().lower() for vendor in table.vendors),
        share=table.share,
    )


def order_calls(loaded: Loaded, store: Store) -> OrderCalls | None:
    """Return who answers /orders; None where there is no token. Raise StartRefused."""
    if not loaded.settings.management.token_file:
        return None
    path = loaded.path(loaded.settings.management.token_file)
    return OrderCalls(
        store, token=SecretFile(path, read_token).value, tenants=loaded.tenants, clock=CLOCK
    )


def _conditions(table: model.Esim) -> Conditions:
    return Conditions(
        table.tac_list,
        table.eid_list,
        table.parameters == "strict",
        Pace(
            table.window_h * 3600,
            per_line=table.per_line,
            per_eid=table.per_eid,
            per_imei=table.per_imei,
            lines_per_eid=table.lines_per_eid,
        ),
        table.sign_in_life_s,
    )


def esim_sources(loaded: Loaded, store: Store, tenant: str, app_id: str) -> Sources:
    """Return where facts about eSIMs come from, for who explains them; raise StartRefused."""
    line = esims(loaded)[tenant].lines.get(app_id)
    return Sources(EmbeddedRisk(store), store.orders, device_lists(loaded), line)


def device_lists(loaded: Loaded) -> DeviceLists:
    """Return the lists of devices as their files are now; raise StartRefused."""
    tacs, eids = loaded.settings.tac_lists, loaded.settings.eid_lists
    return DeviceLists(
        {
            name: read_list(f"tac_lists.{name}", loaded.path(table.file), read_tacs)
            for name, table in tacs.items()
        },
        {
            name: read_list(f"eid_lists.{name}", loaded.path(table.file), read_eids)
            for name, table in eids.items()
        },
    )


def watched_lists(loaded: Loaded, lists: DeviceLists) -> Iterator[Watched]:
    """Yield who takes each list over when its file changes."""
    for name, tacs in loaded.settings.tac_lists.items():
        path, take_tacs = loaded.path(tacs.file), partial(lists.take_tacs, name)
        yield watched_list(f"tac_lists.{name}", path, read_tacs, take_tacs)
    for name, eids in loaded.settings.eid_lists.items():
        path, take_eids = loaded.path(eids.file), partial(lists.take_eids, name)
        yield watched_list(f"eid_lists.{name}", path, read_eids, take_eids)


def order_rules(settings: model.Orders) -> OrderRules:
    """Return how orders go."""
    return OrderRules(
        immediate_s=settings.immediate_s,
        life_s=settings.life_s,
        call_timeout_s=settings.call_timeout_s,
        # Two calls and what is written in between, and still nobody else's.
        lease_s=math.ceil(3 * settings.call_timeout_s) + 15,
        first_pause_s=2.0,
        longest_pause_s=settings.longest_pause_s,
        batch=20,
        in_flight=100,
        poll_s=1.0,
    )
