"""What the settings of Diameter mean, and what would keep an HSS from being asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from simgrant.config.model import Aaa, Diameter, DiameterPeer, Hss, Settings
from simgrant.wire.diameter.avps import is_identity
from simgrant.wire.diameter.s6a import push_plmn

_WORKER: Final = "%d"
_PORT, _TLS_PORT = 3868, 5658
"""RFC 6733 §11.4."""
_SIP_URI: Final = re.compile(r"sips?:[!-~]{1,250}", re.ASCII)


def origin_host(diameter: Diameter, worker: int) -> str:
    """Return our name in one worker."""
    return diameter.origin_host.replace(_WORKER, str(worker))


def origin_realm(diameter: Diameter) -> str:
    """Return our realm."""
    return diameter.origin_realm or diameter.origin_host.partition(".")[2]


def names_workers(diameter: Diameter) -> bool:
    """Whether each worker has a name of its own."""
    return _WORKER in diameter.origin_host


def place(peer: DiameterPeer) -> tuple[str, int]:
    """Return where a peer listens; ValueError where the setting is no place."""
    usual = _TLS_PORT if peer.tls else _PORT
    if not peer.address:
        return peer.host, usual
    host, colon, port = peer.address.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = peer.address, str(usual)
    host = host.strip("[]")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16 and host):
        raise ValueError(f"{peer.address!r} is not address:port")
    return host, int(port)


def diameter_problems(settings: Settings) -> Iterator[str]:
    """Name what is missing, malformed or claimed twice."""
    if settings.hss or settings.aaa:
        yield from _our_problems(settings.diameter, settings.server.workers)
    hosts: dict[str, str] = {}
    for name, peer in settings.diameter_peers.items():
        where = f"diameter_peers.{name}"
        yield from _peer_problems(where, peer)
        if (other := hosts.setdefault(peer.host.lower(), name)) != name:
            yield f"{where}: {peer.host} is also {other}'s; a peer takes one connection of ours"
    for name, hss in settings.hss.items():
        where = f"hss.{name}"
        yield from way_problems(where, hss, settings.diameter_peers)
        yield from _interface_problems(where, hss)
        if settings.auth.aka_prime and hss.interface != "swx":
            yield (
                f"auth.aka_prime: {where} has no vectors for EAP-AKA' over {hss.interface}, "
                "only swx has them"
            )


def _our_problems(diameter: Diameter, workers: int) -> Iterator[str]:
    host, realm = origin_host(diameter, 0), origin_realm(diameter)
    if not diameter.origin_host:
        yield "diameter.origin_host: must be set: an HSS takes no connection from nobody"
    elif not is_identity(host) or "." not in host:
        yield f"diameter.origin_host: {host!r} is no name; one such as ecs-%d.example.com is meant"
    elif not is_identity(realm):
        yield f"diameter.origin_realm: {realm!r} is no name of a realm"
    if workers > 1 and not names_workers(diameter):
        yield "diameter.origin_host: with several workers it needs %d, for the worker's number"
    if bool(diameter.certificate) != bool(diameter.key):
        yield "diameter: certificate and key go together"


def _peer_problems(where: str, peer: DiameterPeer) -> Iterator[str]:
    if not peer.host:
        yield f"{where}.host: must be set"
    elif not is_identity(peer.host):
        yield f"{where}.host: {peer.host!r} is no name of a node"
    if peer.tls and peer.transport == "sctp":
        yield f"{where}.tls: there is no TLS over sctp; protect it by other means, or take tcp"
    try:
        place(peer)
    except ValueError as error:
        yield f"{where}.address: {error}"


def way_problems(where: str, hss: Hss | Aaa, peers: Mapping[str, DiameterPeer]) -> Iterator[str]:
    """Name what is wrong with the way to an HSS or AAA server."""
    if not hss.realm:
        yield f"{where}.realm: must be set"
    elif not is_identity(hss.realm):
        yield f"{where}.realm: {hss.realm!r} is no name of a realm"
    if hss.host and not is_identity(hss.host):
        yield f"{where}.host: {hss.host!r} is no name of a node"
    if not hss.peers:
        yield f"{where}.peers: must be set"
    yield from (
        f"{where}.{key}: there is no [diameter_peers.{peer}]"
        for key, named in (("peers", hss.peers), ("redirects_to", hss.redirects_to))
        for peer in named
        if peer not in peers
    )


def _interface_problems(where: str, hss: Hss) -> Iterator[str]:
    """Name what the interface needs and has not, and what is set for another one."""
    used = {hss.interface, hss.tells_over} if hss.tells else {hss.interface}
    for key, value, interfaces, problem in (
        ("visited_plmn", hss.visited_plmn, ("s6a",), _plmn_problem),
        ("ims_domain", hss.ims_domain, ("cx", "sh"), domain_problem),
        ("server_name", hss.server_name, ("cx",), uri_problem),
    ):
        needed = [each for each in interfaces if each in used]
        if value and not needed:
            names = " and ".join(interfaces)
            yield f"{where}.{key}: is for {names}, and the interface is {hss.interface}"
        elif not value and needed:
            yield f"{where}.{key}: must be set for {needed[0]}"
        elif value and (text := problem(value)):
            yield f"{where}.{key}: {text}"
    if hss.tells_over == "swx" and (beyond := sorted(set(hss.tells) - {"number"})):
        yield f"{where}.tells: over swx an HSS tells numbers alone, not {' and '.join(beyond)}"


def _plmn_problem(value: str) -> str:
    try:
        push_plmn(value)
    except ValueError as error:
        return str(error)
    return ""


def domain_problem(value: str) -> str:
    """Return what is wrong with the name of a domain; empty = nothing."""
    return "" if is_identity(value) else f"{value!r} is no name of a domain"


def uri_problem(value: str) -> str:
    """Return what is wrong with a SIP URI; empty = nothing."""
    if _SIP_URI.fullmatch(value):
        return ""
    return f"{value!r} is no SIP URI; one such as sip:ecs.example.com is meant"
