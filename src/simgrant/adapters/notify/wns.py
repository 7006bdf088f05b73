"""Windows Push Notification Services: raw notifications.

The registration's token is the address to send to, which is why its form is checked once more here
before anything goes out: our bearer token is Microsoft's to see and nobody else's.
"""

from __future__ import annotations

from pathlib import Path

from simgrant.errors import PeerMisbehaved
from simgrant.links.bearer import Bearer, Token, send_as
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat, Reply
from simgrant.links.oauth import fetch_token
from simgrant.links.secret_file import SecretFile, read_text
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.notifier import Dead, Delivered, Later, Notice, Receipt, Refused, Target
from simgrant.wire.push_payload import push_json
from simgrant.wire.push_token import Channel, is_token


@named_noun
class Config:
    """Whose app, and how Microsoft is reached."""

    client_id: str
    """Package SID (``ms-app://…``), or the application id of a newer registration."""
    client_secret: Path
    """File that holds the client's secret."""
    http: HttpConfig = HttpConfig(peer="wns")
    token_url: str = "https://login.live.com/accesstoken.srf"  # noqa: S105
    """For the newer ones ``https://login.microsoftonline.com/TENANT/oauth2/v2.0/token``."""
    scope: str = "notify.windows.com"
    """For the newer ones ``https://wns.windows.com/.default``."""


def open_notifier(config: Config, *, clock: Clock) -> Wns:
    """Return the channel; raise StartRefused where the secret's file is no use."""
    return Wns(config, clock)


class Wns:
    """WNS (the ``Notifier`` port)."""

    channel = Channel.WNS

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._secret = SecretFile(config.client_secret, read_text)
        self._http = HttpLink(config.http, clock)
        self._bearer = Bearer(self._grant, clock, is_stale=self._secret.has_changed)

    async def notify(self, target: Target, notice: Notice, *, deadline: float) -> Receipt:
        """Send one raw notification (see the port)."""
        if not is_token(Channel.WNS, target.token):
            return Dead("invalid_token")
        body = push_json(notice.apps, notice.at, aps=False)

        def request(token: str) -> HttpRequest:
            headers = {
                "authorization": f"Bearer {token}",
                "x-wns-type": "wns/raw",
                "x-wns-requestforstatus": "true",
                "x-wns-ttl": str(max(1, notice.expires_at - int(self._clock.now()))),
                "content-type": "application/octet-stream",
            }
            return HttpRequest("POST", target.token, headers, body, Repeat.UNANSWERED)

        reply = await send_as(
            self._bearer,
            self._http,
            request,
            deadline=deadline,
        )
        return receipt(reply, now=self._clock.now())

    async def close(self) -> None:
        """Let go of every connection."""
        await self._bearer.close()
        await self._http.close()

    async def _grant(self, deadline: float) -> Token:
        """Fetch an access token with the client's credentials (RFC 6749 §4.4)."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._config.client_id,
            "client_secret": self._secret.value(),
            "scope": self._config.scope,
        }
        return await fetch_token(self._http, self._config.token_url, form, deadline=deadline)


def receipt(reply: Reply, *, now: float) -> Receipt:
    """Return what an answer means for a notice; ``now`` is in Unix seconds.

    Raises PeerUnavailable (credentials) and PeerMisbehaved.
    """
    after = reply.retry_after(now)
    match reply.status:
        case 200:
            match reply.header("x-wns-status").lower():
                case "dropped":
                    # Raw notifications are not kept for a device that is off.
                    return Later("device_offline", after)
                case "channelthrottled":
                    return Later("device_throttled", after)
            return Delivered(reply.header("x-wns-msg-id"))
        case 404:
            return Dead("invalid_token")
        case 410:
            return Dead("unregistered")
        case 403:
            return Refused("channel_of_another_app")
        case 406 | 429:
            return Later("throttled", after)
        case 400 | 413:
            return Refused("message_refused")
        case status if status >= 500:
            return Later("push_service_unavailable", after)
    raise PeerMisbehaved("push_answer_unknown", for_operator=f"wns: status {reply.status}")
