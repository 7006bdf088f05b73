"""Every call of the management API as a method. Made by `make client`: do not edit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

from simgrant_client.models import (
    ApiConsent,
    ApiConsents,
    ApplicationDocument,
    AuditEntry,
    AuditPage,
    Consents,
    Consumer,
    ConsumerPage,
    Erased,
    Event,
    EventsTaken,
    GivenConsent,
    History,
    Holdings,
    Imported,
    ListedSubscription,
    NewSubscription,
    OrderPage,
    PermissionDocument,
    PolicyChanges,
    PolicyChecked,
    PolicyInForce,
    PolicyText,
    PriceDocument,
    Revoked,
    Statement,
    Subscription,
    SubscriptionPage,
    TariffDocument,
    Tariffs,
    Terminals,
    Told,
    UsagePage,
    WrittenConsumer,
)
from simgrant_client.transport import Transport


class Client(Transport):
    """Calls a server.

    Every method raises `Problem`. Of those that change something, ``key`` is what the caller calls
    the call, so that it can be said again within a day; without one, a key is made.
    """

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def list_subscriptions(
        self,
        *,
        tenant: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        status: Literal["active", "barred", "removed", "suspended"] | None = None,
    ) -> SubscriptionPage:
        """List subscriptions in order of IMSI (`subscriptions:read`).

        - limit: At most so many.
        - after: `next` of the page before.
        - status: Only these; removed ones on demand.
        """
        return cast(
            "SubscriptionPage",
            self.call(
                "GET",
                "/v1/subscriptions",
                query={"tenant": tenant, "limit": limit, "after": after, "status": status},
            ),
        )

    def iter_subscriptions(
        self,
        *,
        tenant: str | None = None,
        limit: int | None = None,
        status: Literal["active", "barred", "removed", "suspended"] | None = None,
    ) -> Iterator[ListedSubscription]:
        """Yield what `list_subscriptions` lists, page after page."""
        after: str | None = None
        while True:
            page = self.list_subscriptions(tenant=tenant, limit=limit, status=status, after=after)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def create_subscription(
        self,
        *,
        plan: str,
        imsi: str,
        msisdn: str | None = None,
        status: Literal["active", "barred", "suspended"] | None = None,
        gid1: str | None = None,
        provisioning: Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
        | None = None,
        visited_plmn: str | None = None,
        iccid: str | None = None,
        sim_since: str | None = None,
        port_freeze: bool | None = None,
        prepaid: bool | None = None,
        number_type: Literal["data_only", "fixed", "m2m", "mobile", "unknown", "voip"]
        | None = None,
        k: str | None = None,
        opc: str | None = None,
        op: str | None = None,
        algorithm: Literal["milenage", "tuak"] | None = None,
        amf: str | None = None,
        sqn: str | None = None,
        res_length: Literal[16, 4, 8] | None = None,
        terms: Literal["given", "in_progress", "missing", "not_required"] | None = None,
        terms_version: str | None = None,
        address: Literal["given", "in_progress", "missing", "not_required"] | None = None,
        address_id: str | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> Subscription:
        """Make a subscription (`subscriptions:write`).

        - msisdn: Telephone number, E.164.
        - gid1: GID1 of the SIM.
        - provisioning: State of VoWiFi in the network.
        - visited_plmn: Digits of the network it is in; empty = not known.
        - iccid: ICCID of the SIM; another one than before is a SIM swap.
        - sim_since: When the line got its SIM.
        - port_freeze: Whether it is locked against being moved.
        - plan: A plan of the tenant's policy.
        - k: Ki for the local AuC; nobody is told it again.
        - opc: OPc, or TOPc for TUAK.
        - op: OP or TOP, in place of `opc`.
        - sqn: Highest sequence number that the SIM has seen.
        - res_length: Bytes of RES.
        - terms: Terms and conditions.
        - terms_version: Which text was agreed to.
        - address: Emergency address.
        - address_id: Identifier of the address on file.
        """
        return cast(
            "Subscription",
            self.call(
                "POST",
                "/v1/subscriptions",
                body=_given(
                    {
                        "msisdn": msisdn,
                        "status": status,
                        "gid1": gid1,
                        "provisioning": provisioning,
                        "visited_plmn": visited_plmn,
                        "iccid": iccid,
                        "sim_since": sim_since,
                        "port_freeze": port_freeze,
                        "prepaid": prepaid,
                        "number_type": number_type,
                        "plan": plan,
                        "k": k,
                        "opc": opc,
                        "op": op,
                        "algorithm": algorithm,
                        "amf": amf,
                        "sqn": sqn,
                        "res_length": res_length,
                        "terms": terms,
                        "terms_version": terms_version,
                        "address": address,
                        "address_id": address_id,
                        "imsi": imsi,
                    }
                ),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def get_subscription(self, subscription: str, *, tenant: str | None = None) -> Subscription:
        """Get a subscription by its IMSI, or by its number with + (`subscriptions:read`)."""
        return cast(
            "Subscription",
            self.call(
                "GET",
                "/v1/subscriptions/{subscription}",
                parts={"subscription": subscription},
                query={"tenant": tenant},
            ),
        )

    def put_subscription(
        self,
        subscription: str,
        *,
        plan: str,
        msisdn: str | None = None,
        status: Literal["active", "barred", "suspended"] | None = None,
        gid1: str | None = None,
        provisioning: Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
        | None = None,
        visited_plmn: str | None = None,
        iccid: str | None = None,
        sim_since: str | None = None,
        port_freeze: bool | None = None,
        prepaid: bool | None = None,
        number_type: Literal["data_only", "fixed", "m2m", "mobile", "unknown", "voip"]
        | None = None,
        k: str | None = None,
        opc: str | None = None,
        op: str | None = None,
        algorithm: Literal["milenage", "tuak"] | None = None,
        amf: str | None = None,
        sqn: str | None = None,
        res_length: Literal[16, 4, 8] | None = None,
        terms: Literal["given", "in_progress", "missing", "not_required"] | None = None,
        terms_version: str | None = None,
        address: Literal["given", "in_progress", "missing", "not_required"] | None = None,
        address_id: str | None = None,
        tenant: str | None = None,
        only: Literal["create", "replace"] | None = None,
        seen: str | None = None,
        key: str | None = None,
    ) -> Subscription:
        """Make or replace a subscription; its tokens, and keys that are not named, stay
        (`subscriptions:write`).

        - msisdn: Telephone number, E.164.
        - gid1: GID1 of the SIM.
        - provisioning: State of VoWiFi in the network.
        - visited_plmn: Digits of the network it is in; empty = not known.
        - iccid: ICCID of the SIM; another one than before is a SIM swap.
        - sim_since: When the line got its SIM.
        - port_freeze: Whether it is locked against being moved.
        - plan: A plan of the tenant's policy.
        - k: Ki for the local AuC; nobody is told it again.
        - opc: OPc, or TOPc for TUAK.
        - op: OP or TOP, in place of `opc`.
        - sqn: Highest sequence number that the SIM has seen.
        - res_length: Bytes of RES.
        - terms: Terms and conditions.
        - terms_version: Which text was agreed to.
        - address: Emergency address.
        - address_id: Identifier of the address on file.
        - only: What it may do, if not both.
        - seen: `etag` of the state that was seen; another one is not changed.
        """
        return cast(
            "Subscription",
            self.call(
                "PUT",
                "/v1/subscriptions/{subscription}",
                parts={"subscription": subscription},
                body=_given(
                    {
                        "msisdn": msisdn,
                        "status": status,
                        "gid1": gid1,
                        "provisioning": provisioning,
                        "visited_plmn": visited_plmn,
                        "iccid": iccid,
                        "sim_since": sim_since,
                        "port_freeze": port_freeze,
                        "prepaid": prepaid,
                        "number_type": number_type,
                        "plan": plan,
                        "k": k,
                        "opc": opc,
                        "op": op,
                        "algorithm": algorithm,
                        "amf": amf,
                        "sqn": sqn,
                        "res_length": res_length,
                        "terms": terms,
                        "terms_version": terms_version,
                        "address": address,
                        "address_id": address_id,
                    }
                ),
                query={"tenant": tenant, "only": only},
                seen=seen,
                key=key,
            ),
        )

    def change_subscription(
        self,
        subscription: str,
        *,
        msisdn: str | None = None,
        status: Literal["active", "barred", "suspended"] | None = None,
        gid1: str | None = None,
        provisioning: Literal["in_progress", "not_provisioned", "not_required", "provisioned"]
        | None = None,
        visited_plmn: str | None = None,
        iccid: str | None = None,
        sim_since: str | None = None,
        port_freeze: bool | None = None,
        prepaid: bool | None = None,
        number_type: Literal["data_only", "fixed", "m2m", "mobile", "unknown", "voip"]
        | None = None,
        plan: str | None = None,
        tenant: str | None = None,
        seen: str | None = None,
        key: str | None = None,
    ) -> Subscription:
        """Change what is named of a subscription, at once; its devices are told
        (`subscriptions:write`).

        - msisdn: Telephone number, E.164.
        - gid1: GID1 of the SIM.
        - provisioning: State of VoWiFi in the network.
        - visited_plmn: Digits of the network it is in; empty = not known.
        - iccid: ICCID of the SIM; another one than before is a SIM swap.
        - sim_since: When the line got its SIM.
        - port_freeze: Whether it is locked against being moved.
        - seen: `etag` of the state that was seen; another one is not changed.
        """
        return cast(
            "Subscription",
            self.call(
                "PATCH",
                "/v1/subscriptions/{subscription}",
                parts={"subscription": subscription},
                body=_given(
                    {
                        "msisdn": msisdn,
                        "status": status,
                        "gid1": gid1,
                        "provisioning": provisioning,
                        "visited_plmn": visited_plmn,
                        "iccid": iccid,
                        "sim_since": sim_since,
                        "port_freeze": port_freeze,
                        "prepaid": prepaid,
                        "number_type": number_type,
                        "plan": plan,
                    }
                ),
                query={"tenant": tenant},
                seen=seen,
                key=key,
            ),
        )

    def remove_subscription(
        self,
        subscription: str,
        *,
        tenant: str | None = None,
        seen: str | None = None,
        key: str | None = None,
    ) -> None:
        """Remove a subscription: its tokens end and its SIM key is forgotten; records stay
        (`subscriptions:write`).

        - seen: `etag` of the state that was seen; another one is not changed.
        """
        self.call(
            "DELETE",
            "/v1/subscriptions/{subscription}",
            parts={"subscription": subscription},
            query={"tenant": tenant},
            seen=seen,
            key=key,
        )

    def suspend_subscription(
        self,
        subscription: str,
        *,
        tenant: str | None = None,
        seen: str | None = None,
        key: str | None = None,
    ) -> Subscription:
        """Suspend: the SIM authenticates, and is told of no service (`subscriptions:write`).

        - seen: `etag` of the state that was seen; another one is not changed.
        """
        return cast(
            "Subscription",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/suspend",
                parts={"subscription": subscription},
                query={"tenant": tenant},
                seen=seen,
                key=key,
            ),
        )

    def resume_subscription(
        self,
        subscription: str,
        *,
        tenant: str | None = None,
        seen: str | None = None,
        key: str | None = None,
    ) -> Subscription:
        """Make it active again after suspend or bar (`subscriptions:write`).

        - seen: `etag` of the state that was seen; another one is not changed.
        """
        return cast(
            "Subscription",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/resume",
                parts={"subscription": subscription},
                query={"tenant": tenant},
                seen=seen,
                key=key,
            ),
        )

    def bar_subscription(
        self,
        subscription: str,
        *,
        tenant: str | None = None,
        seen: str | None = None,
        key: str | None = None,
    ) -> Subscription:
        """Bar: every request is refused with 403, every token with 511
        (`subscriptions:write`).

        - seen: `etag` of the state that was seen; another one is not changed.
        """
        return cast(
            "Subscription",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/bar",
                parts={"subscription": subscription},
                query={"tenant": tenant},
                seen=seen,
                key=key,
            ),
        )

    def notify_subscription(
        self,
        subscription: str,
        *,
        apps: list[str] | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> Told:
        """Tell its devices to ask again, though nothing changed (`devices:write`).

        - apps: AppIDs; empty = every one that they registered for.
        """
        return cast(
            "Told",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/notify",
                parts={"subscription": subscription},
                body=_given({"apps": apps}),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def export_subscription(
        self, subscription: str, *, tenant: str | None = None
    ) -> dict[str, Any]:
        """Get everything that is held about a subscriber, less the SIM's keys
        (`subscriptions:export`).
        """
        return cast(
            "dict[str, Any]",
            self.call(
                "GET",
                "/v1/subscriptions/{subscription}/export",
                parts={"subscription": subscription},
                query={"tenant": tenant},
            ),
        )

    def erase_subscription(
        self,
        subscription: str,
        *,
        tenant: str | None = None,
        seen: str | None = None,
        key: str | None = None,
    ) -> Erased:
        """Delete everything that is held about a subscriber, records too, for good
        (`subscriptions:erase`).

        - seen: `etag` of the state that was seen; another one is not changed.
        """
        return cast(
            "Erased",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/erase",
                parts={"subscription": subscription},
                query={"tenant": tenant},
                seen=seen,
                key=key,
            ),
        )

    def import_subscriptions(
        self,
        rows: Sequence[NewSubscription],
        *,
        tenant: str | None = None,
        replace: bool | None = None,
        check: bool | None = None,
        key: str | None = None,
    ) -> Imported:
        """Import up to 10000 subscriptions, all of them or none (`subscriptions:write`).

        - replace: Overwrite those that exist, keeping their tokens, and keys that are not
          named.
        - check: Only look whether it could be done.
        """
        return cast(
            "Imported",
            self.call(
                "POST",
                "/v1/imports",
                body=list(rows),
                query={"tenant": tenant, "replace": replace, "check": check},
                key=key,
            ),
        )

    def list_terminals(self, subscription: str, *, tenant: str | None = None) -> Terminals:
        """List the devices of a subscription (`devices:read`)."""
        return cast(
            "Terminals",
            self.call(
                "GET",
                "/v1/subscriptions/{subscription}/terminals",
                parts={"subscription": subscription},
                query={"tenant": tenant},
            ),
        )

    def lose_terminal(
        self, subscription: str, terminal: str, *, tenant: str | None = None, key: str | None = None
    ) -> Revoked:
        """Say that a device is lost: its tokens and pending orders end, it is told nothing
        (`devices:write`).
        """
        return cast(
            "Revoked",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/terminals/{terminal}/lost",
                parts={"subscription": subscription, "terminal": terminal},
                query={"tenant": tenant},
                key=key,
            ),
        )

    def revoke_terminal(
        self, subscription: str, terminal: str, *, tenant: str | None = None, key: str | None = None
    ) -> Revoked:
        """End every token of one device; it authenticates in full again (`tokens:revoke`)."""
        return cast(
            "Revoked",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/terminals/{terminal}/revoke",
                parts={"subscription": subscription, "terminal": terminal},
                query={"tenant": tenant},
                key=key,
            ),
        )

    def revoke_tokens(
        self, subscription: str, *, tenant: str | None = None, key: str | None = None
    ) -> Revoked:
        """End every token of a subscription; its devices authenticate in full again
        (`tokens:revoke`).
        """
        return cast(
            "Revoked",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/tokens/revoke",
                parts={"subscription": subscription},
                query={"tenant": tenant},
                key=key,
            ),
        )

    def list_consents(self, subscription: str, *, tenant: str | None = None) -> Consents:
        """List the consents of a subscription (`consents:read`)."""
        return cast(
            "Consents",
            self.call(
                "GET",
                "/v1/subscriptions/{subscription}/consents",
                parts={"subscription": subscription},
                query={"tenant": tenant},
            ),
        )

    def put_consent(
        self,
        subscription: str,
        kind: str,
        *,
        status: Literal["given", "in_progress", "missing", "not_required"] | None = None,
        version: str | None = None,
        expires_at: str | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> GivenConsent:
        """Say how far a consent is; devices are told (`consents:write`).

        - version: Which text was agreed to, or the identifier of the address.
        - expires_at: From when on it counts as missing.
        """
        return cast(
            "GivenConsent",
            self.call(
                "PUT",
                "/v1/subscriptions/{subscription}/consents/{kind}",
                parts={"subscription": subscription, "kind": kind},
                body=_given({"status": status, "version": version, "expires_at": expires_at}),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def withdraw_consent(
        self, subscription: str, kind: str, *, tenant: str | None = None, key: str | None = None
    ) -> GivenConsent:
        """Withdraw a consent; devices are told (`consents:write`)."""
        return cast(
            "GivenConsent",
            self.call(
                "DELETE",
                "/v1/subscriptions/{subscription}/consents/{kind}",
                parts={"subscription": subscription, "kind": kind},
                query={"tenant": tenant},
                key=key,
            ),
        )

    def list_holdings(self, subscription: str, *, tenant: str | None = None) -> Holdings:
        """List boosts, counters and the like (`holdings:read`)."""
        return cast(
            "Holdings",
            self.call(
                "GET",
                "/v1/subscriptions/{subscription}/holdings",
                parts={"subscription": subscription},
                query={"tenant": tenant},
            ),
        )

    def put_boost(
        self,
        subscription: str,
        boost_type: str,
        *,
        purchase: Literal["active", "in_progress", "untracked"] | None = None,
        until: str | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> None:
        """Say that a data boost was bought (`holdings:write`).

        - purchase: How far it is.
        - until: When it ends by itself.
        """
        self.call(
            "PUT",
            "/v1/subscriptions/{subscription}/holdings/boosts/{boost_type}",
            parts={"subscription": subscription, "boost_type": boost_type},
            body=_given({"purchase": purchase, "until": until}),
            query={"tenant": tenant},
            key=key,
        )

    def end_boost(
        self,
        subscription: str,
        boost_type: str,
        *,
        tenant: str | None = None,
        key: str | None = None,
    ) -> None:
        """Say that a boost is over (`holdings:write`)."""
        self.call(
            "DELETE",
            "/v1/subscriptions/{subscription}/holdings/boosts/{boost_type}",
            parts={"subscription": subscription, "boost_type": boost_type},
            query={"tenant": tenant},
            key=key,
        )

    def put_usage(
        self,
        subscription: str,
        counter: str,
        *,
        used: int,
        allowance: int | None = None,
        cycle_end: str | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> None:
        """Say how much data was used (`holdings:write`).

        - used: Bytes in this cycle.
        - allowance: Bytes; null = no limit.
        """
        self.call(
            "PUT",
            "/v1/subscriptions/{subscription}/holdings/usage/{counter}",
            parts={"subscription": subscription, "counter": counter},
            body=_given({"used": used, "allowance": allowance, "cycle_end": cycle_end}),
            query={"tenant": tenant},
            key=key,
        )

    def end_usage(
        self, subscription: str, counter: str, *, tenant: str | None = None, key: str | None = None
    ) -> None:
        """Forget a counter (`holdings:write`)."""
        self.call(
            "DELETE",
            "/v1/subscriptions/{subscription}/holdings/usage/{counter}",
            parts={"subscription": subscription, "counter": counter},
            query={"tenant": tenant},
            key=key,
        )

    def put_satellite(
        self,
        subscription: str,
        *,
        status: Literal["given", "in_progress", "missing", "not_required"] | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> None:
        """Say whether satellite service is switched on (`holdings:write`)."""
        self.call(
            "PUT",
            "/v1/subscriptions/{subscription}/holdings/satellite",
            parts={"subscription": subscription},
            body=_given({"status": status}),
            query={"tenant": tenant},
            key=key,
        )

    def end_satellite(
        self, subscription: str, *, tenant: str | None = None, key: str | None = None
    ) -> None:
        """Forget what was said of satellite service (`holdings:write`)."""
        self.call(
            "DELETE",
            "/v1/subscriptions/{subscription}/holdings/satellite",
            parts={"subscription": subscription},
            query={"tenant": tenant},
            key=key,
        )

    def list_api_consents(self, subscription: str, *, tenant: str | None = None) -> ApiConsents:
        """List all that a subscriber said about consumers of partner APIs, with its proof
        (`consents:read`).
        """
        return cast(
            "ApiConsents",
            self.call(
                "GET",
                "/v1/subscriptions/{subscription}/api-consents",
                parts={"subscription": subscription},
                query={"tenant": tenant},
            ),
        )

    def say_api_consent(
        self,
        subscription: str,
        *,
        client_id: str,
        purpose: str,
        api: str,
        said: Literal["denied", "given", "requested", "withdrawn"],
        application: str | None = None,
        expires_at: str | None = None,
        source: Literal["api", "bss", "care"] | None = None,
        evidence: str | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> ApiConsent:
        """Write down what a subscriber said about a consumer; it holds from the next call on
        (`consents:write`).

        - client_id: About which consumer.
        - application: Only about this one of the consumer's; empty = about all.
        - purpose: For what: a purpose of W3C's DPV.
        - api: About which API.
        - said: `withdrawn` is an objection where the legal basis is a legitimate interest.
        - expires_at: Until when it is given.
        - source: By which way it was said.
        - evidence: What shows it to a third party: the version of a text, the number of a
          call.
        """
        return cast(
            "ApiConsent",
            self.call(
                "POST",
                "/v1/subscriptions/{subscription}/api-consents",
                parts={"subscription": subscription},
                body=_given(
                    {
                        "client_id": client_id,
                        "application": application,
                        "purpose": purpose,
                        "api": api,
                        "said": said,
                        "expires_at": expires_at,
                        "source": source,
                        "evidence": evidence,
                    }
                ),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def list_orders(
        self,
        *,
        tenant: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        waiting: bool | None = None,
    ) -> OrderPage:
        """List eSIM orders (`orders:read`).

        - limit: At most so many.
        - after: `next` of the page before.
        - waiting: Only those for which something is to be done.
        """
        return cast(
            "OrderPage",
            self.call(
                "GET",
                "/v1/orders",
                query={"tenant": tenant, "limit": limit, "after": after, "waiting": waiting},
            ),
        )

    def iter_orders(
        self, *, tenant: str | None = None, limit: int | None = None, waiting: bool | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield what `list_orders` lists, page after page."""
        after: str | None = None
        while True:
            page = self.list_orders(tenant=tenant, limit=limit, waiting=waiting, after=after)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def create_order(
        self,
        *,
        iccid: str,
        subscription: str,
        app: Literal["companion", "primary"],
        activation_code: str | None = None,
        smdp_address: str | None = None,
        eid: str | None = None,
        terminal_id: str | None = None,
        name: str | None = None,
        vendor: str | None = None,
        model: str | None = None,
        service: Literal["DiffNumber", "FamilyNumber", "SharedNumber"] | None = None,
        plan: str | None = None,
        ask: Literal["confirmation", "nothing", "page", "pin"] | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Write down an order that another system made, with its profile (`orders:write`).

        - subscription: IMSI, or an MSISDN with ``+``.
        - ask: What the subscriber is asked before he may have it.
        """
        return cast(
            "dict[str, Any]",
            self.call(
                "POST",
                "/v1/orders",
                body=_given(
                    {
                        "iccid": iccid,
                        "activation_code": activation_code,
                        "smdp_address": smdp_address,
                        "subscription": subscription,
                        "app": app,
                        "eid": eid,
                        "terminal_id": terminal_id,
                        "name": name,
                        "vendor": vendor,
                        "model": model,
                        "service": service,
                        "plan": plan,
                        "ask": ask,
                    }
                ),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def get_order(self, order: str, *, tenant: str | None = None) -> dict[str, Any]:
        """Get an order by its id, or by how that begins (`orders:read`)."""
        return cast(
            "dict[str, Any]",
            self.call(
                "GET", "/v1/orders/{order}", parts={"order": order}, query={"tenant": tenant}
            ),
        )

    def deliver_order(
        self,
        order: str,
        *,
        iccid: str,
        activation_code: str | None = None,
        smdp_address: str | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Hand the profile in that the BSS was asked for (`orders:write`)."""
        return cast(
            "dict[str, Any]",
            self.call(
                "POST",
                "/v1/orders/{order}/deliver",
                parts={"order": order},
                body=_given(
                    {
                        "iccid": iccid,
                        "activation_code": activation_code,
                        "smdp_address": smdp_address,
                    }
                ),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def fail_order(
        self,
        order: str,
        *,
        reason: str | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Say that there will be no profile (`orders:write`)."""
        return cast(
            "dict[str, Any]",
            self.call(
                "POST",
                "/v1/orders/{order}/fail",
                parts={"order": order},
                body=_given({"reason": reason}),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def release_order(
        self, order: str, *, tenant: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Say that a profile on hold may be downloaded (`orders:write`)."""
        return cast(
            "dict[str, Any]",
            self.call(
                "POST",
                "/v1/orders/{order}/release",
                parts={"order": order},
                query={"tenant": tenant},
                key=key,
            ),
        )

    def order_returned(
        self, order: str, *, tenant: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Say that a profile that nobody uses is back where it came from (`orders:write`)."""
        return cast(
            "dict[str, Any]",
            self.call(
                "POST",
                "/v1/orders/{order}/returned",
                parts={"order": order},
                query={"tenant": tenant},
                key=key,
            ),
        )

    def order_found(
        self, order: str, *, tenant: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """Say that an orphan was looked for, and that is settled (`orders:write`)."""
        return cast(
            "dict[str, Any]",
            self.call(
                "POST",
                "/v1/orders/{order}/found",
                parts={"order": order},
                query={"tenant": tenant},
                key=key,
            ),
        )

    def end_order(
        self, order: str, *, tenant: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        """End an order; what is left is done by itself (`orders:write`)."""
        return cast(
            "dict[str, Any]",
            self.call(
                "POST",
                "/v1/orders/{order}/end",
                parts={"order": order},
                query={"tenant": tenant},
                key=key,
            ),
        )

    def list_policies(self, *, tenant: str | None = None) -> PolicyChanges:
        """List what was published, and what is in force (`policies:read`)."""
        return cast("PolicyChanges", self.call("GET", "/v1/policies", query={"tenant": tenant}))

    def publish_policy(
        self,
        *,
        text: str,
        comment: str,
        seen: int,
        tenant: str | None = None,
        key: str | None = None,
    ) -> PolicyInForce:
        """Publish a policy: it is in force on every worker within a second (`policies:write`).

        - text: TOML.
        - comment: Why, for those who look at the history.
        - seen: The newest change that is known, 0 for none: another one since then is not
          overridden.
        """
        return cast(
            "PolicyInForce",
            self.call(
                "POST",
                "/v1/policies",
                body=_given({"text": text, "comment": comment, "seen": seen}),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def check_policy(
        self, *, text: str, tenant: str | None = None, key: str | None = None
    ) -> PolicyChecked:
        """Say what is wrong with a policy, and change nothing (`policies:read`).

        - text: TOML.
        """
        return cast(
            "PolicyChecked",
            self.call(
                "POST",
                "/v1/policies/check",
                body=_given({"text": text}),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def roll_back_policy(
        self,
        *,
        version: int,
        comment: str,
        seen: int,
        tenant: str | None = None,
        key: str | None = None,
    ) -> PolicyInForce:
        """Put an older version in force again (`policies:write`).

        - seen: The newest change that is known.
        """
        return cast(
            "PolicyInForce",
            self.call(
                "POST",
                "/v1/policies/rollback",
                body=_given({"version": version, "comment": comment, "seen": seen}),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def get_policy(self, version: str, *, tenant: str | None = None) -> PolicyText:
        """Get the text of a version (`policies:read`)."""
        return cast(
            "PolicyText",
            self.call(
                "GET",
                "/v1/policies/{version}",
                parts={"version": version},
                query={"tenant": tenant},
            ),
        )

    def list_consumers(
        self, *, tenant: str | None = None, limit: int | None = None, after: str | None = None
    ) -> ConsumerPage:
        """List consumers of partner APIs (`consumers:read`).

        - limit: At most so many.
        - after: `next` of the page before.
        """
        return cast(
            "ConsumerPage",
            self.call(
                "GET", "/v1/consumers", query={"tenant": tenant, "limit": limit, "after": after}
            ),
        )

    def iter_consumers(
        self, *, tenant: str | None = None, limit: int | None = None
    ) -> Iterator[Consumer]:
        """Yield what `list_consumers` lists, page after page."""
        after: str | None = None
        while True:
            page = self.list_consumers(tenant=tenant, limit=limit, after=after)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def add_consumer(
        self,
        *,
        client_id: str,
        name: str,
        active: bool | None = None,
        sandbox: bool | None = None,
        proving: Literal["client_secret_basic", "private_key_jwt"] | None = None,
        jwks: dict[str, Any] | None = None,
        jwks_url: str | None = None,
        algorithms: list[str] | None = None,
        certificate_sha256: str | None = None,
        grants: list[Literal["authorization_code", "ciba", "client_credentials", "jwt_bearer"]]
        | None = None,
        subjects: list[Literal["ipport", "operatortoken", "tel", "temptoken"]] | None = None,
        asks: bool | None = None,
        requestor_ids: list[str] | None = None,
        redirect_uris: list[str] | None = None,
        bound: Literal["certificate", "dpop", "nothing"] | None = None,
        assertion_life_s: int | None = None,
        sector: str | None = None,
        application_claim: str | None = None,
        applications: list[ApplicationDocument] | None = None,
        permissions: list[PermissionDocument] | None = None,
        sink_hosts: list[str] | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> WrittenConsumer:
        """Make a consumer; a name that was ever one's is never another's (`consumers:write`).

        - sandbox: It gets test numbers only, and pays nothing.
        - proving: How it proves itself; `client_secret_basic` only for Google's plain
          flavour of TS.43.
        - jwks: Its public keys (JWK Set).
        - jwks_url: Or where they are, by https.
        - algorithms: It may sign by these.
        - certificate_sha256: Of the certificate that it has to connect with; empty = any or
          none.
        - grants: How it may get access tokens.
        - subjects: How it may name a subscriber; `tel` is for whom you trust by contract.
        - asks: Its backchannel requests may name any number, whose owner is asked by USSD
          or SMS.
        - requestor_ids: Temporary tokens that were acquired for one of these are its
          (TS.43).
        - bound: To what its access tokens are bound.
        - assertion_life_s: The most that its assertions may live.
        - sector: Consumers of one sector get the same pairwise subjects.
        - application_claim: The claim of its assertions that names the application.
        - sink_hosts: Where its notifications may go; none = to any public address.
        """
        return cast(
            "WrittenConsumer",
            self.call(
                "POST",
                "/v1/consumers",
                body=_given(
                    {
                        "client_id": client_id,
                        "name": name,
                        "active": active,
                        "sandbox": sandbox,
                        "proving": proving,
                        "jwks": jwks,
                        "jwks_url": jwks_url,
                        "algorithms": algorithms,
                        "certificate_sha256": certificate_sha256,
                        "grants": grants,
                        "subjects": subjects,
                        "asks": asks,
                        "requestor_ids": requestor_ids,
                        "redirect_uris": redirect_uris,
                        "bound": bound,
                        "assertion_life_s": assertion_life_s,
                        "sector": sector,
                        "application_claim": application_claim,
                        "applications": applications,
                        "permissions": permissions,
                        "sink_hosts": sink_hosts,
                    }
                ),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def get_consumer(self, consumer: str, *, tenant: str | None = None) -> Consumer:
        """Get a consumer (`consumers:read`)."""
        return cast(
            "Consumer",
            self.call(
                "GET",
                "/v1/consumers/{consumer}",
                parts={"consumer": consumer},
                query={"tenant": tenant},
            ),
        )

    def change_consumer(
        self,
        consumer: str,
        *,
        client_id: str,
        name: str,
        active: bool | None = None,
        sandbox: bool | None = None,
        proving: Literal["client_secret_basic", "private_key_jwt"] | None = None,
        jwks: dict[str, Any] | None = None,
        jwks_url: str | None = None,
        algorithms: list[str] | None = None,
        certificate_sha256: str | None = None,
        grants: list[Literal["authorization_code", "ciba", "client_credentials", "jwt_bearer"]]
        | None = None,
        subjects: list[Literal["ipport", "operatortoken", "tel", "temptoken"]] | None = None,
        asks: bool | None = None,
        requestor_ids: list[str] | None = None,
        redirect_uris: list[str] | None = None,
        bound: Literal["certificate", "dpop", "nothing"] | None = None,
        assertion_life_s: int | None = None,
        sector: str | None = None,
        application_claim: str | None = None,
        applications: list[ApplicationDocument] | None = None,
        permissions: list[PermissionDocument] | None = None,
        sink_hosts: list[str] | None = None,
        tenant: str | None = None,
        seen: int | None = None,
        key: str | None = None,
    ) -> WrittenConsumer:
        """Write a consumer as a whole: every worker goes by it within a second
        (`consumers:write`).

        - sandbox: It gets test numbers only, and pays nothing.
        - proving: How it proves itself; `client_secret_basic` only for Google's plain
          flavour of TS.43.
        - jwks: Its public keys (JWK Set).
        - jwks_url: Or where they are, by https.
        - algorithms: It may sign by these.
        - certificate_sha256: Of the certificate that it has to connect with; empty = any or
          none.
        - grants: How it may get access tokens.
        - subjects: How it may name a subscriber; `tel` is for whom you trust by contract.
        - asks: Its backchannel requests may name any number, whose owner is asked by USSD
          or SMS.
        - requestor_ids: Temporary tokens that were acquired for one of these are its
          (TS.43).
        - bound: To what its access tokens are bound.
        - assertion_life_s: The most that its assertions may live.
        - sector: Consumers of one sector get the same pairwise subjects.
        - application_claim: The claim of its assertions that names the application.
        - sink_hosts: Where its notifications may go; none = to any public address.
        - seen: The revision that was seen: another one since then is not overridden. 0 =
          whichever it is.
        """
        return cast(
            "WrittenConsumer",
            self.call(
                "PUT",
                "/v1/consumers/{consumer}",
                parts={"consumer": consumer},
                body=_given(
                    {
                        "client_id": client_id,
                        "name": name,
                        "active": active,
                        "sandbox": sandbox,
                        "proving": proving,
                        "jwks": jwks,
                        "jwks_url": jwks_url,
                        "algorithms": algorithms,
                        "certificate_sha256": certificate_sha256,
                        "grants": grants,
                        "subjects": subjects,
                        "asks": asks,
                        "requestor_ids": requestor_ids,
                        "redirect_uris": redirect_uris,
                        "bound": bound,
                        "assertion_life_s": assertion_life_s,
                        "sector": sector,
                        "application_claim": application_claim,
                        "applications": applications,
                        "permissions": permissions,
                        "sink_hosts": sink_hosts,
                    }
                ),
                query={"tenant": tenant, "seen": seen},
                key=key,
            ),
        )

    def remove_consumer(
        self,
        consumer: str,
        *,
        tenant: str | None = None,
        seen: int | None = None,
        key: str | None = None,
    ) -> None:
        """Remove a consumer: its tokens are over; what it used stays in the books
        (`consumers:write`).

        - seen: The revision that was seen: another one since then is not overridden. 0 =
          whichever it is.
        """
        self.call(
            "DELETE",
            "/v1/consumers/{consumer}",
            parts={"consumer": consumer},
            query={"tenant": tenant, "seen": seen},
            key=key,
        )

    def list_tariffs(self, *, tenant: str | None = None) -> Tariffs:
        """List every version of all tariffs (`consumers:read`)."""
        return cast("Tariffs", self.call("GET", "/v1/tariffs", query={"tenant": tenant}))

    def add_tariff(
        self,
        *,
        name: str,
        valid_from: str,
        currency: str,
        prices: list[PriceDocument] | None = None,
        aggregator_share: str | None = None,
        tenant: str | None = None,
        key: str | None = None,
    ) -> TariffDocument:
        """Add a version of a tariff, which begins in the future (`consumers:write`).

        - valid_from: From when on it is in force (UTC).
        - currency: ISO 4217.
        - prices: Answers that none is for cost nothing.
        - aggregator_share: The aggregator's part of the price, in percent; the rest is
          yours.
        """
        return cast(
            "TariffDocument",
            self.call(
                "POST",
                "/v1/tariffs",
                body=_given(
                    {
                        "name": name,
                        "valid_from": valid_from,
                        "currency": currency,
                        "prices": prices,
                        "aggregator_share": aggregator_share,
                    }
                ),
                query={"tenant": tenant},
                key=key,
            ),
        )

    def remove_tariff(
        self, tariff: str, *, valid_from: str, tenant: str | None = None, key: str | None = None
    ) -> None:
        """Remove a version of a tariff that is not in force yet (`consumers:write`).

        - valid_from: When it begins.
        """
        self.call(
            "DELETE",
            "/v1/tariffs/{tariff}",
            parts={"tariff": tariff},
            query={"tenant": tenant, "valid_from": valid_from},
            key=key,
        )

    def get_statement(
        self, *, month: str, tenant: str | None = None, consumer: str | None = None
    ) -> Statement:
        """Get what was used in a month, and whose the money is; it reads all of the month
        (`usage:read`).

        - month: In UTC.
        - consumer: Only what this one used.
        """
        return cast(
            "Statement",
            self.call(
                "GET",
                "/v1/usage/statement",
                query={"tenant": tenant, "month": month, "consumer": consumer},
            ),
        )

    def list_usage(
        self,
        *,
        month: str,
        tenant: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        consumer: str | None = None,
        shape: Literal["plain", "tmf635"] | None = None,
    ) -> UsagePage:
        """List what was used in a month, a row for each answer (`usage:read`).

        - limit: At most so many.
        - after: `next` of the page before.
        - month: In UTC.
        - consumer: Only what this one used.
        - shape: `tmf635` = Usage as TM Forum's API 4.0.0 has it.
        """
        return cast(
            "UsagePage",
            self.call(
                "GET",
                "/v1/usage",
                query={
                    "tenant": tenant,
                    "limit": limit,
                    "after": after,
                    "month": month,
                    "consumer": consumer,
                    "shape": shape,
                },
            ),
        )

    def iter_usage(
        self,
        *,
        tenant: str | None = None,
        limit: int | None = None,
        month: str,
        consumer: str | None = None,
        shape: Literal["plain", "tmf635"] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield what `list_usage` lists, page after page."""
        after: str | None = None
        while True:
            page = self.list_usage(
                tenant=tenant, limit=limit, month=month, consumer=consumer, shape=shape, after=after
            )
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def tell_events(
        self, rows: Sequence[Event], *, tenant: str | None = None, key: str | None = None
    ) -> EventsTaken:
        """Tell what happened to subscriptions, up to 500 events, all of them or none
        (`events:write`).
        """
        return cast(
            "EventsTaken",
            self.call("POST", "/v1/events", body=list(rows), query={"tenant": tenant}, key=key),
        )

    def get_history(
        self,
        subscription: str,
        *,
        tenant: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> History:
        """List what a subscriber's devices asked, were told, and were notified of
        (`history:read`).

        - limit: At most so many.
        - after: `next` of the page before.
        """
        return cast(
            "History",
            self.call(
                "GET",
                "/v1/subscriptions/{subscription}/history",
                parts={"subscription": subscription},
                query={"tenant": tenant, "limit": limit, "after": after},
            ),
        )

    def iter_history(
        self, subscription: str, *, tenant: str | None = None, limit: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield what `get_history` lists, page after page."""
        after: str | None = None
        while True:
            page = self.get_history(subscription, tenant=tenant, limit=limit, after=after)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def explain(
        self,
        subscription: str,
        *,
        app: str,
        tenant: str | None = None,
        entitlement_version: str | None = None,
        terminal_id: str | None = None,
        language: str | None = None,
        roaming: str | None = None,
        like: str | None = None,
        records: int | None = None,
    ) -> dict[str, Any]:
        """Explain what a phone with this SIM gets for a service, rule by rule
        (`explain:read`).

        - app: AppID of the service, such as `ap2004`.
        - entitlement_version: TS.43 version of the client.
        - terminal_id: IMEI or UUID of the device.
        - language: Of the texts, such as `de`.
        - roaming: What if it were in that network; or: unknown.
        - like: A client of this profile, such as `samsung`.
        - records: So many of the newest requests and notices come along.
        """
        return cast(
            "dict[str, Any]",
            self.call(
                "GET",
                "/v1/subscriptions/{subscription}/explain",
                parts={"subscription": subscription},
                query={
                    "tenant": tenant,
                    "app": app,
                    "entitlement_version": entitlement_version,
                    "terminal_id": terminal_id,
                    "language": language,
                    "roaming": roaming,
                    "like": like,
                    "records": records,
                },
            ),
        )

    def list_audit(
        self,
        *,
        tenant: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        subscription: str | None = None,
        newest: bool | None = None,
    ) -> AuditPage:
        """List who changed what (`audit:read`).

        - limit: At most so many.
        - after: `next` of the page before.
        - subscription: Only what was done to this one: IMSI, or the number with its +.
        - newest: The newest first, and no further pages; else in the order of their
          numbers.
        """
        return cast(
            "AuditPage",
            self.call(
                "GET",
                "/v1/audit",
                query={
                    "tenant": tenant,
                    "limit": limit,
                    "after": after,
                    "subscription": subscription,
                    "newest": newest,
                },
            ),
        )

    def iter_audit(
        self,
        *,
        tenant: str | None = None,
        limit: int | None = None,
        subscription: str | None = None,
    ) -> Iterator[AuditEntry]:
        """Yield what `list_audit` lists, page after page."""
        after: str | None = None
        while True:
            page = self.list_audit(
                tenant=tenant, limit=limit, subscription=subscription, after=after
            )
            yield from page["items"]
            after = page["next"]
            if after is None:
                return


def _given(members: dict[str, Any]) -> dict[str, Any]:
    """Return what was given of a body."""
    return {name: value for name, value in members.items() if value is not None}
