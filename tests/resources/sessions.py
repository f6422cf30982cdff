"""Models, a second of sound, and the server's end of a WebSocket, for tests of realtime sessions."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import Event, TextMessage
from wsproto.utilities import generate_accept_token

from cfai import Ai, RealtimeSession
from cfai.types import RealtimeEvent
from tests.conftest import ACCOUNT, TOKEN, Peer

FLUX, NOVA, AURA = "@cf/deepgram/flux", "@cf/deepgram/nova-3", "@cf/deepgram/aura-2-en"
SMART_TURN = "@cf/pipecat-ai/smart-turn-v2"
LINEAR: dict[str, Any] = {"encoding": "linear16", "sample_rate": 16000}
SECOND = bytes(32_000)
"""A second of sound at that rate."""
SENTENCE = "This transcript is emulated by cfai."

Go = Callable[[Callable[[], Awaitable[Any]]], Any]


async def read(session: RealtimeSession) -> list[RealtimeEvent]:
    return [event async for event in session]


class Service:
    """The server's end of a WebSocket, in a script."""

    def __init__(self, peer: Peer, head: str = "", accept: str = "") -> None:
        self.peer = peer
        self.head = peer.request().decode()
        [key] = re.findall(r"(?im)^sec-websocket-key: (\S+)", self.head)
        accept = accept or generate_accept_token(key.encode()).decode()
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            f"sec-websocket-accept: {accept}\r\n{head}\r\n".encode()
        )
        self.connection = Connection(ConnectionType.SERVER)

    def send(self, *events: Event) -> None:
        self.peer.send(b"".join(map(self.connection.send, events)))

    def say(self, *messages: Any) -> None:
        self.send(*(TextMessage(json.dumps(message)) for message in messages))

    def receive(self) -> Event | None:
        """Return the next event, or nothing once the client is gone."""
        while True:
            for event in self.connection.events():
                return event
            data = self.peer.connection.recv(65536)
            if not data:
                return None
            self.connection.receive_data(data)


def make_client(url: str, **options: Any) -> Ai:
    return Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=url, trust_env=False, max_retries=0, **options)
