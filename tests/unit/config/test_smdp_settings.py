"""The settings of SM-DP+s, and what is opened by them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from simgrant.compose.esims import open_smdps
from simgrant.config.load import Loaded, load
from simgrant.errors import StartRefused
from simgrant.sim.smdp.certificates import Certificates

BASE = {
    "url": '"https://dp.example.net"',
    "requester": '"ECS1"',
    "address": '"smdp.example.net"',
    "certificate": '"operator.pem"',
    "key": '"operator-key.pem"',
}


def text(*, without: str = "", name: str = "north", **changes: str) -> str:
    keys = {key: value for key, value in (BASE | changes).items() if key != without}
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    return f"[smdp.{name}]\n{lines}\n"


def read(folder: Path, content: str) -> Loaded:
    file = folder / "simgrant.toml"
    file.write_text(content)
    return load(file, {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("smdp")
    Certificates(made, now=time.time())
    return made


async def test_each_tenant_has_its_own_by_name(folder: Path) -> None:
    acme = '[tenants.acme]\nplmns = ["310-410"]\n'
    everybody = text(profile_types='["consumer"]', post_confirm_delay_s="2.5")
    theirs = text(name="south", tenants='["acme"]', url='"http://127.0.0.1:1"', without="key")
    theirs = theirs.replace('certificate = "operator.pem"\n', "")
    found = open_smdps(read(folder, acme + everybody + theirs))
    assert {tenant: set(named) for tenant, named in found.items()} == {
        "default": {"north"},
        "acme": {"north", "south"},
    }
    terms = found["acme"]["north"].terms
    assert (terms.name, terms.address) == ("north", "smdp.example.net")
    assert (terms.profile_types, terms.post_confirm_delay_s) == (("consumer",), 2.5)
    assert found["acme"]["north"] is found["default"]["north"]
    for smdp in found["acme"].values():
        await smdp.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (text(without="url"), "smdp.north: url must be set"),
        (text(without="requester"), "smdp.north: requester must be set"),
        (text(without="address"), "smdp.north: address must be set"),
        (
            text(url='"http://dp.example.net"'),
            "smdp.north.url: 'http://dp.example.net' is no https",
        ),
        (text(url='"dp.example.net"'), "smdp.north.url: 'dp.example.net' is no https address"),
        (text(urls='{ confirmOrder = "ftp://x" }'), "smdp.north.urls.confirmOrder: 'ftp://x'"),
        (
            text(urls='{ confirmorder = "https://x" }'),
            'unknown key smdp.north.urls.confirmorder; did you mean "confirmOrder"?',
        ),
        (text(without="key"), "smdp.north: certificate and key go together"),
        (
            text(without="key").replace('certificate = "operator.pem"\n', ""),
            "smdp.north: certificate and key must be set",
        ),
        (text(user='"us"'), "smdp.north: user and password_file go together"),
        (text(address='"https://x/"'), "smdp.north.address: 'https://x/' is no name"),
        (text(address='"a$b"'), "smdp.north.address"),
        (text(admin_protocol='"2.5"'), "smdp.north.admin_protocol: '2.5' is no version"),
        (text(requester='"a\\nb"'), "smdp.north.requester"),
        (text(post_confirm_delay_s="-1"), "smdp.north.post_confirm_delay_s: -1.0 is not within"),
        (text(connect_timeout_s="60"), "smdp.north.connect_timeout_s: 60.0 is not within"),
        (text(in_flight="0"), "smdp.north.in_flight: 0 is not within"),
        (text(tenants='["acme"]'), "smdp.north: there is no tenant acme"),
        (text(name="North"), "smdp.North: a name is lower case"),
        (text(iccid_pad="true"), 'unknown key smdp.north.iccid_pad; did you mean "iccid_pad_f"?'),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder: Path, content: str, said: str) -> None:
    with pytest.raises(StartRefused) as refused:
        read(folder, content)
    (line,) = str(refused.value).splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": '"smdp-key.pem"'}, "is not the key of"),
        ({"certificate": '"none.pem"'}, "none.pem: No such file"),
        ({"ca_file": '"operator-key.pem"'}, "holds no certificates"),
        ({"user": '"us"', "password_file": '"none"'}, "none: No such file"),
    ],
)
def test_a_file_that_is_no_use_refuses_the_start(
    folder: Path, changes: dict[str, str], said: str
) -> None:
    loaded = read(folder, text(**changes))
    with pytest.raises(StartRefused, match=said) as refused:
        open_smdps(loaded)
    assert str(refused.value).startswith("smdp.north: ")
    assert "\n" not in str(refused.value)
