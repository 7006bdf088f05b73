"""Reading and checking the configuration."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.compose.clients import profiles as profiles_of
from simgrant.config import model, reference
from simgrant.config.clients import profile_problems, with_shipped
from simgrant.config.load import Loaded, load, parse_listen
from simgrant.errors import StartRefused
from simgrant.flows.clients import Clients


def read(tmp_path: Path, text: str, **environment: str) -> Loaded:
    file = tmp_path / "simgrant.toml"
    file.write_text(text)
    return load(file, environment)


def problems(tmp_path: Path, text: str, **environment: str) -> str:
    with pytest.raises(StartRefused) as refused:
        read(tmp_path, text, **environment)
    return str(refused.value)


def test_an_empty_file_is_a_working_configuration(tmp_path: Path) -> None:
    loaded = read(tmp_path, "")
    assert loaded.settings == load(None, {}).settings
    assert loaded.tenants["default"].plmns == ("001-01", "999-99")
    assert loaded.key_file == tmp_path / "state" / "keys.json"
    assert loaded.store_url == f"sqlite:///{tmp_path}/state/simgrant.db"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        "[server]\nworkers = 2\n[auth]\nhide_unknown = false\n",
        SIMGRANT__SERVER__WORKERS="3",
        SIMGRANT__AUTH__HIDE_UNKNOWN="true",
        SIMGRANT__STORE__URL="postgresql://db/x",
        SIMGRANT__TENANTS__ACME__PLMNS='["310-410"]',
        UNRELATED="1",
    )
    assert loaded.settings.server.workers == 3
    assert loaded.settings.auth.hide_unknown is True
    assert loaded.store_url == "postgresql://db/x"
    assert loaded.tenants["acme"].plmns == ("310-410",)


def test_every_unknown_key_is_named_with_what_was_meant(tmp_path: Path) -> None:
    text = problems(
        tmp_path, "[sever]\nx = 1\n[server]\nworker = 2\n[tenants.acme]\nhost = ['a']\n"
    )
    assert 'unknown section [sever]; did you mean "server"?' in text
    assert 'unknown key server.worker; did you mean "workers"?' in text
    assert 'unknown key tenants.acme.host; did you mean "hosts"?' in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nworkers = 'two'\n", "workers"),
        ("[server]\nworkers = 0\n", "server.workers: 0 is not within 1 to 256"),
        ("[device]\nlisten = 'localhost:80'\n", "device.listen: 'localhost' is no IP address"),
        ("[device]\nlisten = '127.0.0.1'\n", "is not address:port"),
        ("[device]\ntls_key = 'k'\n", "tls_certificate and tls_key go together"),
        ("[device]\nproxy_protocol = true\n", "needs trusted_proxies"),
        ("[device]\ntrusted_proxies = ['x']\n", "'x' is no address or network"),
        ("[tenants.Acme]\n", "a name is lower case"),
        ("[tenants.a]\nplmns = ['00101']\n", "must look like 001-01"),
        ("[tenants.a]\ngid1 = ['AB']\n", "gid1 needs plmns"),
        ("[tenants.a]\npolicy = 'p.toml'\n", "needs hosts, plmns or imsi_ranges"),
        ("[tenants.a]\nimsi_ranges = ['001019-001011']\n", "must be first-last"),
        ("[partners.a]\n", "needs requestor_ids or client_ids"),
        ('[partners.a]\nrequestor_ids = ["a"]\nenterprises = ["b"]\n', "to act for enterprises"),
        ("[partners.a]\nclient_ids = ['a']\n", "and one of the [issuers]"),
        (
            "[partners.a]\nclient_ids = ['a']\naccess_token = false\n"
            "[partners.b]\nclient_ids = ['a']\naccess_token = false\n",
            "partners.b: client_id a is also a's",
        ),
        (
            "[partners.a]\nrequestor_ids = ['a']\naccess_token = false\ntenants = ['defualt']\n",
            'there is no tenant defualt; did you mean "default"?',
        ),
        ("[issuers.a]\naudience = 'b'\njwks = 'f'\n", "issuers.a: needs issuer"),
        ("[issuers.a]\nissuer = 'a'\njwks = 'f'\n", "issuers.a: needs audience"),
        ("[issuers.a]\nissuer = 'a'\naudience = 'b'\n", "needs jwks or introspection"),
        (
            "[issuers.a]\nissuer = 'a'\naudience = 'b'\njwks = 'f'\n"
            "introspection = 'https://a.example/i'\n",
            "needs jwks or introspection, and not both",
        ),
        (
            "[issuers.a]\nissuer = 'a'\naudience = 'b'\nintrospection = 'https://a.example/i'\n",
            "issuers.a: needs client_id",
        ),
        (
            "[issuers.a]\nissuer = 'a'\nintrospection = 'https://a.example/i'\n",
            "issuers.a: needs audience",
        ),
        (
            "[issuers.a]\njwks = 'http://a.example/jwks'\n",
            "issuers.a.jwks: 'http://a.example/jwks' is no https address",
        ),
        ("[issuers.a]\nintrospection = 'file'\n", "introspection: 'file' is no https address"),
        ("[issuers.a]\ncache_s = -1\n", "issuers.a.cache_s: -1.0 is not within 0 to 3600"),
        ("[issuers.a]\nkeys_max_age_s = 1\n", "keys_max_age_s: 1 is not within 60 to"),
        (
            "[issuers.a]\nintrospection = 'https://a.example/i'\n"
            "[issuers.b]\nintrospection = 'https://b.example/i'\ntenants = ['default']\n",
            "issuers.b: tenant default has a to ask about tokens",
        ),
        (
            "[issuers.a]\nissuer = 'i'\n[issuers.b]\nissuer = 'i'\n",
            "issuers.b: i is also a's",
        ),
        ("[partners.a]\nclient_ids = ['a']\nissuer = 'i'\n", "partners.a: there is no [issuers.i]"),
        (
            "[issuers.x]\nissuer = 'x'\naudience = 'a'\njwks = 'f'\n"
            "[issuers.y]\nissuer = 'y'\naudience = 'a'\njwks = 'f'\n"
            "[partners.a]\nclient_ids = ['a']\n",
            "partners.a: needs issuer: tenant default trusts x and y",
        ),
        ("[temporary_tokens]\nlife_s = 100_000\n", "is not within 10 to 86400"),
        ("x = 1 = 2", "simgrant.toml"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ("hosts = ['A.example']", "hosts = ['a.example']", "host"),
        (
            "plmns = ['001-01']\ngid1 = ['ab']",
            "plmns = ['001-01', '001-02']\ngid1 = ['AB']",
            "GID1",
        ),
        ("plmns = ['310-410']", "plmns = ['310-410']", "network"),
        ("imsi_ranges = ['001010-001019']", "imsi_ranges = ['001019-001099']", "overlaps"),
    ],
)
def test_two_tenants_never_match_at_one_step(tmp_path: Path, one: str, two: str, said: str) -> None:
    text = problems(tmp_path, f"[tenants.one]\n{one}\n[tenants.two]\n{two}\n")
    assert said in text
    assert "one" in text
    assert "two" in text


FCM = 'service_account = "account.json"'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fcm.a]", "fcm.a: service_account must be set"),
        ("[apns.a]", "apns.a: team_id must be set"),
        ("[wns.a]", "wns.a: client_secret_file must be set"),
        ("[sms.a]", "sms.a: source must be set"),
        (f'[fcm.a]\n{FCM}\ntenants = ["blue"]', "fcm.a: there is no tenant blue"),
        (f"[fcm.a]\n{FCM}\n[fcm.b]\n{FCM}", "fcm.b: fcm.a has the tenants that no table names"),
        (
            f'[fcm.a]\n{FCM}\ntenants = ["default"]\n[fcm.b]\n{FCM}\ntenants = ["default"]',
            "fcm.b: fcm.a has the tenant default",
        ),
        (f'[fcm.a]\n{FCM}\nconnect_to = ["x"]', "connect_to: 'x' must look like name=address:port"),
        ("[push]\npoll_s = 0", "push.poll_s: 0.0 is not within"),
        ("[fcm.a]\nkey = 1", "unknown key fcm.a.key"),
    ],
)
def test_what_is_wrong_with_a_push_channel_is_said(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


def test_a_password_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://me:hunter2@127.0.0.1/db\n")
    loaded = read(tmp_path, "[store]\nurl_file = 'url'\n")
    assert loaded.store_url == "postgresql://me:hunter2@127.0.0.1/db"
    assert loaded.store_shown == "postgresql://127.0.0.1/db"
    assert "hunter2" not in repr(loaded)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="No such file"):
        load(tmp_path / "absent.toml", {})


def test_listeners_take_ipv4_ipv6_and_any_free_port() -> None:
    assert parse_listen("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_listen("[::1]:8080") == ("::1", 8080)
    with pytest.raises(ValueError, match="address:port"):
        parse_listen("127.0.0.1:99999")


def test_every_setting_has_prose() -> None:
    assert reference.undocumented() == []


def test_the_reference_names_every_section_and_its_defaults() -> None:
    page = reference.render()
    assert "## [tenants.NAME]" in page
    assert "| `max_in_flight` | `256` |" in page


# --- profiles of clients -------------------------------------------------------------------


def test_own_profiles_come_before_the_shipped_ones(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        """
[profiles.beta]
match.app_name = ["Beta*"]
[profiles.samsung]
gzip = false
[profiles.alpha]
match.tac = ["35332811", "35332800-35332899"]
""",
    )
    found = loaded.settings.profiles
    assert list(found) == ["beta", "alpha", "samsung", "huawei", "microg", "android", "generic"]
    assert found["samsung"].gzip is False
    assert found["samsung"].voice_flat_status is True, "what is not named stays"
    assert found["samsung"].match.user_agent != ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[profiles.x]\ngzip = false", "profiles.x.match: needs a condition"),
        ("[profiles.generic]\nmatch.bare = true", "profiles.generic.match: this is the profile of"),
        (
            "[profiles.x]\nmatch.user_agnet = ['a']",
            'profiles.x.match.user_agnet; did you mean "user',
        ),
        ("[profiles.x]\nmatch.bare = true\ngzpi = true", 'profiles.x.gzpi; did you mean "gzip"?'),
        ("[profiles.X]\nmatch.bare = true", "profiles.X: a name is"),
        ("[profiles.x]\nmatch.user_agent = ['']", "profiles.x.match.user_agent: a pattern has 1"),
        (f"[profiles.x]\nmatch.accept = ['{'a' * 201}']", "profiles.x.match.accept: a pattern has"),
        (
            "[profiles.x]\nmatch.accept = [" + "'a'," * 33 + "]",
            "profiles.x.match.accept: more than 32 patterns",
        ),
        ("[profiles.x]\nmatch.tac = ['3533281']", "profiles.x.match.tac: '3533281' is neither"),
        ("[profiles.x]\nmatch.tac = ['35332811-35332810']", "is neither 8 digits nor a range"),
        ("[profiles.x]\nmatch.apps = ['vowifi']", "profiles.x.match.apps: 'vowifi' is no AppID"),
        ("[profiles.x]\nmatch.version_to = 'x'", "profiles.x.match.version_to: 'x' is no version"),
        ("[profiles.android]\nversion_min = '8'\nversion_max = '7.9'", "is older than version_min"),
        (
            "[profiles.x]\nmatch.version_from = '8.0'\nmatch.version_to = '7.9'",
            "profiles.x.match.version_to: is older than version_from",
        ),
        ("[profiles.android]\napps = ['x']", "profiles.android.apps: 'x' is no AppID"),
        ("[profiles.android]\nversion_min = 'x'", "profiles.android.version_min: 'x' is no"),
        ("[profiles.android]\nxml_content_type = 'Text/XML\\r\\n'", "is no type such as"),
        ("[profiles.android]\nvers_validity_s = 5", "vers_validity_s: 5 is neither 0 nor"),
        ("[profiles.android]\nparm_names = {a = '\"'}", "is no name of a parameter"),
        ("[profiles.android]\nparm_names = {a = 'c', b = 'c'}", "two parameters get the same name"),
        (
            "[profiles.android]\ndocument_format = 'yaml'",
            "document_format: Invalid enum value 'yaml'",
        ),
        ("profiles = 1", "profiles: Expected `object`"),
        ("[profiles]\nx = 1", "profiles.x: Expected `object`"),
        ("[profiles.x]\nmatch = 1", "profiles.x.match: Expected `object`"),
    ],
)
def test_what_is_wrong_with_a_profile(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


def test_every_table_says_what_fits_none_of_its_keys(tmp_path: Path) -> None:
    text = "[server]\nworkers = 'two'\n[hss.home]\ninterface = 's6b'\n[auth]\naka_prime = 1\n"
    assert problems(tmp_path, text).splitlines() == [
        "server.workers: Expected `int`, got `str` (line 2)",
        "auth.aka_prime: Expected `bool`, got `int` (line 6)",
        "hss.home.interface: Invalid enum value 's6b'; there are cx, s6a, swx (line 4)",
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("Nonsense = 'x'", "profiles.android.parm_names: Nonsense: no answer has this"),
        ("TC_Status = 'AddrStatus'", "TC_Status: AddrStatus is taken"),
        ("TC_Status = 'VoiceOverCellularEntitleInfo'", "is taken"),
        ("TC_Status = 'AppID'", "TC_Status: AppID is taken"),
        ("TC_Status = 'MSISDN'", "TC_Status: MSISDN is taken"),
    ],
)
def test_a_name_that_would_be_said_twice_is_refused(tmp_path: Path, names: str, said: str) -> None:
    loaded = read(tmp_path, f"[profiles.android]\nparm_names = {{ {names} }}")
    with pytest.raises(StartRefused) as refused:
        profiles_of(loaded)
    assert said in str(refused.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("8.0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
KEYS = st.sampled_from([field.name for field in msgspec.structs.fields(model.Profile)])
CONDITIONS = st.sampled_from([field.name for field in msgspec.structs.fields(model.Match)])


@given(
    st.dictionaries(
        st.sampled_from(["x", "samsung", "generic", "Bad name"]),
        st.dictionaries(KEYS, VALUES | st.dictionaries(CONDITIONS, VALUES)) | VALUES,
    )
)
def test_any_profiles_are_read_or_refused_with_a_reason(profiles: dict[str, object]) -> None:
    data = with_shipped(profiles)
    try:
        found = msgspec.convert({"profiles": data}, model.Settings).profiles
    except msgspec.ValidationError:
        return
    if any(profile_problems(found)):
        return
    loaded = Loaded(model.Settings(profiles=found), Path(), "")
    with suppress(StartRefused):  # a name that no service has
        Clients(profiles_of(loaded))


# --- signing in ----------------------------------------------------------------------------

PROVIDER = """
[identity_providers.home]
issuer = "https://idp.example.net"
client_id = "us"
secret_file = "secret"
redirect_uri = "https://ecs.example.net/ts43"
apps = ["ap2014"]
"""
CENTRE = """
[text_messages]
smsc = "smsc.example.net:2775"
system_id = "us"
password_file = "password"
source = "1234"
"""


def test_an_identity_provider_needs_little(tmp_path: Path) -> None:
    provider = read(tmp_path, PROVIDER).settings.identity_providers["home"]
    assert provider.claim == "phone_number"
    assert provider.scopes == ("openid", "phone")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('issuer = "http://idp.example.net"', "issuer: 'http://idp.example.net' is no https"),
        ('issuer = "https://idp.example.net#x"', "issuer: 'https://idp.example.net#x' is no"),
        ('issuer = "https://[idp"', "is no https address"),
        ('redirect_uri = "/ts43"', "redirect_uri: '/ts43' is no https address"),
        ('redirect_uri = "https://ecs.example.net/\\r\\nx: y"', "is no https address"),
        ('error_url = "javascript:alert(1)"', "error_url: 'javascript:alert(1)' is no https"),
        ('client_id = ""', "identity_providers.home: needs client_id"),
        ("apps = []", "identity_providers.home: needs apps"),
        ('scopes = ["phone"]', "scopes: openid has to be one of them"),
        ('algorithms = ["none"]', "algorithms: none: it may be ES256"),
        ('algorithms = ["HS256"]', "algorithms: HS256: it may be ES256"),
        ("algorithms = []", "algorithms: none at all: it may be"),
        ("clock_skew_s = 301", "clock_skew_s: 301 is not within 0 to 300"),
        ('tenants = ["red"]', "there is no tenant red"),
        (
            'second_factor_url = "https://portal.example.net/"',
            "identity_providers.home.second_factor_url: needs text_messages.smsc",
        ),
    ],
)
def test_an_identity_provider_that_is_no_use_is_refused(
    tmp_path: Path, line: str, problem: str
) -> None:
    key = line.partition(" =")[0]
    kept = [each for each in PROVIDER.splitlines() if not each.startswith(f"{key} =")]
    assert problem in problems(tmp_path, "\n".join([*kept, line]))


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9080", "http://[::1]:9080"])
def test_a_provider_on_this_machine_needs_no_tls(tmp_path: Path, issuer: str) -> None:
    read(tmp_path, PROVIDER.replace("https://idp.example.net", issuer))


def test_two_providers_do_not_share_an_application(tmp_path: Path) -> None:
    other = PROVIDER.replace("home", "away").replace("ap2014", "AP2014")
    said = problems(tmp_path, PROVIDER + other)
    assert "identity_providers.away: AP2014 of tenant default is also home's" in said


def test_one_time_passwords_need_a_message_centre(tmp_path: Path) -> None:
    apps = '[tenants.default]\notp_apps = ["ap2014"]\n'
    assert "tenants.default.otp_apps: needs text_messages.smsc" in problems(tmp_path, apps)
    read(tmp_path, apps + CENTRE)
    broken = CENTRE.replace(":2775", "")
    assert "text_messages.smsc: 'smsc.example.net' is not host:port" in problems(
        tmp_path, apps + broken
    )


def test_who_asks_for_consents_needs_a_whole_message_centre(tmp_path: Path) -> None:
    partly = '[camara]\nlisten = "127.0.0.1:8083"\n[text_messages]\nsmsc = "127.0.0.1:9"\n'
    assert "camara: needs text_messages.password_file" in problems(tmp_path, partly)
    read(tmp_path, f'{partly}[portal]\nlisten = ""\n')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('text = { en = "no password" }', "otp.text.en: has no {code}"),
        ('consent_text = { en = "{code}" }', "otp.consent_text.en: has no {consumer}"),
        (f'text = {{ pt = "{{code}} é {"x" * 70}" }}', "otp.text.pt: does not fit"),
        ("digits = 5", "otp.digits: 5 is not within 6 to 10"),
        ("tries = 11", "otp.tries: 11 is not within 1 to 10"),
        ("life_s = 3600", "otp.life_s: 3600 is not within 30 to 900"),
    ],
)
def test_one_time_passwords_within_bounds(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in problems(tmp_path, f"[otp]\n{text}\n")


def test_who_has_no_host_name_is_nobodys_without_a_sim(tmp_path: Path) -> None:
    red = '[tenants.red]\nplmns = ["999-70"]\n'
    said = problems(tmp_path, PROVIDER + 'tenants = ["red"]\n' + red)
    assert "identity_providers.home: tenant red needs hosts" in said
    said = problems(tmp_path, CENTRE + red + 'otp_apps = ["ap2014"]\n')
    assert "otp_apps: tenant red needs hosts" in said
