"""``simgrant sim``: where its commands hang."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import typer

from simgrant.late import Hung, Late
from simgrant.sim.aaa.command import aaa
from simgrant.sim.app_command import app as application
from simgrant.sim.bss.command import bss
from simgrant.sim.companion_command import companion
from simgrant.sim.handset_command import handset
from simgrant.sim.hlr.command import hlr
from simgrant.sim.hss.command import hss
from simgrant.sim.issuer_commands import idp, issuer
from simgrant.sim.mdm_command import mdm
from simgrant.sim.partner_command import partner
from simgrant.sim.phone_command import phone
from simgrant.sim.push.command import push
from simgrant.sim.sink_command import sink
from simgrant.sim.smdp.command import smdp
from simgrant.sim.udm.command import udm


class _Commands(Late):
    hung: ClassVar[Mapping[str, Hung]] = MappingProxyType(
        {
            "handset": handset,
            "companion": companion,
            "phone": phone,
            "partner": partner,
            "idp": idp,
            "issuer": issuer,
            "push": push,
            "smdp": smdp,
            "mdm": mdm,
            "hss": hss,
            "aaa": aaa,
            "hlr": hlr,
            "udm": udm,
            "bss": bss,
            "app": application,
            "sink": sink,
        }
    )


app = typer.Typer(name="sim", cls=_Commands, no_args_is_help=True)


@app.callback()
def sim() -> None:
    """Handsets and partners' servers made of software, to try a server with."""
