"""What would keep an SM-DP+ from being asked, or from telling us."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from simgrant.config.addresses import is_safe_address
from simgrant.config.model import Settings
from simgrant.config.section import SHORT_NAME, unknown_tenants
from simgrant.domain.problems import did_you_mean
from simgrant.wire.es2plus import Function, is_admin_protocol, is_fqdn

_ORDERED: Final = tuple(each.value for each in Function if not each.startswith("handle"))
"""The functions that an SM-DP+ is asked for."""


def smdp_problems(settings: Settings, tenants: Collection[str]) -> list[str]:
    """Name what would keep an SM-DP+ from being asked, or would ask it in clear."""
    found: list[str] = []
    for name, smdp in settings.smdp.items():
        where = f"smdp.{name}"
        if not SHORT_NAME.fullmatch(name):
            found.append(f"{where}: a name is lower case letters, digits and hyphens")
        found += [
            f"{where}: {key} must be set"
            for key in ("url", "requester", "address")
            if not getattr(smdp, key)
        ]
        addresses = {"url": smdp.url, **{f"urls.{key}": url for key, url in smdp.urls.items()}}
        found += [
            f"{where}.{key}: {url!r} is no https address"
            for key, url in addresses.items()
            if url and not is_safe_address(url)
        ]
        found += [
            f"unknown key {where}.urls.{key}{did_you_mean(key, _ORDERED)}"
            for key in smdp.urls
            if key not in _ORDERED
        ]
        if bool(smdp.certificate) != bool(smdp.key):
            found.append(f"{where}: certificate and key go together")
        elif not smdp.certificate and any(url.startswith("https") for url in addresses.values()):
            found.append(f"{where}: certificate and key must be set: ES2+ is mutual TLS")
        if bool(smdp.user) != bool(smdp.password_file):
            found.append(f"{where}: user and password_file go together")
        if smdp.address and not is_fqdn(smdp.address):
            found.append(f"{where}.address: {smdp.address!r} is no name such as smdp.example.com")
        if len(smdp.requester) > 256 or not smdp.requester.isprintable():
            found.append(f"{where}.requester: it has up to 256 printable characters")
        if not is_admin_protocol(smdp.admin_protocol):
            found.append(
                f"{where}.admin_protocol: {smdp.admin_protocol!r} is no version such as "
                "gsma/rsp/v2.5.0"
            )
        found.extend(unknown_tenants(where, smdp.tenants, tenants))
    return found


def teller_problems(settings: Settings) -> Iterator[str]:
    """Name what would let the wrong one tell of profiles, or nobody."""
    ours = settings.es2plus
    if ours.listen:
        for key in ("tls_certificate", "tls_key", "client_ca"):
            if not getattr(ours, key):
                yield f"es2plus.{key}: must be set: ES2+ is mutual TLS"
        if not any(smdp.tells_sha256 or smdp.tells_subjects for smdp in settings.smdp.values()):
            yield "es2plus: no [smdp.NAME] has tells_sha256 or tells_subjects: nobody could call"
    for name, smdp in settings.smdp.items():
        if 0 < smdp.deletion_point <= 4:
            yield f"smdp.{name}.deletion_point: 1 to 4 are those of a download (SGP.22 §5.3.5)"
