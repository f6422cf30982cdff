"""The recorder, in front of an emulator and of a server that sends what it likes."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from cfai import APITimeoutError, ConfigurationError, InternalServerError, StreamTruncatedError, Timeout
from cfai.local import Emulator, Exchange, Fault, Recorder, RecordingWriter
from tests.conftest import Peer, row
from tests.local.recording.conftest import (
    ACCOUNT,
    LONG,
    MODEL,
    NATIVE,
    SYNC_AND_ASYNC,
    TOKEN,
    Http,
    answers,
    chunks,
    read_recordings,
    streams,
)

Make = Callable[..., Any]
EVENT = b'data: {"response":"Hel"}\n\n'
REST = b'data: {"response":"lo"}\n\ndata: [DONE]\n\n'
CREDENTIALS = {"upstream_account_id": ACCOUNT, "upstream_token": TOKEN}


@pytest.fixture
def ask(callers: Make) -> Make:
    """A caller of a local server, in one portal."""
    return lambda local, **options: callers(
        local.account_id, local.api_token, base_url=local.base_url, max_retries=None, **options
    )


# What is passed on


def waits_after(*events: bytes) -> Callable[[Any], None]:
    """Return a service that sends these and then waits for its client to leave."""

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        for event in events:
            peer.chunk(event)
        assert peer.left()

    return script


@SYNC_AND_ASYNC
def test_an_answer_is_passed_on_and_kept(recorder: Recorder, upstream: Emulator, ask: Make, folder: Path) -> None:
    answer = ask(recorder).run(MODEL, {"prompt": "Hello"})
    with upstream.ai() as ai:
        assert answer.text == ai.run(MODEL, {"prompt": "Hello"}).text
    [exchange] = read_recordings(folder)
    assert exchange["format"] == 1
    assert exchange["request"] == {
        "method": "POST",
        "path": f"/client/v4/accounts/{{account_id}}/ai/run/{MODEL}",
        "content_type": "application/json",
        "body": {"json": {"prompt": "Hello"}},
    }
    assert exchange["response"]["status"] == 200
    assert exchange["response"]["headers"]["cf-ai-neurons"]
    assert json.loads(b"".join(chunks(exchange)))["result"]["choices"][0]["message"]["content"] == answer.text
    assert "cut" not in exchange["response"]
    assert [path.name for path in folder.iterdir()] == ["0001-cf-zai-org-glm-4.7-flash.json"]
    assert recorder.recordings == list(folder.iterdir())


@SYNC_AND_ASYNC
def test_a_stream_is_passed_on_while_it_comes(serve: Make, record: Make, ask: Make, folder: Path) -> None:
    seen = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(EVENT)
        assert seen.wait(LONG), "the first token waited for the rest"
        peer.chunk(REST)
        peer.chunk(b"")

    stream = ask(record(serve(script).url)).stream(NATIVE)
    tokens = [next(stream).text]
    seen.set()
    tokens += [token.text for token in stream]
    assert tokens == ["Hel", "lo"]
    [exchange] = read_recordings(folder)
    assert chunks(exchange) == [EVENT, REST]
    assert len(exchange["response"]["times"]["chunks"]) == 2


@SYNC_AND_ASYNC
@pytest.mark.parametrize(("events", "cut"), [([EVENT], "by the client"), ([EVENT, REST], None)])
def test_a_client_that_leaves_closes_the_call_and_what_came_is_kept(
    serve: Make, record: Make, ask: Make, folder: Path, events: list[bytes], cut: str | None
) -> None:
    server = serve(waits_after(*events))
    recorder = record(server.url)
    with ask(recorder).stream(NATIVE) as stream:
        assert [next(stream).text for _ in events] == ["Hel", "lo"][: len(events)]
    assert server.was_left.wait(LONG)
    recorder.stop()
    [exchange] = read_recordings(folder)
    # Whoever leaves after the end has cut nothing.
    assert exchange["response"].get("cut") == cut
    assert chunks(exchange) == events


@SYNC_AND_ASYNC
def test_a_client_that_leaves_before_there_is_an_answer_closes_the_call_too(
    serve: Make, record: Make, ask: Make, folder: Path
) -> None:
    server = serve(lambda peer: peer.request() and peer.left())
    recorder = record(server.url)
    with pytest.raises(APITimeoutError):
        ask(recorder, timeout=Timeout(first_byte=0.2)).run(NATIVE, {"prompt": "Hello"})
    assert server.was_left.wait(LONG)
    recorder.stop()
    assert read_recordings(folder) == []


def test_stopping_keeps_what_came_so_far(through: Make, folder: Path) -> None:
    client: Http = through(waits_after(EVENT))
    with client.http.stream("POST", client.path(), json={}) as response:
        pieces = response.iter_raw()
        assert next(pieces) == EVENT
        client.local.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)
    [exchange] = read_recordings(folder)
    assert exchange["response"]["cut"] == "by the recorder"
    assert chunks(exchange) == [EVENT]


@SYNC_AND_ASYNC
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_service_that_breaks_off_breaks_off_for_the_caller_and_is_kept(
    serve: Make, record: Make, ask: Make, folder: Path, ending: str
) -> None:
    gone = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(EVENT)
        assert gone.wait(LONG)
        if ending == "reset":
            peer.reset()

    stream = ask(record(serve(script).url)).stream(NATIVE)
    assert next(stream).text == "Hel"
    gone.set()
    with pytest.raises(StreamTruncatedError) as caught:
        list(stream)
    assert caught.value.partial == "Hel"
    [exchange] = read_recordings(folder)
    assert exchange["response"]["cut"] == "by the service"
    assert chunks(exchange) == [EVENT]


@pytest.mark.parametrize(
    ("head", "received"),
    [("content-type: image/png\r\ncontent-length: 10\r\n", [b"half"]), ("content-encoding: gzip\r\n", [])],
    ids=["shorter than announced", "broken compression"],
)
def test_a_body_that_is_not_what_was_announced_is_cut(
    through: Make, folder: Path, head: str, received: list[bytes]
) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 200 OK\r\n{head}\r\nhalf".encode())

    with pytest.raises(httpx.RemoteProtocolError):
        through(script).post()
    [exchange] = read_recordings(folder)
    assert exchange["response"]["cut"] == "by the service"
    assert chunks(exchange) == received


def test_whole_bodies_are_kept_byte_for_byte(through: Make, folder: Path) -> None:
    for content, content_type in ((bytes(range(256)) * 1000, "image/jpeg"), (b"", "application/json")):
        with row(content_type):
            response = through(answers(content, content_type)).post()
            assert (response.content, response.headers["content-type"]) == (content, content_type)
            assert b"".join(chunks(read_recordings(folder)[-1])) == content
    assert read_recordings(folder)[-1]["response"]["chunks"] == []
    assert not any("cut" in exchange["response"] for exchange in read_recordings(folder))


def test_a_character_on_two_chunks_leaves_both_as_they_came(through: Make, folder: Path) -> None:
    pieces = [b'data: {"response":"caf\xc3', b'\xa9"}\n\n', b"data: [DONE]\n\n"]
    assert through(streams(*pieces)).post().extensions["chunks"] == pieces
    [exchange] = read_recordings(folder)
    assert chunks(exchange) == pieces
    assert exchange["response"]["chunks"][2] == "data: [DONE]\n\n"


def test_errors_are_kept_too(recorder: Recorder, upstream: Emulator, http: Make, folder: Path) -> None:
    upstream.script(Fault(code=4006), Fault(html=524), Fault(status=429, retry_after=7))
    client: Http = http(recorder)
    assert [client.post().status_code for _ in range(3)] == [429, 524, 429]
    refused, page, later = read_recordings(folder)
    assert json.loads(b"".join(chunks(refused)))["errors"][0]["code"] == 4006
    assert chunks(page)[0].startswith(b"<!DOCTYPE html>")
    assert page["response"]["headers"]["content-type"] == "text/html; charset=UTF-8"
    assert later["response"]["headers"]["retry-after"] == "7"


def test_a_compressed_answer_is_asked_not_to_be_and_kept_as_text(
    serve: Make, record: Make, http: Make, folder: Path
) -> None:
    text = b'{"result":{"response":"Hello"}}'
    for encoding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        with row(encoding):
            server = serve(answers(compress(text), head=f"content-encoding: {encoding}\r\n"))
            response = http(record(server.url)).post(headers={"accept-encoding": "gzip, br"})
            assert b"accept-encoding: identity\r\n" in server.requests[0].lower()
            assert response.content == text
            assert "content-encoding" not in response.headers
            exchange = read_recordings(folder)[-1]
            assert b"".join(chunks(exchange)) == text
            assert "content-length" not in exchange["response"]["headers"]


def test_headers_of_a_connection_and_cookies_stay_on_their_side(
    serve: Make, record: Make, http: Make, folder: Path
) -> None:
    head = "keep-alive: timeout=5\r\nconnection: x-mine\r\nx-mine: 1\r\nset-cookie: a=b\r\nx-other: 2\r\nx-other: 3\r\n"
    server = serve(answers(b"{}", head=head))
    headers = {"connection": "x-yours, keep-alive", "x-yours": "1", "cookie": "c=d", "x-kept": "4", "te": "trailers"}
    client: Http = http(record(server.url))
    for _ in range(2):
        credentials = {"x-auth-key": "k", "x-auth-email": "me@home.example", "x-auth-user-service-key": "v1.0-k"}
        response = client.post(headers=headers | credentials)
        assert not {"keep-alive", "x-mine", "set-cookie"} & response.headers.keys()
        assert response.headers["x-other"] == "2, 3"
    for request in server.requests:
        sent = request.partition(b"\r\n\r\n")[0].lower()
        for absent in (b"x-yours", b"cookie", b"x-auth-", b"\r\nte:"):
            assert absent not in sent
        assert b"\r\nx-kept: 4" in sent
        assert b"\r\nauthorization: bearer " + TOKEN.encode() in sent
    assert set(read_recordings(folder)[0]["response"]["headers"]) == {"content-type", "content-length"}


def test_a_request_arrives_as_it_was_written(serve: Make, record: Make, http: Make) -> None:
    server = serve(answers(b"{}"))
    client: Http = http(record(server.url))
    path = f"{client.local.base_url}/accounts/{client.local.account_id}/ai/run/@cf%2Fmeta/a%20b?tags=a%2Fb&c=1"
    client.ask("PUT", path, content=b"\x00\xff", headers={"content-type": "audio/wav"})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line = f"PUT /client/v4/accounts/{ACCOUNT}/ai/run/@cf%2Fmeta/a%20b?tags=a%2Fb&c=1 HTTP/1.1\r\n"
    assert head.startswith(line.encode())
    assert body == b"\x00\xff"
    assert b"content-type: audio/wav" in head.lower()


def test_a_gateway_s_route_leads_to_the_gateway(recorder: Recorder, upstream: Emulator, ask: Make) -> None:
    # The gateway `default` wants its own token, which the local one stands for.
    answer = ask(recorder).run(MODEL, {"prompt": "Hello"}, gateway={"id": "default", "token": recorder.api_token})
    assert answer.text.startswith("[emulated")
    assert upstream.requests[0].gateway == "default"


# Who is let in


def test_callers_need_the_local_token(serve: Make, record: Make, http: Make, folder: Path) -> None:
    server = serve(answers(b"{}"))
    client: Http = http(record(server.url))
    for name, token in (("the real one", f"Bearer {TOKEN}"), ("none", ""), ("another", "Bearer nonsense")):
        with row(name):
            response = client.post(headers={"authorization": token})
            assert (response.status_code, response.json()["errors"][0]["code"]) == (401, 10000)
    assert (server.connections, read_recordings(folder)) == (0, [])


def test_a_recorder_passes_on_what_goes_to_workers_ai_alone(serve: Make, record: Make) -> None:
    server = serve(answers(b"{}"))
    recorder = record(server.url)
    for path, code in (
        (f"/accounts/{ACCOUNT}/ai/run/{MODEL}", 7003),
        ("/accounts/{0}/ai/run/../../tokens", 7000),
        ("/accounts/{0}/ai/run/%2e%2e/x", 7000),
        ("/accounts/{0}/tokens", 7000),
        ("/user/tokens/verify", 7000),
        ("/accounts/{0}", 7000),
    ):
        # By hand: an HTTP client would tidy the path up.
        with row(path), socket.create_connection(("127.0.0.1", recorder.port), timeout=LONG) as client:
            head = f"GET /client/v4{path.format(recorder.account_id)} HTTP/1.1\r\nhost: localhost\r\n"
            head += f"connection: close\r\nauthorization: Bearer {recorder.api_token}\r\n\r\n"
            client.sendall(head.encode())
            received = b"".join(iter(lambda: client.recv(65536), b""))
            assert f'"code": {code}'.encode() in received
    assert server.connections == 0


def test_a_page_that_calls_itself_otherwise_is_refused_by_name(
    recorder: Recorder, upstream: Emulator, play: Make, http: Make
) -> None:
    http(recorder).post()
    for local, name in ((recorder, "the recorder"), (play(), "the player"), (upstream, "the emulator")):
        with row(name):
            response = http(local).post(headers={"host": "evil.example"})
            assert response.status_code == 403
            assert response.text == f"Host not allowed: {name} answers to loopback names only\n"


def test_websockets_are_refused_in_so_many_words(
    recorder: Recorder, http: Make, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client: Http = http(recorder)
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "13"}
    response = client.ask("GET", client.path(), headers=headers)
    assert response.status_code == 501
    assert response.json()["errors"][0]["message"].startswith("WebSockets are neither recorded nor played back")
    assert read_recordings(folder) == []
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


def test_a_body_that_is_too_long_is_refused(recorder: Recorder, http: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai.local.server._application.MAX_BODY_SIZE", 10)
    assert http(recorder).post().json()["errors"][0]["code"] == 3006


def test_a_client_that_leaves_while_it_uploads_does_no_harm(
    recorder: Recorder, http: Make, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", recorder.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf")
    assert http(recorder).post().status_code == 200
    recorder.stop()
    assert len(read_recordings(folder)) == 1
    assert capfd.readouterr() == ("", "")


def test_the_local_token_is_a_new_one_each_time(folder: Path) -> None:
    one, other = (Recorder(folder, **CREDENTIALS) for _ in range(2))
    assert one.api_token != other.api_token
    assert TOKEN not in repr(vars(one)) + repr(one)
    assert one.upstream_url == "https://api.cloudflare.com/client/v4"


def test_the_service_is_found_as_a_client_finds_it(
    upstream: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="no account id"):
        Recorder(folder)
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", upstream.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    with Recorder(folder) as local, local.ai() as ai:
        assert ai.run(MODEL, {"prompt": "Hello"}).finish_reason == "stop"
    assert len(read_recordings(folder)) == 1


# What goes wrong


@SYNC_AND_ASYNC
def test_a_service_that_cannot_be_reached_is_a_502_and_nothing_is_kept(record: Make, ask: Make, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        url = f"http://127.0.0.1:{occupied.getsockname()[1]}/client/v4"
    with pytest.raises(InternalServerError) as caught:
        ask(record(url)).run(MODEL, {"prompt": "Hello"})
    assert caught.value.status_code == 502
    assert f"{url} did not answer (ConnectError" in str(caught.value)
    assert ACCOUNT not in str(caught.value)
    assert read_recordings(folder) == []


def send_once(answer: bytes, peer: Peer) -> None:
    peer.request()
    peer.send(answer)


def test_an_answer_that_cannot_be_read_is_a_502_and_nothing_is_kept(through: Make, folder: Path) -> None:
    for sent, message in (
        (b"", "did not answer"),
        (b"nonsense\r\n\r\n", "did not answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: odd\r\n\r\n?", "compressed its answer (odd)"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: x-gzip\r\n\r\n?", "compressed its answer (x-gzip)"),
    ):
        with row(sent):
            response = through(partial(send_once, sent)).post()
            assert (response.status_code, response.json()["success"]) == (502, False)
            assert message in response.json()["errors"][0]["message"]
    assert read_recordings(folder) == []


def test_an_exchange_that_cannot_be_written_is_logged_and_still_passed_on(
    recorder: Recorder, http: Make, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert http(recorder).post().status_code == 200
    recorder.stop()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "an exchange was not recorded: no space left on device"
    ]
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_where_it_is_started(folder: Path, record: Make) -> None:
    folder.write_text("a file")
    with pytest.raises(FileExistsError):
        record("http://127.0.0.1:1/client/v4")


def test_a_recorder_does_not_record_itself(folder: Path) -> None:
    recorder = Recorder(folder, port=8787, upstream_url="http://localhost:8787/client/v4", **CREDENTIALS)
    with pytest.raises(ValueError, match="would record itself"):
        recorder.start()


def test_another_machine_may_have_the_same_port(folder: Path) -> None:
    with Emulator() as local:
        port = local.port
    with Recorder(folder, port=port, upstream_url=f"https://api.example:{port}/client/v4", **CREDENTIALS) as recorder:
        assert recorder.port == port


# Files


def test_many_at_once_have_a_file_each(recorder: Recorder, http: Make, folder: Path) -> None:
    client: Http = http(recorder)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda i: client.post({"prompt": f"number {i}", "stream": True}).content, range(40)))
    assert [int(path.name[:4]) for path in sorted(folder.iterdir())] == list(range(1, 41))
    by_prompt = {each["request"]["body"]["json"]["prompt"]: b"".join(chunks(each)) for each in read_recordings(folder)}
    for i, body in enumerate(bodies):
        assert by_prompt[f"number {i}"].count(b"\n\n") == body.count(b"\n\n")


def test_a_folder_is_gone_on_with(record: Make, upstream: Emulator, http: Make, folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for model in (MODEL, NATIVE):
        recorder = record(upstream.base_url)
        http(recorder).post(model=model)
        recorder.stop()
    assert sorted(path.name for path in folder.glob("*.json")) == [
        "0001-cf-zai-org-glm-4.7-flash.json",
        "0002-cf-meta-llama-3.1-8b-instruct-fp8.json",
    ]


def test_a_number_that_another_recorder_took_is_passed_over(recorder: Recorder, http: Make, folder: Path) -> None:
    (folder / "0001-cf-zai-org-glm-4.7-flash.json").write_text("{}")
    http(recorder).post()
    assert len(list(folder.iterdir())) == 2
    assert (folder / "0001-cf-zai-org-glm-4.7-flash.json").read_text() == "{}"


def test_recorders_that_write_into_one_folder_lose_nothing(tmp_path: Path) -> None:
    bodies = [f"{number}" for number in range(200)]
    request = {"method": "POST", "path": "/{account_id}/ai/run/@cf/a/b"}
    responses = [{"status": 200, "headers": {}, "chunks": [body]} for body in bodies]
    exchanges = [Exchange.model_validate({"format": 1, "request": request, "response": each}) for each in responses]
    writers = [RecordingWriter(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda writer, exchange: writer.add(exchange), writers * 25, exchanges))
    assert len(set(paths)) == len(exchanges)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert sorted(chunks(recording)[0].decode() for recording in read_recordings(tmp_path)) == sorted(bodies)


def test_files_are_named_by_their_model(through: Make, folder: Path) -> None:
    client: Http = through(answers(b"{}"))
    for number, (path, body, name) in enumerate(
        (
            ("/run/author/model", {}, "author-model"),
            ("/run", {"model": "author/other", "input": {}}, "author-other"),
            ("/v1/chat/completions", {"model": "@cf/a/b"}, "cf-a-b"),
            ("/models/search", None, "ai-models-search"),
            ("/run/%40cf%2F..%5Cx", {}, "cf-..-x"),
            ("/run/" + "long" * 50, {}, "long" * 20),
        ),
        1,
    ):
        with row(path):
            client.ask("POST", f"/accounts/{client.local.account_id}/ai{path}", json=body)
            assert (folder / f"{number:04d}-{name}.json").exists()


def test_files_are_for_people(through: Make, folder: Path) -> None:
    through(streams(EVENT, REST)).post({"audio": list(range(100)), "text": "Füße"})
    [path] = folder.iterdir()
    lines = path.read_text("utf-8").splitlines()
    assert f'        "audio": {list(range(100))},' in lines
    assert '        "text": "Füße"' in lines
    assert r'      "data: {\"response\":\"Hel\"}\n\n",' in lines


def test_half_a_character_can_be_kept(through: Make, folder: Path) -> None:
    through(answers(b"{}")).post(content=b'{"prompt": "\\ud83d"}')
    assert read_recordings(folder)[0]["request"]["body"] == {"json": {"prompt": "\ud83d"}}


# Starting and stopping


@pytest.mark.anyio
async def test_a_recorder_is_an_async_context_manager(
    anyio_backend_name: str, upstream: Emulator, folder: Path
) -> None:
    async with Recorder(folder, upstream_url=upstream.base_url, **CREDENTIALS) as local, local.ai() as ai:
        assert (await ai.arun(MODEL, {"prompt": anyio_backend_name})).finish_reason == "stop"
    assert len(read_recordings(folder)) == 1
    with pytest.raises(RuntimeError, match="the recorder is not running"):
        _ = local.port


def test_a_recorder_can_be_started_again(recorder: Recorder, http: Make, folder: Path) -> None:
    for _ in range(2):
        recorder.stop()
        recorder.start()
        assert http(recorder).post().status_code == 200
    assert len(read_recordings(folder)) == 2


def test_a_recorder_does_not_go_through_a_proxy_to_this_machine(
    record: Make, upstream: Emulator, http: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert http(record(upstream.base_url)).post().status_code == 200
