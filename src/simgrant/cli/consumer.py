"""`simgrant consumer`: who may use partner APIs, what for, and how much."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simgrant.cli.common import (
    BadUsage,
    Desk,
    JsonOption,
    TenantOption,
    YesOption,
    desk,
    note,
    paint,
    pairs,
    print_json,
    run,
    table,
    warn,
)

if TYPE_CHECKING:
    from simgrant.domain.camara.consumer import Consumer, Permission
    from simgrant.flows.camara.consumer_desk import ConsumerDesk
    from simgrant.flows.camara.consumer_document import ConsumerDocument, PermissionDocument

app = typer.Typer(help="Consumers of partner APIs.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="The OAuth client.")]
ApiArgument = Annotated[
    str, typer.Argument(metavar="API", help="As in addresses: number-verification.")
]
JwksOption = Annotated[
    Path | None,
    typer.Option(
        "--jwks",
        metavar="FILE",
        dir_okay=False,
        help="Its public keys: a JWK Set, or one key as JWK or PEM.",
    ),
]
UrlOption = Annotated[str, typer.Option("--jwks-url", metavar="URL", help="Or where they are.")]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any member of a consumer's file; the value in TOML, or a plain text.",
    ),
]


@app.callback()
def consumer() -> None:
    """Say who may use partner APIs, what for, and how much.

    Every worker of every node goes by a change within a second.
    """


@app.command()
def add(
    ctx: typer.Context,
    client_id: IdArgument,
    *,
    name: Annotated[str, typer.Option("--name", help="What people call it.")],
    jwks: JwksOption = None,
    jwks_url: UrlOption = "",
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Test numbers only; it pays nothing.")
    ] = False,
    values: SetOption = [],  # noqa: B006 - typer's way
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Make a consumer. It may use nothing until it is allowed to."""
    data: dict[str, Any] = {"client_id": client_id, "name": name, "sandbox": sandbox}
    document = _document(data | _keys(jwks, jwks_url) | _values(values))

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            made = await _consumers(here, document.client_id, "new").add(document)
            _warn(here, document.permissions)
        _say(made, "made", json=json)

    run(work())


@app.command()
def show(
    ctx: typer.Context,
    client_id: IdArgument,
    *,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Show a consumer."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            found = await _consumers(here).one(client_id)
        if json:
            print_json(_data(found))
        else:
            _print(found)

    run(work())


@app.command("list")
def list_consumers(
    ctx: typer.Context, *, json: JsonOption = False, tenant: TenantOption = "default"
) -> None:
    """List all consumers."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            found = await _consumers(here).listed()
        if json:
            print_json([_data(each) for each in found])
            return
        head = ("CLIENT_ID", "NAME", "STATE", "KEYS", "APIS", "REVISION")
        table(head, map(_row, found))

    run(work())


@app.command()
def change(
    ctx: typer.Context,
    client_id: IdArgument,
    *,
    name: Annotated[str, typer.Option("--name", help="What people call it.")] = "",
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Let it in, or keep it out.")
    ] = None,
    sandbox: Annotated[
        bool | None, typer.Option("--sandbox/--live", help="Test numbers only, or real ones.")
    ] = None,
    jwks: JwksOption = None,
    jwks_url: UrlOption = "",
    values: SetOption = [],  # noqa: B006 - typer's way
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Change a consumer. Whoever changed it meanwhile makes this one be refused."""
    said: dict[str, Any] = {"name": name or None, "active": active, "sandbox": sandbox}
    given = {key: value for key, value in said.items() if value is not None}
    given |= _keys(jwks, jwks_url) | _values(values)
    if not given:
        raise BadUsage("nothing is to be changed: see `simgrant consumer change --help`")
    if given.get("client_id", client_id) != client_id:
        raise BadUsage("client_id: a consumer keeps its name; make another one")

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            consumers = _consumers(here, client_id, ",".join(sorted(given)))
            before = await consumers.one(client_id)
            document = _document(_data(before, revision=False) | given)
            changed = await consumers.change(document, seen=before.revision)
            if "permissions" in given:
                _warn(here, document.permissions)
        _say(changed, "changed", json=json)

    run(work())


@app.command()
def remove(
    ctx: typer.Context,
    client_id: IdArgument,
    *,
    yes: YesOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Remove a consumer: its tokens are over, and its name is never given again.

    What it used stays in the books. To keep it out for a while, `change --inactive`.
    """

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            consumers = _consumers(here, client_id)
            found = await consumers.one(client_id)
            if not yes:
                note(f"would remove {client_id} ({found.name}); say --yes to do it")
                return
            await consumers.remove(client_id, seen=found.revision)
        note(f"{client_id}: removed")

    run(work())


@app.command("rotate-secret")
def rotate_secret(
    ctx: typer.Context,
    client_id: IdArgument,
    *,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Print a new secret, once. The one before is over. Only for `client_secret_basic`."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            secret = await _consumers(here, client_id).rotate_secret(client_id)
        if json:
            print_json({"client_id": client_id, "client_secret": secret})
        else:
            typer.echo(secret)
        note(f"{client_id}: nobody is shown it again")

    run(work())


@app.command()
def allow(
    ctx: typer.Context,
    client_id: IdArgument,
    api: ApiArgument,
    *,
    scope: Annotated[
        list[str], typer.Option("--scope", help="A scope of the API; repeat it.")
    ] = [],  # noqa: B006 - typer's way
    purpose: Annotated[
        list[str], typer.Option("--purpose", help="FraudPreventionAndDetection …; repeat it.")
    ] = [],  # noqa: B006 - typer's way
    tariff: Annotated[
        str | None, typer.Option("--tariff", metavar="NAME", help="What it costs; '' = nothing.")
    ] = None,
    per_second: Annotated[
        float | None, typer.Option("--per-second", help="Calls, of each worker; 0 = no limit.")
    ] = None,
    burst: Annotated[int | None, typer.Option("--burst", help="Calls at once.")] = None,
    per_month: Annotated[
        int | None, typer.Option("--per-month", help="Answers in a month; 0 = no limit.")
    ] = None,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Let a consumer use an API, or more of it, or at another price or rate.

    Scopes and purposes are added to those that it has; what is not named stays as it is.
    """
    from simgrant.flows.camara.consumer_desk import NewPermission
    from simgrant.flows.camara.consumer_document import PermissionDocument

    rates = {"per_second": per_second, "burst": burst, "per_month": per_month}
    new = NewPermission(
        api=api,
        scopes=frozenset(scope),
        purposes=frozenset(purpose),
        tariff=tariff,
        rates={key: value for key, value in rates.items() if value is not None},
    )

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            changed = await _consumers(here, client_id, api).allow(client_id, new)
            _warn(here, [PermissionDocument(api=api, scopes=scope, purposes=purpose)])
        _say(changed, "changed", json=json)

    run(work())


@app.command()
def forbid(
    ctx: typer.Context,
    client_id: IdArgument,
    api: ApiArgument,
    *,
    scope: Annotated[
        list[str], typer.Option("--scope", help="A scope; without any, the whole API.")
    ] = [],  # noqa: B006 - typer's way
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Take an API, or scopes of it, from a consumer."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            consumers = _consumers(here, client_id, api)
            changed = await consumers.forbid(client_id, api, frozenset(scope))
        _say(changed, "changed", json=json)

    run(work())


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", dir_okay=False, help="TOML or JSON; - = standard input."),
    ],
    *,
    yes: YesOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Make and change consumers as a file says: one of them, or `[[consumer]]` for each.

    All are looked through before the first is written; those that the file does not name stay.
    """
    documents = [_document(data) for data in _read(file)]

    async def work() -> None:
        from simgrant.flows.camara.consumer_document import pull_document

        async with desk(ctx, tenant) as here:
            looking = _consumers(here)
            known = {each.client_id: each for each in await looking.listed()}
            tariffs = frozenset(each.name for each in await looking.tariffs())
            for document in documents:
                pull_document(document, tariffs)
            for document in documents:
                _warn(here, document.permissions)
            if not yes:
                for document in documents:
                    what = "change" if document.client_id in known else "make"
                    note(f"would {what} {document.client_id}; say --yes to do it")
                return
            for document in documents:
                before = known.get(document.client_id)
                consumers = _consumers(here, document.client_id, "import")
                if before is None:
                    made = await consumers.add(document)
                else:
                    made = await consumers.change(document, seen=before.revision)
                note(f"{made.client_id}: {'made' if before is None else 'changed'}")

    run(work())


@app.command()
def export(
    ctx: typer.Context,
    client_ids: Annotated[
        list[str], typer.Argument(metavar="[CLIENT_ID]...", help="Which; else all.")
    ] = [],  # noqa: B006 - typer's way
    *,
    json: JsonOption = False,
    tenant: TenantOption = "default",
) -> None:
    """Print consumers as `import` takes them, in TOML. Secrets are not in it."""

    async def work() -> None:
        async with desk(ctx, tenant) as here:
            consumers = _consumers(here)
            if client_ids:
                found = [await consumers.one(each) for each in client_ids]
            else:
                found = list(await consumers.listed())
        data = [_data(each, revision=False) for each in found]
        if json:
            print_json({"consumer": data})
        else:
            typer.echo("\n".join(_toml("consumer", each) for each in data), nl=False)

    run(work())


# --- what they share ----------------------------------------------------------------------------


def _consumers(here: Desk, subject: str = "", detail: str = "") -> ConsumerDesk:
    """Return the desk; with ``subject``, one whose changes are written down as about it."""
    from simgrant.flows.camara.consumer_desk import ConsumerDesk

    store = here.doing(None, detail, subject=f"consumer {subject}") if subject else here.store
    return ConsumerDesk(store.consumers, here.tenant.name)


def _warn(here: Desk, permissions: Iterable[PermissionDocument]) -> None:
    """Say what of it was probably not meant: mostly it is misspelt."""
    from simgrant.compose.camara_apis import known_purposes
    from simgrant.flows.camara.consumer_doubts import doubts

    for each in doubts(permissions, known_purposes(here.loaded)):
        warn(each)


def _document(data: Mapping[str, Any]) -> ConsumerDocument:
    import msgspec

    from simgrant.domain.misfit import misfit
    from simgrant.flows.camara.consumer_document import ConsumerDocument

    try:
        return msgspec.convert(data, ConsumerDocument)
    except msgspec.ValidationError as error:
        whose = data.get("client_id", "consumer")
        raise BadUsage(f"{whose}: {misfit(error, ConsumerDocument)}") from None


def _data(found: Consumer, *, revision: bool = True) -> dict[str, Any]:
    """Return a consumer as plain data, without what is as usual."""
    import msgspec

    from simgrant.flows.camara.consumer_document import push_document

    data: dict[str, Any] = msgspec.to_builtins(push_document(found))
    if revision:
        data["has_secret"] = bool(found.secret_hash)
        data["revision"] = found.revision
    return {key: value for key, value in data.items() if value is not None}


def _keys(jwks: Path | None, jwks_url: str) -> dict[str, Any]:
    """Return what is said of keys; the one takes the place of the other."""
    if jwks is not None and jwks_url:
        raise BadUsage("--jwks or --jwks-url, not both")
    if jwks_url:
        return {"jwks": None, "jwks_url": jwks_url}
    if jwks is None:
        return {}
    text = _text(jwks)
    if text.lstrip().startswith("-----BEGIN"):
        from simgrant.wire.jwt import public_jwk

        try:
            found = public_jwk(text)
        except ValueError as error:
            raise BadUsage(f"{jwks}: {error}") from None
    else:
        found = _json(jwks, text)
    if not isinstance(found, dict):
        raise BadUsage(f"{jwks}: is no JWK Set")
    return {"jwks": found if "keys" in found else {"keys": [found]}, "jwks_url": ""}


def _values(values: Iterable[str]) -> dict[str, Any]:
    found = {}
    for each in values:
        key, equals, text = each.partition("=")
        if not equals:
            raise BadUsage(f"--set {each}: is no KEY=VALUE")
        try:
            found[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = text
    return found


def _read(file: Path) -> list[Mapping[str, Any]]:
    """Return the consumers of a file."""
    text = _text(file)
    if text.lstrip().startswith("{"):
        data = _json(file, text)
    else:
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadUsage(f"{file}: {error}") from None
    found = data.get("consumer", [data]) if isinstance(data, dict) else data
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadUsage(f"{file}: has neither a consumer nor a list of them")
    return found


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadUsage(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadUsage(f"{file}: {error}") from None


def _json(file: Path, text: str | None = None) -> Any:
    import json

    try:
        return json.loads(_text(file) if text is None else text)
    except (ValueError, RecursionError) as error:
        raise BadUsage(f"{file}: {error}") from None


def _toml(title: str, data: Mapping[str, Any]) -> str:
    """Return a table of a list as TOML."""
    return f"[[{title}]]\n" + "".join(_members(title, data))


def _members(title: str, data: Mapping[str, Any]) -> Iterable[str]:
    plain = {key: value for key, value in data.items() if not _is_tables(value)}
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}\n"
    for key, value in data.items():
        if _is_tables(value):
            for each in value:
                yield f"\n[[{title}.{_key(key)}]]\n"
                yield from _members(f"{title}.{_key(key)}", each)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: object) -> str:
    """Return a value in a line; JSON's texts are TOML's, but for one character."""
    import json

    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_value(each)}' for key, each in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


# --- for people ---------------------------------------------------------------------------------


def _say(found: Consumer, what: str, *, json: bool) -> None:
    if json:
        print_json(_data(found))
    note(f"{found.client_id}: {what}, revision {found.revision}")
    if found.proving.value == "client_secret_basic" and not found.secret_hash:
        note(f"it has no secret yet: simgrant consumer rotate-secret {found.client_id}")


def _state(found: Consumer) -> str:
    if not found.active:
        return "inactive"
    return "sandbox" if found.sandbox else "active"


def _keys_of(found: Consumer) -> str:
    if found.jwks_url:
        return found.jwks_url
    if found.jwks:
        return "own"
    return "secret" if found.secret_hash else "none"


def _row(found: Consumer) -> tuple[str, ...]:
    apis = ",".join(each.api for each in found.permissions)
    return (
        found.client_id,
        found.name,
        _state(found),
        _keys_of(found),
        apis or "-",
        str(found.revision),
    )


def _print(found: Consumer) -> None:
    typer.echo(paint(f"{found.client_id} ({found.name})", bold=True))
    certificate = found.certificate.hex()
    values = [
        ("state", _state(found)),
        ("revision", str(found.revision)),
        ("proves itself by", f"{found.proving.value}, keys: {_keys_of(found)}"),
        ("algorithms", ", ".join(sorted(found.algorithms))),
        ("grants", ", ".join(sorted(each.name.lower() for each in found.grants))),
        ("subjects", ", ".join(sorted(found.subjects)) or "-"),
        ("asks", "yes" if found.asks else "no"),
        ("tokens bound to", found.bound.value),
    ]
    for title, texts in (
        ("certificate", [certificate] if certificate else []),
        ("requestor ids", sorted(found.requestor_ids)),
        ("redirect URIs", sorted(found.redirect_uris)),
        ("sink hosts", sorted(found.sink_hosts)),
        ("sector", [found.sector] if found.sector else []),
        ("applications", [f"{each.id} ({each.name})" for each in found.applications]),
    ):
        values += [(title, text) for text in texts]
    pairs(values)
    for permission in found.permissions:
        _print_permission(permission)


def _print_permission(permission: Permission) -> None:
    typer.echo(f"\n{paint(permission.api, bold=True)}")
    rates = permission.rates
    limits = [
        text
        for number, text in (
            (rates.per_second, f"{rates.per_second:g} a second"),
            (rates.burst, f"{rates.burst} at once"),
            (rates.per_month, f"{rates.per_month} a month"),
        )
        if number
    ]
    pairs(
        (
            ("scopes", ", ".join(sorted(permission.scopes))),
            ("purposes", ", ".join(sorted(permission.purposes)) or "-"),
            ("tariff", permission.tariff or "free"),
            ("limits", ", ".join(limits) or "none"),
        )
    )
