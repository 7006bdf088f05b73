"""`simgrant serve`: the server, which for a newcomer starts from nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.cli.common import Globals, note, open_store, paint, run, settings, sqlite_file, warn

if TYPE_CHECKING:
    from simgrant.config.load import Loaded


def serve(
    ctx: typer.Context,
    *,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=256, help="Worker processes; default server.workers."),
    ] = None,
    init: Annotated[
        bool,
        typer.Option("--init", help="Make the key ring and the database first if absent."),
    ] = False,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="And five demonstration subscriptions, whose keys are published, where there is "
            "neither yet.",
        ),
    ] = False,
) -> None:
    """Run the entitlement server until SIGTERM or Ctrl-C.

    Without a configuration file, and where there is no state yet, it makes a key ring,
    an SQLite database and five demonstration subscriptions, and is ready to be tried.
    """
    from simgrant import serving

    loaded = settings(ctx)
    if is_newcomer(ctx.find_object(Globals), loaded) or (demo and has_nothing(loaded)):
        make_state(loaded)
        count = run(add_demo(loaded))
        note(f"{loaded.state_dir} made: key ring, database, {count} demonstration subscriptions")
    elif init or demo:
        make_state(loaded)
    said = ctx.find_object(Globals)
    has_demo = (demo or said is None or said.file is None) and _has_demo(loaded)

    def announce(device: str, management: str) -> None:
        _greet(loaded, device, management, has_demo=has_demo)

    count = workers or loaded.settings.server.workers
    raise typer.Exit(serving.serve(loaded, workers=count, announce=announce))


def is_newcomer(said: Globals | None, loaded: Loaded) -> bool:
    """Say whether nothing was configured and nothing was ever made here."""
    return (said is None or said.file is None) and has_nothing(loaded)


def has_nothing(loaded: Loaded) -> bool:
    """Say whether there is neither a database in a file nor a key ring."""
    path = sqlite_file(loaded)
    return path is not None and not path.exists() and not loaded.key_file.exists()


def make_state(loaded: Loaded) -> None:
    """Make what is absent: key rings, and the database at this release's revision."""
    from simgrant.cli.db import bring_up
    from simgrant.cli.keys import make_rings

    make_rings(loaded)
    bring_up(loaded)


async def add_demo(loaded: Loaded) -> int:
    """Write the demonstration subscriptions; return how many."""
    from simgrant.cli.common import find_tenant, now
    from simgrant.compose.sim_keys import wrapper
    from simgrant.compose.store import open_keys
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.flows import demo_data, subscriptions

    at = now()
    drafts = demo_data.drafts(find_tenant(loaded, DEFAULT_TENANT), now=at)
    wrap = wrapper(open_keys(loaded), DEFAULT_TENANT, at)
    async with open_store(loaded) as store:
        return await subscriptions.add_all(store, drafts, wrap)


def _greet(loaded: Loaded, url: str, control: str, *, has_demo: bool) -> None:
    """Print where the server is and what to paste, before the log begins."""
    device = loaded.settings.device
    rows = [
        ("settings", loaded.source),
        ("database", loaded.store_shown),
        ("devices", f"{url}/"),
        ("operations", f"{control}/healthz  {control}/readyz  {control}/metrics"),
    ]
    if loaded.settings.portal.listen:
        rows.insert(3, ("pages", f"{loaded.portal_url}/"))
    if urls := loaded.camara_urls:
        rows.insert(-1, ("partners", "  ".join(f"{url}/" for url in urls.values())))
    note("\n".join(f"{paint(name.ljust(10), bold=True)}  {text}" for name, text in rows))
    if has_demo:
        note(
            f"\nTry it:\n"
            f"  simgrant sim handset {url}/\n"
            f"  simgrant sim handset {url}/ --like android-ims-provisioning --repeat token\n"
            f"  simgrant explain 001010000000003 vowifi\n"
            f"  simgrant page 001010000000003 vowifi   # a link for your browser\n"
            f"  curl -i '{url}/?terminal_id=490154203237518&app=ap2004&vers=0"
            f"&entitlement_version=2.0&EAP_ID=0001010000000001"
            f"%40nai.epc.mnc001.mcc001.3gppnetwork.org' \\\n"
            f"    -H 'Accept: application/vnd.gsma.eap-relay.v1.0+json'\n"
        )
    if (
        not device.tls_certificate
        and not _is_loopback(device.listen)
        and not device.trusted_proxies
    ):
        warn("devices are served without TLS, and not from behind a proxy")
    path = sqlite_file(loaded)
    with contextlib.suppress(OSError):
        if path is not None and path.stat().st_mode & 0o077:
            warn(f"{path} can be read by others: chmod 600 {path}")


def _has_demo(loaded: Loaded) -> bool:
    """Say whether the first demonstration subscription is there, to be tried."""
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.flows import demo_data
    from simgrant.identities import Imsi

    async def look() -> bool:
        async with open_store(loaded) as store:
            imsi = Imsi(demo_data.SIMS[0].imsi)
            return await store.find(DEFAULT_TENANT, imsi=imsi) is not None

    return run(look())


def _is_loopback(listen: str) -> bool:
    import ipaddress

    from simgrant.config.load import parse_listen

    return ipaddress.ip_address(parse_listen(listen)[0]).is_loopback
