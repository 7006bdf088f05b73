"""Settings of the core network: who is asked about a SIM, by Diameter, MAP or HTTP/2, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from simgrant.config.section import Section, Within


class Diameter(Section, frozen=True):
    """Who we are to Diameter peers (see [HSS](../hss.md))."""

    origin_host: str = ""
    """Our name, as agreed with who runs the peers, such as `ecs-%d.example.com`. `%d` becomes the
    worker's number from 0 on: a peer takes one connection from each name. Must be set where there
    is an `[hss.NAME]`."""
    origin_realm: str = ""
    """Our realm; empty = what follows the first dot of `origin_host`."""
    watchdog_s: Annotated[float, Within(6, 600)] = 30.0
    """Seconds without a word after which a peer is asked whether it is there (Tw of RFC 3539); more
    or less by two. The RFC allows no less than six."""
    heeds_overload: bool = True
    """Whether HSSs and AAA servers that report an overload (RFC 7683) are sent as many requests
    less as they say, and are told that they would be."""
    ca_file: str = ""
    """PEM file of the authorities that certificates of peers are from; empty = the system's."""
    certificate: str = ""
    """PEM file of our certificate and its chain, for peers with `tls`. Like its key it is read
    again for each connection."""
    key: str = ""
    """PEM file of its private key, without a password."""


class DiameterPeer(Section, frozen=True):
    """A Diameter peer that we connect to: an HSS, or a relay (DRA) before it."""

    host: str = ""
    """Its name, Origin-Host; with `tls` also the name in its certificate. Must be set."""
    address: str = ""
    """Where it listens, such as `10.0.0.1:3868`; empty = at `host`, port 3868, with `tls` 5658."""
    transport: Literal["tcp", "sctp"] = "tcp"
    """What it is connected to over. SCTP is in clear, and there where the kernel has it."""
    tls: bool = False
    """Whether the connection is TLS 1.3, from its first byte on."""
    priority: Annotated[int, Within(0, 65_535)] = 1
    """Those with the lowest number are asked while one of them is there."""
    weight: Annotated[int, Within(1, 65_535)] = 1
    """Share of the requests among peers of one priority."""
    window: Annotated[int, Within(1, 100_000)] = 500
    """Requests that one worker has under way with it at a time."""
    connect_timeout_s: Annotated[float, Within(0.1, 60)] = 5.0
    """Seconds for TCP, TLS and the exchange of capabilities together."""


class Hss(Section, frozen=True):
    """An HSS that vectors come from, by Diameter (see [HSS](../hss.md))."""

    interface: Literal["swx", "s6a", "cx"] = "swx"
    """What it is asked over: as an AAA server does (`swx`), as an SGSN (`s6a`) or as an S-CSCF
    (`cx`). Only `swx` has vectors for EAP-AKA'."""
    peers: tuple[str, ...] = ()
    """The `[diameter_peers.NAME]` that lead to it. Must be set."""
    realm: str = ""
    """Its realm. Must be set."""
    host: str = ""
    """Its name; empty = whoever serves the realm."""
    visited_plmn: str = ""
    """Over `s6a`: the network that we say we ask from, such as `001-01`. Must be set there."""
    ims_domain: str = ""
    """Over `cx` and `sh`: what follows the IMSI in a private identity, such as
    `ims.mnc001.mcc001.3gppnetwork.org`. Must be set there."""
    server_name: str = ""
    """Over `cx`: the SIP URI that we say we are, such as `sip:ecs.example.com`. An HSS may note it
    for the subscriber as his S-CSCF. Must be set there."""
    patience_s: Annotated[float, Within(0.05, 29)] = 0.3
    """Seconds without an answer after which the request is sent to another peer, if there is
    one."""
    message_priority: Annotated[int | None, Within(0, 15)] = None
    """What requests say of how urgent they are (DRMP, RFC 7944), 0 being the most urgent; without
    it they say nothing."""
    tells: tuple[Literal["number", "location", "registration"], ...] = ()
    """What it is asked about subscribers, where that is needed: the `number` of one that has none
    in the database, the `location` (the network that he is in), the `registration` (whether a
    network has his phone). See [what the network knows](../network-data.md)."""
    tells_over: Literal["swx", "sh"] = "swx"
    """What it is asked that over: as an AAA server does (`swx`), for numbers alone, or as an
    application server (`sh`)."""
    redirects_to: tuple[str, ...] = ()
    """The `[diameter_peers.NAME]` that its peers may redirect requests to (3006), besides each
    other: HSSs behind an SLF."""


class Hlr(Section, frozen=True):
    """An HLR that vectors come from, over GSUP (see [HLR](../hlr.md))."""

    address: str = ""
    """Where it listens, such as `10.0.0.1:4222`; without a port it is 4222. Must be set."""
    unit_name: str = ""
    """Our name there, such as `ecs-a-%d`. `%d` becomes the worker's number from 0 on: the HLR sends
    its answers to a name, so no other connection may have it, of another node neither. Must be
    set."""
    window: Annotated[int, Within(1, 100_000)] = 500
    """Requests that one worker has under way with it at a time."""
    connect_timeout_s: Annotated[float, Within(0.1, 60)] = 5.0
    """Seconds for TCP and the exchange of identities together."""
    ping_s: Annotated[float, Within(0.5, 600)] = 20.0
    """Seconds between two questions whether it is there; one that is not answered by the next ends
    the connection."""


class Aaa(Section, frozen=True):
    """A 3GPP AAA server that authenticates SIMs by itself, by Diameter (see [AAA](../aaa.md))."""

    interface: Literal["swm", "sta", "eap"] = "swm"
    """What it is asked over: as an ePDG does (`swm`, application 16777264), as a trusted access
    network (`sta`, 16777250) or as any authenticator (`eap`, 5 of RFC 4072)."""
    tenants: tuple[str, ...] = ()
    """Tenants whose SIMs it authenticates, whatever their routes say; empty = all that no other
    `[aaa.NAME]` names."""
    peers: tuple[str, ...] = ()
    """The `[diameter_peers.NAME]` that lead to it. Must be set."""
    realm: str = ""
    """Its realm. Must be set."""
    host: str = ""
    """Its name, for first requests; empty = whoever serves the realm. A conversation goes on with
    whoever answered first."""
    patience_s: Annotated[float, Within(0.05, 29)] = 0.3
    """Seconds without an answer after which the request is sent by another peer, if there is
    one."""
    message_priority: Annotated[int | None, Within(0, 15)] = None
    """What requests say of how urgent they are (DRMP, RFC 7944), 0 being the most urgent; without
    it they say nothing."""
    redirects_to: tuple[str, ...] = ()
    """The `[diameter_peers.NAME]` that its peers may redirect requests to (3006), besides each
    other."""


class Sbi(Section, frozen=True):
    """Who we are to a 5G core (see [5G core](../udm.md))."""

    nf_instance_id: str = ""
    """Our NF instance id, a UUID as agreed with who runs the core. Must be set where tokens are
    fetched or `[udm.NAME]` is asked as an AUSF does."""
    nf_type: str = "AUSF"
    """The NF type that we say we are, to producers and NRFs."""
    ca_file: str = ""
    """PEM file of the authorities that certificates of producers are from; empty = the
    system's."""
    certificate: str = ""
    """PEM file of our certificate and its chain. Like its key it is read again when it changes."""
    key: str = ""
    """PEM file of its private key, without a password."""


class Nrf(Section, frozen=True):
    """An NRF, which tells where services are and gives tokens for them (see [5G
    core](../udm.md))."""

    addresses: tuple[str, ...] = ()
    """Its API root, such as `https://nrf.5gc.mnc001.mcc001.3gppnetwork.org`, the first of several
    before the others. Must be set."""
    patience_s: Annotated[float, Within(0.05, 29)] = 0.3
    """Seconds without an answer after which the next address is asked."""


class Producer(Section, frozen=True):
    """Whoever offers a service-based interface."""

    addresses: tuple[str, ...] = ()
    """API roots of its instances, such as `https://udm1.example.com`, the first before the others;
    `http://` is HTTP/2 in the clear. Empty = as `nrf` tells."""
    nrf: str = ""
    """The `[nrf.NAME]` that tells where it is, or gives tokens for it. Must be set where there are
    no addresses."""
    oauth2: bool = False
    """Whether each request has a token of the NRF's."""
    patience_s: Annotated[float, Within(0.05, 29)] = 0.3
    """Seconds without an answer after which the request is sent to another instance, if there is
    one."""
    window: Annotated[int, Within(1, 100_000)] = 500
    """Requests that one worker has under way with an instance at a time."""


class Udm(Producer, frozen=True):
    """A UDM that vectors come from, by Nudm_UEAuthentication (see [5G core](../udm.md))."""

    operation: Literal["generate-av", "generate-auth-data"] = "generate-av"
    """As an HSS asks, for EAP-AKA and EAP-AKA', or as an AUSF asks, for EAP-AKA' alone."""
    tells: tuple[Literal["number", "location", "registration"], ...] = ()
    """What it is asked about subscribers, where that is needed, as for an [HSS](#hssname)."""


class HssSbi(Producer, frozen=True):
    """An HSS with service-based interfaces that vectors come from (see [5G core](../udm.md))."""

    ims_domain: str = ""
    """What follows the IMSI in a private identity, such as `ims.mnc001.mcc001.3gppnetwork.org`.
    With it the HSS is asked as an S-CSCF asks (Nhss_imsUEAU), else as a BSF (Nhss_gbaUEAU)."""
    server_name: str = ""
    """The SIP URI that we say we are, such as `sip:ecs.example.com`. Must be set with
    `ims_domain`."""


class Route(Section, frozen=True):
    """Which sources of vectors are asked for some SIMs (see [routes](../routes.md))."""

    sources: tuple[str, ...] = ()
    """In the order in which they are asked, such as `["hss.home", "hlr.old", "local_auc"]`: the
    next one where one cannot answer. Must be set."""
    tenants: tuple[str, ...] = ()
    """For SIMs of these tenants; empty = of every tenant."""
    plmns: tuple[str, ...] = ()
    """For SIMs of these networks, such as `001-01`."""
    imsis: tuple[str, ...] = ()
    """For these SIMs: digits that an IMSI starts with, or first-last of such, as in
    `00101123-00101129`. Without `plmns` and these the route is for every SIM."""
    hedge: Literal["", "p95", "p99"] = ""
    """Ask the next source besides where one takes longer than 95, or 99, of a hundred of its newest
    answers took; the first vector counts. Empty = wait for it."""
