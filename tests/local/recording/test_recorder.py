"""The recorder, in front of an emulator and of a server that sends what it likes."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from cfai import APITimeoutError, ConfigurationError, InternalServerError, StreamTruncatedError, Timeout
from cfai.local import Emulator, Exchange, Fault, Recorder, RecordingWriter
from tests.conftest import ACCOUNT, LONG, SYNC_AND_ASYNC, TOKEN, Peer, Script, Serve, row
from tests.local.recording.conftest import CREDENTIALS, EVENT, MODEL, NATIVE, REST, Ask, Tapes, answers, chunks, streams

# What is passed on


def waits_after(*events: bytes) -> Script:
    """Return a service that sends these and then waits for its client to leave."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        for event in events:
            peer.chunk(event)
        assert peer.left()

    return script


def send_once(answer: bytes, peer: Peer) -> None:
    peer.request()
    peer.send(answer)


@SYNC_AND_ASYNC
def test_an_answer_is_passed_on_and_kept(tapes: Tapes, recorder: Recorder, upstream: Emulator, ask: Ask) -> None:
    answer = ask(recorder).run(MODEL, {"prompt": "Hello"})
    with upstream.ai() as ai:
        assert answer.text == ai.run(MODEL, {"prompt": "Hello"}).text
    [exchange] = tapes.read()
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
    assert [path.name for path in tapes.folder.iterdir()] == ["0001-cf-zai-org-glm-4.7-flash.json"]
    assert recorder.recordings == list(tapes.folder.iterdir())


@SYNC_AND_ASYNC
def test_a_stream_is_passed_on_while_it_comes(tapes: Tapes, ask: Ask) -> None:
    seen = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        peer.chunk(EVENT)
        assert seen.wait(LONG), "the first token waited for the rest"
        peer.chunk(REST)
        peer.chunk(b"")

    stream = ask(tapes.through(script).local).stream(NATIVE)
    tokens = [next(stream).text]
    seen.set()
    tokens += [token.text for token in stream]
    assert tokens == ["Hel", "lo"]
    assert tapes.bodies() == [(None, [EVENT, REST])]
    assert len(tapes.read()[0]["response"]["times"]["chunks"]) == 2


@SYNC_AND_ASYNC
@pytest.mark.parametrize(("events", "cut"), [([EVENT], "by the client"), ([EVENT, REST], None)])
def test_a_client_that_leaves_ends_the_call(tapes: Tapes, ask: Ask, events: list[bytes], cut: str | None) -> None:
    client = tapes.through(waits_after(*events))
    with ask(client.local).stream(NATIVE) as stream:
        assert [next(stream).text for _ in events] == ["Hel", "lo"][: len(events)]
    assert client.server.was_left.wait(LONG)
    client.local.stop()
    # Whoever leaves after the end has cut nothing.
    assert tapes.bodies() == [(cut, events)]


@SYNC_AND_ASYNC
def test_a_client_that_leaves_before_there_is_an_answer_closes_the_call_too(tapes: Tapes, ask: Ask) -> None:
    client = tapes.through(lambda peer: peer.request() and peer.left())
    with pytest.raises(APITimeoutError):
        ask(client.local, timeout=Timeout(first_byte=0.2)).run(NATIVE, {"prompt": "Hello"})
    assert client.server.was_left.wait(LONG)
    client.local.stop()
    assert tapes.read() == []


def test_stopping_keeps_what_came_so_far(tapes: Tapes) -> None:
    client = tapes.through(waits_after(EVENT))
    with client.http.stream("POST", client.path(), json={}) as response:
        pieces = response.iter_raw()
        assert next(pieces) == EVENT
        client.local.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)
    assert tapes.bodies() == [("by the recorder", [EVENT])]


@SYNC_AND_ASYNC
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_service_that_breaks_off_breaks_off_for_the_caller_and_is_kept(tapes: Tapes, ask: Ask, ending: str) -> None:
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        peer.chunk(EVENT)
        assert gone.wait(LONG)
        if ending == "reset":
            peer.reset()

    stream = ask(tapes.through(script).local).stream(NATIVE)
    assert next(stream).text == "Hel"
    gone.set()
    with pytest.raises(StreamTruncatedError) as caught:
        list(stream)
    assert caught.value.partial == "Hel"
    assert tapes.bodies() == [("by the service", [EVENT])]


def test_a_body_that_is_not_what_was_announced_is_cut(tapes: Tapes) -> None:
    for name, head, received in (
        ("shorter than announced", b"content-type: image/png\r\ncontent-length: 10\r\n", [b"half"]),
        ("broken compression", b"content-encoding: gzip\r\n", []),
    ):
        with row(name):
            with pytest.raises(httpx.RemoteProtocolError):
                tapes.through(partial(send_once, b"HTTP/1.1 200 OK\r\n%s\r\nhalf" % head)).post()
            assert tapes.bodies()[-1] == ("by the service", received)


def test_bodies_are_kept_byte_for_byte_in_the_chunks_in_which_they_came(tapes: Tapes) -> None:
    pieces = [b'data: {"response":"caf\xc3', b'\xa9"}\n\n', b"data: [DONE]\n\n"]
    for name, script, received, content_type in (
        ("binary", answers(bytes(range(256)) * 1000, "image/jpeg"), [bytes(range(256)) * 1000], "image/jpeg"),
        ("empty", answers(b"", "application/json"), [], "application/json"),
        ("a character on two chunks", streams(*pieces), pieces, "text/event-stream"),
    ):
        with row(name):
            response = tapes.through(script).post()
            assert (response.content, response.headers["content-type"]) == (b"".join(received), content_type)
            cut, kept = tapes.bodies()[-1]
            assert (cut, b"".join(kept)) == (None, response.content)
            assert name == "binary" or kept == response.extensions["chunks"] == received
    assert tapes.read()[-1]["response"]["chunks"][2] == "data: [DONE]\n\n"


def test_errors_are_kept_too(tapes: Tapes, recorder: Recorder, upstream: Emulator) -> None:
    upstream.script(Fault(code=4006), Fault(html=524), Fault(status=429, retry_after=7))
    client = tapes.http(recorder)
    assert [client.post().status_code for _ in range(3)] == [429, 524, 429]
    refused, page, later = tapes.read()
    assert json.loads(b"".join(chunks(refused)))["errors"][0]["code"] == 4006
    assert chunks(page)[0].startswith(b"<!DOCTYPE html>")
    assert page["response"]["headers"]["content-type"] == "text/html; charset=UTF-8"
    assert later["response"]["headers"]["retry-after"] == "7"


def test_a_compressed_answer_is_asked_not_to_be_and_kept_as_text(tapes: Tapes) -> None:
    text = b'{"result":{"response":"Hello"}}'
    for encoding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        with row(encoding):
            client = tapes.through(answers(compress(text), head=f"content-encoding: {encoding}\r\n"))
            response = client.post(headers={"accept-encoding": "gzip, br"})
            assert b"accept-encoding: identity\r\n" in client.server.requests[0].lower()
            assert response.content == text == b"".join(tapes.bodies()[-1][1])
            assert "content-encoding" not in response.headers
            assert "content-length" not in tapes.read()[-1]["response"]["headers"]


def test_headers_of_a_connection_and_cookies_stay_on_their_side(tapes: Tapes) -> None:
    head = "keep-alive: timeout=5\r\nconnection: x-mine\r\nx-mine: 1\r\nset-cookie: a=b\r\nx-other: 2\r\nx-other: 3\r\n"
    client = tapes.through(answers(b"{}", head=head))
    headers = {"connection": "x-yours, keep-alive", "x-yours": "1", "cookie": "c=d", "x-kept": "4", "te": "trailers"}
    headers |= {"x-auth-key": "k", "x-auth-email": "me@home.example", "x-auth-user-service-key": "v1.0-k"}
    for _ in range(2):
        response = client.post(headers=headers)
        assert not {"keep-alive", "x-mine", "set-cookie"} & response.headers.keys()
        assert response.headers["x-other"] == "2, 3"
    for request in client.server.requests:
        sent = request.partition(b"\r\n\r\n")[0].lower()
        assert [name for name in (b"x-yours", b"cookie", b"x-auth-", b"\r\nte:") if name in sent] == []
        assert b"\r\nx-kept: 4" in sent
        assert b"\r\nauthorization: bearer " + TOKEN.encode() in sent
    assert set(tapes.read()[0]["response"]["headers"]) == {"content-type", "content-length"}


def test_a_request_arrives_as_it_was_written(tapes: Tapes) -> None:
    client = tapes.through(answers(b"{}"))
    path = f"{client.local.base_url}/accounts/{client.local.account_id}/ai/run/@cf%2Fmeta/a%20b?tags=a%2Fb&c=1"
    client.ask("PUT", path, content=b"\x00\xff", headers={"content-type": "audio/wav"})
    head, _, body = client.server.requests[0].partition(b"\r\n\r\n")
    line = f"PUT /client/v4/accounts/{ACCOUNT}/ai/run/@cf%2Fmeta/a%20b?tags=a%2Fb&c=1 HTTP/1.1\r\n"
    assert head.startswith(line.encode())
    assert body == b"\x00\xff"
    assert b"content-type: audio/wav" in head.lower()


def test_a_gateway_s_route_leads_to_the_gateway(recorder: Recorder, upstream: Emulator, ask: Ask) -> None:
    # The gateway `default` wants its own token, which the local one stands for.
    answer = ask(recorder).run(MODEL, {"prompt": "Hello"}, gateway={"id": "default", "token": recorder.api_token})
    assert answer.text.startswith("This is an emulated")
    assert upstream.requests[0].gateway == "default"


# Who is let in


def test_callers_need_the_local_token_and_reach_workers_ai_alone(tapes: Tapes, serve: Serve) -> None:
    client = tapes.through(answers(b"{}"))
    for name, token in (("the real one", f"Bearer {TOKEN}"), ("none", ""), ("another", "Bearer nonsense")):
        with row(name):
            response = client.post(headers={"authorization": token})
            assert (response.status_code, response.json()["errors"][0]["code"]) == (401, 10000)
    assert (client.server.connections, tapes.read()) == (0, [])
    server = serve(answers(b"{}"))
    recorder = tapes.record(server.url)
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


def test_a_page_that_calls_itself_otherwise_is_refused(tapes: Tapes, recorder: Recorder, upstream: Emulator) -> None:
    tapes.http(recorder).post()
    for local, name in ((recorder, "the recorder"), (tapes.play(), "the player"), (upstream, "the emulator")):
        with row(name):
            response = tapes.http(local).post(headers={"host": "evil.example"})
            assert response.status_code == 403
            assert response.text == f"Host not allowed: {name} answers to loopback names only\n"


def test_websockets_are_refused_in_words(tapes: Tapes, recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    client = tapes.http(recorder)
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "13"}
    response = client.ask("GET", client.path(), headers=headers)
    assert response.status_code == 501
    assert response.json()["errors"][0]["message"].startswith("WebSockets are neither recorded nor played back")
    assert tapes.read() == []
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


def test_a_body_that_is_too_long_is_refused(tapes: Tapes, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai.local.server._application.MAX_BODY_SIZE", 10)
    assert tapes.http(recorder).post().json()["errors"][0]["code"] == 3006


def test_a_client_may_leave_in_an_upload(tapes: Tapes, recorder: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", recorder.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf")
    assert tapes.http(recorder).post().status_code == 200
    recorder.stop()
    assert len(tapes.read()) == 1
    assert capfd.readouterr() == ("", "")


def test_the_local_token_is_a_new_one_each_time_and_the_service_found_as_by_a_client(
    tapes: Tapes, upstream: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (Recorder(tapes.folder, **CREDENTIALS) for _ in range(2))
    assert one.api_token != other.api_token
    assert TOKEN not in repr(vars(one)) + repr(one)
    assert one.upstream_url == "https://api.cloudflare.com/client/v4"
    with pytest.raises(ConfigurationError, match="no account id"):
        Recorder(tapes.folder)
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", upstream.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    with Recorder(tapes.folder) as local, local.ai() as ai:
        assert ai.run(MODEL, {"prompt": "Hello"}).finish_reason == "stop"
    assert len(tapes.read()) == 1


# What goes wrong


@SYNC_AND_ASYNC
def test_a_service_that_cannot_be_reached_is_a_502_and_nothing_is_kept(tapes: Tapes, ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        url = f"http://127.0.0.1:{occupied.getsockname()[1]}/client/v4"
    with pytest.raises(InternalServerError) as caught:
        ask(tapes.record(url)).run(MODEL, {"prompt": "Hello"})
    assert caught.value.status_code == 502
    assert f"{url} did not answer (ConnectError" in str(caught.value)
    assert ACCOUNT not in str(caught.value)
    assert tapes.read() == []


def test_an_answer_that_cannot_be_read_is_a_502_and_nothing_is_kept(tapes: Tapes) -> None:
    for sent, message in (
        (b"", "did not answer"),
        (b"nonsense\r\n\r\n", "did not answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: odd\r\n\r\n?", "compressed its answer (odd)"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: x-gzip\r\n\r\n?", "compressed its answer (x-gzip)"),
    ):
        with row(sent):
            response = tapes.through(partial(send_once, sent)).post()
            assert (response.status_code, response.json()["success"]) == (502, False)
            assert message in response.json()["errors"][0]["message"]
    assert tapes.read() == []


def test_an_exchange_that_cannot_be_written_is_logged_and_still_passed_on(
    tapes: Tapes, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Path, "replace", Mock(side_effect=OSError("no space left on device")))
    assert tapes.http(recorder).post().status_code == 200
    recorder.stop()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["an exchange was not recorded: no space left on device"]
    assert list(tapes.folder.iterdir()) == []


def test_what_cannot_be_recorded_into_or_from_is_an_error_where_it_is_started(tapes: Tapes) -> None:
    tapes.folder.write_text("a file")
    with pytest.raises(FileExistsError):
        tapes.record("http://127.0.0.1:1/client/v4")
    with pytest.raises(ValueError, match="would record itself"):
        tapes.record("http://localhost:8787/client/v4", port=8787)


def test_another_machine_may_have_the_same_port(tapes: Tapes) -> None:
    with Emulator() as local:
        port = local.port
    assert tapes.record(f"https://api.example:{port}/client/v4", port=port).port == port


# Files


def test_many_at_once_have_a_file_each(tapes: Tapes, recorder: Recorder) -> None:
    client = tapes.http(recorder)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda i: client.post({"prompt": f"number {i}", "stream": True}).content, range(40)))
    assert [int(path.name[:4]) for path in sorted(tapes.folder.iterdir())] == list(range(1, 41))
    by_prompt = {each["request"]["body"]["json"]["prompt"]: b"".join(chunks(each)) for each in tapes.read()}
    for i, body in enumerate(bodies):
        assert by_prompt[f"number {i}"].count(b"\n\n") == body.count(b"\n\n")


def test_a_folder_is_gone_on_with_and_a_number_that_was_taken_is_passed_over(tapes: Tapes, upstream: Emulator) -> None:
    tapes.folder.mkdir()
    (tapes.folder / "notes.txt").write_text("mine")
    for model in (MODEL, NATIVE):
        recorder = tapes.record(upstream.base_url)
        tapes.http(recorder).post(model=model)
        recorder.stop()
    recorder.start()
    names = ["cf-zai-org-glm-4.7-flash", "cf-meta-llama-3.1-8b-instruct-fp8", *["cf-zai-org-glm-4.7-flash"] * 2]
    paths = [tapes.folder / f"{number:04d}-{name}.json" for number, name in enumerate(names, 1)]
    paths[2].write_text("{}")
    tapes.http(recorder).post()
    assert sorted(tapes.folder.glob("*.json")) == paths
    assert paths[2].read_text() == "{}"


def test_recorders_that_write_into_one_folder_lose_nothing(tapes: Tapes) -> None:
    bodies = [f"{number}" for number in range(200)]
    request = {"method": "POST", "path": "/{account_id}/ai/run/@cf/a/b"}
    responses = [{"status": 200, "headers": {}, "chunks": [body]} for body in bodies]
    exchanges = [Exchange.model_validate({"format": 1, "request": request, "response": each}) for each in responses]
    writers = [RecordingWriter(tapes.folder) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda writer, exchange: writer.add(exchange), writers * 25, exchanges))
    assert len(set(paths)) == len(exchanges)
    assert sorted(tapes.folder.iterdir()) == sorted(paths)
    assert sorted(received[0].decode() for _, received in tapes.bodies()) == sorted(bodies)


def test_files_are_named_by_their_model(tapes: Tapes) -> None:
    client = tapes.through(answers(b"{}"))
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
            assert (tapes.folder / f"{number:04d}-{name}.json").exists()


def test_files_are_for_people_and_keep_half_a_character(tapes: Tapes) -> None:
    tapes.through(streams(EVENT, REST)).post({"audio": list(range(100)), "text": "Füße"})
    [path] = tapes.folder.iterdir()
    lines = path.read_text("utf-8").splitlines()
    assert f'        "audio": {list(range(100))},' in lines
    assert '        "text": "Füße"' in lines
    assert r'      "data: {\"response\":\"Hel\"}\n\n",' in lines
    tapes.through(answers(b"{}")).post(content=b'{"prompt": "\\ud83d"}')
    assert tapes.read()[1]["request"]["body"] == {"json": {"prompt": "\ud83d"}}


# Starting and stopping


@pytest.mark.anyio
async def test_a_recorder_is_an_async_context(tapes: Tapes, anyio_backend_name: str, upstream: Emulator) -> None:
    async with Recorder(tapes.folder, upstream_url=upstream.base_url, **CREDENTIALS) as local, local.ai() as ai:
        assert (await ai.arun(MODEL, {"prompt": anyio_backend_name})).finish_reason == "stop"
    assert len(tapes.read()) == 1
    with pytest.raises(RuntimeError, match="the recorder is not running"):
        _ = local.port


def test_a_recorder_can_be_started_again_and_uses_no_proxy_to_this_machine(
    tapes: Tapes, recorder: Recorder, upstream: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        recorder.stop()
        recorder.start()
        assert tapes.http(recorder).post().status_code == 200
    assert len(tapes.read()) == 2
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert tapes.http(tapes.record(upstream.base_url)).post().status_code == 200
