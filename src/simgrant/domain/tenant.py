"""Which operator or MVNO a request belongs to, and which SIMs it serves.

A request is told apart by host name, else by GID1 together with the SIM's
network, else by IMSI range (of a tenant that has nothing but networks, these),
else it is the default tenant's. Two tenants never match at the same step: the
configuration check refuses that.
"""

from __future__ import annotations

from collections.abc import Iterable

from simgrant.identities import Imsi
from simgrant.nouns import noun


@noun
class Plmn:
    """A network: MCC and MNC with the MNC's own length (TS 23.003 §2.2)."""

    mcc: str
    mnc: str

    @property
    def digits(self) -> str:
        """MCC and MNC, as an IMSI starts."""
        return self.mcc + self.mnc


@noun
class Tenant:
    """How one tenant's requests and SIMs are recognised."""

    name: str
    hosts: frozenset[str] = frozenset()
    plmns: tuple[Plmn, ...] = ()
    gid1: frozenset[str] = frozenset()
    """Upper case hexadecimal."""
    imsi_ranges: tuple[tuple[str, str], ...] = ()
    """First and last IMSI, of equal length."""

    def home_plmn(self, imsi: Imsi) -> Plmn | None:
        """Return the served network that the IMSI is of, or None."""
        for plmn in self.plmns:
            if imsi.digits.startswith(plmn.digits):
                return plmn
        return None

    def serves(self, imsi: Imsi) -> bool:
        """Say whether a SIM may be this tenant's at all; asks no database."""
        if self.imsi_ranges:
            return self.covers(imsi)
        return self.home_plmn(imsi) is not None

    @property
    def is_known_by_plmn(self) -> bool:
        """Say whether its networks alone tell it apart from other tenants."""
        return not (self.hosts or self.gid1 or self.imsi_ranges)

    def covers(self, imsi: Imsi) -> bool:
        """Say whether one of the tenant's IMSI ranges holds it."""
        digits = imsi.digits
        return any(
            len(digits) == len(first) and first <= digits <= last
            for first, last in self.imsi_ranges
        )


class Tenancy:
    """All tenants, ready for look-up."""

    def __init__(self, tenants: Iterable[Tenant], *, default: str) -> None:
        self.by_name = {tenant.name: tenant for tenant in tenants}
        self.default = self.by_name[default]
        self._by_host = {host: tenant for tenant in self.by_name.values() for host in tenant.hosts}
        self._by_group = {
            (plmn.digits, gid1): tenant
            for tenant in self.by_name.values()
            for gid1 in tenant.gid1
            for plmn in tenant.plmns
        }
        self._group_plmns = {digits for digits, _ in self._by_group}
        self._ranged = tuple(tenant for tenant in self.by_name.values() if tenant.imsi_ranges)
        self._by_plmn = {
            plmn.digits: tenant
            for tenant in self.by_name.values()
            if tenant is not self.default and tenant.is_known_by_plmn
            for plmn in tenant.plmns
        }

    def by_host(self, host: str) -> Tenant | None:
        """Return the tenant that a Host header names (port and case do not matter)."""
        if not self._by_host:
            return None
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return self._by_host.get((name or host).lower().rstrip("."))

    def by_sim(self, imsi: Imsi, gid1: str) -> Tenant:
        """Return the tenant by GID1 with network, else by IMSI range, else the default."""
        if gid1 and self._by_group:
            for digits in self._group_plmns:
                if imsi.digits.startswith(digits):
                    tenant = self._by_group.get((digits, gid1.upper()))
                    if tenant is not None:
                        return tenant
        for tenant in self._ranged:
            if tenant.covers(imsi):
                return tenant
        digits = imsi.digits
        return self._by_plmn.get(digits[:6]) or self._by_plmn.get(digits[:5]) or self.default

    def resolve(self, host: str, imsi: Imsi | None, gid1: str) -> Tenant:
        """Return whose request it is."""
        tenant = self.by_host(host)
        if tenant is not None:
            return tenant
        return self.default if imsi is None else self.by_sim(imsi, gid1)
