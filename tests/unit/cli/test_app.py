"""The root command: what it takes before and after the command, and what it imports."""

import pytest
import typer
from typer.testing import CliRunner

from simgrant import late
from simgrant.cli.app import Root, _with_config_first, app
from simgrant.cli.common import BadUsage
from simgrant.cli.services import app_id_of


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["serve", "--config", "a.toml"], ["--config", "a.toml", "serve"]),
        (["serve", "--config=a.toml", "--init"], ["--config=a.toml", "serve", "--init"]),
        (["--config", "a", "db", "status"], ["--config", "a", "db", "status"]),
        (["serve", "--config"], ["--config"]),
        (["sim", "handset", "--config", "a"], ["sim", "handset", "--config", "a"]),
        (["--config", "a", "sim", "x", "--config=b"], ["--config", "a", "sim", "x", "--config=b"]),
        (["token", "--", "--config", "a"], ["token", "--", "--config", "a"]),
        ([], []),
    ],
)
def test_config_may_stand_anywhere_but_in_the_simulators_options(
    given: list[str], taken: list[str]
) -> None:
    assert _with_config_first(given) == taken


@pytest.mark.parametrize(
    ("name", "app_id"),
    [
        ("ap2004", "ap2004"),
        ("AP2004", "ap2004"),
        ("vowifi", "ap2004"),
        ("VoWiFi", "ap2004"),
        ("voice-over-cellular", "ap2003"),
        ("volte", "ap2003"),
        ("smsoip", "ap2005"),
    ],
)
def test_a_service_is_known_by_id_name_and_feature(name: str, app_id: str) -> None:
    assert app_id_of(name) == app_id


def test_an_unknown_service_is_refused_with_a_hint() -> None:
    with pytest.raises(BadUsage, match='did you mean "vowifi'):
        app_id_of("vowify")


def test_every_command_is_built_under_the_name_it_hangs_by() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, Root)
    context = typer.Context(root)
    names = root.list_commands(context)
    assert names == [*Root.hung, "sim"]
    for name in names:
        command = root.get_command(context, name)
        assert command.name == name
        assert command.help


def test_calling_one_command_builds_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    built = list[typer.Typer]()
    get_group = typer.main.get_group

    def group(of: typer.Typer) -> object:
        built.append(of)
        return get_group(of)

    monkeypatch.setattr(typer.main, "get_group", group)
    late._build.cache_clear()
    assert CliRunner().invoke(app, ["keys", "--help"]).exit_code == 0
    assert built == [app, Root.hung["keys"]]


def test_a_command_that_is_nearly_one_is_suggested() -> None:
    assert "Did you mean 'keys'?" in CliRunner().invoke(app, ["kyes"]).stderr
