"""Push tokens are input: what passes has one form, and leads to no host but Microsoft's."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyreqwest.http import Url

from simgrant.spec.ids import NotifAction
from simgrant.wire.push_token import CHANNELS, MOST_CHARACTERS, Channel, is_token

GOOD = {
    Channel.FCM: [
        "FCMTOK",
        "fMEP0vJqS0:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx_s",
        "A" * MOST_CHARACTERS,
    ],
    Channel.APNS: ["a1" * 32, "A1b2" * 40],
    Channel.WNS: [
        "https://db5.notify.windows.com/?token=AwYAAAC8kQ%2bv%2f4W0%3d",
        "https://wns2-by3p.notify.windows.com/?token=AwYAAA",
        "https://sin.notify.windows.com/w/?token=a&b=c",
        "https://DB5.Notify.Windows.COM/?token=a",
        "https://a.b.notify.windows.com",
    ],
    Channel.SMS: ["12025550123", "00101"],
}
BAD = {
    Channel.FCM: ["", "a b", "a\n", "a/../b", "a?b", "täg", "a" * (MOST_CHARACTERS + 1), "a\0"],
    Channel.APNS: ["", "a", "abc", "zz", "ab/..", "ab ", "a1" * 2049],
    Channel.WNS: [
        "",
        "http://db5.notify.windows.com/?token=a",
        "https://notify.windows.com/?token=a",
        "https://db5.notify.windows.com.example.org/?token=a",
        "https://evilnotify.windows.com/?token=a",
        "https://db5.notify-windows.com/?token=a",
        "https://db5.notify.windows-com/?token=a",
        "https://db5-notify.windows.com/?token=a",
        "https://example.org/?a=.notify.windows.com/",
        "https://example.org#.notify.windows.com/",
        "https://example.org\\.notify.windows.com/",
        "https://user@db5.notify.windows.com/?token=a",
        "https://a:b@db5.notify.windows.com/?token=a",
        "https://db5.notify.windows.com:8443/?token=a",
        "https://db5.notify.windows.com:443/?token=a",
        "https://db5.notify.windows.com/#token",
        "https://db5.notify.windows.com/?token=a b",
        "https://db5.notify.windows.com/?token=a\r\nHost: b",
        "https://db5.notify.windows.com./?token=a",
        "https://.notify.windows.com/",
        "https://-a.notify.windows.com/",
        "https://169.254.169.254/.notify.windows.com/",
        "https://db5.notify.windows.com/" + "a" * MOST_CHARACTERS,
        " https://db5.notify.windows.com/",
        "https://db5。notify.windows.com/",
    ],
    Channel.SMS: ["", "1234", "+12025550123", "1" * 16, "١٢٣٤٥٦"],
}


@pytest.mark.parametrize(
    ("channel", "token"), [(channel, token) for channel, tokens in GOOD.items() for token in tokens]
)
def test_tokens_as_the_platforms_give_them_are_taken(channel: Channel, token: str) -> None:
    assert is_token(channel, token)


@pytest.mark.parametrize(
    ("channel", "token"), [(channel, token) for channel, tokens in BAD.items() for token in tokens]
)
@pytest.mark.spec("TS.43 Table 12")
def test_anything_else_is_not(channel: Channel, token: str) -> None:
    assert not is_token(channel, token)


@st.composite
def _nearly_good(draw: st.DrawFn) -> str:
    """Return a good token with one piece of text put into it, or nothing."""
    token = draw(st.sampled_from(GOOD[Channel.WNS]))
    at = draw(st.integers(min_value=0, max_value=len(token)))
    return token[:at] + draw(st.text(alphabet="@:/\\#?.%[]a1 \t\n。", max_size=3)) + token[at:]


_NEAR = st.one_of(
    st.text(),
    _nearly_good(),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["https://", "HTTPS://", "http://", "https:", "//", ""]),
        st.text(alphabet="abc123.-@:[]\\/#?%。 ", max_size=12),
        st.sampled_from([".notify.windows.com", "notify.windows.com", ".notify.windows.com.", ""]),
        st.text(alphabet="ab12/?#:@\\%&=.\t\n ;", max_size=20),
    ),
)


@given(_NEAR)
@example("https://db5.notify.windows.com/?token=a")
@example("https://a@b.notify.windows.com/")
def test_every_reader_of_addresses_finds_microsoft_in_what_passes(token: str) -> None:
    if not is_token(Channel.WNS, token):
        return
    for host in (urlsplit(token).hostname, Url(token).host_str):
        assert (host or "").lower().endswith(".notify.windows.com")
    assert urlsplit(token).port is None
    assert urlsplit(token).username is None
    assert Url(token).port in (None, 443)
    assert token.isascii()


@given(st.sampled_from(Channel), st.text(max_size=5000))
def test_whatever_comes_is_judged_and_nothing_else(channel: Channel, token: str) -> None:
    taken = is_token(channel, token)
    assert taken in (True, False)
    if taken:
        assert len(token.encode()) <= MOST_CHARACTERS
        assert token.isprintable()


def test_long_near_misses_are_judged_quickly() -> None:
    for tail in ("!" * 4000, "." * 4000 + "\n"):
        assert not is_token(Channel.WNS, "https://" + "a" * 60 + tail)


@pytest.mark.spec("TS.43 Table 4")
@pytest.mark.conforms("push.channel", "push.gcm")
def test_each_action_has_its_channel() -> None:
    assert CHANNELS == {
        NotifAction.GCM: Channel.FCM,
        NotifAction.FCM: Channel.FCM,
        NotifAction.WNS: Channel.WNS,
        NotifAction.APNS: Channel.APNS,
    }
