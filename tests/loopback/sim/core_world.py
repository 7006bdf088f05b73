"""A simulated 5G core, and a client; what both say is held against the files of 3GPP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from pyreqwest.client import Client, ClientBuilder

from simgrant.sim.sims import DEMO_K, DEMO_OPC, demo_sims
from simgrant.sim.udm.server import Core
from simgrant.wire.sbi.nrf import DISCOVERY_PATH, TOKEN_PATH
from tests.openapi import Api, are_there

SIM = demo_sims()[0]
IMSI = SIM.imsi.digits
SUPI = f"imsi-{IMSI}"
K, OPC = DEMO_K, DEMO_OPC
NETWORK = "5G:mnc001.mcc001.3gppnetwork.org"
US = "5b0f6a35-6a4f-4c4e-8a57-0d3f8a1d9c11"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
FILES = {
    "nudm-ueau": "TS29503_Nudm_UEAU",
    "nudm-sdm": "TS29503_Nudm_SDM",
    "nudm-uecm": "TS29503_Nudm_UECM",
    "nhss-gba-ueau": "TS29562_Nhss_gbaUEAU",
    "nhss-ims-ueau": "TS29562_Nhss_imsUEAU",
    "nnrf-disc": "TS29510_Nnrf_NFDiscovery",
    "oauth2": "TS29510_Nnrf_AccessToken",
}


@dataclass
class Told:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def cause(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        assert self.content["status"] == self.status
        found: str = self.content.get("cause", "")
        return found


class CoreWorld:
    """A core that is up."""

    def __init__(self, core: Core, client: Client) -> None:
        self.core = core
        self._client = client

    async def ask(
        self,
        target: str,
        content: Any = None,
        *,
        method: str = "",
        headers: Mapping[str, str] = {},
        instance: int = 0,
        root: str = "",
        described: bool = True,
    ) -> Told:
        """Ask an instance; ``described`` = question and answer are such as the files describe."""
        body = b"" if content is None else json.dumps(content).encode()
        headers = {**(JSON if body else {}), **headers}
        root = root or self.core.instances[instance].web.url
        method = method or ("POST" if body else "GET")
        return await self.send(root, method, target, headers, body, described=described)

    async def ask_nrf(
        self, method: str, target: str, form: Mapping[str, str] = {}, *, described: bool = True
    ) -> Told:
        """Ask the NRF."""
        headers = FORM if form else {}
        body, root = urlencode(form).encode(), self.core.nrf_web.url
        return await self.send(root, method, target, headers, body, described=described)

    async def search(self, **query: str) -> Told:
        """Ask the NRF who there is; names with underscores."""
        told = {"target_nf_type": "UDM", "requester_nf_type": "AUSF", **query}
        text = urlencode({name.replace("_", "-"): value for name, value in told.items()}, safe=",")
        return await self.ask_nrf("GET", f"{DISCOVERY_PATH}?{text}")

    async def token(self, *, described: bool = True, **form: str) -> Told:
        """Ask the NRF for a token."""
        whole = {
            "grant_type": "client_credentials",
            "nfInstanceId": US,
            "nfType": "AUSF",
            "targetNfType": "UDM",
            "scope": "nudm-ueau",
        }
        sent = {name: value for name, value in {**whole, **form}.items() if value}
        return await self.ask_nrf("POST", TOKEN_PATH, sent, described=described)

    async def send(
        self,
        root: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        described: bool,
    ) -> Told:
        described = described and are_there()
        api = Api(FILES[target.split("/")[1].partition("?")[0]]) if described else None
        if api is not None:
            api.request(method, target, headers, body)
        asking = self._client.request(method, f"{root}{target}").headers(dict(headers))
        answer = await asking.body_bytes(body).build().send()
        told = Told(answer.status, dict(answer.headers), bytes(await answer.bytes()))
        if api is not None:
            api.response(method, target, told.status, told.headers, told.body)
        return told


@asynccontextmanager
async def core_world(**options: Any) -> AsyncIterator[CoreWorld]:
    """A core of the demonstration's SIMs; ``options`` are those of `Core`."""
    core = Core(options.pop("sims", demo_sims()), **options)
    await core.up()
    speaking = ClientBuilder().http2_prior_knowledge().follow_redirects(False)
    async with speaking.timeout(timedelta(seconds=20)).build() as client:
        try:
            yield CoreWorld(core, client)
        finally:
            await core.down()
