"""What is wrong with the settings of tenants, which have to be told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from simgrant.config.model import Tenant
from simgrant.config.section import SHORT_NAME

_PLMN: Final = re.compile(r"\d{3}-\d{2,3}")
_RANGE: Final = re.compile(r"(\d{6,15})-(\d{6,15})")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")


def tenant_problems(tenants: Mapping[str, Tenant], default: str) -> Iterator[str]:
    """Name what is malformed and every identity that two tenants claim."""
    hosts: dict[str, str] = {}
    groups: list[tuple[str, str, str]] = []
    ranges: list[tuple[str, str, str]] = []
    for name, tenant in tenants.items():
        if not SHORT_NAME.fullmatch(name):
            yield f"tenants.{name}: a name is lower case letters, digits and hyphens"
        if tenant.portal_colour and not _COLOUR.fullmatch(tenant.portal_colour):
            yield f"tenants.{name}.portal_colour: {tenant.portal_colour!r} is no #rrggbb"
        if not _LANGUAGE.fullmatch(tenant.language):
            yield f"tenants.{name}.language: {tenant.language!r} is no language tag such as pt-BR"
        for host in tenant.hosts:
            other = hosts.setdefault(host.lower().rstrip("."), name)
            if other != name:
                yield f"tenants.{name}: host {host} is also {other}'s"
        for plmn in tenant.plmns:
            if not _PLMN.fullmatch(plmn):
                yield f"tenants.{name}: plmn {plmn!r} must look like 001-01 or 310-410"
            told_by = {gid1.lower() for gid1 in tenant.gid1}
            if name != default and not (tenant.hosts or tenant.gid1 or tenant.imsi_ranges):
                told_by = {""}
            digits = plmn.replace("-", "")
            for gid1 in sorted(told_by):
                yield from (
                    f"tenants.{name}: {f'GID1 {gid1} in ' if gid1 else ''}network {plmn} "
                    f"is also {other}'s"
                    for known, value, other in groups
                    if value == gid1
                    and other != name
                    and (known.startswith(digits) or digits.startswith(known))
                )
                groups.append((digits, gid1, name))
        if tenant.gid1 and not tenant.plmns:
            yield f"tenants.{name}: gid1 needs plmns"
        if not (tenant.hosts or tenant.plmns or tenant.imsi_ranges):
            yield f"tenants.{name}: needs hosts, plmns or imsi_ranges to be told apart by"
        for text in tenant.imsi_ranges:
            match = _RANGE.fullmatch(text)
            if not match or len(match[1]) != len(match[2]) or match[1] > match[2]:
                yield f"tenants.{name}: imsi range {text!r} must be first-last"
                continue
            for first, last, other in ranges:
                overlaps = len(first) == len(match[1]) and first <= match[2] and match[1] <= last
                if other != name and overlaps:
                    yield f"tenants.{name}: imsi range {text} overlaps {other}'s"
            ranges.append((match[1], match[2], name))
