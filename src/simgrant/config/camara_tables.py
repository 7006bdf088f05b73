"""Settings of the listener for partners."""

from __future__ import annotations

from typing import Annotated, Literal

from simgrant.config.section import Section, Within


class Camara(Section, frozen=True):
    """The listener on which partners get access tokens and use APIs (CAMARA; see [Open
    Gateway](../open-gateway.md))."""

    listen: str = ""
    """Address and port, such as `127.0.0.1:8083`; empty = there are no partner APIs."""
    public_url: str = ""
    """Address as partners reach it, without a path: the issuer (`iss`) of the tenant `default`, and
    what its endpoints begin with. Empty = where it listens. Other tenants have a `camara_url`."""
    tls_certificate: str = ""
    """PEM file of the certificate chain; empty = plain HTTP, for use behind a proxy, which has to
    be one of `device.trusted_proxies`. Read again when it changes and on SIGHUP."""
    tls_key: str = ""
    """PEM file of the certificate's private key."""
    client_ca: str = ""
    """PEM file of the authorities that partners' certificates are from, where access tokens are
    bound to these. Nobody has to show one; whoever shows one of somebody else is not let in. It
    needs TLS on this listener."""
    max_in_flight: Annotated[int, Within(1, 100_000)] = 256
    """Requests that one worker handles at a time; more get 429."""
    token_life_s: Annotated[int, Within(30, 3_600)] = 300
    """Seconds that access tokens about a subscriber are good. 300 is the most where they are good
    for one call (number verification)."""
    client_token_life_s: Annotated[int, Within(30, 3_600)] = 3_600
    """Seconds that those of `client_credentials` are good."""
    request_life_s: Annotated[int, Within(10, 600)] = 120
    """Seconds that a backchannel request (CIBA) may be polled for."""
    poll_s: Annotated[int, Within(1, 60)] = 2
    """Seconds that have to be between two polls for it."""
    code_life_s: Annotated[int, Within(10, 300)] = 60
    """Seconds that an authorization code is good."""
    connection_owner: str = ""
    """Address that knows which SIM a connection is of: `GET …?tenant=…&address=…&port=…` there
    answers 200 with `{"imsi": "…"}`, or 404. With it, consumers get tokens by authorization codes
    and by `ipport:`, without asking anybody. Empty = nobody knows."""
    connection_owner_token: str = ""
    """File with the bearer token that it is asked with; empty = without one."""
    connection_owner_timeout_s: Annotated[float, Within(0.05, 5)] = 1.0
    """Seconds that its answer may take."""
    refusals_burst: Annotated[int, Within(0, 1_000_000)] = 60
    """Proofs of consumers that one source address may fail in a row. 0 = no limit."""
    refusals_per_minute: Annotated[float, Within(1, 10_000_000)] = 30
    """Those a minute after that."""
    apis: tuple[str, ...] = ()
    """The APIs that are served, such as `number-verification`; empty = all that there are (see
    [Open Gateway APIs](../open-gateway-apis.md))."""
    strict_bodies: bool = True
    """Refuse calls whose bodies say anything that the API does not know, as CAMARA asks for from
    its release Sync26 on. `false` passes over it."""
    capture_life_s: Annotated[int, Within(60, 3_600)] = 600
    """Seconds that the address is good that consent-info gives a consumer, where the subscriber is
    asked for his consent on a page of the portal. There is such a page where the portal is, and
    `text_messages`, since a one-time password proves who he is."""
    consent_days: Annotated[int, Within(0, 36_500)] = 365
    """Days for which a consent is given on that page; 0 = until it is withdrawn."""
    monitored_sim_days: Annotated[int, Within(0, 36_500)] = 0
    """Days for which SIM swaps are told, where law or policy permits no longer; 0 = for ever."""
    monitored_device_days: Annotated[int, Within(0, 36_500)] = 0
    """Likewise of device swaps."""


class SandboxNumber(Section, frozen=True):
    """What consumers in the sandbox are told of a number, which nobody needs to have:
    `[test_numbers."+447700900100"]`. They learn nothing of any other, and others nothing of it."""

    tenants: tuple[str, ...] = ()
    """The tenants that have it; empty = all."""
    sim_age_h: Annotated[int, Within(0, 36_500)] = 1_000
    """Hours since its last SIM swap, counted back from each call."""
    device_age_h: Annotated[int, Within(-1, 36_500)] = 1_000
    """Hours since its last device swap; -1 = no device is known (422)."""
    customer_days: Annotated[int, Within(0, 36_500)] = 1_000
    """Days that its owner is a customer."""
    number_days: Annotated[int, Within(0, 36_500)] = 1_000
    """Days that the number is its owner's."""
    prepaid: bool = False
    """Whether it is prepaid (`contractType`)."""
    status: Literal["active", "suspended", "throttled"] = "active"
    """What of it can be used; `throttled` is its data."""
    network: str = ""
    """The network that it is in, such as `262-01`; empty = it is not known (503)."""
    consent: Literal["VALID", "PENDING", "REQUESTED", "DENIED", "EXPIRED", "OBJECTED"] = "VALID"
    """How every processing stands (consent-info)."""
