"""Write the Python client of the management API, out of its document; ``--check`` compares it.

What is written: the types of what is sent and answered, and a method for each call. What is written
by hand: how calls get to the server (`transport.py`).
"""

from __future__ import annotations

import json
import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = ROOT / "src/simgrant/fronts/management/openapi.json"
PACKAGE: Final = ROOT / "clients/python/src/simgrant_client"
_MADE: Final = "Made by `make client`: do not edit."
_WIDTH: Final = 92
_JSON: Final = "application/json"


def models(document: Mapping[str, Any]) -> str:
    """Return the module of types."""
    parts = [
        f'"""What calls take and answer. {_MADE}"""\n\n',
        "from __future__ import annotations\n\n",
        "from typing import Any, Literal, NotRequired, TypedDict\n",
    ]
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts.append(f"\n\nclass {name}(TypedDict):\n")
        about = schema.get("description", f"{name}.")
        parts.append(_docstring(about, "    "))
        required = schema.get("required", ())
        for member, own in schema["properties"].items():
            kind = _type(own)
            if member not in required and not _is_answer(name, document):
                kind = f"NotRequired[{kind}]"
            parts.append(f"    {member}: {kind}\n")
            if "description" in own:
                parts.append(_docstring(own["description"], "    "))
    return "".join(parts)


def _is_answer(name: str, document: Mapping[str, Any]) -> bool:
    """Say whether a type is one of answers, which have all their members."""
    schema = document["components"]["schemas"][name]
    return schema.get("additionalProperties") is not False and name != "ProblemDetails"


def client(document: Mapping[str, Any]) -> str:
    """Return the module of the client."""
    methods = [
        method
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
        for method in _methods(path, verb.upper(), operation, document)
    ]
    text = "\n".join(methods)
    names = sorted(
        name
        for name in document["components"]["schemas"]
        if re.search(rf"\b{name}\b", re.sub(r'"""(.|\n)*?"""', "", text))
    )
    return f'''"""Every call of the management API as a method. {_MADE}"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

from simgrant_client.models import (
{"".join(f"    {name},{chr(10)}" for name in names)})
from simgrant_client.transport import Transport


class Client(Transport):
    """Calls a server.

    Every method raises `Problem`. Of those that change something, ``key`` is what the caller calls
    the call, so that it can be said again within a day; without one, a key is made.
    """

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

{text}'''


def _methods(
    path: str, verb: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[str]:
    yield _method(path, verb, operation, document)
    answer = _answer(operation)
    schema = document["components"]["schemas"].get(answer, {}).get("properties", {})
    if "items" in schema and "next" in schema:
        yield _iteration(operation, _type(schema["items"]["items"]))


def _iteration(operation: Mapping[str, Any], kind: str) -> str:
    name = operation["operationId"]
    query = [
        parameter
        for parameter in _parameters(operation, "query")
        if parameter["name"] not in ("after", "newest")
    ]
    parts = [_safe(each["name"]) for each in _parameters(operation, "path")]
    first = "".join(f", {each}: str" for each in parts)
    named = "".join(f", {each}" for each in map(_query_argument, query))
    handed = "".join(f"{each}, " for each in parts)
    handed += "".join(f"{_safe(each['name'])}={_safe(each['name'])}, " for each in query)
    called = name.replace("list_", "iter_", 1).replace("get_", "iter_", 1)
    return f'''    def {called}(self{first}, *{named}) -> Iterator[{kind}]:
        """Yield what `{name}` lists, page after page."""
        after: str | None = None
        while True:
            page = self.{name}({handed}after=after)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return
'''


def _method(path: str, verb: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    arguments, handed = [], []
    parts = _parameters(operation, "path")
    arguments += [f"{_safe(each['name'])}: str" for each in parts]
    if parts:
        members = ", ".join(f'"{each["name"]}": {_safe(each["name"])}' for each in parts)
        handed.append(f"parts={{{members}}}")
    named: list[str] = []
    body, sent = _body(operation)
    if body == "list":
        arguments.append(f"rows: Sequence[{sent[0]}]")
        handed.append("body=list(rows)")
    elif body:
        schema = document["components"]["schemas"][body]
        for name in schema["properties"]:
            kind = _type(schema["properties"][name])
            is_needed = name in schema.get("required", ())
            optional = kind if kind.endswith("| None") else f"{kind} | None"
            named.append(f"{_safe(name)}: {kind if is_needed else f'{optional} = None'}")
        members = ", ".join(f'"{name}": {_safe(name)}' for name in schema["properties"])
        handed.append(f"body=_given({{{members}}})")
    query = _parameters(operation, "query")
    named += map(_query_argument, query)
    if query:
        members = ", ".join(f'"{each["name"]}": {_safe(each["name"])}' for each in query)
        handed.append(f"query={{{members}}}")
    headers = {each["name"] for each in _parameters(operation, "header")}
    if "If-Match" in headers:
        named.append("seen: str | None = None")
        handed.append("seen=seen")
    if "Idempotency-Key" in headers:
        named.append("key: str | None = None")
        handed.append("key=key")
    # What must be there comes first, as Python wants nothing of, and people do.
    named.sort(key=lambda text: "=" in text)
    if named:
        arguments += ["*", *named]
    answer = _answer(operation)
    call = f'self.call("{verb}", "{path}", {", ".join(handed)})'
    done = call if answer == "None" else f"return cast({answer!r}, {call})"
    about = f"{operation['summary']} (`{operation['x-scope']}`)."
    details = _details(operation, body, document)
    return f"""    def {operation["operationId"]}(self, {", ".join(arguments)}) -> {answer}:
{_docstring(about + details, "        ")}        {done}
"""


def _details(operation: Mapping[str, Any], body: str, document: Mapping[str, Any]) -> str:
    """Return what is said of the arguments, a line each."""
    found = {}
    if body and body != "list":
        for name, own in document["components"]["schemas"][body]["properties"].items():
            found[name] = own.get("description", "")
    for each in _parameters(operation, "query"):
        found[each["name"]] = each.get("description", "")
    said = [f"{_safe(name)}: {text}" for name, text in found.items() if text and name != "tenant"]
    headers = {each["name"] for each in _parameters(operation, "header")}
    if "If-Match" in headers:
        said.append("seen: `etag` of the state that was seen; another one is not changed.")
    return "\n\n" + "\n".join(f"- {line}" for line in said) if said else ""


def _parameters(operation: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    return [each for each in operation["parameters"] if each["in"] == place]


def _query_argument(parameter: Mapping[str, Any]) -> str:
    kind = _type(parameter["schema"])
    return f"{_safe(parameter['name'])}: {kind}{'' if parameter['required'] else ' | None = None'}"


def _body(operation: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the name of a body's type and nothing, or `list` and of what."""
    if "requestBody" not in operation:
        return "", []
    schema = operation["requestBody"]["content"][_JSON]["schema"]
    if schema.get("type") == "array":
        return "list", [_type(schema["items"])]
    return str(schema["$ref"].rpartition("/")[2]), []


def _answer(operation: Mapping[str, Any]) -> str:
    """Return the type of what a call is answered."""
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            content = response.get("content")
            return _type(content[_JSON]["schema"]) if content else "None"
    raise AssertionError(operation["operationId"])


def _type(schema: Mapping[str, Any]) -> str:
    """Return a schema as Python writes it."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        kinds = [_type(each) for each in schema["anyOf"]]
        return " | ".join(sorted(dict.fromkeys(kinds), key=lambda kind: kind == "None"))
    if "enum" in schema:
        values = sorted(schema["enum"], key=lambda value: (value is None, str(value)))
        words = [json.dumps(value) for value in values if value is not None]
        literal = f"Literal[{', '.join(words)}]"
        return f"{literal} | None" if None in values else literal
    match schema.get("type"):
        case "string":
            return "str"
        case "integer":
            return "int"
        case "number":
            return "float"
        case "boolean":
            return "bool"
        case "null":
            return "None"
        case "array":
            return f"list[{_type(schema['items'])}]"
        case "object":
            own = schema.get("additionalProperties")
            kind = _type(own) if isinstance(own, dict) and own else "Any"
            return f"dict[str, {kind}]"
    return "Any"


def _safe(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name


def _docstring(text: str, indent: str) -> str:
    lines = []
    for line in text.split("\n"):
        after = indent + ("  " if line.startswith("- ") else "")
        lines += textwrap.wrap(line, _WIDTH, initial_indent=indent, subsequent_indent=after) or [""]
    body = "\n".join(lines).strip()
    if "\n" in body:
        return f'{indent}"""{body}\n{indent}"""\n'
    return f'{indent}"""{body}"""\n'


_GIVEN: Final = '''

def _given(members: dict[str, Any]) -> dict[str, Any]:
    """Return what was given of a body."""
    return {name: value for name, value in members.items() if value is not None}
'''


def rendered() -> dict[Path, str]:
    """Return what each file has to hold."""
    document = json.loads(DOCUMENT.read_text("utf-8"))
    version = document["info"]["version"]
    return {
        PACKAGE / "models.py": _formatted(models(document)),
        PACKAGE / "client.py": _formatted(client(document) + _GIVEN),
        PACKAGE / "version.py": f'"""The release that this client is of. {_MADE}"""\n\n'
        f'VERSION = "{version}"\n',
    }


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "client.py", "-"]
    return subprocess.run(  # noqa: S603 - of our own words
        command, input=text, capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


def main(arguments: list[str]) -> int:
    """Write the files, or compare them with ``--check``."""
    late = 0
    for path, text in rendered().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is out of date; run: make client", file=sys.stderr)
            late = 1
        else:
            path.write_text(text, encoding="utf-8")
    return late


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
