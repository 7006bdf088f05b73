"""Read the settings: defaults, then the TOML file, then the environment.

``SIMGRANT__SECTION__KEY`` sets one value; the text is read as TOML where that
works and as plain text where it does not, so both ``8`` and ``info`` need no
quotes. Secrets are given as files (``store.url_file``), never as values.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import msgspec

from simgrant.config.aaa import aaa_problems
from simgrant.config.addresses import is_page_address
from simgrant.config.api import api_problems
from simgrant.config.bss import bss_problems
from simgrant.config.bss_tables import Bss
from simgrant.config.camara import camara_problems, test_number_problems
from simgrant.config.camara_books import camara_books_problems
from simgrant.config.camara_purposes import CamaraPurpose, purpose_problems
from simgrant.config.camara_tables import SandboxNumber
from simgrant.config.clients import profile_problems, with_shipped
from simgrant.config.core_network_tables import Aaa, DiameterPeer, Hlr, Hss, HssSbi, Nrf, Route, Udm
from simgrant.config.diameter import diameter_problems
from simgrant.config.esims import esim_problems
from simgrant.config.event_tables import EventHub, EventRule, EventSender, EventTopic
from simgrant.config.events import event_problems
from simgrant.config.hlr import hlr_problems
from simgrant.config.lines import with_lines
from simgrant.config.model import (
    ApiClient,
    ApiIssuer,
    Apns,
    EidList,
    Esim,
    Fcm,
    IdentityProvider,
    Issuer,
    Partner,
    PlanOffer,
    Profile,
    ProfileSource,
    Settings,
    Smdp,
    Sms,
    SourceLimits,
    TacList,
    Tenant,
    Wns,
)
from simgrant.config.network_data import network_data_problems
from simgrant.config.partners import issuer_problems, partner_problems
from simgrant.config.questions import Questions, question_problems
from simgrant.config.routes import route_problems
from simgrant.config.sbi import sbi_problems
from simgrant.config.section import claimed_twice, out_of_bounds, table_in, unknown_tenants
from simgrant.config.sign_ins import sign_in_problems
from simgrant.config.smdps import smdp_problems, teller_problems
from simgrant.config.tenants import tenant_problems
from simgrant.domain.misfit import words_there
from simgrant.domain.problems import did_you_mean
from simgrant.errors import StartRefused
from simgrant.nouns import noun

PREFIX = "SIMGRANT__"
_CONNECT_TO = re.compile(r"[a-z0-9.-]+=[0-9a-f.:\[\]]+:[0-9]{1,5}")
CHANNELS = {
    Fcm: ("service_account",),
    Apns: ("key_file", "key_id", "team_id", "topic"),
    Wns: ("client_id", "client_secret_file"),
    Sms: ("host", "system_id", "password_file", "source"),
}
"""The settings that each push channel's table must have."""
NAMED = {
    "tenants": Tenant,
    "bss": Bss,
    "profiles": Profile,
    "api_clients": ApiClient,
    "api_issuers": ApiIssuer,
    "test_numbers": SandboxNumber,
    "issuers": Issuer,
    "partners": Partner,
    "identity_providers": IdentityProvider,
    "diameter_peers": DiameterPeer,
    "hss": Hss,
    "hlr": Hlr,
    "nrf": Nrf,
    "udm": Udm,
    "hss_sbi": HssSbi,
    "aaa": Aaa,
    "routes": Route,
    "source_limits": SourceLimits,
    "smdp": Smdp,
    "esim": Esim,
    "profile_sources": ProfileSource,
    "plan_offers": PlanOffer,
    "tac_lists": TacList,
    "event_senders": EventSender,
    "event_rules": EventRule,
    "event_topics": EventTopic,
    "event_hubs": EventHub,
    "camara_purposes": CamaraPurpose,
    "questions": Questions,
    "eid_lists": EidList,
    **{kind.__name__.lower(): kind for kind in CHANNELS},
}
"""Sections that hold one table per name."""
DEFAULT_TENANT = "default"
_TEST_PLMNS = ("001-01", "999-99")


@noun
class Loaded:
    """Checked settings and the directory that relative paths start from."""

    settings: Settings
    base: Path
    source: str
    """Where they came from, for people."""
    file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables that changed what the file says."""
    portal_place: str = ""
    """Where the portal listens, once it does: its port may have been any."""
    camara_place: str = ""
    """The same of the listener for partners."""

    def again(self) -> Loaded:
        """Return what file and environment say now; raise StartRefused."""
        return load(self.file, self.environment)

    def changed(self, since: Loaded) -> list[str]:
        """Return the sections that are not as they were, tables and their order included."""
        names = (each.name for each in msgspec.structs.fields(Settings))
        return [
            name
            for name in names
            if _ordered(getattr(self.settings, name)) != _ordered(getattr(since.settings, name))
        ]

    def path(self, text: str) -> Path:
        """Return a path of the configuration, made absolute."""
        return (self.base / Path(text).expanduser()).resolve()

    @property
    def state_dir(self) -> Path:
        """The directory of key ring and database."""
        return self.path(self.settings.server.state_dir)

    @property
    def key_file(self) -> Path:
        """The server's key ring."""
        own = self.settings.keys.file
        return self.path(own) if own else self.state_dir / "keys.json"

    @property
    def store_url(self) -> str:
        """The store's URL; may hold a password, so never print it (see ``store_shown``)."""
        store = self.settings.store
        if store.url_file:
            try:
                return self.path(store.url_file).read_text().strip()
            except OSError as error:
                raise StartRefused(f"store.url_file: {error.filename}: {error.strerror}") from None
        return store.url or f"sqlite:///{self.state_dir / 'simgrant.db'}"

    @property
    def store_shown(self) -> str:
        """The store's URL without user and password."""
        return re.sub(r"//[^/@]*@", "//", self.store_url)

    @property
    def portal_url(self) -> str:
        """The address of the portal; empty where there is none."""
        portal = self.settings.portal
        if portal.public_url or not portal.listen:
            return portal.public_url
        place = self.portal_place or portal.listen
        return f"{'https' if portal.tls_certificate else 'http'}://{place}"

    @property
    def camara_urls(self) -> dict[str, str]:
        """The addresses of partner APIs by tenant; those that have none are not in it."""
        camara = self.settings.camara
        if not camara.listen:
            return {}
        own = camara.public_url
        if not own:
            scheme = "https" if camara.tls_certificate else "http"
            own = f"{scheme}://{self.camara_place or camara.listen}"
        urls = {name: tenant.camara_url for name, tenant in self.tenants.items()}
        return {name: url for name, url in {**urls, DEFAULT_TENANT: own}.items() if url}

    @property
    def tenants(self) -> dict[str, Tenant]:
        """Every tenant, the default one among them, with its networks filled in."""
        tenants = dict(self.settings.tenants)
        default = tenants.get(DEFAULT_TENANT, Tenant())
        if not (default.plmns or default.imsi_ranges):
            default = msgspec.structs.replace(default, plmns=_TEST_PLMNS)
        tenants[DEFAULT_TENANT] = default
        return tenants


def load(file: Path | None, environment: Mapping[str, str]) -> Loaded:
    """Return the checked settings; raise StartRefused with every problem, a line each.

    Without a file, the defaults and the environment make the configuration, and
    relative paths start in the current directory.
    """
    data: dict[str, Any] = {}
    text = ""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
            data = tomllib.loads(text)
        except OSError as error:
            raise StartRefused(f"configuration {file}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise StartRefused(f"configuration {file}: {error}") from None
    _overlay(data, environment)
    unknown = list(_unknown_keys(data))
    if unknown:
        raise StartRefused("\n".join(with_lines(unknown, text)))
    data["profiles"] = with_shipped(data.get("profiles", {}))
    try:
        settings = msgspec.convert(data, Settings, strict=True)
    except msgspec.ValidationError as error:
        misfits = list(_misfits(data)) or [f"configuration: {error}"]
        raise StartRefused("\n".join(with_lines(misfits, text))) from None
    loaded = Loaded(
        settings,
        file.resolve().parent if file else Path.cwd(),
        str(file) if file else "built-in defaults",
        # Not resolved: it may be a link that will lead to another file.
        file.absolute() if file else None,
        {name: text for name, text in environment.items() if name.startswith(PREFIX)},
    )
    problems = list(_problems(loaded))
    if problems:
        raise StartRefused("\n".join(with_lines(problems, text)))
    return loaded


def _ordered(section: Any) -> Any:
    """Return a section for comparison: the order of tables counts, as that of profiles does."""
    return list(section.items()) if isinstance(section, dict) else section


def _overlay(data: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX):
            continue
        table: dict[str, Any] = data
        *sections, key = name[len(PREFIX) :].lower().split("__")
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise StartRefused(f"environment {name}: {section} is no section")
        table[key] = _value(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _unknown_keys(data: Mapping[str, Any]) -> list[str]:
    """Name every unknown key with what was probably meant, not only the first."""
    found = []
    sections = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    for name, table in data.items():
        if name not in sections:
            found.append(f"unknown section [{name}]{did_you_mean(name, sections)}")
        elif isinstance(table, dict):
            tables = table if name in NAMED else {"": table}
            kind: Any = NAMED.get(name, sections[name])
            for own, keys in tables.items():
                where = f"{name}.{own}" if own else name
                found.extend(_unknown_in(keys, kind, where))
    return found


def _misfits(data: Mapping[str, Any]) -> Iterator[str]:
    """Name the first value of each table that is of another kind than its key."""
    for section in msgspec.structs.fields(Settings):
        table = data.get(section.name)
        if table is None:
            continue
        named = section.name in NAMED and isinstance(table, dict)
        kind: Any = NAMED[section.name] if named else section.type
        for own, values in table.items() if named else [("", table)]:
            where = f"{section.name}.{own}" if own else section.name
            try:
                msgspec.convert(values, kind, strict=True)
            except msgspec.ValidationError as error:
                yield _misfit(where, kind, str(error))


def _misfit(where: str, kind: Any, problem: str) -> str:
    """Return a problem by the name of the setting, and with the words that there are for it."""
    text, _, place = problem.partition(" - at `$")
    path = place.rstrip("`").lstrip(".")
    words = words_there(problem, kind)
    return f"{where}{f'.{path}' if path else ''}: {text}{words}"


def _unknown_in(keys: Any, kind: Any, where: str) -> Iterator[str]:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in keys.items() if isinstance(keys, dict) else ():
        if key not in fields:
            yield f"unknown key {where}.{key}{did_you_mean(key, fields)}"
        elif table := table_in(fields[key]):
            tables = {"": value} if isinstance(fields[key], type) else value
            for name, each in tables.items() if isinstance(tables, dict) else ():
                own = f".{name}" if name else ""
                yield from _unknown_in(each, table, f"{where}.{key}{own}")


def _problems(loaded: Loaded) -> list[str]:
    settings = loaded.settings
    found = []
    for name in ("device", "management", "api", "portal", "camara", "es2plus", "events"):
        listen = getattr(settings, name).listen
        try:
            if listen or name in ("device", "management"):
                parse_listen(listen)
        except ValueError as error:
            found.append(f"{name}.listen: {error}")
    portal = settings.portal
    if not portal.public_url and portal.listen.startswith(("0.0.0.0:", "[::]:")):
        found.append(
            f"portal.public_url: must be set, since phones find nothing at {portal.listen}"
        )
    for where, url in (
        ("portal.public_url", settings.portal.public_url),
        *((f"tenants.{name}.portal_url", each.portal_url) for name, each in loaded.tenants.items()),
    ):
        if url and not is_page_address(url):
            found.append(f"{where}: {url!r} is no https address")
    device = settings.device
    for name, section in (("device", device), ("portal", settings.portal)):
        if bool(section.tls_certificate) != bool(section.tls_key):
            found.append(f"{name}: tls_certificate and tls_key go together")
    if device.proxy_protocol and device.tls_certificate:
        found.append("device: proxy_protocol needs a listener without TLS")
    if device.proxy_protocol and not device.trusted_proxies:
        found.append("device: proxy_protocol needs trusted_proxies")
    for proxy in device.trusted_proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            found.append(f"device.trusted_proxies: {proxy!r} is no address or network")
    found.extend(out_of_bounds("", settings))
    found.extend(profile_problems(settings.profiles))
    found.extend(partner_problems(settings, loaded.tenants))
    found.extend(sign_in_problems(settings, loaded.tenants, DEFAULT_TENANT))
    found.extend(tenant_problems(loaded.tenants, DEFAULT_TENANT))
    found.extend(_channel_problems(loaded))
    found.extend(diameter_problems(settings))
    found.extend(network_data_problems(settings))
    found.extend(hlr_problems(settings))
    found.extend(sbi_problems(settings))
    found.extend(route_problems(settings, loaded.tenants))
    found.extend(aaa_problems(settings, loaded.tenants))
    found.extend(bss_problems(settings, loaded.tenants))
    found.extend(smdp_problems(settings, loaded.tenants))
    found.extend(esim_problems(settings, loaded.tenants, portal_url=loaded.portal_url))
    found.extend(teller_problems(settings))
    found.extend(event_problems(settings, loaded.tenants))
    found.extend(camara_books_problems(settings))
    found.extend(purpose_problems(settings.camara_purposes))
    found.extend(api_problems(settings, loaded.tenants))
    found.extend(camara_problems(settings, loaded.tenants, DEFAULT_TENANT))
    found.extend(test_number_problems(settings, loaded.tenants))
    spoken = {name: tenant.language for name, tenant in loaded.tenants.items()}
    found.extend(question_problems(settings, spoken))
    for name, issuer in settings.api_issuers.items():
        found.extend(issuer_problems(f"api_issuers.{name}", issuer))
    return found


def _channel_problems(loaded: Loaded) -> list[str]:
    """Name what a push channel's table lacks, and every tenant that two of a kind claim."""
    found = []
    for kind, needed in CHANNELS.items():
        section = kind.__name__.lower()
        claimed: dict[str, str] = {}
        for name, channel in getattr(loaded.settings, section).items():
            where = f"{section}.{name}"
            found += [f"{where}: {key} must be set" for key in needed if not getattr(channel, key)]
            found += [
                f"{where}.connect_to: {text!r} must look like name=address:port"
                for text in getattr(channel, "connect_to", ())
                if not _CONNECT_TO.fullmatch(text)
            ]
            found.extend(unknown_tenants(where, channel.tenants, loaded.tenants))
            found.extend(claimed_twice(where, channel.tenants, claimed))
    return found


def parse_listen(text: str) -> tuple[str, int]:
    """Return (address, port) of ``127.0.0.1:8080`` or ``[::1]:8080``; port 0 = any free one."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} is not address:port")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise ValueError(f"{host!r} is no IP address") from None
