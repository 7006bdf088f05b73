"""`simgrant services`: what this server can answer."""

from __future__ import annotations

from simgrant.cli.common import JsonOption, print_json, table


def services(*, json: JsonOption = False) -> None:
    """List the TS.43 services this server answers, and the facts each one looks at."""
    from simgrant.services import SERVICES

    found = [SERVICES[app_id] for app_id in sorted(SERVICES)]
    if json:
        print_json(
            [
                {
                    "app_id": service.app_id,
                    "name": service.name,
                    "section": service.section,
                    "since": str(service.since),
                    "features": list(service.features),
                    "needs": sorted(service.needs),
                    "notifiable": service.notifiable,
                }
                for service in found
            ]
        )
        return
    table(
        ("APP", "NAME", "TS.43", "FEATURES", "NEEDS"),
        (
            (
                service.app_id,
                service.name,
                f"§{service.section}",
                ", ".join(service.features) or "-",
                ", ".join(sorted(service.needs)) or "-",
            )
            for service in found
        ),
    )


def app_id_of(name: str) -> str:
    """Return the AppID of ``ap2004``, ``vowifi`` or ``VoWiFi``; raise BadUsage."""
    from simgrant.cli.common import BadUsage
    from simgrant.domain.problems import did_you_mean
    from simgrant.services import SERVICES

    wanted = _folded(name)
    names: dict[str, str] = {}
    for app_id, service in SERVICES.items():
        names |= {app_id: app_id, _folded(service.name): app_id}
    for app_id, service in SERVICES.items():
        # A feature names its service too, unless a service has that very name.
        for feature in service.features:
            names.setdefault(feature, app_id)
    if wanted not in names:
        raise BadUsage(f"no service {name!r}{did_you_mean(wanted, names)}")
    return names[wanted]


def _folded(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")
