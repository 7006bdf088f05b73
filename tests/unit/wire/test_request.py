"""What a request may look like: the tolerance of TS.43 §2.4 and of phones, and its limits."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.errors import BadRequest, TooLarge
from simgrant.spec.ids import MsgButton
from simgrant.spec.version import DEFAULT, SpecVersion
from simgrant.wire.relay import push_relay
from simgrant.wire.request import (
    _ALIKE,
    _ALIKE_LETTERS,
    _MOST_ALIKE,
    MAX_APPS,
    MAX_BYTES,
    MAX_NAME,
    MAX_PARAMETERS,
    MAX_VALUE,
    NO_ACTION,
    Ask,
    NotifClaim,
    Parameters,
    RelayPacket,
    StoreClaim,
    TerminalClaim,
    ask,
    pull_body,
    pull_parameters,
    pull_query,
    push_parameters,
)

FIRST_LEG = (
    b"EAP_ID=0001010000000001%40nai.epc.mnc001.mcc001.3gppnetwork.org&terminal_id=490154203237518"
    b"&app=ap2004&terminal_vendor=Goog&terminal_model=Pixel%209%20Pr&terminal_sw_version=15"
    b"&vers=0&entitlement_version=2.0"
)
IMS_APP = (
    b"EAP_ID=x&notif_action=2&notif_token=FCMTOK&terminal_id=490154203237518&app=ap2004"
    b"&app=ap2003&app=ap2005&terminal_vendor=vend&terminal_model=modelY"
    b"&terminal_sw_version=versionZ&vers=-1&entitlement_version=8.0"
)

TEXTS = (
    *("app", "eap_id", "imsi", "token", "temporary_token", "terminal_id", "terminal_vendor"),
    *("gid1", "gid2", "requestor_id", "entitlement_version", "vers", "notif_token"),
    *("notif_action", "operation"),
)
PROOFS = (
    *("EAP_ID", "IMSI", "token", "temporary_token", "operator_token", "access_token"),
    *("App_token", "msisdn", "OTP"),
)


def asked(query: str) -> Ask:
    return ask(pull_query(query.encode()))


def posted(**members: object) -> Ask:
    pulled = pull_body(json.dumps(members).encode())
    assert not isinstance(pulled, RelayPacket)
    return ask(pulled)


def refused(query: bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        ask(pull_query(query))
    return caught.value.reason


def body_refused(body: bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        pull_body(body)
    return caught.value.reason


class TestQuery:
    def test_android_first_leg(self) -> None:
        request = ask(pull_query(FIRST_LEG))
        assert request.apps == ("ap2004",)
        assert request.eap_id == "0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org"
        assert request.terminal == TerminalClaim("490154203237518", "Goog", "Pixel 9 Pr", "15")
        assert request.spec_version == SpecVersion(2, 0)
        assert (request.token, request.imsi, request.notif) == ("", "", None)

    def test_ims_app_asks_for_three_apps_in_its_order(self) -> None:
        request = ask(pull_query(IMS_APP))
        assert request.apps == ("ap2004", "ap2003", "ap2005")
        assert request.notif == NotifClaim(2, "FCMTOK")
        assert request.spec_version == SpecVersion(8, 0)

    def test_android_token_request(self) -> None:
        request = asked("IMSI=001010000000001&token=Wge7A-5qWTh4&app=ap2004")
        assert (request.imsi, request.token) == ("001010000000001", "Wge7A-5qWTh4")

    def test_samsung_lists_apps_with_commas(self) -> None:
        assert asked("app=ap2003,ap2004%2Cap2005").apps == ("ap2003", "ap2004", "ap2005")

    @pytest.mark.parametrize("name", ["GID1", "gid1", "Gid1", "%47ID1"])
    def test_names_are_found_in_any_case(self, name: str) -> None:
        assert asked(f"{name}=2D").gid1 == "2D"

    @pytest.mark.conforms("get.percent-encoded")
    def test_plus_is_a_plus_and_space_is_percent_20(self) -> None:
        assert pull_query(b"a=1+1&b=1%2B1&c=1%201") == (("a", "1+1"), ("b", "1+1"), ("c", "1 1"))

    @pytest.mark.parametrize("sent", ["%2015550100", "+15550100", "%2B15550100"])
    def test_plus_of_msisdn_is_repaired(self, sent: str) -> None:
        assert asked(f"msisdn={sent}").value("msisdn") == "+15550100"

    @pytest.mark.parametrize("sent", ["%20x15550100", "%20", "15550%20100"])
    def test_only_a_space_before_digits_was_a_plus(self, sent: str) -> None:
        assert "+" not in pull_query(f"msisdn={sent}".encode())[0][1]

    def test_other_parameters_keep_their_space(self) -> None:
        assert pull_query(b"terminal_model=%209") == (("terminal_model", " 9"),)

    def test_values_stay_verbatim(self) -> None:
        assert pull_query(b"App_Name=Google-OGI%3d%25&x=a=b&y&=z&&") == (
            ("app_name", "Google-OGI=%"),
            ("x", "a=b"),
            ("y", ""),
        )

    def test_text_of_other_scripts(self) -> None:
        name = "Zoë 日本"
        assert pull_query(b"n=Zo%C3%AB%20%e6%97%a5%E6%9C%AC&m=" + name.encode()) == (
            ("n", name),
            ("m", name),
        )

    def test_percent_without_digits_is_a_percent(self) -> None:
        assert pull_query(b"a=100%&b=%zz&c=%4") == (("a", "100%"), ("b", "%zz"), ("c", "%4"))

    def test_nothing_is_no_parameters(self) -> None:
        assert pull_query(b"") == ()

    @pytest.mark.parametrize("query", [b"a=\xff", b"a=%ff", b"a=%C3", b"a=%ed%a0%80", b"%ff=a"])
    def test_must_be_utf8(self, query: bytes) -> None:
        assert refused(query) == "query_not_utf8"

    @pytest.mark.parametrize("query", [b"a=%00", b"a=\0", b"a%00=1"])
    def test_nul_is_refused(self, query: bytes) -> None:
        assert refused(query) == "parameter_holds_nul"

    def test_bounds(self) -> None:
        assert len(pull_query(b"&".join([b"a=1"] * MAX_PARAMETERS))) == MAX_PARAMETERS
        assert refused(b"&".join([b"a=1"] * (MAX_PARAMETERS + 1))) == "too_many_parameters"
        assert pull_query(b"a" * MAX_NAME + b"=1")
        assert refused(b"a" * (MAX_NAME + 1) + b"=1") == "parameter_too_long"
        assert pull_query(b"a=" + b"1" * MAX_VALUE)
        assert refused(b"a=" + b"1" * (MAX_VALUE + 1)) == "parameter_too_long"

    def test_too_many_bytes_is_told_apart(self) -> None:
        pull_query(b"&" * 99 + b"a=" + b"%31" * MAX_VALUE)
        with pytest.raises(TooLarge):
            pull_query(b"a=" + b"1" * (MAX_BYTES - 1))


class TestBody:
    def test_android_post_with_several_apps_in_one_string(self) -> None:
        pulled = pull_body(
            b'{"app":"[ap2004,ap2003,ap2005]","entitlement_version":"2.0","vers":"0",'
            b'"EAP_ID":"0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org"}'
        )
        assert not isinstance(pulled, RelayPacket)
        request = ask(pulled)
        assert request.apps == ("ap2004", "ap2003", "ap2005")
        assert request.eap_id.startswith("0001010000000001@")

    @pytest.mark.parametrize(
        "app",
        [
            ["ap2003", "ap2004"],
            "[ap2003,ap2004]",
            "[ap2003, ap2004]",
            '["ap2003","ap2004"]',
            "ap2003,ap2004",
            ["ap2003,AP2004"],
            "AP2003,,ap2004,ap2003",
        ],
    )
    def test_spellings_of_several_apps(self, app: object) -> None:
        assert posted(app=app).apps == ("ap2003", "ap2004")

    @pytest.mark.conforms("post.app-text")
    @pytest.mark.parametrize("app", ["ap2004", "[ap2004]", ["ap2004"], "AP2004", " ap2004 "])
    def test_spellings_of_one_app(self, app: object) -> None:
        assert posted(app=app).apps == ("ap2004",)

    @pytest.mark.parametrize("app", ["", [], "[]", "null", "NULL", None, ",", "[null]"])
    def test_no_app_is_an_empty_tuple(self, app: object) -> None:
        assert posted(app=app).apps == ()

    @pytest.mark.conforms("post.numbers-as-texts")
    def test_numbers_and_strings_are_the_same(self) -> None:
        request = posted(vers=3, notif_action=2, notif_token="t", entitlement_version=11.1)
        assert request == ask(
            (
                ("vers", "3"),
                ("notif_action", "2"),
                ("notif_token", "t"),
                ("entitlement_version", "11.1"),
            )
        )

    def test_a_number_is_kept_as_written(self) -> None:
        assert pull_body(b'{"entitlement_version":11.10}') == (("entitlement_version", "11.10"),)

    def test_null_did_not_come(self) -> None:
        assert pull_body(b'{"token":null,"":"x","app":"ap2004"}') == (("app", "ap2004"),)

    @pytest.mark.conforms("post.plus-repaired")
    def test_plus_of_msisdn_is_repaired(self) -> None:
        assert posted(msisdn=" 15550100").value("msisdn") == "+15550100"

    def test_repeated_imeis_come_as_array(self) -> None:
        assert pull_body(b'{"target_terminal_imeis":["1","2"]}') == (
            ("target_terminal_imeis", "1"),
            ("target_terminal_imeis", "2"),
        )

    def test_escapes(self) -> None:
        assert pull_body(rb'{"TOKEN":"a\/b\u00e9\ud83d\ude00"}') == (("token", "a/bé😀"),)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "body_not_json"),
            (b"{", "body_not_json"),
            (b'{"a":1} x', "body_not_json"),
            (b'{"a":NaN}', "body_not_json"),
            (b'{"a":-Infinity}', "body_not_json"),
            (b'{"a":"\n"}', "body_not_json"),
            (b'{"a":' + b"9" * 21 + b"}", "body_not_json"),
            (b'{"a":' + b"9" * 9000 + b"}", "body_not_json"),
            (b'\xef\xbb\xbf{"a":"1"}', "body_not_json"),
            ('{"a":"1"}'.encode("utf-16-le"), "body_not_json"),
            ('{"a":"1"}'.encode("utf-16"), "body_not_utf8"),
            (b'{"a":"\xff"}', "body_not_utf8"),
            (rb'{"a":"\ud800"}', "body_not_utf8"),
            (rb'{"\udfff":"a"}', "body_not_utf8"),
            (b"[]", "body_not_object"),
            (b'"app"', "body_not_object"),
            (b"1", "body_not_object"),
            (b"null", "body_not_object"),
            (b'[["app","ap2004"]]', "body_not_object"),
            (b'{"a":true}', "parameter_not_text"),
            (b'{"a":{}}', "parameter_not_text"),
            (b'{"a":{"b":"c"}}', "parameter_not_text"),
            (b'{"app":{"b":"c"}}', "parameter_not_text"),
            (b'{"token":["a"]}', "parameter_not_text"),
            (b'{"app":[["ap2004"]]}', "parameter_not_text"),
            (b'{"app":[null]}', "parameter_not_text"),
            (rb'{"a":"\u0000"}', "parameter_holds_nul"),
            (b'{"a":"1","a":"1"}', "parameter_repeated"),
            (b'{"GID1":"1","gid1":"1"}', "parameter_repeated"),
        ],
    )
    def test_refused(self, body: bytes, reason: str) -> None:
        assert body_refused(body) == reason

    @pytest.mark.parametrize("start", [b"[", b'{"a":', b'{"app":['])
    def test_deep_nesting_is_refused(self, start: bytes) -> None:
        assert body_refused((start * 10_000)[:MAX_BYTES]) == "body_too_deep"

    def test_bounds(self) -> None:
        many = {f"p{number}": "" for number in range(MAX_PARAMETERS)}
        assert len(pull_body(json.dumps(many).encode())) == MAX_PARAMETERS  # type: ignore[arg-type]
        assert body_refused(json.dumps(many | {"x": ""}).encode()) == "too_many_parameters"
        apps = {"app": ["ap2004"] * (MAX_PARAMETERS + 1)}
        assert body_refused(json.dumps(apps).encode()) == "too_many_parameters"
        assert body_refused(b'{"%b":"1"}' % (b"a" * (MAX_NAME + 1))) == "parameter_too_long"
        assert body_refused(b'{"a":"%b"}' % (b"a" * (MAX_VALUE + 1))) == "parameter_too_long"
        with pytest.raises(TooLarge):
            pull_body(b"{}" + b" " * MAX_BYTES)


class TestRelayPacket:
    def test_told_by_its_member(self) -> None:
        assert pull_body(push_relay(b"\2\1\0\4")) == RelayPacket(b"\2\1\0\4")

    def test_other_members_do_not_matter(self) -> None:
        body = b'{"app":"ap2004","eap-relay-packet":"AgEABA==","x":true}'
        assert pull_body(body) == RelayPacket(b"\2\1\0\4")

    def test_android_default_base64_breaks_lines(self) -> None:
        packet = bytes(range(100))
        text = base64.encodebytes(packet).decode().replace("\n", "\r\n")
        assert pull_body(json.dumps({"eap-relay-packet": text}).encode()) == RelayPacket(packet)

    @pytest.mark.conforms("eap.escaped-slashes")
    def test_escaped_slashes(self) -> None:
        assert pull_body(rb'{"eap-relay-packet":"\/\/79"}') == RelayPacket(b"\xff\xfe\xfd")

    @pytest.mark.parametrize(
        ("member", "reason"),
        [
            ('""', "relay_packet_empty"),
            (r'"\n"', "relay_packet_empty"),
            ('"AgEABA"', "relay_packet_not_base64"),
            ('"AgEABA="', "relay_packet_not_base64"),
            ('"AgEABA==="', "relay_packet_not_base64"),
            ('"AgEA BA=="', "relay_packet_not_base64"),
            ('"__79"', "relay_packet_not_base64"),
            ('"AgEABA==AgEABA=="', "relay_packet_not_base64"),
            ('"é"', "relay_packet_not_base64"),
            (r'"\ud800"', "relay_packet_not_base64"),
            ("null", "relay_packet_not_text"),
            ("true", "relay_packet_not_text"),
            ('["AgEABA=="]', "relay_packet_not_text"),
            ('"' + "A" * 2004 + '"', "relay_packet_too_long"),
            ('"' + "A" * 4000 + '"', "relay_packet_too_long"),
        ],
    )
    def test_refused(self, member: str, reason: str) -> None:
        assert body_refused(b'{"eap-relay-packet":%b}' % member.encode()) == reason

    def test_longest(self) -> None:
        assert pull_body(push_relay(bytes(1500))) == RelayPacket(bytes(1500))


class TestAsk:
    @pytest.mark.parametrize(
        "text", ["", "null", "NULL", "Null"], ids=["empty", "null", "NULL", "Null"]
    )
    def test_text_null_is_no_value(self, text: str) -> None:
        request = ask(tuple((name, text) for name in TEXTS))
        assert (request.apps, request.notif) == ((), None)
        assert (request.eap_id, request.imsi, request.token) == ("", "", "")
        assert (request.temporary_token, request.gid1, request.app_name) == ("", "", "")
        assert request.terminal == TerminalClaim("", "", "", "")
        assert request.spec_version == DEFAULT
        assert {request.value(name.lower()) for name in TEXTS} == {""}

    def test_nothing_at_all_is_no_error_here(self) -> None:
        assert ask(()).apps == ()

    def test_microg_sends_a_token_and_nothing_else(self) -> None:
        request = asked("token=abc")
        assert (request.token, request.apps, request.spec_version) == ("abc", (), DEFAULT)

    @pytest.mark.parametrize(
        ("text", "version"),
        [("12", (12, 0)), ("11.10", (11, 10)), ("8.0", (8, 0)), ("99.9", (99, 9))],
    )
    def test_entitlement_version(self, text: str, version: tuple[int, int]) -> None:
        assert asked(f"entitlement_version={text}").spec_version == version

    @pytest.mark.parametrize("text", ["x", "1.2.3", "-1", "1,0", "٣", "1e3", "99999"])
    def test_malformed_entitlement_version_is_refused(self, text: str) -> None:
        assert refused(f"entitlement_version={text}".encode()) == "bad_entitlement_version"

    @pytest.mark.parametrize(
        ("query", "action", "complete"),
        [
            ("notif_action=0&notif_token=t", 0, True),
            ("notif_action=9&notif_token=t", 9, True),
            ("notif_action=2", 2, False),
            ("notif_action=2&notif_token=null", 2, False),
            ("notif_token=t", NO_ACTION, False),
            ("notif_action=x&notif_token=t", NO_ACTION, False),
            ("notif_action=٣&notif_token=t", NO_ACTION, False),
            ("notif_action=-1&notif_token=t", NO_ACTION, False),
        ],
    )
    def test_notif_parameters_come_together(self, query: str, action: int, complete: bool) -> None:
        notif = asked(query).notif
        assert notif is not None
        assert (notif.action, notif.is_complete) == (action, complete)

    @pytest.mark.parametrize("name", PROOFS)
    def test_two_different_proofs_are_refused(self, name: str) -> None:
        assert refused(f"{name}=1&app=ap2004&{name}=2".encode()) == "proof_repeated"
        assert refused(f"{name}=1&{name.lower()}=2&{name}=1".encode()) == "proof_repeated"
        assert asked(f"{name}=1&{name}=1&{name}=null").value(name.lower()) == "1"

    def test_a_hidden_second_token_is_seen_beside_several_apps(self) -> None:
        assert refused(b"token=1&app=ap2003&app=ap2004&token=2") == "proof_repeated"

    def test_of_other_names_the_last_value_holds(self) -> None:
        request = asked("app_name=a&app_name=b&app_name=null")
        assert request.app_name == request.value("app_name") == "b"

    def test_unknown_apps_and_parameters_are_kept(self) -> None:
        request = asked("app=ap9999&app=urn-x&Foo=bar")
        assert request.apps == ("ap9999", "urn-x")
        assert request.value("foo") == "bar"
        assert request.value("nothing") == ""

    def test_apps_are_bounded(self) -> None:
        many = ",".join(f"ap{number}" for number in range(MAX_APPS))
        assert len(asked(f"app={many}").apps) == MAX_APPS
        assert refused(f"app={many},x".encode()) == "too_many_apps"
        assert refused(b"app=" + b"a" * 65) == "app_too_long"

    @pytest.mark.spec("TS.43 §9.7")
    def test_a_boost_type_is_a_number_of_one_byte(self) -> None:
        assert asked("app=ap2010").boost_type is None
        assert asked("boost_type=null").boost_type is None
        assert [asked(f"boost_type={text}").boost_type for text in ("0", "7", "166", "255")] == [
            0,
            7,
            166,
            255,
        ]
        assert posted(boost_type=166).boost_type == 166
        for text in ("256", "999", "1000", "-1", "+1", "1.0", " 1", "x", "٣", "²"):
            with pytest.raises(BadRequest, match="bad_boost_type"):
                _ = asked(f"boost_type={text}").boost_type

    @pytest.mark.spec("TS.43 §11.1")
    def test_a_store_says_who_it_is_and_who_its_user_is(self) -> None:
        assert asked("app=ap2012").store == StoreClaim("", "")
        found = asked("store_vendor=GooGle&store_user_id=Ann").store
        assert found == StoreClaim("google", "Ann")
        assert "Ann" not in repr(found)
        assert asked(f"store_vendor={'x' * 64}&store_user_id={'y' * 256}").store.vendor == "x" * 64
        for long in (f"store_vendor={'x' * 65}", f"store_user_id={'x' * 257}"):
            with pytest.raises(BadRequest, match="bad_store"):
                _ = asked(long).store

    @pytest.mark.spec("TS.43 §11.1.3")
    def test_a_button_is_one_of_two(self) -> None:
        assert asked("app=ap2012").button is None
        assert asked("MSG_btn=1").button is MsgButton.ACCEPTED
        assert posted(MSG_btn=0).button is MsgButton.REJECTED
        for text in ("2", "01", "yes", "true", "-1", "٣"):
            with pytest.raises(BadRequest, match="bad_msg_btn"):
                _ = asked(f"MSG_btn={text}").button

    def test_repr_tells_no_secret_and_no_identity(self) -> None:
        request = asked(
            "IMSI=S1&token=S2&temporary_token=S3&EAP_ID=S4&notif_token=S5&notif_action=2"
            "&terminal_id=S6&access_token=S7"
        )
        assert "S" not in repr(request).replace("SpecVersion", "").replace("Ask", "")
        assert repr(RelayPacket(b"x")) == "RelayPacket()"

    def test_errors_tell_no_secret(self) -> None:
        with pytest.raises(BadRequest) as caught:
            asked("token=S1&token=S2")
        assert "S1" not in f"{caught.value!r} {caught.value}"


parameters = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    )
).map(tuple)


@given(parameters)
def test_parameters_survive_the_cookie(found: Parameters) -> None:
    assert pull_parameters(push_parameters(found)) == found


@pytest.mark.parametrize("found", [(), (("", ""),), (("a", ""),), (("", ""), ("", ""))])
def test_few_parameters_survive_the_cookie(found: Parameters) -> None:
    assert pull_parameters(push_parameters(found)) == found


@given(
    name=st.sampled_from(["boost_type", "store_vendor", "store_user_id", "MSG_btn"]),
    value=st.text(max_size=300) | st.integers(-10, 300).map(str),
)
def test_parameters_of_single_services_are_accepted_or_refused(name: str, value: str) -> None:
    request = ask(((name.lower(), value),))
    with suppress(BadRequest):
        assert request.boost_type is None or 0 <= request.boost_type <= 255
    with suppress(BadRequest):
        assert len(request.store.vendor) <= 64
        assert len(request.store.user_id) <= 256
    with suppress(BadRequest):
        assert request.button in (None, *MsgButton)


def test_a_parameter_with_nul_is_not_pushed() -> None:
    with pytest.raises(ValueError, match="NUL"):
        push_parameters((("a", "b\0c"),))


@pytest.mark.parametrize("data", [b"a", b"a\0b\0c", b"\xff\0", b"\0" * (2 * MAX_BYTES + 1)])
def test_broken_parameters_are_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        pull_parameters(data)


@given(st.binary() | st.text("aA%=&+ \0é09pP[],").map(str.encode))
def test_any_query_is_accepted_or_refused(query: bytes) -> None:
    try:
        found = pull_query(query)
        ask(found)
    except BadRequest:
        return
    assert pull_parameters(push_parameters(found)) == found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children)
        | st.dictionaries(st.sampled_from(["app", "token", "eap-relay-packet"]), children)
    ),
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_accepted_or_refused(body: bytes) -> None:
    try:
        found = pull_body(body)
        if isinstance(found, RelayPacket):
            assert found.packet
            return
        ask(found)
    except BadRequest:
        return
    assert all(type(text) is str for pair in found for text in pair)
    assert pull_parameters(push_parameters(found)) == found


@given(st.binary())
def test_any_sealed_bytes_are_accepted_or_refused(data: bytes) -> None:
    try:
        found = pull_parameters(data)
    except BadRequest:
        return
    assert push_parameters(found) == data


@given(st.text("aA%=&+ é09p").map(lambda text: f"app={text}&vers={text}&GID1={text}".encode()))
def test_a_query_means_the_same_when_it_comes_again(query: bytes) -> None:
    try:
        first = pull_query(query)
    except BadRequest:
        return
    assert pull_query(query) == first


def test_who_asks_is_not_among_what_is_remembered() -> None:
    names = (*PROOFS, "terminal_id", "terminal_imei", "companion_terminal_eid", "notif_token")
    pull_query("&".join(f"{name}=who-{name}" for name in (*names, "app_name")).encode())
    assert "app_name=who-app_name" in _ALIKE
    assert not any("who" in value for name, value in _ALIKE.values() if name != "app_name")


def test_what_is_remembered_is_bounded() -> None:
    for number in range(_MOST_ALIKE + 10):
        pull_query(f"app_name=client-{number}".encode())
    pull_query(f"app_name={'x' * MAX_VALUE}".encode())
    assert 0 < len(_ALIKE) <= _MOST_ALIKE
    assert max(map(len, _ALIKE)) <= _ALIKE_LETTERS
