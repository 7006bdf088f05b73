"""``simgrant sim``: where its commands hang."""

from __future__ import annotations

import typer

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

app = typer.Typer(
    name="sim",
    help="Handsets and partners' servers made of software, to try a server with.",
    no_args_is_help=True,
)

app.command()(handset)
app.command()(companion)
app.command()(phone)
app.command()(partner)
app.command()(idp)
app.command()(issuer)
app.command()(push)
app.command()(smdp)
app.command()(mdm)
app.command()(hss)
app.command()(aaa)
app.command()(hlr)
app.command()(udm)
app.command()(bss)
app.command("app")(application)
app.command()(sink)
