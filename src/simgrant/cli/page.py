"""`simgrant page`: the link with which a subscriber's web view opens in any browser.

For who wants to see it, or helps a subscriber whose phone does not. The link is good for as long as
the one that a phone is told, and whoever has it acts in the subscriber's place.
"""

from __future__ import annotations

from typing import Annotated

import typer

from simgrant.cli.common import BadUsage, ImsiArgument, Refused, TenantOption, desk, run


def page(
    ctx: typer.Context,
    imsi: ImsiArgument,
    app: Annotated[
        str, typer.Argument(metavar="SERVICE", help="AppID or name, such as ap2004 or vowifi.")
    ],
    *,
    boost_type: Annotated[
        int | None,
        typer.Option("--boost-type", min=0, max=255, help="Which boost, of ap2010; 0 is 166."),
    ] = None,
    store: Annotated[
        str, typer.Option("--store", metavar="VENDOR[:USER]", help="Which app store, of ap2012.")
    ] = "",
    order: Annotated[
        str, typer.Option("--order", help="Which eSIM order, of ap2006 and ap2009: how it begins.")
    ] = "",
    tenant: TenantOption = "default",
) -> None:
    """Print a link to the web view of a subscription's service, good for some minutes."""

    async def work() -> str:
        from simgrant.cli.services import app_id_of
        from simgrant.domain.plans import boost_meant
        from simgrant.errors import Conflict
        from simgrant.flows import subscriptions
        from simgrant.flows.answer import Portal, handle_of, page_of
        from simgrant.flows.esim_means import FEATURES
        from simgrant.flows.esim_pages import order_about
        from simgrant.flows.web_views import WEB_VIEWS

        app_id = app_id_of(app)
        if app_id not in WEB_VIEWS:
            raise BadUsage(f"{app} has no page; {', '.join(sorted(WEB_VIEWS))} have")
        about: tuple[str, ...] = ()
        if app_id == "ap2010":
            if boost_type is None:
                raise BadUsage("say which boost, with --boost-type")
            about = (str(boost_meant(boost_type)),)
        if app_id == "ap2012":
            vendor, _, user_id = store.partition(":")
            if not vendor:
                raise BadUsage("say which store, with --store")
            about = (vendor.lower(), user_id)
        if app_id in FEATURES and not order:
            raise BadUsage("say which order, with --order; `simgrant order show` has them")
        async with desk(ctx, tenant) as here:
            settings = here.loaded.settings.portal
            own = here.loaded.tenants[tenant].portal_url
            portal = Portal(own or here.loaded.portal_url, settings.user_data_life_s)
            if not portal.url or not settings.listen:
                raise Refused("this server has no pages: portal.listen is empty")
            try:
                found = await subscriptions.find_live(here.store, tenant, imsi)
            except subscriptions.BadRow as problem:
                raise BadUsage(str(problem)) from None
            except Conflict as conflict:
                raise Refused(f"{imsi}: {conflict.for_operator}") from None
            if app_id in FEATURES:
                there = await here.store.orders.of(tenant, found.imsi)
                meant = [each for each in there if each.order_id.startswith(order.lower())]
                if len(meant) != 1 or meant[0].app_id != app_id:
                    raise Refused(f"{len(meant)} orders of {imsi} begin with {order}")
                about = order_about(meant[0])
            ring = here.keys().ring
            handle = handle_of(portal, app_id, found, "", ring=ring, now=here.now, about=about)
            return f"{page_of(portal, app_id)}?flow={handle}"

    typer.echo(run(work()))
