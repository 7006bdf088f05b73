"""Signed documents, checked by an implementation that is not ours (RFC 9421, RFC 9530)."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

from simgrant.adapters.keyring import file as key_file
from simgrant.errors import StartRefused
from simgrant.keyring.ring import Use
from tests.device.harness import START, XML, Answer, Phone, Request, Server, Workbench
from tests.device.partner import Partner, number_phone, temporary

WELL_KNOWN = "/.well-known/jwks.json"
ALGORITHMS = {
    "ed25519": algorithms.ED25519,
    "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
}
COVERED = ("@status", "content-type", "content-digest", '"@method";req', '"@query";req')


def signing(algorithm: str) -> str:
    return f'[signing]\nalgorithm = "{algorithm}"\n'


def number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="))


class KeySet(HTTPSignatureKeyResolver):
    """The published keys, as a client reads them."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.keys = {key["kid"]: key for key in document["keys"]}

    def resolve_private_key(self, key_id: str) -> Any:
        raise NotImplementedError

    def resolve_public_key(self, key_id: str) -> Any:
        key = self.keys[key_id]
        if key["kty"] == "OKP":
            raw = base64.urlsafe_b64decode(key["x"] + "=")
            return ed25519.Ed25519PublicKey.from_public_bytes(raw)
        numbers = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1())
        return numbers.public_key()


@dataclass
class Asked:
    """A request as the verifier wants to see it."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass
class Answered:
    """An answer as the verifier wants to see it."""

    status_code: int
    headers: dict[str, str]
    request: Asked


async def key_set(server: Server, host: str = "127.0.0.1") -> dict[str, Any]:
    answer = await server.send(Request("GET", headers=[("host", host)], path=WELL_KNOWN))
    assert answer.status == 200
    assert answer.header("content-type") == "application/jwk-set+json"
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


def verify(
    answer: Answer, keys: dict[str, Any], algorithm: str, *, method: str = "GET", query: str = ""
) -> list[Any]:
    """Return what the foreign verifier makes of an answer; raises InvalidSignature."""
    url = f"http://127.0.0.1/ts43{'?' if query else ''}{query}"
    message = Answered(answer.status, dict(answer.headers), Asked(method, url, {}))
    verifier = HTTPMessageVerifier(
        signature_algorithm=ALGORITHMS[algorithm], key_resolver=KeySet(keys)
    )
    return verifier.verify(
        message,
        max_age=None,
        expect_tag="ts43",
        require_components=COVERED,
        body=answer.body,
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("packed", [False, True])
async def test_a_foreign_verifier_accepts_documents(
    bench: Workbench, algorithm: str, packed: bool
) -> None:
    async with bench.opened(signing(algorithm) + "[documents]\ngzip_from = 100\n") as server:
        phone = Phone(server)
        keys = await key_set(server)
        by_sim = await phone.full()
        assert by_sim.header("content-encoding") == "gzip"
        (result,) = verify(by_sim, keys, algorithm, method="POST")
        assert result.parameters["created"] == START
        odd = (("token", by_sim.token), ("x", "a+b?c/d~e!'()*"), ("empty", ""), ("x", "\u00e9 &"))
        query = phone.query(*odd).decode()
        more = [("accept-encoding", "gzip")] if packed else []
        answer = await server.get(query, ("accept", XML), *more)
        assert bool(answer.header("content-encoding")) is packed
        (result,) = verify(answer, keys, algorithm, query=query)
        assert ('"content-encoding"' in result.covered_components) is packed


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_it_accepts_nothing_that_was_changed(bench: Workbench, algorithm: str) -> None:
    async with bench.opened(signing(algorithm)) as server:
        phone = Phone(server)
        keys = await key_set(server)
        query = phone.query(("token", await phone.token())).decode()
        good = await server.get(query, ("accept", XML))
        verify(good, keys, algorithm, query=query)
        changed = {
            "the body": replace(good, body=good.body.replace(b'"1"', b'"2"', 1)),
            "the status": replace(good, status=203),
            "the type": but(good, "content-type", "text/xml"),
            "the digest": but(good, "content-digest", f"sha-256=:{'A' * 43}=:"),
            "the time": but(
                good,
                "signature-input",
                good.header("signature-input").replace("created=", "created=1"),
            ),
        }
        for answer in changed.values():
            with pytest.raises(InvalidSignature):
                verify(answer, keys, algorithm, query=query)
        for method, other in (("POST", query), ("GET", query + "0"), ("GET", "")):
            with pytest.raises(InvalidSignature):
                verify(good, keys, algorithm, method=method, query=other)


def but(answer: Answer, name: str, value: str) -> Answer:
    headers = [(key, value if key == name else old) for key, old in answer.headers]
    return replace(answer, headers=headers)


async def test_only_documents_are_signed(bench: Workbench) -> None:
    async with bench.opened(signing("ed25519")) as server:
        phone = Phone(server)
        for answer in (await phone.begin(), await server.get("token=x"), await server.get("")):
            assert answer.header("signature") == ""
        assert (await phone.full()).header("signature") != ""


async def test_documents_for_third_parties_are_signed_too(bench: Workbench) -> None:
    """Of a token that is nobody's, the tenant of the host says so."""
    settings = """
[tenants.acme]
hosts = ["ecs.acme.example"]
plmns = ["310-410"]
"""
    async with bench.opened(signing("ed25519") + settings) as server:
        phone = number_phone(server)
        lent = await temporary(phone, await phone.token(), "GetPhoneNumber")
        mine, acmes = Partner(server), Partner(server, app="ap2015", host="ecs.acme.example")
        for answer, host in (
            (await mine.ask("GetPhoneNumber", temporary_token=lent), "elsewhere"),
            (await acmes.ask("ValidateOperatorToken", operator_token="x"), acmes.host),
        ):
            keys = await key_set(server, host)
            (result,) = verify(answer, keys, "ed25519", method="POST")
            assert result.parameters["keyid"] in {key["kid"] for key in keys["keys"]}


async def test_off_means_neither_signatures_nor_keys(server: Server) -> None:
    answer = await Phone(server).full()
    for name in ("signature", "signature-input", "content-digest"):
        assert answer.header(name) == ""
    assert (await server.send(Request("GET", path=WELL_KNOWN))).status == 511, (
        "TS.43's, as any path"
    )


async def test_a_new_key_is_published_before_it_signs(bench: Workbench) -> None:
    async with bench.opened(signing("ed25519")) as server:
        phone = Phone(server)
        (old,) = (await key_set(server))["keys"]
        path = server.loaded.key_file
        coming = key_file.new_key(Use.SIGNING, now=START, active=START + 10)
        key_file.write_keys(path, [*key_file.read_keys(path), coming])
        assert server.parts.keys.refresh()
        keys = await key_set(server)
        (new,) = (key for key in keys["keys"] if key != old)
        assert keys["keys"] == [new, old]
        for seconds, signer in ((0, old), (10, new)):
            bench.clock.advance(seconds)
            (result,) = verify(await phone.full(), keys, "ed25519", method="POST")
            assert result.parameters["keyid"] == signer["kid"]


async def test_keys_follow_from_the_ring_and_are_called_by_their_thumbprint(
    bench: Workbench,
) -> None:
    found = []
    for algorithm in (*ALGORITHMS, "ed25519"):
        async with bench.opened(signing(algorithm)) as server:
            (key,) = (await key_set(server))["keys"]
            found.append(key)
            assert key["use"] == "sig"
            assert "d" not in key
            public = {name: key[name] for name in sorted(key) if name not in ("use", "kid")}
            digest = sha256(json.dumps(public, separators=(",", ":")).encode()).digest()
            assert key["kid"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert found[0] == found[2] != found[1]


async def test_each_tenant_has_its_own_key_at_its_own_host(bench: Workbench) -> None:
    settings = """
[tenants.acme]
hosts = ["ecs.acme.example"]
plmns = ["310-410"]
"""
    async with bench.opened(signing("ed25519") + settings) as server:
        (acme,) = (await key_set(server, "ecs.acme.example:8080"))["keys"]
        every = (await key_set(server, "elsewhere.example"))["keys"]
        assert acme in every
        assert len(every) == 2
        assert [record["outcome"] for record in await server.records()] == ["key_set"] * 2


async def test_the_key_set_is_only_got(bench: Workbench) -> None:
    async with bench.opened(signing("ed25519")) as server:
        answer = await server.send(Request("POST", body=b"{}", path=WELL_KNOWN))
        assert (answer.status, answer.header("allow")) == (405, "GET")


async def test_without_a_key_it_does_not_start(bench: Workbench) -> None:
    path = bench.loaded().key_file
    others = [key for key in key_file.read_keys(path) if key.use is not Use.SIGNING]
    key_file.write_keys(path, others)
    async with bench.opened() as server:
        assert (await Phone(server).full()).status == 200
    with pytest.raises(StartRefused, match="keys rotate --use signing --at-once"):
        async with bench.opened(signing("ed25519")):
            pass


async def test_a_ring_that_lost_its_keys_refuses_for_now(bench: Workbench) -> None:
    async with bench.opened(signing("ed25519")) as server:
        path = server.loaded.key_file
        others = [key for key in key_file.read_keys(path) if key.use is not Use.SIGNING]
        key_file.write_keys(path, others)
        server.parts.keys.refresh()
        answer = await Phone(server).full()
        assert answer.status == 503
        assert (await server.records())[-1]["outcome"] == "no_signing_key"
