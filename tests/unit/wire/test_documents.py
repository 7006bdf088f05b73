"""Documents in XML and JSON: byte by byte, as a correct reader and as Android reads them."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from simgrant.errors import PeerMisbehaved
from simgrant.wire import json, json_reader, xml, xml_reader
from simgrant.wire.document import (
    Application,
    Characteristic,
    CharacteristicList,
    Document,
    Item,
    Parm,
    Token,
    Vers,
)
from tests.android_reader import Ts43XmlDoc, XmlDoc
from tests.examples import examples

VERS = Vers(1, 172800)
TOKEN = Token("q7XmPz0aT3-sample", 3600)
XML_START = (
    '<?xml version="1.0"?><wap-provisioningdoc version="1.1"><characteristic type="VERS">'
    '<parm name="version" value="1"/><parm name="validity" value="172800"/></characteristic>'
    '<characteristic type="TOKEN"><parm name="token" value="q7XmPz0aT3-sample"/>'
    '<parm name="validity" value="3600"/></characteristic><characteristic type="APPLICATION">'
)
XML_END = "</characteristic></wap-provisioningdoc>"
JSON_START = (
    '{"Vers":{"version":"1","validity":"172800"},'
    '"Token":{"token":"q7XmPz0aT3-sample","validity":"3600"},'
)


def parms(**values: str) -> tuple[Parm, ...]:
    return tuple(Parm(name, value) for name, value in values.items())


def of(app_id: str, *items: Item) -> Document:
    return Document(VERS, TOKEN, (Application(app_id, items),))


VOICE = of(
    "ap2003",
    CharacteristicList(
        "VoiceOverCellularEntitleInfo",
        (
            Characteristic(
                "RATVoiceEntitleInfoDetails",
                parms(AccessType="1", HomeRoamingNWType="1", EntitlementStatus="1"),
            ),
            Characteristic(
                "RATVoiceEntitleInfoDetails",
                parms(
                    AccessType="2",
                    HomeRoamingNWType="3",
                    EntitlementStatus="2",
                    MessageForIncompatible="5G calling is not available abroad.",
                ),
            ),
        ),
    ),
)
FLAT_VOICE = of("ap2003", Parm("EntitlementStatus", "1"))
VOWIFI = of(
    "ap2004",
    *parms(
        EntitlementStatus="0",
        ServiceFlow_URL="https://portal.example.net/vowifi",
        ServiceFlow_UserData="imsi=001010000000001&tnc=0&signature=aGVsbG8%3D",
        MessageForIncompatible="",
        AddrStatus="0",
        TC_Status="0",
        ProvStatus="2",
    ),
)
SMSOIP = of("ap2005", Parm("EntitlementStatus", "1"))
SATMODE = of(
    "ap2016",
    Parm("EntitlementStatus", "1"),
    Characteristic("PLMNAllowed", parms(PLMN="00102", DataPlanType="Unmetered")),
    Characteristic(
        "PLMNAllowed",
        (
            Parm("PLMN", "001003"),
            CharacteristicList(
                "AllowedServicesInfo",
                (Characteristic("AllowedServices", parms(ServiceType="data")),),
            ),
        ),
    ),
    Characteristic("PLMNBarred", parms(PLMN="00117")),
)
COMPANION = of(
    "ap2006",
    Parm("OperationResult", "1"),
    Characteristic(
        "PrimaryConfiguration",
        (
            Parm("ICCID", "8988211000000000013"),
            Characteristic(
                "DownloadInfo", parms(ProfileActivationCode="TFBBOjEkc21kcC5leGFtcGxlJEE=")
            ),
        ),
    ),
)
ALL = [VOICE, FLAT_VOICE, VOWIFI, SMSOIP, SATMODE, COMPANION, Document(Vers(-1, -1), None, ())]

SAMPLES = [
    (
        VOICE,
        '<parm name="AppID" value="ap2003"/><characteristic type="VoiceOverCellularEntitleInfo">'
        '<characteristic type="RATVoiceEntitleInfoDetails"><parm name="AccessType" value="1"/>'
        '<parm name="HomeRoamingNWType" value="1"/><parm name="EntitlementStatus" value="1"/>'
        '</characteristic><characteristic type="RATVoiceEntitleInfoDetails">'
        '<parm name="AccessType" value="2"/><parm name="HomeRoamingNWType" value="3"/>'
        '<parm name="EntitlementStatus" value="2"/><parm name="MessageForIncompatible"'
        ' value="5G calling is not available abroad."/></characteristic></characteristic>',
        '"ap2003":{"VoiceOverCellularEntitleInfo":[{"RATVoiceEntitleInfoDetails":'
        '{"AccessType":"1","HomeRoamingNWType":"1","EntitlementStatus":"1"}},'
        '{"RATVoiceEntitleInfoDetails":{"AccessType":"2","HomeRoamingNWType":"3",'
        '"EntitlementStatus":"2","MessageForIncompatible":'
        '"5G calling is not available abroad."}}]}}',
    ),
    (
        FLAT_VOICE,
        '<parm name="AppID" value="ap2003"/><parm name="EntitlementStatus" value="1"/>',
        '"ap2003":{"EntitlementStatus":"1"}}',
    ),
    (
        VOWIFI,
        '<parm name="AppID" value="ap2004"/><parm name="EntitlementStatus" value="0"/>'
        '<parm name="ServiceFlow_URL" value="https://portal.example.net/vowifi"/>'
        '<parm name="ServiceFlow_UserData"'
        ' value="imsi=001010000000001&amp;tnc=0&amp;signature=aGVsbG8%3D"/>'
        '<parm name="MessageForIncompatible" value=""/><parm name="AddrStatus" value="0"/>'
        '<parm name="TC_Status" value="0"/><parm name="ProvStatus" value="2"/>',
        '"ap2004":{"EntitlementStatus":"0","ServiceFlow_URL":"https://portal.example.net/vowifi",'
        '"ServiceFlow_UserData":"imsi=001010000000001&tnc=0&signature=aGVsbG8%3D",'
        '"MessageForIncompatible":"","AddrStatus":"0","TC_Status":"0","ProvStatus":"2"}}',
    ),
    (
        SMSOIP,
        '<parm name="AppID" value="ap2005"/><parm name="EntitlementStatus" value="1"/>',
        '"ap2005":{"EntitlementStatus":"1"}}',
    ),
]
IDS = ["voice per access", "voice flat", "vowifi", "smsoip"]


@pytest.mark.spec("TS.43 §4, §3, §5")
@pytest.mark.conforms("xml.root", "xml.order", "xml.what-ts43-adds", "document.APPLICATION/AppID")
@pytest.mark.parametrize(("document", "inner", "_"), SAMPLES, ids=IDS)
def test_sample_in_xml(document: Document, inner: str, _: str) -> None:
    assert xml.push_document(document).decode() == XML_START + inner + XML_END


@pytest.mark.spec("TS.43 §4, §3, §5")
@pytest.mark.conforms("json.names", "json.list", "divergence.json-numbers-as-texts")
@pytest.mark.parametrize(("document", "_", "inner"), SAMPLES, ids=IDS)
def test_sample_in_json(document: Document, _: str, inner: str) -> None:
    assert json.push_document(document).decode() == JSON_START + inner


def test_content_types_are_what_android_looks_for() -> None:
    assert xml.CONTENT_TYPE == "text/vnd.wap.connectivity-xml"
    assert json.CONTENT_TYPE == "application/json"


class TestJson:
    @pytest.mark.conforms("json.plmn-lists")
    @pytest.mark.spec("TS.43 §15")
    def test_networks_of_satmode_are_arrays_of_plain_objects_even_one(self) -> None:
        found = stdlib_json.loads(json.push_document(SATMODE))["ap2016"]
        assert found["PLMNAllowed"] == [
            {"PLMN": "00102", "DataPlanType": "Unmetered"},
            {
                "PLMN": "001003",
                "AllowedServicesInfo": [{"AllowedServices": {"ServiceType": "data"}}],
            },
        ]
        assert found["PLMNBarred"] == [{"PLMN": "00117"}]

    @pytest.mark.conforms("json.single-group")
    def test_a_group_that_occurs_once_is_an_object(self) -> None:
        found = stdlib_json.loads(json.push_document(COMPANION))["ap2006"]
        assert found["PrimaryConfiguration"]["DownloadInfo"]["ProfileActivationCode"]

    def test_an_empty_list_is_an_empty_array(self) -> None:
        body = json.push_document(of("ap2010", CharacteristicList("DataPlanInfo", ())))
        assert b'"DataPlanInfo":[]' in body

    def test_without_token(self) -> None:
        body = json.push_document(Document(Vers(-2, -2), None, ()))
        assert body == b'{"Vers":{"version":"-2","validity":"-2"}}'

    @pytest.mark.conforms("json.never-a-challenge")
    @pytest.mark.parametrize(
        "document",
        [
            of("ap2004", Parm("eap-relay-packet", "x")),
            of("eap-relay-packet"),
            of("ap2004", Characteristic("eap-relay-packet", ())),
        ],
    )
    def test_is_never_taken_for_a_challenge(self, document: Document) -> None:
        with pytest.raises(ValueError, match="EAP"):
            json.push_document(document)

    def test_a_value_may_speak_of_it(self) -> None:
        value = '"eap-relay-packet":"eap-relay-packet"'
        found = stdlib_json.loads(json.push_document(of("ap2004", Parm("a", value))))
        assert found["ap2004"]["a"] == value

    @pytest.mark.parametrize(
        "items",
        [
            parms(a="1") * 2,
            (Parm("a", "1"), Characteristic("a", ())),
            (Characteristic("a", ()),) * 2,
            (Parm("PLMNAllowed", "1"), Characteristic("PLMNAllowed", ())),
        ],
    )
    def test_no_member_is_lost_silently(self, items: tuple[Item, ...]) -> None:
        with pytest.raises(ValueError, match=r"twice|parm and"):
            json.push_document(of("ap2004", *items))

    def test_text_of_other_scripts_is_utf8(self) -> None:
        assert "Zoë 日本" in json.push_document(of("x", Parm("a", "Zoë 日本\ud800"))).decode()


class TestXml:
    @pytest.mark.conforms("xml.line-breaks", "divergence.xml-escaping")
    @pytest.mark.parametrize(
        ("value", "written"),
        [
            ("a&b", '"a&amp;b"'),
            ("a&amp;b", '"a&amp;amp;b"'),
            ("&quot;", '"&amp;quot;"'),
            ("it's", '"it\'s"'),
            ('say "yes"', "'say \"yes\"'"),
            ('"it\'s" & "so"', "\"'it's' &amp; 'so'\""),
            ("a<b>c", '"a\u2039b>c"'),
            ("a\r\n\r\n\tb", '"a b"'),
            ("a\0\x1b\ufffe\ud800b", '"ab"'),
            ("a\uffffb", '"ab"'),
            ("a\ufffeb", '"ab"'),
            ("a\udfffb", '"ab"'),
            ("Zoë 日本 😀", '"Zoë 日本 😀"'),
            ("", '""'),
        ],
    )
    def test_only_the_ampersand_is_escaped(self, value: str, written: str) -> None:
        body = xml.push_document(of("ap2004", Parm("x", value))).decode()
        assert f'<parm name="x" value={written}/>' in body

    def test_token_and_app_id_are_escaped_too(self) -> None:
        body = xml.push_document(Document(VERS, Token('a"&', 1), (Application('b"&', ()),)))
        assert b"value='a\"&amp;'" in body
        assert b"value='b\"&amp;'" in body

    @pytest.mark.parametrize("document", ALL)
    def test_begins_with_the_declaration_and_has_no_space_between(self, document: Document) -> None:
        body = xml.push_document(document)
        assert body.startswith(b'<?xml version="1.0"?><wap-provisioningdoc version="1.1"><')
        assert b"> <" not in body
        assert b"\n" not in body

    @pytest.mark.conforms("xml.only-type")
    @pytest.mark.parametrize("document", ALL)
    def test_type_is_the_only_attribute_of_a_characteristic(self, document: Document) -> None:
        for element in etree.fromstring(xml.push_document(document)).iter("characteristic"):
            assert element.keys() == ["type"]


class TestAndroid:
    def test_ims_app_reads_vowifi(self) -> None:
        seen = XmlDoc(xml.push_document(VOWIFI))
        assert seen.get("ap2004", "EntitlementStatus") == "0"
        assert seen.get("ap2004", "ServiceFlow_UserData") == (
            "imsi=001010000000001&tnc=0&signature=aGVsbG8%3D"
        )
        assert seen.get("ap2004", "MessageForIncompatible") is None
        assert seen.get("ap2004", "tc_status") is None
        assert seen.get("VERS", "validity") == "172800"
        assert seen.get("TOKEN", "token") == "q7XmPz0aT3-sample"

    def test_ims_app_reads_voice_by_access_and_network(self) -> None:
        seen = XmlDoc(xml.push_document(VOICE))
        assert seen.get("1/1", "EntitlementStatus") == "1"
        assert seen.get("2/3", "EntitlementStatus") == "2"
        assert seen.get("ap2003", "EntitlementStatus") is None

    def test_odsa_reads_paths(self) -> None:
        seen = Ts43XmlDoc(xml.push_document(COMPANION))
        assert seen.get("APPLICATION|PrimaryConfiguration", "iccid") == "8988211000000000013"
        path = "APPLICATION|PrimaryConfiguration|DownloadInfo"
        assert seen.get(path, "ProfileActivationCode") == "TFBBOjEkc21kcC5leGFtcGxlJEE="

    @pytest.mark.parametrize("value", ['{"a":"b&c"}', "a&amp;b", "it's & that", "x&lt;y", "a>b"])
    def test_values_arrive(self, value: str) -> None:
        body = xml.push_document(of("ap2004", Parm("ServiceFlow_UserData", value)))
        assert XmlDoc(body).get("ap2004", "ServiceFlow_UserData") == value
        assert Ts43XmlDoc(body).get("APPLICATION", "serviceflow_userdata") == value

    def test_the_reader_is_as_bad_as_the_phone(self) -> None:
        body = xml.push_document(of("ap2004", Parm("a", "QUOT"))).replace(b"QUOT", b"&quot;")
        assert XmlDoc(body).get("ap2004", "a") == "&quot;"
        body = xml.push_document(VOWIFI).replace(
            b'<characteristic type="APP', b'<characteristic id="1" type="APP'
        )
        assert XmlDoc(body).get("ap2004", "EntitlementStatus") is None


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in xml_reader.LISTS | {"AppID"}
)
safe_texts = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters='<"\ufffe\uffff', codec="utf-8"
    )
)


def documents(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Document]:
    def unique(of_items: st.SearchStrategy[Item]) -> st.SearchStrategy[tuple[Item, ...]]:
        def name(item: Item) -> str:
            return item.name if isinstance(item, Parm) else item.type

        return st.lists(of_items, max_size=5, unique_by=name).map(tuple)

    items: st.SearchStrategy[Item] = st.recursive(
        st.builds(Parm, names, texts),
        lambda inner: (
            st.builds(Characteristic, names, unique(inner))
            | st.builds(
                CharacteristicList,
                st.sampled_from(sorted(xml_reader.LISTS)),
                st.lists(st.builds(Characteristic, names, unique(inner)), max_size=3).map(tuple),
            )
        ),
        max_leaves=10,
    )
    applications = st.lists(
        st.builds(Application, st.from_regex(r"ap[0-9]{4}", fullmatch=True), unique(items)),
        max_size=3,
        unique_by=lambda application: application.app_id,
    ).map(tuple)
    numbers = st.integers(-2, 10**9)
    return st.builds(
        Document,
        st.builds(Vers, numbers, numbers),
        st.none() | st.builds(Token, texts, numbers),
        applications,
    )


def flattened(items: tuple[Item, ...], path: str) -> Iterator[tuple[str, str]]:
    for item in items:
        if isinstance(item, Parm):
            yield f"{path}/{item.name}", item.value
        else:
            inner = item.entries if isinstance(item, CharacteristicList) else item.items
            yield f"{path}/{item.type}", ""
            yield from flattened(inner, f"{path}/{item.type}")


def lxml_flattened(element: etree._Element, path: str) -> Iterator[tuple[str, str]]:
    for child in element:
        if child.tag == "parm":
            yield f"{path}/{child.get('name')}", str(child.get("value"))
        else:
            yield f"{path}/{child.get('type')}", ""
            yield from lxml_flattened(child, f"{path}/{child.get('type')}")


def as_items(document: Document) -> tuple[Item, ...]:
    vers, token = document.vers, document.token
    number = [Parm("version", str(vers.version)), Parm("validity", str(vers.validity))]
    items: list[Item] = [Characteristic("VERS", tuple(number))]
    if token:
        members = (Parm("token", token.token), Parm("validity", str(token.validity)))
        items.append(Characteristic("TOKEN", members))
    for one in document.applications:
        items.append(Characteristic("APPLICATION", (Parm("AppID", one.app_id), *one.items)))
    return tuple(items)


@settings(max_examples=examples(40))
@given(documents(safe_texts))
def test_lxml_reads_in_xml_what_was_written(document: Document) -> None:
    root = etree.fromstring(xml.push_document(document))
    assert list(lxml_flattened(root, "")) == list(flattened(as_items(document), ""))


@settings(max_examples=examples(40))
@given(documents(safe_texts))
def test_own_reader_reads_in_xml_what_was_written(document: Document) -> None:
    assert xml_reader.pull_document(xml.push_document(document)) == document


@settings(max_examples=examples(40))
@given(documents(st.text(st.characters(exclude_categories=["Cs"]))))
def test_own_reader_reads_in_json_what_was_written(document: Document) -> None:
    assert json_reader.pull_document(json.push_document(document)) == document


@pytest.mark.conforms("xml.well-formed")
@given(st.text())
def test_any_value_is_well_formed_in_both(value: str) -> None:
    document = Document(VERS, Token(value, 1), (Application("ap2004", (Parm("a", value),)),))
    root = etree.fromstring(xml.push_document(document))
    element = root.find(".//parm[@name='a']")
    assert element is not None
    assert "\n" not in str(element.get("value"))
    assert stdlib_json.loads(json.push_document(document))["ap2004"].keys() == {"a"}


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<\"'\ufffe\uffff"))
)
def test_android_sees_every_other_value_unchanged(value: str) -> None:
    body = xml.push_document(of("ap2004", Parm("a", value)))
    assert (XmlDoc(body).get("ap2004", "a") or "") == value


@pytest.mark.conforms("json.same-content")
@pytest.mark.parametrize("document", ALL)
def test_documents_survive_both_readers(document: Document) -> None:
    assert xml_reader.pull_document(xml.push_document(document)) == document
    assert json_reader.pull_document(json.push_document(document)) == document


class TestXmlReader:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "document_not_xml"),
            (b"<a", "document_not_xml"),
            (b'{"Vers":{}}', "document_not_xml"),
            (b"<a/>", "document_root"),
            (b"<!DOCTYPE a []><wap-provisioningdoc/>", "document_doctype"),
            (b"<wap-provisioningdoc/>", "document_without_vers"),
            (b"<wap-provisioningdoc>x</wap-provisioningdoc>", "document_shape"),
            (b"<wap-provisioningdoc><x/></wap-provisioningdoc>", "document_shape"),
            (b"<wap-provisioningdoc><characteristic/></wap-provisioningdoc>", "document_shape"),
            (
                b'<wap-provisioningdoc><parm name="a" value=""/></wap-provisioningdoc>',
                "document_shape",
            ),
            (
                b'<wap-provisioningdoc><characteristic type="VERS"><parm name="version"'
                b' value="x"/></characteristic></wap-provisioningdoc>',
                "document_number",
            ),
            (
                b'<wap-provisioningdoc><characteristic type="VERS"><parm name="version"'
                b' value="1"><parm name="a" value="b"/></parm></characteristic>'
                b"</wap-provisioningdoc>",
                "document_shape",
            ),
            (
                b'<wap-provisioningdoc><characteristic type="APPLICATION"/></wap-provisioningdoc>',
                "application_without_id",
            ),
            (
                b"<wap-provisioningdoc>" + b'<characteristic type="x">' * 100,
                "document_shape",
            ),
            (b" " * 300_000, "document_too_large"),
        ],
    )
    def test_refused(self, body: bytes, reason: str) -> None:
        with pytest.raises(PeerMisbehaved) as caught:
            xml_reader.pull_document(body)
        assert caught.value.reason == reason

    def test_other_groups_are_passed_over(self) -> None:
        token = b'<characteristic type="TOKEN"'
        body = xml.push_document(SMSOIP).replace(token, b'<characteristic type="MSG"/>\n' + token)
        assert xml_reader.pull_document(body) == SMSOIP

    @given(st.binary() | st.text('<>/="& ab!?').map(str.encode))
    def test_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        with pytest.raises(PeerMisbehaved):
            xml_reader.pull_document(body)


class TestJsonReader:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "body_not_json"),
            (b"[]", "body_not_object"),
            (b"{}", "document_without_vers"),
            (b'{"Vers":1}', "document_shape"),
            (b'{"Vers":{"version":{}}}', "document_shape"),
            (b'{"Vers":{"version":"x"}}', "document_number"),
            (b'{"ap2004":{"a":true}}', "document_shape"),
            (b'{"ap2004":{"a":[1]}}', "document_shape"),
            (b'{"ap2004":{"a":[{"b":{},"c":{}}]}}', "document_shape"),
            (b'{"ap2004":{"a":[{"b":"c"}]}}', "document_shape"),
            (b'{"a":' * 18 + b'"1"' + b"}" * 18, "document_too_deep"),
            (b'{"a":' * 30_000, "body_too_deep"),
            (b" " * 300_000, "document_too_large"),
        ],
    )
    def test_refused(self, body: bytes, reason: str) -> None:
        with pytest.raises(PeerMisbehaved) as caught:
            json_reader.pull_document(body)
        assert caught.value.reason == reason

    def test_numbers_and_capitals(self) -> None:
        body = b'{"VERS":{"version":1,"validity":172800},"ap2005":{"EntitlementStatus":1}}'
        assert json_reader.pull_document(body) == Document(VERS, None, SMSOIP.applications)

    @given(st.binary() | st.text('{}[]":,a1').map(str.encode))
    def test_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        with pytest.raises(PeerMisbehaved):
            json_reader.pull_document(body)
