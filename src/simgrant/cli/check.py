"""`simgrant check-config`: everything that would stop a start, found beforehand."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from simgrant.cli.common import Globals, JsonOption, note, now, paint, print_json
from simgrant.errors import EcsError, StartRefused
from simgrant.nouns import noun

if TYPE_CHECKING:
    from pathlib import Path

    from simgrant.config.load import Loaded
    from simgrant.config.model import Settings
    from simgrant.ports.store import Store

_SOON_S: Final = 14 * 86_400
_STORE_S: Final = 10.0
_LOOKUP_S: Final = 5.0
"""Seconds for all names together."""


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@noun
class Finding:
    """One thing that was looked at."""

    level: Level
    topic: str
    text: str


OfflineOption = Annotated[bool, typer.Option("--offline", help="Look up no names.")]
_STYLES: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}


def check_config(
    ctx: typer.Context, *, offline: OfflineOption = False, json: JsonOption = False
) -> None:
    """Read everything a start would read, and say what is wrong with it. Exit code 2 if any.

    Settings, tenants, policies, profiles of clients, HSSs, HLRs, the 5G core, SM-DP+s, business
    support systems, lists of devices, key rings, certificates, and the store with its revision. The
    names of other systems are looked up, and nobody is connected to.
    """
    said = ctx.find_object(Globals) or Globals(None)
    findings = list(_look(said, offline=offline))
    bad = [finding for finding in findings if finding.level is Level.PROBLEM]
    if json:
        print_json(
            {
                "ok": not bad,
                "findings": [
                    {"level": each.level.value, "topic": each.topic, "text": each.text}
                    for each in findings
                ],
            }
        )
    else:
        for each in findings:
            level = paint(each.level.ljust(7), _STYLES[each.level], bold=True)
            typer.echo(f"{level}  {each.topic:<12}  {each.text}")
        warned = sum(finding.level is Level.WARNING for finding in findings)
        note(f"{len(bad)} problems, {warned} warnings")
    if bad:
        raise typer.Exit(2)


def _look(said: Globals, *, offline: bool) -> Iterator[Finding]:
    """Yield every finding; nothing else is read where the settings are bad."""
    try:
        loaded = said.load()
    except StartRefused as refused:
        for line in str(refused).splitlines():
            yield Finding(Level.PROBLEM, "settings", line)
        return
    yield Finding(Level.OK, "settings", loaded.source)
    yield from _environment()
    yield from _listeners(loaded)
    yield from _tenants(loaded)
    yield from _policies(loaded)
    yield _profiles(loaded)
    yield from _partners(loaded)
    yield from _sign_ins(loaded)
    yield from _questions(loaded)
    yield from _hsss(loaded)
    yield from _hlrs(loaded)
    yield from _sbis(loaded)
    yield from _routes(loaded)
    yield from _network_data(loaded)
    yield from _smdps(loaded)
    yield from _bss(loaded)
    yield from _events(loaded)
    if not offline:
        yield from _names(loaded)
    yield from _order_calls(loaded)
    yield from _api(loaded)
    yield from _purposes(loaded)
    yield from _device_lists(loaded)
    yield from _keys(loaded)
    yield from _certificates(loaded)
    yield from _portal(loaded)
    yield from _store(loaded)


def _environment() -> Iterator[Finding]:
    from simgrant.config.load import PREFIX

    names = sorted(name for name in os.environ if name.startswith(PREFIX))
    if names:
        yield Finding(Level.OK, "environment", ", ".join(names))


def _listeners(loaded: Loaded) -> Iterator[Finding]:
    import ipaddress
    from itertools import combinations
    from urllib.parse import urlsplit

    from simgrant.config.load import parse_listen

    settings = loaded.settings
    device, management, portal = settings.device, settings.management, settings.portal
    places = {"device": device.listen, "management": management.listen, "portal": portal.listen}
    if settings.camara.listen:
        places["camara"] = settings.camara.listen
    for one, other in combinations(places, 2):
        if places[one] == places[other] and parse_listen(places[one])[1]:
            yield Finding(Level.PROBLEM, "listeners", f"{one} and {other} are both {places[one]}")
            return
    shown = f"devices {device.listen}, operations {management.listen}"
    shown = f"{shown}, pages {portal.listen or 'nowhere'}"
    if settings.camara.listen:
        shown = f"{shown}, partners {settings.camara.listen}"
    yield Finding(Level.OK, "listeners", shown)
    pages = loaded.portal_url
    pages_are_local = (urlsplit(pages).hostname or "").startswith("127.")
    if pages.startswith("http:") and not pages_are_local:
        yield Finding(Level.WARNING, "listeners", f"phones are sent to {pages}, without TLS")
    device_is_local = ipaddress.ip_address(parse_listen(device.listen)[0]).is_loopback
    if not (device.tls_certificate or device.trusted_proxies or device_is_local):
        yield Finding(Level.WARNING, "listeners", "devices are served without TLS and proxy")
    if pages_are_local and (device.trusted_proxies or not device_is_local):
        text = f"phones are sent to {pages}, which is this machine: set portal.public_url"
        yield Finding(Level.WARNING, "listeners", text)
    if not ipaddress.ip_address(parse_listen(management.listen)[0]).is_private:
        text = f"management.listen {management.listen} has no authentication of its own"
        yield Finding(Level.WARNING, "listeners", text)


def _tenants(loaded: Loaded) -> Iterator[Finding]:
    for name, tenant in loaded.tenants.items():
        networks = ", ".join((*tenant.plmns, *tenant.imsi_ranges))
        if not networks:
            yield Finding(Level.WARNING, "tenants", f"{name} serves no SIM: it has no plmns")
        else:
            yield Finding(Level.OK, "tenants", f"{name} serves {networks}")


def _partners(loaded: Loaded) -> Iterator[Finding]:
    from simgrant.compose.esims import offers
    from simgrant.compose.partners import gateways, issuers
    from simgrant.compose.partners import partners as partners_of

    try:
        issuers(loaded)
        found = partners_of(loaded)
        offers(loaded)
        gateways(loaded)
    except StartRefused as refused:
        yield Finding(Level.PROBLEM, "partners", str(refused))
        return
    for name, partners in found.items():
        if partners:
            text = f"tenant {name}: {', '.join(partner.name for partner in partners)}"
            yield Finding(Level.OK, "partners", text)


def _sign_ins(loaded: Loaded) -> Iterator[Finding]:
    """Look at what lets people in without a SIM; nobody is asked anything."""
    from simgrant.compose.sign_ins import otp_apps, sign_ins

    try:
        providers, by_otp = sign_ins(loaded), otp_apps(loaded)
    except StartRefused as refused:
        yield Finding(Level.PROBLEM, "sign_in", str(refused))
        return
    for tenant, by_app in providers.items():
        apps = ", ".join(sorted(by_app))
        yield Finding(Level.OK, "sign_in", f"tenant {tenant}: {apps} by an OpenID provider")
    for tenant, found in by_otp.items():
        if found:
            apps = ", ".join(sorted(found))
            yield Finding(Level.OK, "sign_in", f"tenant {tenant}: {apps} by a one-time password")


def _questions(loaded: Loaded) -> Iterator[Finding]:
    """Say whose subscribers are asked out of band, and by what; nobody is connected to."""
    from simgrant.compose.questions import asked_tenants
    from simgrant.links.secret_file import SecretFile, read_text

    for name, table in loaded.settings.questions.items():
        try:
            SecretFile(loaded.path(table.password_file), read_text)
        except StartRefused as refused:
            yield Finding(Level.PROBLEM, "questions", f"{name}: {refused}")
            continue
        tenants = ", ".join(asked_tenants(loaded, name))
        if not tenants:
            text = f"{name}: every tenant has another table, so nobody is asked by it"
            yield Finding(Level.WARNING, "questions", text)
            continue
        text = f"{name}: {table.by} by {table.gateway}, for {tenants}"
        yield Finding(Level.OK, "questions", text)
        if table.proves_numbers:
            text = f"{name}: number verification believes it, which CAMARA does not"
            yield Finding(Level.WARNING, "questions", text)


def _routes(loaded: Loaded) -> Iterator[Finding]:
    """Say for whom each source of vectors is asked; those of the network, and who they are for."""
    from simgrant.config.routes import asked_for, source_names

    for source in source_names(loaded.settings):
        if whom := asked_for(loaded.settings, source):
            yield Finding(Level.OK, "routes", f"{source}: for {whom}")
        else:
            text = f"{source} is in no route: it is connected to and never asked"
            yield Finding(Level.WARNING, "routes", text)


def _hsss(loaded: Loaded) -> Iterator[Finding]:
    """Look at the HSSs and at who we are to them; nobody is connected to."""
    from prometheus_client import CollectorRegistry

    from simgrant.compose import core_network
    from simgrant.config.diameter import origin_host, place
    from simgrant.telemetry.metrics import Metrics

    settings = loaded.settings
    if not (settings.hss or settings.aaa):
        return
    found = _tried("hss", lambda: core_network.open_diameter(loaded, Metrics(CollectorRegistry())))
    if isinstance(found, Finding):
        yield found
        return
    yield Finding(Level.OK, "hss", f"we are {origin_host(settings.diameter, 0)}")
    for name, hss in settings.hss.items():
        peers = [settings.diameter_peers[peer] for peer in hss.peers]
        places = ", ".join("{}:{}".format(*place(peer)) for peer in peers)
        text = f"{name}: {hss.realm} over {hss.interface} by {places}"
        if hss.redirects_to:
            text += f", which may redirect to {', '.join(hss.redirects_to)}"
        yield Finding(Level.OK, "hss", text)
        behind = [settings.diameter_peers[peer] for peer in hss.redirects_to]
        if not all(peer.tls for peer in (*peers, *behind)):
            text = f"{name}: vectors travel in clear; keep them in a network of your own"
            yield Finding(Level.WARNING, "hss", text)
    yield from _aaas(settings, tuple(loaded.tenants))
    used = {peer for hss in settings.hss.values() for peer in hss.peers + hss.redirects_to}
    used |= {peer for aaa in settings.aaa.values() for peer in aaa.peers + aaa.redirects_to}
    for peer in settings.diameter_peers.keys() - used:
        text = (
            f"diameter_peers.{peer} leads to no HSS or AAA server, and is connected to for nothing"
        )
        yield Finding(Level.WARNING, "hss", text)
    if settings.diameter.certificate:
        yield _expiry(loaded.path(settings.diameter.certificate))
        yield from _exposed(loaded.path(settings.diameter.key))


def _aaas(settings: Settings, tenants: tuple[str, ...]) -> Iterator[Finding]:
    """Say whom the AAA servers authenticate."""
    from simgrant.config.aaa import aaa_of
    from simgrant.config.diameter import place

    served = aaa_of(settings, tenants)
    for name, aaa in settings.aaa.items():
        places = ", ".join(
            "{}:{}".format(*place(settings.diameter_peers[peer])) for peer in aaa.peers
        )
        whom = ", ".join(tenant for tenant, of in served.items() if of == name) or "nobody"
        text = f"{name}: {aaa.realm} over {aaa.interface} by {places}, for {whom}"
        yield Finding(Level.OK, "aaa", text)


def _hlrs(loaded: Loaded) -> Iterator[Finding]:
    """Look at the HLRs and at who we are to them; nobody is connected to."""
    from simgrant.config.hlr import place, unit_name

    for name, hlr in loaded.settings.hlr.items():
        address = "{}:{}".format(*place(hlr))
        text = f"{name}: at {address} we are {unit_name(hlr, 0)}"
        yield Finding(Level.OK, "hlr", text)
        text = (
            f"{name}: GSUP has no TLS, vectors travel in clear; keep them in a network of your own"
        )
        yield Finding(Level.WARNING, "hlr", text)


def _sbis(loaded: Loaded) -> Iterator[Finding]:
    """Look at the producers of a 5G core and at who we are to them; nobody is connected to."""
    from simgrant.config.sbi import operation_of, producers_of
    from simgrant.wire.sbi.ueau import service_of

    settings = loaded.settings
    sbi, used = settings.sbi, set[str]()
    for name, table in producers_of(settings):
        used.add(table.nrf)
        places = ", ".join(table.addresses) or f"where nrf.{table.nrf} says"
        text = f"{name}: {service_of(operation_of(table))} at {places}, as {sbi.nf_type}"
        yield Finding(Level.OK, "5g core", text)
        if any(address.startswith("http://") for address in table.addresses):
            text = f"{name}: vectors travel in clear; keep them in a network of your own"
            yield Finding(Level.WARNING, "5g core", text)
    for name in settings.nrf.keys() - used:
        yield Finding(Level.WARNING, "5g core", f"nrf.{name} is asked for nothing")
    if sbi.certificate:
        yield _expiry(loaded.path(sbi.certificate))
        yield from _exposed(loaded.path(sbi.key))


def _network_data(loaded: Loaded) -> Iterator[Finding]:
    """Say what networks are asked about subscribers, and what is asked or told in vain."""
    from simgrant.compose.policies import policy_of
    from simgrant.config.network_data import tells_of
    from simgrant.config.routes import asked_for
    from simgrant.domain.network_facts import Kind

    told = tells_of(loaded.settings)
    for name, kinds in told.items():
        yield Finding(Level.OK, "network data", f"{name} tells {' and '.join(sorted(kinds))}")
        if not asked_for(loaded.settings, name):
            text = f"no route leads to {name}: nobody is asked about there"
            yield Finding(Level.WARNING, "network data", text)
    if any(Kind.REGISTRATION in kinds for kinds in told.values()):
        return
    for name in loaded.tenants:
        policy = _tried("policy", lambda name=name: policy_of(loaded, name))  # type: ignore[misc]
        if not isinstance(policy, Finding) and Kind.REGISTRATION in policy.looks_at_network:
            text = f"tenant {name}: rules look at the registration, which nobody tells"
            yield Finding(Level.WARNING, "network data", text)


def _smdps(loaded: Loaded) -> Iterator[Finding]:
    """Look at the SM-DP+s and at what we prove to them who we are with; nobody is asked."""
    from simgrant.compose.esims import open_smdps

    found = _tried("smdp", lambda: open_smdps(loaded))
    if isinstance(found, Finding):
        yield found
        return
    for name, table in loaded.settings.smdp.items():
        tenants = ", ".join(tenant for tenant, named in found.items() if name in named)
        yield Finding(Level.OK, "smdp", f"{name}: {table.url}, for {tenants}")
        if table.certificate:
            yield _expiry(loaded.path(table.certificate))
            yield from _exposed(loaded.path(table.key))


def _bss(loaded: Loaded) -> Iterator[Finding]:
    """Look at the business support systems and at what their answers mean; nobody is asked."""
    from simgrant.compose.bss import open_sources
    from simgrant.compose.clock import CLOCK
    from simgrant.config.bss import bss_of, bss_warnings

    settings = loaded.settings
    if not settings.bss:
        return
    found = _tried("bss", lambda: open_sources(loaded, CLOCK))
    if isinstance(found, Finding):
        yield found
        return
    for name, table in settings.bss.items():
        whose = [tenant for tenant in loaded.tenants if bss_of(settings, tenant) == name]
        tells = {aspect for tenant in whose if tenant in found for aspect in found[tenant].tells}
        told = f"tells {', '.join(sorted(tells))}" if tells else "is not asked about subscribers"
        text = f"{name}: {table.type} at {table.url}, for {', '.join(whose) or 'nobody'}, {told}"
        yield Finding(Level.OK, "bss", text)
        for warning in bss_warnings(table):
            yield Finding(Level.WARNING, "bss", f"{name}: {warning}")
        if table.certificate:
            yield _expiry(loaded.path(table.certificate))
            yield from _exposed(loaded.path(table.key))
        for tenant in whose:
            yield from _unknown_names(loaded, tenant, name)


def _unknown_names(loaded: Loaded, tenant: str, name: str) -> Iterator[Finding]:
    """Warn of plans and features that a BSS is taken to mean and the policy does not have."""
    from simgrant.compose.policies import policy_of
    from simgrant.config.bss import features_meant, plans_meant
    from simgrant.domain.problems import did_you_mean

    policy = _tried("policy", lambda: policy_of(loaded, tenant))
    if isinstance(policy, Finding):
        return  # named already
    table = loaded.settings.bss[name]
    for kind, meant, known in (
        ("plan", plans_meant(table), policy.plans),
        ("feature", features_meant(table), policy.features),
    ):
        for word in sorted(meant - set(known)):
            text = f"{name}: tenant {tenant} has no {kind} {word!r}{did_you_mean(word, known)}"
            yield Finding(Level.WARNING, "bss", text)


def _names(loaded: Loaded) -> Iterator[Finding]:
    """Look up the names of other systems, all at once."""
    from simgrant.config.hosts import named_hosts
    from simgrant.config.lines import with_lines

    found = list(named_hosts(loaded.settings))
    told = _looked_up({host for _, host in found})
    problems = [f"{where}: {host} {told[host]}" for where, host in found if told[host]]
    source = loaded.file.read_text(encoding="utf-8") if loaded.file is not None else ""
    for text in with_lines(problems, source):
        yield Finding(Level.WARNING, "names", text)
    if found and not problems:
        yield Finding(Level.OK, "names", ", ".join(sorted(told)))


def _looked_up(hosts: Collection[str]) -> dict[str, str]:
    """Return what is wrong with each name; empty = it has an address."""
    import socket
    from threading import Thread
    from time import monotonic

    told = dict.fromkeys(hosts, "has no address: no answer in time")

    def look(host: str) -> None:
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError) as error:
            told[host] = f"has no address: {getattr(error, 'strerror', None) or 'it is no name'}"
        else:
            told[host] = ""

    # The resolver has no deadline of ours, so nobody waits for the last of them.
    threads = [Thread(target=look, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    ends = monotonic() + _LOOKUP_S
    for thread in threads:
        thread.join(max(0.0, ends - monotonic()))
    return dict(told)


def _order_calls(loaded: Loaded) -> Iterator[Finding]:
    """Look at the token of the calls on orders."""
    from simgrant.fronts.management.orders import read_token
    from simgrant.links.secret_file import SecretFile

    if not loaded.settings.management.token_file:
        return
    path = loaded.path(loaded.settings.management.token_file)
    found = _tried("orders", lambda: SecretFile(path, read_token))
    if isinstance(found, Finding):
        yield found
        return
    listen = loaded.settings.management.listen
    yield Finding(Level.OK, "orders", f"/orders at {listen}, with the token in {path.name}")
    yield from _exposed(path)


def _events(loaded: Loaded) -> Iterator[Finding]:
    """Look at who may bring events, and at what topics are read with; no broker is asked."""
    from simgrant.compose.event_hubs import open_link
    from simgrant.compose.events import open_senders, open_topic
    from simgrant.flows.issuers import Issuers

    settings = loaded.settings
    found = _tried("events", lambda: open_senders(loaded, Issuers({})))
    if isinstance(found, Finding):
        yield found
    for name, sender in settings.event_senders.items():
        if sender.token_file and not isinstance(found, Finding):
            yield from _exposed(loaded.path(sender.token_file))
        where = settings.events.listen or "nowhere, since events.listen is not set"
        level = Level.OK if settings.events.listen else Level.WARNING
        yield Finding(level, "events", f"{name} brings them to {where}, for {sender.tenant}")
    for name, hub in settings.event_hubs.items():
        visitor = _tried("events", partial(open_link, loaded, name))
        if isinstance(visitor, Finding):
            yield visitor
            continue
        yield Finding(Level.OK, "events", f"{name}: hub {hub.url}, brings them to {hub.callback}")
        for path in filter(None, (hub.secret_file, hub.api_key_file, hub.password_file, hub.key)):
            yield from _exposed(loaded.path(path))
    for name, table in settings.event_topics.items():
        found = _tried("events", partial(open_topic, loaded, name, table))
        if isinstance(found, Finding):
            yield found
            continue
        yield Finding(Level.OK, "events", f"{name}: topic {table.topic}, for {table.tenant}")
        if table.password_file:
            yield from _exposed(loaded.path(table.password_file))


def _purposes(loaded: Loaded) -> Iterator[Finding]:
    """Look at why consumers of partner APIs may process what is a subscriber's."""
    settings = loaded.settings
    if not settings.camara.listen:
        return
    if not settings.camara_purposes:
        text = "there are no camara_purposes: every purpose needs the subscriber's consent"
        yield Finding(Level.WARNING, "purposes", text)
        return
    bases = (f"{name} ({table.basis})" for name, table in settings.camara_purposes.items())
    yield Finding(Level.OK, "purposes", ", ".join(bases))


def _api(loaded: Loaded) -> Iterator[Finding]:
    """Look at who may call the management API."""
    from simgrant.compose import api

    settings = loaded.settings
    if not settings.api.listen:
        if settings.api_clients:
            yield Finding(Level.WARNING, "api", "there are api_clients, and no api.listen")
        return
    found = _tried("api", lambda: api.access(loaded, api.api_issuers(loaded)))
    if isinstance(found, Finding):
        yield found
        return
    names = ", ".join(settings.api_clients) or "nobody: there are no api_clients"
    yield Finding(Level.OK, "api", f"at {settings.api.listen}, for {names}")
    for client in settings.api_clients.values():
        if client.token_file:
            yield from _exposed(loaded.path(client.token_file))


def _device_lists(loaded: Loaded) -> Iterator[Finding]:
    from simgrant.compose.esims import device_lists

    settings = loaded.settings
    found = _tried("lists", lambda: device_lists(loaded))
    if isinstance(found, Finding):
        yield found
    elif settings.tac_lists or settings.eid_lists:
        names = ", ".join(f"{name} ({rows} rows)" for name, rows in found.sizes())
        yield Finding(Level.OK, "lists", names)


def _policies(loaded: Loaded) -> Iterator[Finding]:
    import tomllib

    from simgrant.compose.policies import policy_of
    from simgrant.domain.lint import lint

    for name, tenant in loaded.tenants.items():
        path = loaded.path(tenant.policy) if tenant.policy else None
        try:
            policy = policy_of(loaded, name)
        except StartRefused as refused:
            for line in str(refused).splitlines():
                yield Finding(Level.PROBLEM, "policy", f"tenant {name}: {line}")
        else:
            plans = ", ".join(policy.plans)
            text = f"tenant {name}: {path or 'built in'}, version {policy.version}, plans {plans}"
            yield Finding(Level.OK, "policy", text)
            if path is not None:
                for odd in lint(policy, tomllib.loads(path.read_text("utf-8"))):
                    yield Finding(Level.WARNING, "policy", f"tenant {name}: {odd}")


def _profiles(loaded: Loaded) -> Finding:
    from simgrant.compose.clients import profiles

    found = _tried("profiles", lambda: profiles(loaded))
    if isinstance(found, Finding):
        return found
    return Finding(Level.OK, "profiles", ", ".join(profile.name for profile in found))


def _keys(loaded: Loaded) -> Iterator[Finding]:
    from simgrant.adapters.keyring.file import read_keys
    from simgrant.cli.keys import rings
    from simgrant.compose.partners import signer
    from simgrant.compose.store import open_keys

    good = True
    for path, tenants in rings(loaded).items():
        found = _tried("keys", lambda path=path: read_keys(path))  # type: ignore[misc]
        if isinstance(found, Finding):
            good = False
            yield found
        else:
            text = f"{path}: {len(found)} keys, for {', '.join(tenants) or 'nobody'}"
            yield Finding(Level.OK, "keys", text)
    if good:
        whole = _tried("keys", lambda: signer(loaded, open_keys(loaded)))
        if isinstance(whole, Finding):
            yield whole


def _certificates(loaded: Loaded) -> Iterator[Finding]:
    for section in (loaded.settings.device, loaded.settings.portal):
        if section.tls_certificate:
            yield from _certificate(
                loaded.path(section.tls_certificate), loaded.path(section.tls_key)
            )


def _portal(loaded: Loaded) -> Iterator[Finding]:
    from simgrant.compose import policies
    from simgrant.compose.portal import house, site

    if not loaded.settings.portal.listen:
        return
    for name in loaded.tenants:
        words = _tried("texts", lambda name=name: policies.words(loaded, name))  # type: ignore[misc]
        if isinstance(words, Finding):
            continue  # named already
        for work in (
            lambda name=name, words=words: site(loaded, name, words),
            lambda name=name: house(loaded, name),
        ):
            found = _tried("portal", work)
            if isinstance(found, Finding):
                yield found


def _certificate(certificate: Path, key: Path) -> Iterator[Finding]:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        yield Finding(Level.PROBLEM, "certificate", f"{certificate}, {key}: {reason}")
        return
    yield _expiry(certificate)
    yield from _exposed(key)


def _exposed(key: Path) -> Iterator[Finding]:
    """Warn of a private key that is not private."""
    if key.stat().st_mode & 0o077:
        yield Finding(Level.WARNING, "certificate", f"{key} can be read by others: chmod 600 {key}")


def _expiry(certificate: Path) -> Finding:
    from cryptography.x509 import load_pem_x509_certificate

    from simgrant.flows.moments import moment

    ends = int(load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp())
    left = ends - now()
    text = f"{certificate}: good until {moment(ends)}"
    if left <= 0:
        return Finding(Level.PROBLEM, "certificate", f"{certificate}: ended at {moment(ends)}")
    return Finding(Level.WARNING if left < _SOON_S else Level.OK, "certificate", text)


def _store(loaded: Loaded) -> Iterator[Finding]:
    import asyncio

    from simgrant.adapters.store import migrate
    from simgrant.cli.common import open_store
    from simgrant.cli.db import store_url

    shown = _tried("store", lambda: loaded.store_shown)
    if isinstance(shown, Finding):
        yield shown
        return
    current = _tried("store", lambda: migrate.current(store_url(loaded)))
    if isinstance(current, Finding):
        yield current
        return
    head = migrate.head()
    if current != head:
        text = f"{shown}: revision {current or 'none'}, needed {head}; run: simgrant db upgrade"
        yield Finding(Level.PROBLEM, "store", text)
        return

    async def ask() -> list[Finding]:
        async with asyncio.timeout(_STORE_S), open_store(loaded) as store:
            await store.ping()
            return [each async for each in _published(loaded, store)]

    answered = _tried("store", lambda: asyncio.run(ask()))
    if isinstance(answered, Finding):
        yield answered
    else:
        yield Finding(Level.OK, "store", f"{shown}: revision {head}")
        yield from answered


async def _published(loaded: Loaded, store: Store) -> AsyncIterator[Finding]:
    """Say which tenants are decided for by a policy that was published, not by a file's."""
    from simgrant.compose.policies import policy_desk
    from simgrant.compose.store import open_keys
    from simgrant.domain.policy import PolicyError
    from simgrant.flows.moments import moment

    for name in loaded.tenants:
        if not await store.policies.history(name, limit=1):
            continue
        try:
            desk = policy_desk(loaded, store, name, open_keys(loaded))
            found = await desk.in_force()
        except (EcsError, PolicyError) as error:
            said = error.for_operator if isinstance(error, EcsError) else str(error.problems[0])
            text = f"tenant {name}: what was published last is not taken over: {said}"
            yield Finding(Level.PROBLEM, "policy", text)
            continue
        if found is not None:
            published, policy = found
            change = published.change
            text = (
                f"tenant {name}: version {policy.version}, published in place of its file; "
                f"since {moment(change.at)}, by {change.author}"
            )
            yield Finding(Level.OK, "policy", text)


def _tried(topic: str, work: Callable[[], Any]) -> Any:
    """Return what ``work`` gives, or the finding that its refusal is."""
    try:
        return work()
    except StartRefused as refused:
        return Finding(Level.PROBLEM, topic, str(refused))
    except EcsError as error:
        return Finding(Level.PROBLEM, topic, error.for_operator or error.reason)
    except TimeoutError:
        return Finding(Level.PROBLEM, topic, f"no answer within {_STORE_S:g} s")
