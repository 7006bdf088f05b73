"""Every setting of simgrant, with its default and what it means.

The texts under the fields are the configuration reference: ``config.reference``
renders them, so they are written for operators.
"""

from __future__ import annotations

from typing import Annotated, Literal

from simgrant.config.api_tables import ApiTable
from simgrant.config.bss_tables import Bss
from simgrant.config.camara_books import CamaraEvents, CamaraLimits, CamaraOutside, CamaraUsage
from simgrant.config.camara_purposes import CamaraPurpose
from simgrant.config.camara_tables import Camara, SandboxNumber
from simgrant.config.questions import Questions
from simgrant.config.section import Section, Within
from simgrant.domain.pace import MOST_WINDOW_S
from simgrant.wire.tmf_events import MOST_BYTES

__all__ = ["Section"]


class Server(Section, frozen=True):
    """Processes, load and shutdown."""

    state_dir: str = "state"
    """Directory of the key ring and of the SQLite database, unless those are set elsewhere.
    Relative paths start where the configuration file is."""
    workers: Annotated[int, Within(1, 256)] = 1
    """Worker processes that share the device listener. `--workers` overrides it."""
    max_in_flight: Annotated[int, Within(1, 100_000)] = 256
    """Device requests that one worker handles at a time. Above it, new requests get 503 with
    Retry-After; the second leg of a challenge is refused last, at one and a half times this
    number."""
    request_timeout_s: Annotated[float, Within(0.1, 29)] = 10.0
    """Seconds within which every device request is answered, whatever its peers do."""
    shutdown_timeout_s: Annotated[float, Within(0, 600)] = 15.0
    """Seconds that requests in flight may take to finish after SIGTERM."""
    retry_after_s: Annotated[int, Within(1, 86_400)] = 30
    """Centre of the Retry-After of a 503, in seconds; each answer is spread by plus or minus 50
    percent, so that phones do not come back together."""
    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""


class Device(Section, frozen=True):
    """The listener that phones talk to (TS.43)."""

    listen: str = "127.0.0.1:8080"
    """Address and port. An IPv6 address stands in brackets."""
    tls_certificate: str = ""
    """PEM file of the certificate chain; empty = plain HTTP, for use behind a proxy. Read again
    when it changes and on SIGHUP. Use an ECDSA P-256 certificate: RSA costs twice the processor
    time of a handshake."""
    tls_key: str = ""
    """PEM file of the certificate's private key."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks (CIDR) of proxies whose `Forwarded`, `X-Forwarded-For` or PROXY v2
    header is believed. From anybody else these are ignored."""
    proxy_protocol: bool = False
    """Expect a PROXY protocol v2 header on connections from trusted proxies. Only without TLS on
    this listener."""
    max_body: Annotated[int, Within(1_024, 1 << 20)] = 16_384
    """Bytes of a request body; more gets 413 without being read."""
    max_head: Annotated[int, Within(4_096, 1 << 20)] = 16_384
    """Bytes of request line and headers; more gets 431 and the connection is closed."""
    head_timeout_s: float = 10.0
    """Seconds in which a client must have sent its request, from its first byte."""
    keep_alive_s: int = 30
    """Seconds that an idle connection is kept."""
    backlog: int = 2048
    """Connections that the kernel holds for a worker that is busy."""


class Management(Section, frozen=True):
    """The listener for operations: /healthz, /readyz, /metrics, /services.json, and with a token
    /orders (see [eSIM](../esim.md))."""

    listen: str = "127.0.0.1:8081"
    """Address and port. Never expose it to devices; all but /orders is for whoever reaches it."""
    token_file: str = ""
    """File with the token that whoever calls /orders has to bring (`Authorization: Bearer …`), of
    32 characters or more. Read again when it changes. Empty = there is no /orders."""


class Api(Section, frozen=True):
    """The listener of the management API, for an operator's own systems (see [The management
    API](../management-api.md))."""

    listen: str = ""
    """Address and port, such as `127.0.0.1:8083`. Empty = there is no API."""
    tls_certificate: str = ""
    """PEM file of the certificate chain. Read again when it changes and on SIGHUP. Without one the
    API has to listen on this machine's own addresses, unless `behind_proxy`."""
    tls_key: str = ""
    """PEM file of the certificate's private key."""
    client_ca: str = ""
    """PEM file of the authorities that certificates of clients are from. Empty = clients have
    tokens alone."""
    behind_proxy: bool = False
    """Listen without TLS on an address that others reach: a proxy there does the TLS."""
    in_flight: Annotated[int, Within(1, 100_000)] = 64
    """Calls under way at a time; more get 503."""
    client_burst: Annotated[int, Within(0, 1_000_000)] = 200
    """Calls at once of one client; more get 429. 0 = no limit."""
    client_per_minute: Annotated[int, Within(1, 10_000_000)] = 6_000
    """Calls a minute after that, of one client."""
    audit_days: Annotated[int, Within(1, 36_500)] = 1_100
    """Days for which it is kept who changed what."""


class ApiClient(Section, frozen=True):
    """A system that may call the management API, and what it is known by: a token in a file, an
    access token of one of the [api_issuers], or a client certificate."""

    role: Literal["", "viewer", "care", "operator", "admin"] = ""
    """What it may do: a set of scopes with a name."""
    scopes: tuple[str, ...] = ()
    """What it may do besides, by scopes such as `subscriptions:read`."""
    tenants: tuple[str, ...] = ()
    """Of which it may see and change anything; empty = of every tenant."""
    token_file: str = ""
    """File with its token (`Authorization: Bearer …`), of 32 characters or more. Read again when
    it changes."""
    issuer: str = ""
    """Which of the [api_issuers] makes its access tokens."""
    client_ids: tuple[str, ...] = ()
    """As which OAuth clients of that issuer it comes."""
    token_scopes: bool = True
    """Whether an access token has to have the scope of a call too. Where the issuer knows nothing
    of our scopes, say `false`: then the client's own count alone."""
    certificate_sha256: tuple[str, ...] = ()
    """SHA-256 hashes of its certificates (DER), in hexadecimal digits."""
    certificate_subjects: tuple[str, ...] = ()
    """Whole subjects of its certificates (RFC 4514), such as `CN=crm,O=Example,C=DE`."""


class Portal(Section, frozen=True):
    """Web pages that a phone opens in the middle of an entitlement (see The portal)."""

    listen: str = "127.0.0.1:8082"
    """Address and port. Empty = this server has no pages."""
    public_url: str = ""
    """Address of the portal as phones reach it. `/vowifi`, `/data-plan`, `/direct-carrier-billing`
    and `/satmode` under it are the ServiceFlow_URLs of the services. Empty = where it listens; if
    that is empty too, there is no portal, and a phone whose subscriber owes something is told that
    the service cannot be offered. With pages of your own, name them here and leave `listen`
    empty."""
    tls_certificate: str = ""
    """PEM file of the certificate chain; empty = plain HTTP, for use behind a proxy, which has to
    be one of `device.trusted_proxies`. Read again when it changes and on SIGHUP."""
    tls_key: str = ""
    """PEM file of the certificate's private key."""
    user_data_life_s: Annotated[int, Within(30, 3_600)] = 600
    """Seconds for which the sealed ServiceFlow_UserData opens a page."""
    resume_s: Annotated[int, Within(0, 3_600)] = 300
    """Seconds after that in which the same user data lead back to where the subscriber was."""
    page_life_s: Annotated[int, Within(60, 3_600)] = 1800
    """Seconds in which a form has to be sent."""
    receipts_days: Annotated[int, Within(1, 3_650)] = 400
    """Days for which it is kept what was bought on a page (`simgrant subscription purchases`)."""
    address_validator: str = "embedded"
    """Who checks addresses: `embedded` looks whether one is whole and written as in its country;
    `bss.NAME` is that BSS (`[bss.NAME.addresses]`)."""
    max_in_flight: Annotated[int, Within(1, 100_000)] = 64
    """Requests that one worker handles at a time; more get 429."""
    source_burst: int = 600
    """Pages at once for one source address, which may be a whole network's NAT. 0 = no limit."""
    source_per_minute: int = 1_200
    """Pages a minute after that, for one source address."""
    visit_burst: int = 30
    """Pages at once for one user data. 0 = no limit."""
    visit_per_minute: int = 30
    """Pages a minute after that, for one user data."""


class Store(Section, frozen=True):
    """Where subscriptions, session outcomes and records are kept."""

    url: str = ""
    """`sqlite:///path` or `postgresql://user@host:port/database`. Empty = SQLite, `simgrant.db` in
    the state directory. SQLite keeps request records beside it, in `simgrant-records.db`."""
    url_file: str = ""
    """File that holds the URL, when it has a password in it. It wins over `url`."""
    pool_min: int = 2
    """PostgreSQL connections that each worker keeps open."""
    pool_max: int = 16
    """PostgreSQL connections that each worker may open."""
    timeout_s: float = 3.0
    """Seconds after which a query is given up and the phone told to come back (503)."""
    sqlite_reads: Literal["loop", "thread"] = "loop"
    """Where SQLite reads run: `loop` is fastest while the database fits in the page cache;
    `thread` does not block other requests on a slow disk."""


class KeysSection(Section, frozen=True):
    """The key ring (see Keys in Running it)."""

    file: str = ""
    """Key ring file, mode 0600. Empty = `keys.json` in the state directory."""
    poll_s: float = 1.0
    """Seconds between two looks whether the file was changed, and so for the certificate and the
    profiles of clients."""


class Auth(Section, frozen=True):
    """How SIMs are authenticated."""

    session_life_s: Annotated[int, Within(5, 600)] = 60
    """Seconds from the first challenge to the last answer of an EAP session, and for which a
    repeated answer gets the same document."""
    vector_timeout_s: float = 4.0
    """Seconds to wait for a vector."""
    fallback_on_core_failure: bool = False
    """Where no source of vectors answers, tell phones to prove themselves in another way (511), if
    all applications they ask for have one: `identity_providers` or `otp`. Else, and for all
    others, it is 503, come later. Android answers 511 with one more full authentication."""
    hide_unknown: bool = False
    """Answer an IMSI that is not ours with a challenge too, and with 403 only after its response,
    so that nobody can find out which IMSIs exist."""
    identity_round: bool = False
    """Ask for the identity inside EAP first (RFC 4187 §4.1). Android aborts on it: leave it off
    for phones."""
    aka_prime: bool = False
    """Answer identities of EAP-AKA' (leading digit 6) with EAP-AKA' (RFC 9048). Android's client
    does not know it."""
    aka_prime_network: str = "WLAN"
    """Network name that EAP-AKA' binds its keys to (AT_KDF_INPUT)."""


class LocalAuc(Section, frozen=True):
    """The built-in authentication centre, for laboratories and small networks."""

    ind: Annotated[int, Within(0, 31)] = 5
    """IND part of the sequence numbers made here, 0 to 31 (TS 33.102 §C.1.1.1). Give each source
    of vectors for the same SIMs its own, or phones keep asking for resynchronisation. Worker n
    uses `ind` + n."""


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


class SourceLimits(Section, frozen=True):
    """How one worker treats a source of vectors (see [routes](../routes.md)). Its name is that in
    the routes, in quotes: `[source_limits."hss.home"]`."""

    timeout_s: Annotated[float, Within(0, 29)] = 0.0
    """Seconds that it is waited for at most; 0 = its share of `auth.vector_timeout_s`, which is
    divided evenly among it and those after it in the route."""
    in_flight: Annotated[int, Within(1, 100_000)] = 1000
    """Requests under way with it at a time; what is more goes to the next source."""
    failures: Annotated[int, Within(0, 1_000)] = 5
    """Failures in a row after which it is left alone; 0 = never."""
    pause_s: Annotated[float, Within(0.1, 600)] = 5.0
    """Seconds for which it is, more or less by a fifth, before one request tries it."""


class Tokens(Section, frozen=True):
    """Fast-authentication tokens (TS.43 §2.8.5)."""

    life_s: Annotated[int, Within(60, 400 * 86_400)] = 30 * 86_400
    """Seconds that a token lives."""
    renew_last: Annotated[float, Within(0, 0.9)] = 0.1
    """Fraction at the end of its life in which a token request is given a new token."""
    overlap_s: Annotated[int, Within(0, 3_600)] = 60
    """Seconds for which a renewed token is still good, since answers get lost."""
    requestor_life_s: Annotated[int, Within(60, 30 * 86_400)] = 3600
    """Seconds that the token of a system lives, which it got for an access token (TS.43 §2.8.3).
    It is not renewed: after that the issuer has to vouch for the system anew."""


class TemporaryTokens(Section, frozen=True):
    """Temporary tokens, which a phone lends to a third party (TS.43 §2.8.6)."""

    life_s: Annotated[int, Within(10, 86_400)] = 300
    """Seconds that a temporary token of `ap2014` or `ap2015` lives."""
    single_use: bool = True
    """Whether it is good once only. Contracts for number verification ask for it."""
    transfer_life_s: Annotated[int, Within(60, 86_400)] = 86_400
    """Seconds that one of `ap2009` lives at most, with which a line moves to another phone: it is
    over when that has ended, and belongs to the first phone that is shown with it."""


class OperatorTokens(Section, frozen=True):
    """Operator tokens of `ap2015`, which an app's server asks with (TS.43 §14.1)."""

    life_s: Annotated[int, Within(10, 30 * 86_400)] = 3600
    """Seconds that an operator token lives."""
    auth_url: str = ""
    """Address that is told with one: where its holder turns to. Empty = it is not told."""


class PrivateIdentity(Section, frozen=True):
    """Identities for Wi-Fi networks (`ap2013`, TS.43 §12)."""

    life_s: Annotated[int, Within(60, 400 * 86_400)] = 7 * 86_400
    """Seconds that an identity is good; PrivateUserIDExpiry says until when."""


class Documents(Section, frozen=True):
    """The configuration document."""

    validity_s: Annotated[int, Within(60, 400 * 86_400)] = 2 * 86_400
    """VERS validity: seconds after which a phone asks again."""
    validity_spread: Annotated[float, Within(0, 0.5)] = 0.15
    """Spread of that validity, as a fraction, by a keyed hash of the subscription, so that phones
    enrolled together do not come back together."""
    gzip_from: int = 4_000
    """Bytes from which a document is compressed for clients that accept gzip; 0 = never. Shorter
    ones come in the first packets of an answer anyhow, and compressing them costs a tenth of the
    request."""


class Signing(Section, frozen=True):
    """Signatures of documents, for who wants to check them (see Signed answers in Running it)."""

    algorithm: Literal["off", "ed25519", "ecdsa-p256-sha256"] = "off"
    """Sign every document by RFC 9421, and publish the keys at `/.well-known/jwks.json` of the
    device listener. Needs a signing key on the ring. Phones do not look at it."""


class Roaming(Section, frozen=True):
    """What is known of where a subscription is; no TS.43 request tells it."""

    max_age_s: int = 86_400
    """Seconds after which a visited network that was reported counts as unknown."""


class NetworkData(Section, frozen=True):
    """How long what core networks tell of subscribers is good (see [what the network
    knows](../network-data.md)). What has to be older than `roaming.max_age_s` to count as unknown
    is the same whoever reported a location."""

    timeout_s: Annotated[float, Within(0.05, 10)] = 0.5
    """Seconds that a request waits at most for what a network is asked; less than
    `server.request_timeout_s`."""
    number_max_age_s: Annotated[int, Within(0, 366 * 86_400)] = 86_400
    """Seconds for which a number is good; then it is asked for again."""
    location_fresh_s: Annotated[int, Within(0, 366 * 86_400)] = 300
    """Seconds after which a location is asked for again, where a rule looks at it."""
    registration_fresh_s: Annotated[int, Within(0, 366 * 86_400)] = 300
    """Seconds after which it is asked again whether a phone is registered, where a rule looks at
    it."""
    registration_max_age_s: Annotated[int, Within(0, 366 * 86_400)] = 3_600
    """Seconds after which that counts as unknown, where the network tells nothing new."""


class Limits(Section, frozen=True):
    """Token buckets on the start of authentications, where an unanswered challenge counts double,
    and on what third parties are refused. A burst of 0 = no limit."""

    imsi_source_burst: int = 120
    """Starts at once for one IMSI from one source address."""
    imsi_source_per_minute: int = 30
    """Starts a minute after that, for one IMSI from one source address."""
    imsi_burst: int = 240
    """Starts at once for one IMSI from anywhere."""
    imsi_per_minute: int = 60
    """Starts a minute after that, for one IMSI from anywhere."""
    source_burst: int = 6_000
    """Starts at once from one source address, which may be a whole network's NAT."""
    source_per_minute: int = 12_000
    """Starts a minute after that, from one source address."""
    refusals_burst: int = 300
    """Requests with a temporary or operator token that may be refused at once, of one source."""
    refusals_per_minute: int = 600
    """Such a minute after that; whoever is refused more often gets 503 with Retry-After."""
    guesses_burst: int = 10
    """Wrong numbers that third parties may verify at once against one subscription."""
    guesses_per_minute: int = 2
    """Such a minute after that. Numbers could be found out by trying, otherwise."""
    call_back_source_burst: int = 600
    """Call-backs from OpenID providers, and one-time passwords, at once from one source address."""
    call_back_source_per_minute: int = 600
    """Of these a minute after that, from one source address."""
    remembered: Annotated[int, Within(100, 10_000_000)] = 200_000
    """Buckets that one worker remembers; the least recently used are forgotten."""


class Records(Section, frozen=True):
    """The record kept of every request."""

    keep_days: Annotated[int, Within(1, 3_650)] = 90
    """Days that request records are kept."""
    queue: Annotated[int, Within(1, 1_000_000)] = 20_000
    """Records that may wait to be written; more are counted as lost."""
    batch: Annotated[int, Within(1, 10_000)] = 500
    """Records written in one transaction."""
    interval_s: Annotated[float, Within(0.01, 60)] = 1.0
    """Longest time a record waits for its batch."""


class Push(Section, frozen=True):
    """Telling phones that something changed, by the channels below (TS.43 §2.6)."""

    life_s: Annotated[int, Within(60, 30 * 86_400)] = 86_400
    """Seconds after a change for which phones are told of it; later they have asked by themselves
    or never will."""
    timeout_s: Annotated[float, Within(0.1, 60)] = 10.0
    """Seconds for one call to a channel."""
    first_pause_s: Annotated[float, Within(0.01, 3_600)] = 2.0
    """Seconds before a notice that was not delivered is tried again; then twice as long each
    time."""
    longest_pause_s: Annotated[float, Within(1, 86_400)] = 900.0
    """Longest pause between two tries."""
    in_flight: Annotated[int, Within(1, 100_000)] = 512
    """Notices that one worker has under way at a time."""
    poll_s: Annotated[float, Within(0.05, 60)] = 1.0
    """Seconds between two looks for something to tell."""
    sms: Literal["unregistered", "never"] = "unregistered"
    """Whom an SMS tells, where there is an `[sms.NAME]`: the SIMs of which no client registered
    for push, or nobody."""


class PushChannel(Section, frozen=True):
    """What every channel's table has."""

    tenants: tuple[str, ...] = ()
    """Tenants whose phones are told by it; empty = all that no other table of the kind names."""
    proxy: str = ""
    """HTTP proxy that requests go through; empty = none."""
    ca_file: str = ""
    """PEM file of certificates to trust besides the system's."""
    connect_to: tuple[str, ...] = ()
    """For laboratories: `name=address:port` to connect to in place of what DNS says."""


class Fcm(PushChannel, frozen=True):
    """Firebase Cloud Messaging, for Android clients that register with `notif_action` 1 or 2."""

    service_account: str = ""
    """JSON file of a Google service account that may send messages. Must be set."""
    project: str = ""
    """Firebase project; empty = the service account's own."""
    priority: Literal["high", "normal"] = "high"
    """`normal` messages wait until the phone wakes up by itself."""
    url: str = "https://fcm.googleapis.com"
    """Address of the service."""


class Apns(PushChannel, frozen=True):
    """Apple Push Notification service, for clients that register with `notif_action` 4."""

    key_file: str = ""
    """The signing key (`.p8`) from Apple. Must be set."""
    key_id: str = ""
    """The key's id. Must be set."""
    team_id: str = ""
    """The developer team's id. Must be set."""
    topic: str = ""
    """Bundle id of the app that clients without one of their own belong to. Must be set."""
    topics: dict[str, str] = {}
    """Bundle id by `app_name`, in lower case, for clients that belong to another app."""
    url: str = "https://api.push.apple.com"
    """`https://api.sandbox.push.apple.com` for apps under development."""


class Wns(PushChannel, frozen=True):
    """Windows Push Notification Services, for clients that register with `notif_action` 3."""

    client_id: str = ""
    """Package SID (`ms-app://…`), or the application id of a newer registration. Must be set."""
    client_secret_file: str = ""
    """File that holds the client's secret. Must be set."""
    token_url: str = "https://login.live.com/accesstoken.srf"  # noqa: S105
    """For newer registrations `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`."""
    scope: str = "notify.windows.com"
    """For newer registrations `https://wns.windows.com/.default`."""


class Sms(Section, frozen=True):
    """Short messages to the phone's application port 8095, by SMPP 3.4 (TS.43 §2.6.1)."""

    tenants: tuple[str, ...] = ()
    """Tenants whose phones are told by it; empty = all that no other table of the kind names."""
    host: str = ""
    """Message centre. Must be set."""
    port: int = 2775
    """Its port."""
    system_id: str = ""
    """Our name there. Must be set."""
    password_file: str = ""
    """File that holds the password. Must be set."""
    system_type: str = ""
    """What some centres want to know of a client."""
    tls: bool = False
    """Whether the connection is TLS; certificates are checked against the system's."""
    window: int = 10
    """Messages sent and not yet answered, at most."""
    source: str = ""
    """Sender: a short code, a number without `+`, or up to 11 letters. Must be set."""
    source_ton: int = 0
    """Type of the sender's number: 0 unknown, 1 international, 3 short code, 5 letters."""
    source_npi: int = 0
    """Numbering plan of the sender: 0 unknown, 1 telephone."""
    device_port: int = 8095
    """Application port of the phone."""
    addressing: Literal["udh", "tlv"] = "udh"
    """Where that port stands: in a user data header, or in optional parameters."""


class Smdp(Section, frozen=True):
    """An SM-DP+ that profiles for eSIMs are ordered of, over ES2+ (see
    [SM-DP+](../smdp.md)). A tenant may have several."""

    tenants: tuple[str, ...] = ()
    """Tenants that order of it; empty = all."""
    url: str = ""
    """Its address, `https`, without the path of ES2+. Must be set."""
    urls: dict[str, str] = {}
    """Whole addresses of functions that are elsewhere: `{ releaseProfile = "https://…" }`."""
    requester: str = ""
    """Who we are to it (functionRequesterIdentifier), as agreed. Must be set."""
    address: str = ""
    """The name by which phones reach it, for activation codes. Must be set."""
    certificate: str = ""
    """PEM file of our client certificate and its chain. Must be set for `https`. Read again when it
    changes, as its key is."""
    key: str = ""
    """PEM file of its private key, without a password."""
    ca_file: str = ""
    """PEM file of certificates to trust besides the system's."""
    user: str = ""
    """Name for a password beside the certificate; empty = it wants none."""
    password_file: str = ""
    """File with that password. Read again when it changes."""
    admin_protocol: str = "gsma/rsp/v2.5.0"
    """X-Admin-Protocol: the version that we say we speak."""
    iccid_pad_f: bool = True
    """Whether ICCIDs of fewer than 20 digits are sent with `F` up to 20."""
    profile_types: tuple[str, ...] = ()
    """What may be ordered of it; empty = anything."""
    remembers_calls: bool = False
    """Whether it knows a downloadOrder that comes again by its call identifier, and reserves
    nothing more for it. Without that, `allocation = "peer"` suspects an orphan after each lost
    answer."""
    post_confirm_delay_s: Annotated[float, Within(0, 600)] = 0.0
    """Seconds from a confirmed order until its profile can really be downloaded."""
    connect_timeout_s: Annotated[float, Within(0.1, 10)] = 3.0
    """Seconds for TCP and TLS together."""
    in_flight: Annotated[int, Within(1, 10_000)] = 50
    """Calls that one worker has under way with it at a time."""
    tells_sha256: tuple[str, ...] = ()
    """SHA-256 hashes of the certificates with which it calls [es2plus], with colons or without."""
    tells_subjects: tuple[str, ...] = ()
    """Or whole subjects of them, such as `CN=dp1,O=Example,C=DE`. Whoever `es2plus.client_ca` gives
    such a certificate is believed."""
    deletion_point: Annotated[int, Within(0, 999_999)] = 0
    """The notificationPointId by which it tells that a profile was deleted; 0 = it does not."""


class Es2plus(Section, frozen=True):
    """The listener on which SM-DP+s tell what became of profiles (handleDownloadProgressInfo and
    handleNotification), with mutual TLS (see [eSIM](../esim.md))."""

    listen: str = ""
    """Address and port; empty = nobody tells us."""
    tls_certificate: str = ""
    """PEM file of the certificate chain. Must be set. Read again when it changes and on SIGHUP."""
    tls_key: str = ""
    """PEM file of the certificate's private key. Must be set."""
    client_ca: str = ""
    """PEM file of the authorities that certificates of SM-DP+s are from. Must be set."""
    in_flight: Annotated[int, Within(1, 100_000)] = 64
    """Calls that one worker handles at a time; more get 503."""


class Events(Section, frozen=True):
    """The listener on which the operator's systems bring events, and what is read of those of TM
    Forum's APIs (see [Events](../events.md)). Names of values are in any letter case; the first
    that an event has counts."""

    listen: str = ""
    """Address and port, such as `127.0.0.1:8084`; empty = nobody brings any by HTTP."""
    tls_certificate: str = ""
    """PEM file of the certificate chain; empty = plain HTTP, for use behind a proxy. Read again
    when it changes and on SIGHUP."""
    tls_key: str = ""
    """PEM file of the certificate's private key."""
    client_ca: str = ""
    """PEM file of the authorities that certificates of senders are from; empty = none is asked
    for."""
    in_flight: Annotated[int, Within(1, 100_000)] = 64
    """Calls that one worker handles at a time; more get 503."""
    of_sender: Annotated[int, Within(1, 100_000)] = 16
    """Those of one sender; more get 429."""
    max_body: Annotated[int, Within(1_024, MOST_BYTES)] = 1_048_576
    """Bytes of a call; more gets 413."""
    imsi_names: tuple[str, ...] = ("imsi",)
    """What the IMSI of the subscription is called: a characteristic, a reference with a value, or a
    member of what the event is about."""
    msisdn_names: tuple[str, ...] = ("msisdn",)
    """What its number is called."""
    new_imsi_names: tuple[str, ...] = ()
    """What the IMSI that it has from now on is called."""
    iccid_names: tuple[str, ...] = ("iccid",)
    """What the ICCID of its new SIM is called."""
    terminal_names: tuple[str, ...] = ("imei",)
    """What the IMEI of the device is called that is lost."""
    plan_names: tuple[str, ...] = ()
    """What its plan is called, such as `productOffering.id`."""
    plans: dict[str, str] = {}
    """The policy's name of each plan of theirs: `{ "PO-17" = "premium" }`. One that is not there is
    not told."""
    client_id_names: tuple[str, ...] = ("clientId",)
    """What the consumer of partner APIs is called that a consent is about. A consent without one is
    about the terms of your own services."""
    application_names: tuple[str, ...] = ("applicationId",)
    """What the application of that consumer is called; a consent without one is about all."""
    purpose_names: tuple[str, ...] = ("purpose",)
    """What its purpose is called, a word of W3C's DPV."""
    api_names: tuple[str, ...] = ("apis",)
    """What its APIs are called: one text, with spaces or commas between them."""
    expires_at_names: tuple[str, ...] = ("expiresAt",)
    """What the time is called until when it is given."""
    evidence_names: tuple[str, ...] = ("evidence",)
    """What that is called which shows it to a third party; without it, the event's id does."""


class EventSender(Section, frozen=True):
    """A system of the operator's that may bring events. It needs one of the ways to prove who it
    is; any that it has is enough."""

    tenant: str = "default"
    """Whose subscriptions its events are about."""
    token_file: str = ""
    """File with the token that it brings (`Authorization: Bearer …`), of 32 characters or more.
    Read again when it changes."""
    client_ids: tuple[str, ...] = ()
    """Or OAuth clients whose access tokens it brings, of one of the [issuers.NAME] of the
    tenant."""
    tls_sha256: tuple[str, ...] = ()
    """Or SHA-256 hashes of its certificates, with colons or without; with `events.client_ca`."""
    tls_subjects: tuple[str, ...] = ()
    """Or whole subjects of them, such as `CN=crm,O=Example,C=DE`. Whoever `events.client_ca` gives
    such a certificate is believed."""


class EventRule(Section, frozen=True):
    """A change that events of TM Forum's APIs mean. Rules are tried in the order of the file, and
    the first that fits counts; where none does, something changed (`changed`): what was told before
    is asked anew. A condition that is left out always holds."""

    change: str = ""
    """What happened: one of the [changes](../events.md). Must be set."""
    status: Literal["", "active", "suspended", "barred", "removed"] = ""
    """What the subscription's status is since then; empty = nothing is told of it."""
    senders: tuple[str, ...] = ()
    """The [event_senders.NAME] or [event_topics.NAME] that it is for."""
    event_types: tuple[str, ...] = ()
    """Patterns of eventType, such as `Product*Event`, in any letter case."""
    states: tuple[str, ...] = ()
    """States that what it is about has now, in any letter case."""
    values: tuple[str, ...] = ()
    """Names of values one of which it must have."""


class EventTopic(Section, frozen=True):
    """A topic of Kafka that events come from (`simgrant[kafka]`; see [Events](../events.md))."""

    tenant: str = "default"
    """Whose subscriptions its events are about."""
    brokers: tuple[str, ...] = ()
    """Where the cluster is found, such as `kafka-1.example.com:9093`. Must be set."""
    topic: str = ""
    """Its name. Must be set."""
    group: str = "simgrant"
    """Consumer group, one for all nodes."""
    dead_letters: str = ""
    """Topic that messages are sent to which cannot be read, as they came, with the reason in the
    header `simgrant-reason`; empty = they are set aside here alone."""
    batch: Annotated[int, Within(1, 1_000)] = 200
    """Messages that are taken over in one transaction at most."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a group begins that has not read the topic before."""
    session_timeout_s: Annotated[float, Within(6, 300)] = 10.0
    """Seconds after which the cluster gives the partitions of a node that is silent to others."""
    tls: bool = True
    """Whether connections are TLS."""
    ca_file: str = ""
    """PEM file of the authorities that certificates of brokers are from; empty = the system's."""
    certificate: str = ""
    """PEM file of our certificate and its chain, for brokers that want one."""
    key: str = ""
    """PEM file of its private key, without a password."""
    sasl: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    """How a name and a password are shown to brokers; empty = they want none."""
    user: str = ""
    """That name."""
    password_file: str = ""
    """File with that password. Read when the server starts."""


class EventHub(ApiTable, frozen=True):
    """A hub of one of TM Forum's APIs at which we register ourselves, once for all nodes (see
    [Events](../events.md#hubs))."""

    url: str = ""
    """The hub, such as `https://bss.example.com/tmf-api/productInventory/v5/hub`. Must be `https`,
    or on this machine, unless `plain`."""
    callback: str = ""
    """Where it is to bring events: what `events.listen` is called from outside, without
    `/listener/…`, which hubs add. Must be set, and another for each hub."""
    query: str = ""
    """Which events are wanted, as the hub has it: `eventType=ProductStateChangeEvent`; empty =
    all."""
    sender: str = ""
    """The [event_senders.NAME] as which it brings them. Must be set."""
    every_s: Annotated[float, Within(10, 86_400)] = 300.0
    """Seconds between two looks whether it still knows us, more or less by a fifth."""
    look: bool = True
    """Ask it for our registration (`GET …/hub/ID`). Where it does not answer that, or with `false`,
    it is taken at its word for `renew_s`."""
    renew_s: Annotated[float, Within(0, 31 * 86_400)] = 86_400.0
    """Seconds after which a registration that it does not show is made anew; 0 = never."""
    timeout_s: Annotated[float, Within(0.05, 30)] = 5.0
    """Seconds that one answer may take."""


class Match(Section, frozen=True):
    """How a client is recognised. A condition that is left out always holds; of several values in
    one, it takes any. Texts are patterns that must fit the whole of what the client says, in any
    letter case: `*` stands for anything, `?` for one character."""

    user_agent: tuple[str, ...] = ()
    """Patterns of its User-Agent."""
    app_name: tuple[str, ...] = ()
    """Patterns of the parameter `app_name`."""
    accept: tuple[str, ...] = ()
    """Patterns of its Accept header. The two legs of an authentication send different ones; the one
    that asks for a document is the last."""
    terminal_vendor: tuple[str, ...] = ()
    """Patterns of `terminal_vendor`."""
    terminal_model: tuple[str, ...] = ()
    """Patterns of `terminal_model`."""
    tac: tuple[str, ...] = ()
    """TACs, the first 8 digits of an IMEI, or ranges `first-last` of them."""
    apps: tuple[str, ...] = ()
    """AppIDs, one of which it asks for."""
    version_from: str = ""
    """Oldest `entitlement_version`."""
    version_to: str = ""
    """Newest `entitlement_version`."""
    bare: bool | None = None
    """Whether it says neither which terminal it is nor which version it speaks."""


class Profile(Section, frozen=True):
    """What a family of clients needs done differently (see Profiles of clients in Running it).
    Profiles are tried in the order of the file, and those that come with simgrant after them; the
    first that fits counts. A profile with the name of one of those (`samsung`, `huawei`, `microg`,
    `android`, `generic`) changes its keys instead. They are read again when the file changes and on
    SIGHUP."""

    match: Match = Match()
    """The conditions: see [profiles.NAME.match]."""
    apps: tuple[str, ...] = ()
    """AppIDs that are meant when a client of this family starts an authentication and names none.
    Without such a profile that request gets 400."""
    document_format: Literal["by-accept", "xml", "json"] = "by-accept"
    """The format of documents: what Accept asks for, with XML when in doubt, or always the same."""
    xml_content_type: str = "text/vnd.wap.connectivity-xml"
    """Content-Type of XML documents. Android needs `xml` or `text/vnd.wap.connectivity` in it."""
    version_min: str = "1.0"
    """Oldest `entitlement_version` that is served as such."""
    version_max: str = ""
    """Newest one; empty = the newest that simgrant knows."""
    version_outside: Literal["nearest", "refuse"] = "nearest"
    """What is done with other versions: they are served as the nearest one, or get 406. Nothing is
    older than 1.0, which always gets 406."""
    voice_flat_status: bool = False
    """Put the one status that clients older than 7.0 get for ap2003 beside the entries per access
    that newer ones get, for clients that claim a new version and read the old form."""
    parm_names: dict[str, str] = {}
    """Names of answer parameters, and what the family calls them: `{ TC_Status = "tc_status" }`."""
    own_parameters: bool = True
    """Whether parameters that TS.43 does not have, an operator's own, may be in its documents."""
    token_validity_s: int = 0
    """The most that TOKEN validity says, in seconds; 0 = what is left of the token's life, which
    this does not shorten."""
    vers_validity_s: int = 0
    """VERS validity in seconds, before it is spread; 0 = `documents.validity_s`."""
    gzip: bool = True
    """Whether a client that accepts gzip may be sent it."""


class Issuer(Section, frozen=True):
    """An authorization server whose access tokens prove who calls (TS.43 §2.8.3). Its tokens are
    checked here, by its keys (`jwks`), or it is asked about them (`introspection`): one of the
    two."""

    issuer: str = ""
    """`iss` of its tokens."""
    audience: str = ""
    """`aud` that its tokens must have to be for us. With `introspection` it may be empty where
    `scopes` are not: then `aud` is not looked at."""
    scopes: tuple[str, ...] = ()
    """Scopes that its tokens must have, each of them."""
    jwks: str = ""
    """Its JWK Set: a file, which is read again when it changes, or an `https` address, which is
    asked again every five minutes and where a token names a key that is not there. A rotation
    needs no restart. Only tokens signed with a public key (ES256, ES384, RS256 …, PS256, Ed25519)
    are believed."""
    keys_max_age_s: Annotated[int, Within(60, 30 * 86_400)] = 86_400
    """Seconds for which keys of an address are used while it cannot be read. After that, and before
    it was ever read, whoever brings such a token gets 503."""
    introspection: str = ""
    """`https` address where it is asked about tokens (RFC 7662), which may then be opaque; a
    tenant can have one such issuer. While it cannot be asked, whoever brings a token gets 503."""
    client_id: str = ""
    """Which client of it we are when we ask."""
    client_auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = (
        "client_secret_basic"
    )
    """How we prove that."""
    secret_file: str = ""
    """File with the client's secret, or with its private key (PEM, P-256 or RSA) for
    `private_key_jwt`. Read again when it changes."""
    key_id: str = ""
    """`kid` of that private key, if the issuer wants one."""
    assertion_audience: str = ""
    """`aud` of what that key signs; empty = `issuer`. Some issuers want the address of their token
    endpoint there, or that of `introspection`."""
    cache_s: Annotated[float, Within(0, 3_600)] = 30.0
    """Seconds for which an answer about a token is used again, but never after the token's end. So
    long may a token that was revoked be good. 0 = it is asked each time."""
    timeout_s: Annotated[float, Within(0.1, 29)] = 3.0
    """Seconds that one of its answers may take."""
    ca_file: str = ""
    """PEM file of certificates to trust besides the system's."""
    tenants: tuple[str, ...] = ()
    """Tenants that trust it; empty = all."""


class ApiIssuer(Issuer, frozen=True):
    """An authorization server whose access tokens are believed on the management API. What it is
    asked, and how, is as for [issuers.NAME]; those are of partners, and believed nowhere else."""

    tenants: tuple[str, ...] = ()
    """Has to be empty: whose a client is, is said of the client."""


class Partner(Section, frozen=True):
    """An application server or an app that may ask about subscribers (`ap2014`, `ap2015`). A
    tenant without any partner answers whoever brings a good temporary token, and gives no operator
    tokens."""

    requestor_ids: tuple[str, ...] = ()
    """What it calls itself in `requestor_id`, in any letter case."""
    client_ids: tuple[str, ...] = ()
    """Its OAuth clients: `client_id` of operator tokens, the client of its access tokens, `iss` of
    its app tokens."""
    issuer: str = ""
    """Name of the one of the `[issuers]` that these are clients of. Must be set where a tenant
    trusts several: each has clients of its own."""
    operations: tuple[str, ...] = ()
    """Operations that it may ask for; empty = every one that a subscriber's token allows. What a
    system asks for by itself (`ap2011`) has to be named."""
    enterprises: tuple[str, ...] = ()
    """Enterprises (`enterprise_id`, in any letter case) that it may act for when it asks by itself
    (`ap2011`, see [Enterprises](../enterprises.md)); empty = none."""
    access_token: bool = True
    """Whether it has to prove itself with an `access_token` too, of one of the `[issuers]`."""
    app_key: str = ""
    """File with the JWK or JWK Set by which its app tokens are checked: its public key, or the
    secret that it shares with us. Empty = it makes no app tokens."""
    tenants: tuple[str, ...] = ()
    """Tenants that it is a partner of; empty = all."""


class IdentityProvider(Section, frozen=True):
    """An OpenID provider by which people sign in where no SIM can (TS.43 §2.8.2)."""

    issuer: str = ""
    """Its issuer identifier, `https`; its discovery document is looked for under it."""
    client_id: str = ""
    """Which client of the provider we are."""
    client_auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = (
        "client_secret_basic"
    )
    """How we prove it at the provider's token endpoint."""
    secret_file: str = ""
    """File with the client's secret, or with its private key (PEM, P-256 or RSA) for
    `private_key_jwt`. Read again when it changes."""
    key_id: str = ""
    """`kid` of that private key, if the provider wants one."""
    redirect_uri: str = ""
    """Address of the device listener as phones reach it, and as it is registered with the
    provider. Nothing in a request changes it."""
    scopes: tuple[str, ...] = ("openid", "phone")
    """Scopes asked for; `openid` is one of them."""
    claim: str = "phone_number"
    """The claim that names the subscription. Where the ID token has none, userinfo is asked. A
    `phone_number` counts only with `phone_number_verified`."""
    claim_is: Literal["msisdn", "imsi"] = "msisdn"
    """What that claim holds."""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    """What may sign ID tokens: RS256, RS384, RS512, PS256, ES256, ES384 or EdDSA."""
    clock_skew_s: Annotated[int, Within(0, 300)] = 30
    """Seconds by which the provider's clock may differ from ours."""
    timeout_s: Annotated[float, Within(0.1, 29)] = 5.0
    """Seconds to connect to the provider, and to fetch its keys."""
    ca_file: str = ""
    """PEM file of certificates to trust besides the system's."""
    apps: tuple[str, ...] = ()
    """AppIDs that may be had so. A request for others beside them is not sent to the provider."""
    tenants: tuple[str, ...] = ()
    """Tenants whose people it knows; empty = all."""
    second_factor_url: str = ""
    """Page that asks for a one-time password too: it is opened with `state`, and sends the person
    back to `redirect_uri` with that `state` and the password in `OTP`. Empty = the provider is
    enough."""
    error_url: str = ""
    """GeneralErrorURL where somebody could not sign in; it is told why by `error`."""
    error_text: dict[str, str] = {}
    """GeneralErrorText by language tag, beside or in place of those that come with simgrant."""


class Otp(Section, frozen=True):
    """One-time passwords by short message (TS.43 §8.3), for the `otp_apps` of a tenant."""

    digits: Annotated[int, Within(6, 10)] = 6
    """Digits of a password."""
    life_s: Annotated[int, Within(30, 900)] = 300
    """Seconds that one is good."""
    tries: Annotated[int, Within(1, 10)] = 5
    """Wrong passwords after which a sign-in is over."""
    per_day: Annotated[int, Within(1, 1_000)] = 10
    """Messages to one number on one day (UTC), over all nodes."""
    number_burst: int = 3
    """Messages at once to one number, for each worker."""
    number_per_hour: int = 6
    """Messages an hour after that."""
    source_burst: int = 300
    """Passwords asked for at once from one source address, for each worker."""
    source_per_minute: int = 60
    """Passwords a minute after that."""
    text: dict[str, str] = {}
    """The message by language tag, with `{code}` in it, beside or in place of those that come with
    simgrant. It has to fit into one short message."""
    consent_text: dict[str, str] = {}
    """Likewise the message to who is asked for a consent (see
    [Consent](../open-gateway-consent.md)), with `{consumer}` in it too. Long names are cut."""


class TextMessages(Section, frozen=True):
    """The message centre for short messages that people read (SMPP; the extra `sms`)."""

    smsc: str = ""
    """Its address and port."""
    system_id: str = ""
    """Who we are to it."""
    password_file: str = ""
    """File with the password. Read again when it changes."""
    tls: bool = False
    """Whether to speak TLS; certificates are checked against the system's trust store."""
    source: str = ""
    """Sender of the messages: a short code, a number without `+`, or up to 11 letters."""
    source_ton: int = 0
    """0 unknown, 1 international number, 3 short code, 5 letters."""
    source_npi: int = 0
    """0 unknown, 1 telephone number."""
    window: Annotated[int, Within(1, 1_000)] = 10
    """Messages sent and not yet answered, at most."""


class Orders(Section, frozen=True):
    """How long [eSIM](../esim.md) orders may take, and what devices that wait are told."""

    immediate_s: Annotated[float, Within(0.01, 25)] = 5.0
    """Seconds that a device is kept waiting for its profile; then it is told to come again."""
    life_s: Annotated[int, Within(60, 30 * 86_400)] = 86400
    """Seconds after which an order that is not ready is given up, and its profile given back."""
    call_timeout_s: Annotated[float, Within(1, 120)] = 15.0
    """Seconds for one call to an SM-DP+."""
    longest_pause_s: Annotated[float, Within(2, 86_400)] = 300.0
    """Seconds between two tries of a call that failed, at most."""
    polling_s: Annotated[int, Within(1, 3_600)] = 30
    """Seconds between the first requests of a device that waits; later ones are farther apart."""
    longest_polling_s: Annotated[int, Within(1, 86_400)] = 900
    """Seconds between two such requests, at most."""
    most_polls: Annotated[int, Within(2, 100_000)] = 60
    """How often a device may ask before its order is given up (MaxRefreshRequest, TS.43 §7.3)."""


class Esim(Section, frozen=True):
    """eSIMs that devices may have, and where their profiles come from (see [eSIM](../esim.md))."""

    app: Literal["companion", "primary", "enterprise"] = "companion"
    """For whom: `companion` is watches and the like (ap2006), `primary` the phone itself (ap2009),
    `enterprise` what a company's device management orders (ap2011)."""
    tenants: tuple[str, ...] = ()
    """Tenants that offer it; empty = all. A tenant has one of each."""
    order_mode: Literal["ecs", "bss"] = "ecs"
    """Who orders profiles: `ecs` = simgrant, of an SM-DP+; `bss` = your BSS, which simgrant asks,
    and which hands them in (`simgrant order list --waiting`, `order deliver`)."""
    smdp: str = ""
    """The `[smdp.NAME]` that its profiles are ordered of. Must be set, unless the BSS orders."""
    sources: tuple[str, ...] = ()
    """The `[profile_sources.NAME]` that are tried in this order before `smdp`; the first that fits
    a new order is where its profile comes from, for good."""
    profile_type: str = ""
    """What the SM-DP+ calls these profiles. Must be set, unless the BSS orders: then it is told."""
    allocation: Literal["pool", "peer"] = "pool"
    """Who chooses the ICCID: `pool` = simgrant, of its own stock (`simgrant order stock`); `peer` =
    the SM-DP+, and then a lost answer may leave a profile that nobody knows of."""
    release: Literal["at_once", "on_word"] = "at_once"
    """When a profile that was ordered of an SM-DP+ may be downloaded: `on_word` = once somebody
    says so (`simgrant order release`), since it was paid for, say; until then its device waits."""
    services: tuple[Literal["SharedNumber", "DiffNumber", "FamilyNumber"], ...] = ("SharedNumber",)
    """Whose numbers companions may have, the usual one first."""
    most: int = 5
    """Devices that one subscription, or one enterprise, may have at a time."""
    most_an_hour: Annotated[int, Within(1, 1_000_000)] = 1000
    """Orders that one enterprise may make in an hour; without effect on the others."""
    download: Literal["activation_code", "smdp_address"] = "activation_code"
    """What devices are told: an activation code, or the SM-DP+, which knows the profile by the
    device's EID."""
    tac_list: str = ""
    """The `[tac_lists.NAME]` of devices for these profiles; empty = none. The policy says what
    follows from it (see [Who may have an eSIM](../esim-rules.md))."""
    eid_list: str = ""
    """The `[eid_lists.NAME]` of eUICCs, likewise."""
    not_eligible_url: str = ""
    """A page of yours that says that a companion is not supported. Who asks without any proof for
    one that `tac_list` denies is sent there, in the place of signing in (TS.43 §7.7); empty = he
    signs in first."""
    parameters: Literal["warn", "strict"] = "warn"
    """What becomes of a request in which an IMEI, EID or ICCID has wrong check digits, or something
    is missing that TS.43 wants of a companion: `warn` = it is done, noted in the record and
    counted; `strict` = OperationResult 102."""
    window_h: Annotated[int, Within(1, MOST_WINDOW_S // 3600)] = 24
    """Hours in which orders are counted, for the three limits that follow. At most 744."""
    per_line: Annotated[int, Within(0, 1_000_000)] = 10
    """Orders of one subscription in that time; 0 = no limit."""
    per_eid: Annotated[int, Within(0, 1_000_000)] = 10
    """Orders for one eUICC in that time, of all subscriptions; 0 = no limit."""
    per_imei: Annotated[int, Within(0, 1_000_000)] = 10
    """Orders for one device in that time, of all subscriptions; 0 = no limit."""
    lines_per_eid: Annotated[int, Within(0, 1_000)] = 1
    """Subscriptions that may have profiles on one eUICC at a time. Phones with two lines of yours
    need 2; 0 = no limit."""
    sign_in_life_s: Annotated[int, Within(60, 86_400)] = 3600
    """Seconds for which a sign-in counts, where the policy asks for one (`step_up`)."""
    plans: tuple[str, ...] = ()
    """The `[plan_offers.NAME]` that may be chosen from, in this order; empty = no choice."""
    plans_of_bss: bool = False
    """Whether plans of the BSS's catalogue (`[bss.NAME.offers]`) may be chosen after these."""
    old_profile: Literal["kept", "deleted", "reused"] = "kept"
    """What becomes of the profile on the old phone when a line moves: it is `kept` until the new
    one is installed; it has to be `deleted` before the new one is ordered; or it is `reused`,
    deleted there and the same one ordered for the new phone. The SM-DP+ has to tell of deletions
    then (`deletion_point`)."""
    ask_new: Literal["nothing", "confirmation", "pin"] = "nothing"
    """What the subscriber is asked on the phone before an eSIM is ordered, anew too: nothing,
    whether it is wanted, or the PIN of the account (`simgrant subscription set --pin-file`) too."""
    ask_transfer: Literal["nothing", "confirmation", "pin"] = "nothing"
    """The same, before a line moves to another phone."""
    portal: Literal["never", "choice", "always"] = "never"
    """Whether subscribers are asked on a page of the [portal](../portal.md) before a profile is
    ordered: `choice` = where there is something to choose (a plan, whose number, which line);
    `always` = they confirm each order. Then pages also say why an eSIM cannot be had."""


class TacList(Section, frozen=True):
    """Devices by TAC, for [eSIM](../esim-rules.md)."""

    file: str = ""
    """CSV with the columns `tac,vendor,model,allow`. Read again when it changes. Must be set."""


class EidList(Section, frozen=True):
    """eUICCs by EID, for [eSIM](../esim-rules.md)."""

    file: str = ""
    """CSV with the columns `eid,vendor,allow`. Read again when it changes. Must be set."""


class AccountPins(Section, frozen=True):
    """PINs by which subscribers confirm [eSIM](../esim.md) orders."""

    tries: Annotated[int, Within(1, 100)] = 5
    """Wrong tries after which a subscription's PIN is locked."""
    lock_s: Annotated[int, Within(60, 366 * 86_400)] = 86400
    """Seconds from the last try until it may be tried again."""


class ProfileSource(Section, frozen=True):
    """An SM-DP+ for some of an [eSIM](../esim.md)'s orders: for those that fit every condition."""

    smdp: str = ""
    """The `[smdp.NAME]`. Must be set."""
    profile_type: str = ""
    """What it calls these profiles; empty = as the order says, by its plan or the eSIM's table."""
    allocation: Literal["", "pool", "peer"] = ""
    """Who chooses the ICCID; empty = as the eSIM's table says."""
    eid_prefixes: tuple[str, ...] = ()
    """EIDs that begin so. A device without an EID fits no condition about EIDs."""
    eid_ranges: tuple[str, ...] = ()
    """Or EIDs in one of these ranges, `first-last`, of 32 digits each."""
    profile_types: tuple[str, ...] = ()
    """Orders for one of these types."""
    vendors: tuple[str, ...] = ()
    """Devices of one of these makers, in any letter case, as they say themselves."""
    share: float = 1.0
    """How much of what fits comes from here, 0 to 1; which devices these are follows from a keyed
    hash of each one's EID, or identity. The others are tried further down."""


class PlanOffer(Section, frozen=True):
    """A plan that may be chosen with an [eSIM](../esim.md). Its name in the file is its PlanId."""

    name: str = ""
    """What people read. Must be set."""
    description: str = ""
    """What it contains and costs, in one line."""
    profile_type: str = ""
    """What the SM-DP+ calls the profiles of this plan; empty = as the eSIM's table says."""


class Tenant(Section, frozen=True):
    """An operator or MVNO served by this server. `default` exists without being named."""

    hosts: tuple[str, ...] = ()
    """Host names that phones of this tenant use, without port. The first way to tell tenants
    apart."""
    plmns: tuple[str, ...] = ()
    """Served networks as `MCC-MNC` with the MNC's own length, such as `001-01` or `310-410`. For
    `default` without a list: 001-01 and 999-99, the test networks."""
    gid1: tuple[str, ...] = ()
    """GID1 values (hexadecimal, any case) of an MVNO's SIMs; they count together with `plmns`."""
    imsi_ranges: tuple[str, ...] = ()
    """Ranges `first-last` of IMSIs, of equal length."""
    keys: str = ""
    """A key ring file of its own; empty = the server's ring (keys are derived per tenant all the
    same)."""
    policy: str = ""
    """Policy file (TOML); empty = the policy that comes with simgrant."""
    texts: str = ""
    """File of words (TOML): further languages, or other words, for the texts that subscribers read
    (see Texts in Policy)."""
    language: str = "en"
    """Language of texts for phones whose Accept-Language names none that there is."""
    portal_url: str = ""
    """Address of the tenant's pages; empty = `portal.public_url`. Its host name is then the
    tenant's alone."""
    portal_name: str = ""
    """What the tenant's pages call it; empty = they name nobody."""
    portal_colour: str = ""
    """Colour of buttons as `#rrggbb`; empty = simgrant's blue."""
    portal_logo: str = ""
    """PNG, SVG or WebP file, shown in place of the name; at most 256 KiB."""
    portal_terms: str = ""
    """Directory of the texts that subscribers agree to: `vowifi.LANGUAGE.txt`, `satellite.…` and
    `billing.…`, with empty lines between paragraphs. What is not there is simgrant's example, and
    for carrier billing the policy's text."""
    camara_url: str = ""
    """Address of the tenant's partner APIs as partners reach it, without a path: its issuer, whose
    host name is the tenant's alone. Empty = it has none; that of `default` is
    `camara.public_url`."""
    address_countries: tuple[str, ...] = ()
    """Countries of emergency addresses (two letters), in the order of the list; empty = all that
    the validator knows."""
    on_sim_swap: Literal["keep", "end_pending", "end"] = "end_pending"
    """What becomes of a line's eSIM orders when your systems [tell](../lifecycle.md) that its SIM
    was swapped: `keep` = nothing; `end_pending` = those whose profile is not installed end; `end` =
    all do, companions in use too. An order for the very SIM that is told stays."""
    withheld: tuple[str, ...] = ()
    """Operations, such as `GetSubscriberInfo`, that this tenant does not offer (405)."""
    sim_id: Literal["imsi", "uuid", "hash"] = "hash"
    """What GetSubscriberInfo tells of the SIM: the IMSI, a UUID made of it, or its keyed hash. Both
    of the latter are made with the oldest hashing key of the key ring: keep that key."""
    tell_imsi: bool = False
    """Whether GetSubscriberDeviceInfo tells the IMSI beside the number."""
    mvno_name: str = ""
    """MvnoName of GetSubscriberInfo; empty = it is not told."""
    identity_key: str = ""
    """PEM file with the public key (P-256) of the Wi-Fi gateway: the identities of `ap2013` are
    IMSIs encrypted to it (JWE, ECDH-ES with A256GCM), which it opens without us. Empty = they are
    pseudonyms that only `simgrant identity resolve` leads back to the subscription."""
    identity_key_id: str = ""
    """`kid` in the header of such an identity."""
    otp_apps: tuple[str, ...] = ()
    """AppIDs that may be had with a one-time password, by who names the number of a subscription
    (`msisdn`) and receives what is sent there."""
    partner_json: bool = False
    """Answer third parties with JSON unless they ask for XML, without OperationResult, as Google's
    guide for carriers has it."""


class Settings(Section, frozen=True):
    """The whole configuration."""

    server: Server = Server()
    device: Device = Device()
    management: Management = Management()
    api: Api = Api()
    api_clients: dict[str, ApiClient] = {}
    """Systems that may call the management API, by name."""
    api_issuers: dict[str, ApiIssuer] = {}
    """Issuers of their access tokens, by name."""
    portal: Portal = Portal()
    camara: Camara = Camara()
    test_numbers: dict[str, SandboxNumber] = {}
    """Numbers of the sandbox, with their `+`."""
    bss: dict[str, Bss] = {}
    """Business support systems by name."""
    store: Store = Store()
    keys: KeysSection = KeysSection()
    auth: Auth = Auth()
    local_auc: LocalAuc = LocalAuc()
    diameter: Diameter = Diameter()
    diameter_peers: dict[str, DiameterPeer] = {}
    """Diameter peers by name."""
    hss: dict[str, Hss] = {}
    """HSSs by name."""
    hlr: dict[str, Hlr] = {}
    """HLRs by name."""
    sbi: Sbi = Sbi()
    """Who we are to a 5G core."""
    nrf: dict[str, Nrf] = {}
    """NRFs by name."""
    udm: dict[str, Udm] = {}
    """UDMs by name."""
    hss_sbi: dict[str, HssSbi] = {}
    """HSSs with service-based interfaces by name."""
    aaa: dict[str, Aaa] = {}
    """3GPP AAA servers by name."""
    routes: dict[str, Route] = {}
    """Which sources of vectors are asked for whom."""
    source_limits: dict[str, SourceLimits] = {}
    """How sources of vectors are treated."""
    tokens: Tokens = Tokens()
    temporary_tokens: TemporaryTokens = TemporaryTokens()
    operator_tokens: OperatorTokens = OperatorTokens()
    private_identity: PrivateIdentity = PrivateIdentity()
    documents: Documents = Documents()
    signing: Signing = Signing()
    roaming: Roaming = Roaming()
    network_data: NetworkData = NetworkData()
    orders: Orders = Orders()
    es2plus: Es2plus = Es2plus()
    events: Events = Events()
    event_senders: dict[str, EventSender] = {}
    """Who brings events, by name."""
    event_rules: dict[str, EventRule] = {}
    """Which changes events of TM Forum's APIs mean."""
    event_topics: dict[str, EventTopic] = {}
    """Topics of Kafka that events come from, by name."""
    event_hubs: dict[str, EventHub] = {}
    """Hubs at which we register, by name."""
    camara_purposes: dict[str, CamaraPurpose] = {}
    """What consumers may process, and why, by purpose."""
    camara_usage: CamaraUsage = CamaraUsage()
    camara_limits: CamaraLimits = CamaraLimits()
    camara_outside: CamaraOutside = CamaraOutside()
    camara_events: CamaraEvents = CamaraEvents()
    questions: dict[str, Questions] = {}
    """Gateways by which subscribers are asked out of band, by name."""
    limits: Limits = Limits()
    records: Records = Records()
    push: Push = Push()
    fcm: dict[str, Fcm] = {}
    """Channels of Firebase Cloud Messaging by name."""
    apns: dict[str, Apns] = {}
    """Channels of Apple's service by name."""
    wns: dict[str, Wns] = {}
    """Channels of Microsoft's service by name."""
    sms: dict[str, Sms] = {}
    """Message centres by name."""
    smdp: dict[str, Smdp] = {}
    """SM-DP+s by name."""
    profiles: dict[str, Profile] = {}
    """Profiles of clients by name."""
    issuers: dict[str, Issuer] = {}
    """Issuers of access tokens by name."""
    partners: dict[str, Partner] = {}
    """Third parties by name."""
    otp: Otp = Otp()
    text_messages: TextMessages = TextMessages()
    identity_providers: dict[str, IdentityProvider] = {}
    """OpenID providers by name."""
    account_pins: AccountPins = AccountPins()
    esim: dict[str, Esim] = {}
    """eSIMs that devices may have."""
    profile_sources: dict[str, ProfileSource] = {}
    """SM-DP+s for some of their orders."""
    plan_offers: dict[str, PlanOffer] = {}
    """Plans that may be chosen with them."""
    tac_lists: dict[str, TacList] = {}
    """Lists of devices by name."""
    eid_lists: dict[str, EidList] = {}
    """Lists of eUICCs by name."""
    tenants: dict[str, Tenant] = {}
    """Tenants by name (lower case letters, digits, hyphen)."""
