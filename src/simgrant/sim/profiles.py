"""How a kind of handset asks: method, applications, version, header values, cookie habits.

A profile says only what differs between client families. What they have in
common, and the order on the wire, is in `handset`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from simgrant.eap.peer import ANDROID_ANSWERS
from simgrant.nouns import named_noun
from simgrant.spec.ids import AppId, NotifAction
from simgrant.spec.version import SpecVersion, parse
from simgrant.wire.content_types import EAP_RELAY, JSON, XML

DEMO_IMEI: Final = "490154203237518"
"""A well-known example IMEI, which belongs to no device."""

_GID1_FROM: Final = SpecVersion(12, 0)
"""Android sends gid1 always from this entitlement_version on."""


class Method(StrEnum):
    """How the parameters travel; an EAP packet is always POSTed (TS.43 §2.8.1)."""

    GET = "get"
    POST = "post"


class Accept(StrEnum):
    """Which documents the handset says it takes."""

    XML = "xml"
    JSON = "json"
    BOTH = "both"
    """Both are named, and yet only XML is read: that is Android's default."""
    RELAY = "relay"
    """The relay type alone, which older clients use as their name for JSON."""

    @property
    def wanted(self) -> str:
        """The document types as they stand in the `Accept` header."""
        return _WANTED[self]


_WANTED: Final = {
    Accept.XML: XML,
    Accept.JSON: JSON,
    Accept.BOTH: f"{JSON}, {XML}",
    Accept.RELAY: EAP_RELAY,
}


class CookieRule(StrEnum):
    """Which cookies go back to the server, and how."""

    ANDROID = "android"
    """Those of the first challenge only, a header line each; with Max-Age, in double quotes."""
    RFC = "rfc"
    """The newest of every answer, in one line (RFC 6265 §5.4)."""
    SAMSUNG = "samsung"
    """All that the newest Set-Cookie lines say, attributes too, in one line; a challenge without
    any ends the conversation."""


class ProfileName(StrEnum):
    """The presets."""

    ANDROID_IMS = "android-ims"
    """The IMS app of AOSP, which asks for VoWiFi."""
    ANDROID_IMS_PROVISIONING = "android-ims-provisioning"
    """The same where the carrier wants provisioning: three applications, version 8.0."""
    ANDROID_SATELLITE = "android-satellite"
    """The satellite client: JSON, and a full authentication every time."""
    ANDROID_SLICE = "android-slice"
    """The slice purchase client: JSON, real-time boost."""
    ANDROID_ODSA = "android-odsa"
    """The library's default, as ODSA callers use it: a token for a companion's operations."""
    ANDROID_NUMBER = "android-number"
    """Android's telephony on behalf of an app that wants the phone number."""
    MICROG = "microg"
    """EAP_ID or token alone, one `Cookie` line."""
    SAMSUNG = "samsung"
    """Samsung's own client: version 1.0, one list of applications, XML in lower-cased paths."""
    HUAWEI = "huawei"
    """Huawei's companion client: a query without any encoding, an app_name of its own."""
    POST = "post"
    """All parameters as JSON in a POST (TS.43 §2.4)."""
    RFC = "rfc"
    """A client that follows RFC 4187 and RFC 6265 in full."""


class Speaks(StrEnum):
    """Which EAP peer is in the handset."""

    ANDROID = "android"
    """EAP-AKA's Challenge alone, and nothing optional."""
    RFC = "rfc"
    """All of RFC 4187: identity rounds, pseudonyms, fast re-authentication, notifications."""
    RFC_PRIME = "rfc-prime"
    """EAP-AKA' (RFC 9048)."""

    @property
    def most_answers(self) -> int:
        """Answers after which the handset gives up."""
        return ANDROID_ANSWERS if self is Speaks.ANDROID else 10


class WebRule(StrEnum):
    """How the page of a ServiceFlow_URL is opened."""

    SPEC = "spec"
    """As TS.43 §6.5.9 has it: by GET with the user data in the query, or as ContentsType says."""
    ANDROID = "android"
    """The same, but a POST always says that it is a form; and VoWiFi's page is POSTed to."""
    HUAWEI = "huawei"
    """As TS.43 has it, with a charset, and the method once more as a header."""


_ANDROID_AGENT: Final = (
    "PRD-TS43 term-{vendor}/{model} {client}/{client_version} OS-Android/{sw_version}"
)
_SAMSUNG_AGENT: Final = (
    "PRD-TS43/{version} {vendor}/{sw_version} {client}/{client_version} OS-Android/14"
)


@named_noun
class Profile:
    """One way of asking. Change a field with `dataclasses.replace`."""

    name: ProfileName
    apps: tuple[str, ...]
    """AppIDs in the order of the wire; none = the parameter is left out."""
    entitlement_version: str = "2.0"
    method: Method = Method.GET
    accept: Accept = Accept.BOTH
    cookies: CookieRule = CookieRule.ANDROID
    vendor: str = "Goog"
    model: str = "Pixel 9 Pr"
    sw_version: str = "15"
    client: str = ""
    """The client's name in the User-Agent, such as `client-IMS-Entitlement`; may be empty."""
    client_version: str = "1.0"
    app_name: str = ""
    app_version: str = ""
    boost_type: str = ""
    gid1: str | None = None
    vers: int | None = None
    """The `vers` to send; None = that of the document the handset holds, 0 without one."""
    keeps_token: bool = True
    """Satellite and slice clients keep none: each request is a full authentication."""
    bare: bool = False
    """Send nothing but EAP_ID, or token, as microG does."""
    encodes: bool = True
    """Whether values are percent-encoded in a query."""
    one_list: bool = False
    """Send the applications as one value with commas."""
    one_accept: bool = False
    """Name the relay type and the wanted document in every request, not each where it is due."""
    trims: bool = True
    """Cut vendor, model and software version as Android does."""
    agent: str = _ANDROID_AGENT
    """The form of the User-Agent."""
    further: tuple[tuple[str, str], ...] = ()
    """Parameters that only this family sends."""
    headers: tuple[tuple[str, str], ...] = ()
    """Header lines that only this family sends."""
    language: str = "en-US"
    notif_action: NotifAction = NotifAction.FCM
    """The push service that this family registers with."""
    woken_by: str = ""
    """The AppID that a notice has to name, or it is ignored; with it, all applications are asked
    for. Empty = those are asked for again that the notice names."""
    web: WebRule = WebRule.SPEC
    speaks: Speaks = Speaks.ANDROID
    eap_prefix: str = "nai.epc"
    """First labels of the realm in EAP_ID; a carrier may configure others."""

    @property
    def user_agent(self) -> str:
        """The User-Agent (TS.43 §2.2)."""
        vendor, model, sw_version = self.terminal
        return self.agent.format(
            vendor=vendor,
            model=model,
            sw_version=sw_version,
            client=self.client,
            client_version=self.client_version,
            version=self.entitlement_version,
        )

    @property
    def terminal(self) -> tuple[str, str, str]:
        """Vendor, model and software version, for Android cut to 4, 10 and 20 characters."""
        if not self.trims:
            return self.vendor, self.model, self.sw_version
        return self.vendor[:4], self.model[:10], self.sw_version[:20]

    def heeds(self, apps: Iterable[str]) -> tuple[str, ...]:
        """Return what to ask for again when a notice names these applications; none = nothing.

        Android's IMS app looks for its own AppID in a notice, and then polls as it always does.
        """
        named = set(apps)
        if self.woken_by:
            return self.apps if self.woken_by in named else ()
        return tuple(app for app in self.apps if app in named)

    @property
    def sends_gid1(self) -> bool:
        """Whether GID1 goes along: where one is set, and always from version 12.0 on."""
        version = parse(self.entitlement_version)
        return self.gid1 is not None or (version is not None and version >= _GID1_FROM)


_ANDROID_IMS: Final = Profile(
    name=ProfileName.ANDROID_IMS,
    apps=(AppId.VOWIFI,),
    accept=Accept.XML,
    client="client-IMS-Entitlement",
    vers=0,
    woken_by=AppId.VOWIFI,
    web=WebRule.ANDROID,
)

PROFILES: Final = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            _ANDROID_IMS,
            Profile(
                name=ProfileName.ANDROID_IMS_PROVISIONING,
                apps=(AppId.VOWIFI, AppId.VOICE_OVER_CELLULAR, AppId.SMSOIP),
                entitlement_version="8.0",
                accept=Accept.XML,
                client="client-IMS-Entitlement",
                vendor="vend",
                model="modelY",
                sw_version="versionZ",
                woken_by=AppId.VOWIFI,
                web=WebRule.ANDROID,
            ),
            Profile(
                name=ProfileName.ANDROID_SATELLITE,
                apps=(AppId.SATMODE,),
                entitlement_version="12.0",
                accept=Accept.JSON,
                app_name="androidSatmode",
                vers=1,
                keeps_token=False,
                web=WebRule.ANDROID,
            ),
            Profile(
                name=ProfileName.ANDROID_SLICE,
                apps=(AppId.DATA_PLAN,),
                accept=Accept.JSON,
                boost_type="0",
                vendor="vend",
                model="modelY",
                sw_version="versionZ",
                vers=0,
                keeps_token=False,
                web=WebRule.ANDROID,
            ),
            Profile(
                name=ProfileName.ANDROID_ODSA,
                apps=(AppId.ODSA_COMPANION,),
                entitlement_version="9.0",
                accept=Accept.BOTH,
                vers=0,
            ),
            Profile(
                name=ProfileName.ANDROID_NUMBER,
                apps=(AppId.DEVICE_INFORMATION,),
                entitlement_version="12.0",
                accept=Accept.XML,
                app_name="Google-OGI",
                vers=0,
            ),
            Profile(
                name=ProfileName.MICROG,
                apps=(),
                accept=Accept.JSON,
                cookies=CookieRule.RFC,
                bare=True,
            ),
            Profile(
                name=ProfileName.SAMSUNG,
                apps=(AppId.VOICE_OVER_CELLULAR, AppId.VOWIFI, AppId.SMSOIP),
                entitlement_version="1.0",
                accept=Accept.XML,
                cookies=CookieRule.SAMSUNG,
                vendor="SEC",
                model="SM-S921B",
                sw_version="S921BXXS4AXK1",
                client="IMS-Entitlement",
                client_version="6",
                one_list=True,
                one_accept=True,
                trims=False,
                agent=_SAMSUNG_AGENT,
                headers=(("Cache-Control", "max-age=0"),),
            ),
            Profile(
                name=ProfileName.HUAWEI,
                apps=(AppId.ODSA_COMPANION,),
                entitlement_version="1.0",
                accept=Accept.BOTH,
                vendor="HUAWEI",
                model="LIO-L29",
                sw_version="10.1.0.150",
                app_name="Health",
                app_version="11.0.6.002",
                encodes=False,
                trims=False,
                web=WebRule.HUAWEI,
                further=(("provisioning_version", "4.0"),),
            ),
            Profile(
                name=ProfileName.POST,
                apps=(AppId.VOWIFI, AppId.VOICE_OVER_CELLULAR, AppId.SMSOIP),
                entitlement_version="8.0",
                method=Method.POST,
                accept=Accept.XML,
                client="client-IMS-Entitlement",
                woken_by=AppId.VOWIFI,
                web=WebRule.ANDROID,
            ),
            Profile(
                name=ProfileName.RFC,
                apps=(AppId.VOWIFI,),
                entitlement_version="12.0",
                accept=Accept.XML,
                cookies=CookieRule.RFC,
                speaks=Speaks.RFC,
            ),
        )
    }
)
"""The presets by name."""
