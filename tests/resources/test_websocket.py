"""The WebSocket of a realtime session: bytes of a service, and a network of its own."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from cfai import Ai, AiInternalError, APIResponseValidationError, ConfigurationError, RealtimeError
from cfai._resources.websocket import WebSocket
from cfai._transport import BackgroundReader
from cfai.local import Emulator, Recorder
from cfai.types import (
    RealtimeEvent,
    SessionOpened,
    SpeechAudio,
    SpeechResults,
    SpeechStarted,
    TurnInfo,
    TurnVerdict,
    UtteranceEnd,
)
from tests.conftest import ACCOUNT, TOKEN, Peer, Serve, row
from tests.resources.sessions import AURA, FLUX, LINEAR, NOVA, SECOND, SMART_TURN, Go, Service, make_client, read
from tests.test_environment import pass_on

# Bytes


def test_a_session_is_opened_with_the_token_the_gateway_and_its_parameters(serve: Serve, go: Go) -> None:
    heads: list[str] = []

    def script(peer: Peer) -> None:
        service = Service(peer, head="cf-ai-req-id: req-1\r\n")
        heads.append(service.head)
        service.send(CloseConnection(1000))

    server = serve(script)

    async def main() -> None:
        async with make_client(server.url) as ai:
            gateway: Any = {"id": "my", "skipCache": True, "token": "token-of-the-gateway"}
            session = ai.arealtime(NOVA, **LINEAR, punctuate=True, gateway=gateway, extra_headers={"x-team": "a"})
            assert TOKEN not in repr(session) + repr(vars(session))
            async with session:
                assert await read(session) == []
                assert session.request_id == "req-1"

    go(main)
    [head] = heads
    line, *fields = head.split("\r\n")
    query = "encoding=linear16&sample_rate=16000&punctuate=true"
    assert line == f"GET /client/v4/accounts/{ACCOUNT}/ai/run/{NOVA}?{query} HTTP/1.1"
    lower = {field.partition(": ")[0].lower(): field.partition(": ")[2] for field in fields}
    assert lower["authorization"] == f"Bearer {TOKEN}"
    assert (lower["connection"], lower["upgrade"], lower["sec-websocket-version"]) == ("Upgrade", "websocket", "13")
    assert (lower["cf-aig-gateway-id"], lower["cf-aig-skip-cache"], lower["x-team"]) == ("my", "true", "a")
    assert "cf-aig-authorization" not in lower, "it is for the gateway's own host"
    assert lower["user-agent"].startswith("cfai/")


def test_a_session_goes_through_a_proxy_and_trusts_own_certificates(
    serve: Serve, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = Path(__file__).parents[1] / "doctor" / "tls" / "localhost.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def script(peer: Peer) -> None:
        with context.wrap_socket(peer.connection, server_side=True) as peer.connection:
            service = Service(peer)
            received = service.receive()
            assert isinstance(received, BytesMessage)
            service.send(BytesMessage(received.data), CloseConnection(1000))
            service.receive()

    def carry(peer: Peer) -> None:
        pass_on(peer.connection, peer.request().split()[1])

    server, proxy = serve(script), serve(carry)

    async def main() -> None:
        url, through = f"https://localhost:{server.port}/client/v4", f"http://me:secret-word@localhost:{proxy.port}"
        for option in ({}, {"proxy": through}):
            async with make_client(url, verify=pem, **option) as ai, ai.arealtime(FLUX, **LINEAR) as session:
                await session.send_audio(SECOND[:8192])
                [event] = await read(session)
                assert event["audio"] == SECOND[:8192]

    go(main)
    assert [request.split()[0] for request in proxy.requests] == [b"CONNECT"]


def test_a_client_that_is_passed_in_opens_a_session_if_it_can(local: Emulator, go: Go) -> None:
    async def main() -> None:
        async with (
            httpx.AsyncClient() as client,
            local.ai(async_http_client=client) as ai,
            ai.arealtime(FLUX, **LINEAR) as session,
        ):
            assert isinstance(await anext(session), SessionOpened)
        transport = httpx.MockTransport(lambda _: httpx.Response(101))
        async with httpx.AsyncClient(transport=transport) as client, local.ai(async_http_client=client) as ai:
            with pytest.raises(ConfigurationError, match="must be a client with httpx's own transport"):
                async with ai.arealtime(FLUX, **LINEAR):
                    pass

    go(main)


def test_what_records_calls_opens_no_session(local: Emulator, go: Go, tmp_path: Path) -> None:
    credentials = {"upstream_account_id": local.account_id, "upstream_token": local.api_token}

    async def main() -> None:
        recorder = Recorder(tmp_path, upstream_url=local.base_url, **credentials)
        async with recorder, recorder.ai(max_retries=0) as ai:
            with pytest.raises(AiInternalError, match="WebSockets are neither recorded nor played back"):
                async with ai.arealtime(FLUX, **LINEAR):
                    pass

    go(main)


def test_a_message_in_any_form_becomes_an_event_and_none_is_lost(serve: Serve, go: Go) -> None:
    rows: list[tuple[Any, type[RealtimeEvent], dict[str, Any]]] = [
        ({"type": "TurnInfo"}, TurnInfo, {"text": "", "words": [], "is_final_text": False}),
        ({"type": "TurnInfo", "transcript": None, "words": None, "new": 1}, TurnInfo, {"transcript": "", "new": 1}),
        ({"turn_index": 3, "event": "EndOfTurn", "transcript": "a"}, TurnInfo, {"text": "a", "is_final_text": True}),
        ({"type": "Results"}, SpeechResults, {"transcript": "", "words": []}),
        ({"type": "Results", "channel": {"alternatives": []}, "is_final": True}, SpeechResults, {"text": ""}),
        ({"type": "Results", "channel": [{"alternatives": [{"transcript": "b"}]}]}, SpeechResults, {"text": "b"}),
        ({"channel": {"alternatives": [{"transcript": "c"}]}}, SpeechResults, {"text": "c", "type": ""}),
        ({"type": "speech_started"}, SpeechStarted, {"timestamp": 0.0}),
        ({"type": "UtteranceEnd", "last_word_end": 2}, UtteranceEnd, {"last_word_end": 2.0}),
        ({"is_complete": False, "probability": 0.2}, TurnVerdict, {"probability": 0.2}),
        ({"type": "TurnInfo", "turn_index": "first"}, TurnInfo, {"type": "TurnInfo", "turn_index": "first"}),
        ({"type": "Results", "is_final": "perhaps"}, SpeechResults, {"is_final": "perhaps", "is_final_text": False}),
        ({"type": "Warning", "code": "W1"}, RealtimeEvent, {"type": "Warning", "code": "W1", "text": ""}),
        ({"type": "New", "channel": [0]}, RealtimeEvent, {"type": "New", "channel": [0]}),
        ({"type": 7, "a": 1}, RealtimeEvent, {"type": "7", "a": 1}),
        ({}, RealtimeEvent, {"type": ""}),
        ([1, 2], RealtimeEvent, {"message": [1, 2]}),
        ("a word", RealtimeEvent, {"message": "a word"}),
    ]

    def script(peer: Peer) -> None:
        service = Service(peer)
        service.say(*(message for message, _, _ in rows))
        service.send(TextMessage("{no JSON"), TextMessage('{"type": "Res', message_finished=False))
        service.send(TextMessage('ults"}'), BytesMessage(b'{"type": "Results"}'), BytesMessage(b"{}!"))
        service.send(CloseConnection(1000))

    server = serve(script)

    async def main() -> list[RealtimeEvent]:
        async with make_client(server.url) as ai, ai.arealtime(FLUX, **LINEAR) as session:
            return await read(session)

    *events, broken, parts, as_bytes, sound = go(main)
    for (message, kind, fields), event in zip(rows, events, strict=True):
        with row(message):
            assert type(event) is kind
            assert {name: getattr(event, name) for name in fields} == fields
    assert (type(broken), broken["message"]) == (RealtimeEvent, "{no JSON")
    assert type(parts) is type(as_bytes) is SpeechResults
    assert (type(sound), sound.audio) == (SpeechAudio, b"{}!")


def test_an_error_in_any_form_is_raised_without_the_token(serve: Serve, go: Go) -> None:
    rows: list[tuple[Any, Any, str]] = [
        ({"type": "Error", "code": "NET-0001", "description": f"no sound, {TOKEN}"}, "NET-0001", "no sound, [removed]"),
        ({"type": "error", "message": "bad"}, None, "bad"),
        ({"success": False, "errors": [{"code": 3040, "message": "busy"}]}, 3040, "busy"),
        ({"error": "it broke"}, None, "it broke"),
    ]
    messages = iter(rows)

    def script(peer: Peer) -> None:
        service = Service(peer)
        message = json.dumps(next(messages)[0])
        service.send(BytesMessage(message.encode()) if "broke" in message else TextMessage(message))
        service.send(CloseConnection(1011, f"for {TOKEN}"))

    server = serve(script)

    async def main() -> None:
        async with make_client(server.url) as ai:
            for message, code, reason in rows:
                async with ai.arealtime(FLUX, **LINEAR) as session:
                    with row(message), pytest.raises(RealtimeError) as caught:
                        await read(session)
                    assert (caught.value.code, caught.value.reason) == (code, reason)
                    assert TOKEN not in str(caught.value)
                    assert caught.value.body == json.loads(json.dumps(message).replace(TOKEN, "[removed]"))
                    with row(message), pytest.raises(RealtimeError, match=r"1011 for \[removed\]"):
                        await read(session)

    go(main)


def test_what_is_no_websocket_is_told(serve: Serve, go: Go) -> None:
    def open_wrongly(peer: Peer) -> None:
        Service(peer, accept="x")
        peer.left()

    def broken(data: bytes) -> Callable[[Peer], Any]:
        return lambda peer: (Service(peer).peer.send(data), peer.left())

    rows: list[tuple[Callable[[Peer], Any], type[Exception], str]] = [
        (
            lambda peer: Service(peer, accept="x").peer.left(),
            APIResponseValidationError,
            "its sec-websocket-accept does not fit",
        ),
        (lambda peer: (peer.request(), peer.answer(b"{}")), APIResponseValidationError, "no WebSocket was opened"),
        (lambda peer: Service(peer).peer.reset(), RealtimeError, "1006"),
        (broken(b"\xff\xff\xff"), RealtimeError, "is over: 100"),
        (broken(b"\x81\x02\xff\xff"), RealtimeError, "is over: 1007"),
    ]

    async def main() -> None:
        for script, kind, said in rows:
            server = serve(script)
            async with make_client(server.url) as ai:
                with row(said), pytest.raises(kind, match=said) as caught:
                    async with ai.arealtime(FLUX, **LINEAR) as session:
                        await read(session)
                if "accept" in said:
                    assert await anyio.to_thread.run_sync(server.was_left.wait, 10)
            assert TOKEN not in str(caught.value)

    go(main)


def test_pings_are_answered_while_nobody_reads(serve: Serve, go: Go) -> None:
    was_answered = threading.Event()

    def script(peer: Peer) -> None:
        service = Service(peer)
        service.send(Ping(b"there?"))
        pong = service.receive()
        assert isinstance(pong, Pong)
        assert pong.payload == b"there?"
        was_answered.set()
        assert isinstance(service.receive(), BytesMessage)
        service.send(CloseConnection(1000))
        closed = service.receive()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1000

    server = serve(script)

    async def main() -> None:
        async with make_client(server.url) as ai, ai.arealtime(FLUX, **LINEAR) as session:
            await anyio.to_thread.run_sync(was_answered.wait)
            await session.send_audio(b"\0\0")
            assert await read(session) == []

    go(main)


def test_a_message_that_is_too_large_ends_a_session(serve: Serve, go: Go) -> None:
    def script(peer: Peer) -> None:
        service = Service(peer)
        service.send(BytesMessage(bytes(3000), message_finished=False), BytesMessage(bytes(3000)))
        closed = service.receive()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1009
        peer.left()

    async def main() -> None:
        ai = make_client(serve(script).url, max_answer_bytes=5000)
        async with ai, ai.arealtime(FLUX, **LINEAR) as session:
            for use in (lambda: read(session), lambda: session.send_audio(SECOND)):
                with pytest.raises(RealtimeError, match=f"{FLUX} is over: 1009 .* larger than max_answer_bytes"):
                    await use()

    go(main)


def test_a_service_that_is_silent_after_the_end_is_not_waited_for(serve: Serve, go: Go) -> None:
    def script(peer: Peer) -> None:
        Service(peer)
        peer.left()

    server = serve(script)

    async def main() -> None:
        async with make_client(server.url, timeout=0.05) as ai:
            async with ai.arealtime(FLUX, **LINEAR) as session:
                await session.finish()
                with pytest.raises(RealtimeError, match=r"was silent for 0.05 s after finish\(\)"):
                    await anext(session)
            async with ai.arealtime(FLUX, **LINEAR) as session, anyio.create_task_group() as tasks:
                tasks.start_soon(session.finish)  # while somebody waits already
                with pytest.raises(RealtimeError, match="was silent"):
                    await anext(session)

    go(main)


def test_a_model_that_answers_fewer_pieces_is_told_the_end_after_a_silence(
    serve: Serve, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfai._resources.realtime._LAST_WAIT", 0.05)

    def script(peer: Peer) -> None:
        service = Service(peer)
        assert isinstance(service.receive(), BytesMessage)
        service.say({"is_complete": False})
        assert isinstance(service.receive(), BytesMessage)
        assert isinstance(service.receive(), CloseConnection)
        late = Connection(ConnectionType.SERVER)  # before it agrees, for which wsproto has no words
        service.peer.send(late.send(Ping(b"there?")) + late.send(TextMessage('{"is_complete": true}')))
        service.send(CloseConnection(1000))

    server = serve(script)

    async def main() -> None:
        async with make_client(server.url) as ai, ai.arealtime(SMART_TURN) as session:
            await session.send_audio(bytes(16_384))
            await session.finish()
            assert [event["is_complete"] for event in await read(session)] == [False, True]

    go(main)


def test_a_second_reader_is_refused_and_the_first_goes_on(ai: Ai, go: Go) -> None:
    async def main() -> None:
        async with ai.arealtime(FLUX, **LINEAR) as session:
            await anext(session)
            events: list[RealtimeEvent] = []

            async def collect() -> None:
                events.extend(await read(session))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(collect)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(ConfigurationError, match="another task waits for the session's events"):
                    await anext(session)
                await session.send_audio(SECOND)
                await session.finish()
            assert events[-1].is_final_text
            assert await read(session) == []

    go(main)


# A network of its own


class Network:
    """A connection that does what a test says."""

    def __init__(self, incoming: Callable[[], Awaitable[bytes]]) -> None:
        self.written: list[Event] = []
        self.reads = 0
        self.may_write: Any = anyio.Event()
        self.may_write.set()
        self._incoming = incoming
        self._service = Connection(ConnectionType.SERVER)

    async def read(self, _: int, timeout: float) -> bytes:  # noqa: ASYNC109  # httpcore's
        assert timeout == 20, "a read without one would notice no end"
        self.reads += 1
        return await self._incoming()

    async def write(self, data: bytes, timeout: float) -> None:  # noqa: ASYNC109  # httpcore's
        assert timeout == 60
        await self.may_write.wait()
        self._service.receive_data(data)
        self.written += self._service.events()


def make_socket(network: Network) -> WebSocket:
    config = Ai(account_id=ACCOUNT, api_token=TOKEN)._config
    closed: list[Any] = []

    async def close(http: Any) -> None:
        closed.append(http)

    http = SimpleNamespace(extensions={"network_stream": network})
    http_client = SimpleNamespace(open_responses={}, aclose_response=close)
    response: Any = SimpleNamespace(
        http=HashableNamespace(http), pooled_client=http_client, pool=SimpleNamespace(is_closed=False), meta=Meta()
    )
    request: Any = SimpleNamespace(config=config, model=FLUX, secrets=[])
    return WebSocket(response, request)


class HashableNamespace:
    def __init__(self, namespace: SimpleNamespace) -> None:
        self.extensions: Mapping[str, Any] = namespace.extensions


class Meta:
    request_id = "req-1"


def test_a_finish_that_was_cancelled_can_be_called_again(go: Go) -> None:
    async def main() -> None:
        ai = Ai(account_id=ACCOUNT, api_token=TOKEN)
        for model, kinds in ((NOVA, ["Finalize", "CloseStream"]), (AURA, ["Flush", "Close"])):
            network = Network(anyio.sleep_forever)
            session = ai.arealtime(model, **LINEAR)
            session._socket = make_socket(network)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await session.finish()
            assert scope.cancelled_caught
            await session.send_message({"type": "KeepAlive"})  # nothing was said, so more may be
            await session.finish()
            with pytest.raises(ConfigurationError, match="nothing can be sent after"):
                await session.send_message({"type": "KeepAlive"})
            await session.finish()
            said = [json.loads(event.data)["type"] for event in network.written if isinstance(event, TextMessage)]
            with row(model):
                assert said == ["KeepAlive", *kinds]
                assert session._unanswered == (model == AURA)
            await session._socket.aclose()

    go(main)


def test_a_finish_that_was_cut_off_within_a_message_says_so_when_called_again(go: Go) -> None:
    async def main() -> None:
        for model in (NOVA, SMART_TURN):
            network = Network(anyio.sleep_forever)
            network.may_write = anyio.Event()
            session = Ai(account_id=ACCOUNT, api_token=TOKEN).arealtime(
                model, **(LINEAR if model == NOVA else {"dtype": "uint8"})
            )
            session._socket = make_socket(network)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(session.finish)
                    await anyio.wait_all_tasks_blocked()
                    scope.cancel()
            with row(model), pytest.raises(RealtimeError, match="a message was cancelled while it was sent"):
                await session.finish()
            await session._socket.aclose()

    go(main)


def test_the_size_of_a_message_is_counted_once_for_each_fragment(go: Go) -> None:
    asked: list[str] = []

    class Fragment(str):
        def __len__(self) -> int:
            asked.append(self)
            return super().__len__()

    async def main() -> None:
        socket = make_socket(Network(anyio.sleep_forever))
        count = 100
        events = [TextMessage(Fragment("a"), message_finished=number == count) for number in range(1, count + 1)]
        socket._connection = SimpleNamespace(events=lambda: iter(events))
        assert await anext(socket) == "a" * count
        assert len(asked) <= 2 * count

    go(main)


def test_silence_is_met_with_a_ping_and_a_second_one_is_the_end(go: Go) -> None:
    async def main() -> None:
        service = Connection(ConnectionType.SERVER)
        answers: list[bytes | None] = [None, service.send(Pong(b"cfai")), service.send(TextMessage("1")), None, None]

        async def incoming() -> bytes:
            if (answer := answers.pop(0)) is None:
                raise httpcore.ReadTimeout
            return answer

        network = Network(incoming)
        socket = make_socket(network)
        assert await socket.receive() == "1"
        with pytest.raises(RealtimeError, match="1006 ReadTimeout"):
            await socket.receive()
        assert [type(event) for event in network.written] == [Ping, Ping]

    go(main)


def test_nothing_is_sent_once_the_network_has_failed(go: Go) -> None:
    async def main() -> None:
        async def incoming() -> bytes:
            raise httpcore.ReadError("it broke")

        network = Network(incoming)
        socket = make_socket(network)
        uses: list[tuple[Callable[[], Awaitable[Any]], type[Any]]] = [
            (socket.receive, httpcore.ReadError),
            (lambda: socket.send("a"), type(None)),
        ]
        for use, cause in uses:
            with pytest.raises(RealtimeError, match="1006 it broke") as caught:
                await use()
            assert caught.value.reason == "it broke"
            assert type(caught.value.__cause__) is cause
        await socket.aclose()
        assert network.written == []

    go(main)


def test_a_slow_reader_slows_the_service(go: Go) -> None:
    async def main() -> None:
        service = Connection(ConnectionType.SERVER)

        async def incoming() -> bytes:
            await anyio.lowlevel.checkpoint()
            return service.send(BytesMessage(bytes(10_000)))

        network = Network(incoming)
        socket = make_socket(network)
        await anyio.wait_all_tasks_blocked()
        assert network.reads == 7
        for _ in range(8):
            await socket.receive()
        await anyio.wait_all_tasks_blocked()
        assert 8 <= network.reads <= 16

    go(main)


def test_a_slow_network_slows_whoever_sends_and_a_message_in_parts_is_the_last(go: Go) -> None:
    async def main() -> None:
        network = Network(anyio.sleep_forever)
        network.may_write = anyio.Event()
        socket, sent = make_socket(network), list[str]()

        async def send(text: str) -> None:
            await socket.send(text)
            sent.append(text)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, "a")
            tasks.start_soon(send, "b")
            await anyio.wait_all_tasks_blocked()
            assert sent == []
            network.may_write.set()
        assert [event.data for event in network.written if isinstance(event, TextMessage)] == sent
        network.may_write = anyio.Event()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send, "c")
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        with pytest.raises(RealtimeError, match="a message was cancelled while it was sent"):
            await socket.send("d")
        await socket.aclose()

    go(main)


def test_what_had_come_is_read_after_a_message_could_not_be_sent(go: Go) -> None:
    async def main() -> None:
        service = Connection(ConnectionType.SERVER)
        messages = [service.send(TextMessage(f"{number:10000}")) for number in range(20)]
        content = [b"".join(messages) + service.send(CloseConnection(1011, "no room"))]

        async def incoming() -> bytes:
            return content.pop()

        async def fail() -> None:
            raise httpcore.WriteError("it broke")

        network = Network(incoming)
        socket = make_socket(network)
        await anyio.wait_all_tasks_blocked()
        network.may_write = SimpleNamespace(wait=fail)
        with pytest.raises(RealtimeError, match="1006 it broke"):
            await socket.send("a")
        assert [int(await socket.receive() or "") for _ in range(20)] == list(range(20))
        with pytest.raises(RealtimeError, match="1011 no room"):
            await socket.receive()
        assert socket.closed == (1011, "no room")
        await socket.aclose()

    go(main)


def test_all_is_read_while_a_message_waits_to_be_sent_and_nobody_reads(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai._transport.background_reader._UNTAKEN_AFTER", 0.01)

    async def main() -> None:
        service = Connection(ConnectionType.SERVER)

        async def incoming() -> bytes:
            if network.reads == 30:
                network.may_write.set()  # it takes no more before it has said all that it has to say
                await may_read.wait()
            await anyio.lowlevel.checkpoint()
            return service.send(BytesMessage(bytes(10_000)))

        network, may_read = Network(incoming), anyio.Event()
        network.may_write = anyio.Event()
        socket = make_socket(network)
        await socket.send("a")
        assert network.reads == 30
        await socket.receive()  # from here on it is slowed again
        may_read.set()
        await anyio.wait_all_tasks_blocked()
        assert network.reads == 30
        await socket.aclose()

    go(main)


def test_whoever_takes_something_now_and_then_slows_the_service_whatever_waits_to_be_sent(
    go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[anyio.CancelScope] = []

    def wait_at_most(seconds: float) -> anyio.CancelScope:
        assert seconds == 7
        waits.append(anyio.CancelScope())
        return waits[-1]

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            await anyio.lowlevel.checkpoint()
            yield bytes(10_000)

    async def main() -> None:
        waits.clear()
        reader = BackgroundReader(chunks(), must_go_on=lambda: True)
        reader.start()

        async def pass_time() -> None:
            """End the wait for room, and return once another is begun, or all is read."""
            count = len(waits)
            for wait in waits[-1:]:
                wait.cancel()
            while len(waits) == count and not reader.is_over:
                await anyio.lowlevel.checkpoint()

        await pass_time()
        for left in (7, 6, 5):
            assert (len(reader.received), reader.is_over) == (left, False)
            reader.take()
            await pass_time()
        await pass_time()  # in which nothing is taken
        assert (len(reader.received), reader.is_over) == (27, True)

    monkeypatch.setattr("cfai._transport.background_reader._UNTAKEN_AFTER", 7)
    monkeypatch.setattr("cfai._transport.background_reader.anyio.move_on_after", wait_at_most)
    go(main)


def test_pings_and_the_end_are_noticed_while_a_message_waits_to_be_sent(go: Go) -> None:
    ping, text, end = Ping(b"there?"), TextMessage("1"), CloseConnection(1000)
    rows: list[tuple[list[Event], bool, list[type[Event]]]] = [
        ([ping, text], False, [TextMessage, Pong]),
        ([text, end], False, [TextMessage, CloseConnection]),
        ([ping, text, end], True, []),  # nothing follows a message that was sent in part
    ]

    async def main() -> None:
        for said, is_cancelled, answers in rows:
            service, may_read = Connection(ConnectionType.SERVER), anyio.Event()
            content = [b"".join(map(service.send, said))]

            async def incoming(content: list[bytes] = content, may_read: anyio.Event = may_read) -> bytes:
                await may_read.wait()
                if not content:
                    await anyio.sleep_forever()
                return content.pop()

            network = Network(incoming)
            network.may_write = anyio.Event()
            socket = make_socket(network)
            sending = anyio.CancelScope()

            async def send(socket: WebSocket = socket, sending: anyio.CancelScope = sending) -> None:
                with sending:
                    await socket.send("a")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                await anyio.wait_all_tasks_blocked()
                if is_cancelled:
                    sending.cancel()
                may_read.set()
                assert await socket.receive() == "1"
                if end in said:
                    assert await socket.receive() is None
                network.may_write.set()
            with row(said):
                assert [type(event) for event in network.written] == answers
            await socket.aclose()

    go(main)
