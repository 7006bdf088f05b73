"""The played push services: their phones' port, their switches, and what the command shows."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import smpp34
from typer.testing import CliRunner

from simgrant.sim.cli import app
from simgrant.sim.http import Answer, BadAnswer, HttpClient, Limits, Unreachable, Url
from simgrant.sim.push.air import Air
from simgrant.sim.push.certificates import Authority
from simgrant.sim.push.services import BadFolder, Services, as_toml
from simgrant.sim.push.switch import Fault, Taken, Turned
from simgrant.sim.receiver import Receiver
from simgrant.wire.push_token import Channel, is_token
from simgrant.wire.ussd import Dialogue, UssdOp, pull_dialogue
from tests.loopback.sim.airing import aired
from tests.loopback.sim.scripted import ScriptedServer, answer

LIMITS = Limits(connect_s=5, read_s=5)
NOW = 1_800_000_000.0


async def ask(air: Url, method: str, path: str, body: str = "") -> Answer:
    http = HttpClient(air, limits=LIMITS, keep_alive=False)
    return await http.exchange(method, path, (), body=body.encode() if body else None)


def taken(token: str, *apps: str, text: str = "") -> Taken:
    return Taken(token, apps, "2026-11-23T09:00:00Z", "c", {"text": text} if text else {})


async def test_a_phone_answers_whoever_is_bound_to_hear_it(tmp_path: Path) -> None:
    async with aired(tmp_path) as (services, _, url):
        path = "/sms/say?number=447700900001"
        assert (await ask(url, "POST", path, "NO")).status == 400  # Nobody is bound.
        client = smpp34.Client(
            "127.0.0.1",
            services.sms.port,
            services.sms.system_id,
            services.sms.password,
            bind_type="TRX",
        )
        session = await client.connect()
        for query, said in (("", None), ("&session=77", Dialogue(UssdOp.USSR_CONFIRM, 77))):
            answer = await ask(url, "POST", path + query, "YES 1234")
            assert json.loads(answer.body) == {"command_status": 0}
            heard = await session.next()
            assert isinstance(heard, smpp34.DeliverSmEvent)
            assert (heard.source_addr, heard.short_message) == ("447700900001", b"YES 1234")
            assert pull_dialogue((each.tag, each.value) for each in heard.tlvs) == said
        for wrong in ("", "?number=x", "?number=1&session=x", "?number=447700900001&session=256"):
            assert (await ask(url, "POST", f"/sms/say{wrong}", "NO")).status == 400
        assert (await ask(url, "POST", f"/fcm{path[4:]}", "NO")).status == 404
        await client.stop()


async def test_a_phone_gets_a_token_and_hears_its_notices_in_order(tmp_path: Path) -> None:
    async with aired(tmp_path) as (services, _, url):
        for channel in (Channel.FCM, Channel.APNS, Channel.WNS):
            receiver = Receiver(url, channel, limits=LIMITS)
            address = await receiver.register()
            assert is_token(channel, address.token)
            listening = asyncio.create_task(receiver.listen(within=10))
            switch = services.all[channel].switch
            switch.take(taken("another", "ap2003"))
            switch.take(taken(address.token, "ap2004", "ap2005"))
            switch.take(taken(address.token, "ap2012"))
            first = await listening
            second = await receiver.listen(within=10)
            assert first is not None
            assert second is not None
            assert (first.channel, first.apps) == (channel, ("ap2004", "ap2005"))
            assert first.timestamp == "2026-11-23T09:00:00Z"
            assert second.apps == ("ap2012",)
            assert await receiver.listen(within=0.05) is None


async def test_the_actions_are_those_of_the_channels(tmp_path: Path) -> None:
    async with aired(tmp_path) as (_, _, url):
        found = {
            channel: (await Receiver(url, channel).register("+447700900001")).action
            for channel in Channel
        }
    assert found == {Channel.FCM: 2, Channel.WNS: 3, Channel.APNS: 4, Channel.SMS: 0}


async def test_a_number_gets_messages_for_people_too(tmp_path: Path) -> None:
    async with aired(tmp_path) as (services, _, url):
        receiver = Receiver(url, Channel.SMS, limits=LIMITS)
        assert (await receiver.register("+447700900001")).token == "447700900001"
        services.sms.switch.take(taken("447700900001", text="Your code is 123456"))
        notice = await receiver.listen(within=10)
        assert notice is not None
        assert (notice.apps, notice.text) == ((), "Your code is 123456")
        assert "123456" not in repr(notice)
        again = Receiver(url, Channel.SMS, limits=LIMITS)
        await again.register("447700900001")
        services.sms.switch.take(taken("447700900001", text="Your code is 654321"))
        notice = await again.listen(within=10)
        assert notice is not None
        assert notice.text == "Your code is 654321"
        with pytest.raises(BadAnswer, match="400 no telephone number"):
            await Receiver(url, Channel.SMS).register("none")


async def test_faults_are_thrown_and_told(tmp_path: Path) -> None:
    heard: list[Taken | Turned] = []
    services = Services(tmp_path)
    air = Air(services, tell=lambda _, what: heard.append(what))
    switch = services.fcm.switch
    await air.play(Channel.FCM, "throttled 2")
    assert [switch.next() for _ in "123"] == [Fault.THROTTLED, Fault.THROTTLED, None]
    await air.play(Channel.FCM, "slow")
    await air.play(Channel.FCM, "none")
    assert switch.next() is None
    switch.dead.add("x")
    assert (switch.buried("x"), switch.buried("y")) == (True, False)
    assert heard == [Turned("throttled"), Turned("throttled"), Turned("dead", "x")]
    for wrong in ("rain", "throttled x", ""):
        with pytest.raises(ValueError, match="is none of"):
            await air.play(Channel.FCM, wrong)


async def test_down_is_unreachable_and_up_again_at_the_same_place(tmp_path: Path) -> None:
    async with aired(tmp_path) as (services, _, url):
        place = Url.parse(services.address(Channel.FCM).replace("https", "http"))
        for _ in "12":
            assert (await ask(url, "POST", "/fcm/fault", "down")).status == 200
        state = json.loads((await ask(url, "GET", "/")).body)
        assert (state["fcm"]["fault"], state["sms"]["fault"]) == ("down", "none")
        with pytest.raises(Unreachable, match="Connect call failed"):
            await ask(place, "GET", "/")
        assert (await ask(url, "POST", "/fcm/fault", "slow")).status == 200
        assert services.address(Channel.FCM).replace("https", "http") == place.origin
        assert services.fcm.switch.fault is Fault.SLOW


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/gcm/notices", "", 404),
        ("GET", "/fcm/notices?token=none&after=0", "", 404),
        ("POST", "/fcm/fault", "rain", 400),
        ("POST", "/fcm/dead", "no token", 400),
        ("POST", "/fcm/dead", "abc", 200),
        ("PUT", "/fcm/fault", "slow", 404),
        ("POST", "/", "", 404),
    ],
)
async def test_what_else_is_said_to_the_port(
    tmp_path: Path, method: str, path: str, body: str, status: int
) -> None:
    async with aired(tmp_path) as (_, _, url):
        assert (await ask(url, method, path, body)).status == status


async def test_who_hangs_up_is_forgotten(tmp_path: Path) -> None:
    async with aired(tmp_path) as (_, _, url):
        receiver = Receiver(url, Channel.FCM, limits=LIMITS)
        await receiver.register()
        before = len(asyncio.all_tasks())
        assert await receiver.listen(within=0.05) is None
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - the loop has no event for it
                await asyncio.sleep(0)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"notif_token":"x"}'])
async def test_a_service_that_talks_nonsense_is_said(body: bytes) -> None:
    async with ScriptedServer(always=answer("200 OK", body)) as server:
        with pytest.raises(BadAnswer, match="push service"):
            await Receiver(server.url("/"), Channel.FCM, limits=LIMITS).register()


async def test_nobody_there_is_said() -> None:
    with pytest.raises(Unreachable, match="the push service: no connection"):
        await Receiver(Url.parse("http://127.0.0.1:1/"), Channel.FCM, limits=LIMITS).register()


# --- credentials ---------------------------------------------------------------------------


def test_the_authority_stays_from_run_to_run_and_files_are_private(tmp_path: Path) -> None:
    tables = Services(tmp_path / "push").tables("lab")
    certificate = Path(str(tables["fcm.lab"]["ca_file"]))
    first = certificate.read_bytes()
    settings = tomllib.loads("\n".join(as_toml(tables)))
    assert settings["apns"]["lab"]["ca_file"] == str(certificate)
    Services(tmp_path / "push").tables("lab")
    assert certificate.read_bytes() == first
    files = list((tmp_path / "push").iterdir())
    assert len(files) == 6
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "push").stat().st_mode) == 0o700


def test_an_authority_near_its_end_is_made_anew() -> None:
    kept = Authority(now=NOW).keep()
    assert Authority(now=NOW + 5 * 86_400, kept=kept).keep() == kept
    assert Authority(now=NOW + 6 * 86_400 + 1, kept=kept).keep() != kept


def test_a_folder_that_is_no_use_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadFolder, match=r"File exists|Not a directory"):
        Services(tmp_path / "file")
    (tmp_path / "authority.pem").write_text("x")
    with pytest.raises(BadFolder, match="no authority"):
        Services(tmp_path)


# --- the command ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--fault", "fcm"], "must be CHANNEL=FAULT"),
        (["--fault", "gcm=slow"], "must be CHANNEL=FAULT"),
        (["--fault", "fcm=rain"], "must be CHANNEL=FAULT"),
        (["--fault", "fcm=slow x"], "none of"),
        (["--dead", "no token"], "no channel has such tokens"),
    ],
)
def test_wrong_use_is_2_and_says_what_is_wrong(
    tmp_path: Path, arguments: list[str], why: str
) -> None:
    place = ["--folder", str(tmp_path), "--port", "0"]
    found = CliRunner().invoke(app, ["push", *place, *arguments], env={"NO_COLOR": "1"})
    assert found.exit_code == 2, found.output
    assert why in " ".join(found.output.split())
    assert "Traceback" not in found.output


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        place = ["--folder", str(tmp_path), "--port", port]
        found = CliRunner().invoke(app, ["push", *place], env={"NO_COLOR": "1"})
    assert found.exit_code == 2, found.output
    assert f"ports from {port} on" in found.output


def test_it_prints_settings_that_can_be_pasted_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    command = "from simgrant.sim.cli import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "push", "--folder", str(tmp_path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Waiting"):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, err) == (130, "")
    begin = next(at for at, line in enumerate(lines) if line.startswith("[fcm"))
    found = tomllib.loads("".join(lines[begin:-1]))
    assert set(found) == {*Channel, "text_messages"}
    assert found["fcm"]["lab"]["url"].startswith("https://127.0.0.1:")
