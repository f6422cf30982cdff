"""Secrets, which must never reach the disk, searched for in every file of a recording."""

from __future__ import annotations

import base64
import doctest
import json
import os
import stat
import sys
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfai.local import Emulator, Fault, RecordingWriter
from cfai.local.recording import RawExchange, Recorder, Redactor, _exchange, parse_request
from cfai.local.recording._files import load_exchange
from tests.conftest import ACCOUNT, TOKEN, Peer, Serve, row
from tests.local.recording.conftest import MODEL, Http, Tapes, answers, chunks

JSON = {"content-type": "application/json"}
GATEWAY_TOKEN = "gateway-token-that-must-not-show-9876543210"
REQUEST = "1650e3a7-1954-49bf-8a4b-481ab315360a"
LOG = "01JADCV6PZ2RZ9XKQH4T7Y5M8N"
RUN = "run_8c1f1ae44f1b4d1d"
RAY = "8a1b2c3d4e5f6789"
COOKIE = "cookie-value-that-must-not-show"
ERROR = "9d3c5f60-7a3e-4a53-b7a5-55f8e1d3c111"
BATCH = "0f9e8d7c-6b5a-4938-8271-605f4e3d2c1b"
SECRETS = [TOKEN, ACCOUNT, GATEWAY_TOKEN, REQUEST, LOG, RUN, RAY, COOKIE, ERROR, BATCH]

HEADERS = (
    f"cf-ai-req-id: {REQUEST}\r\ncf-ray: {RAY}-LHR\r\ncf-aig-log-id: {LOG}\r\ncf-aig-run-id: {RUN}\r\n"
    f"x-request-id: {REQUEST}\r\nset-cookie: __cf_bm={COOKIE}; Domain=.api.cloudflare.com; HttpOnly\r\n"
    f"cf-aig-echo: Bearer {GATEWAY_TOKEN}\r\nlocation: /accounts/{ACCOUNT}/x?token={TOKEN}\r\n"
    f"cf-aig-cache-status: MISS\r\nretry-after: 5\r\n"
)
ENVELOPE = json.dumps(
    {
        "errors": [{"message": f"AiError: bad token {TOKEN} of {ACCOUNT.upper()} ({ERROR})", "code": 10000}],
        "result": {"request_id": BATCH, "log_id": LOG, "said": [GATEWAY_TOKEN, REQUEST, RAY, RUN, COOKIE]},
        "messages": [],
        "success": False,
    }
).encode()
PAGE = (
    f"<html><body>Ray ID: <strong>{RAY}</strong> {TOKEN} {GATEWAY_TOKEN} {quote(TOKEN)} {ACCOUNT} {COOKIE}"
    "</body></html>"
).encode()
EVENTS = (
    f'data: {{"id":"chatcmpl-{LOG}","response":"a"}}\n\nevent: error\ndata: {{"message":"AiError: {TOKEN} ({ERROR})",'
    f'"account":"{ACCOUNT}","request_id":"{BATCH}"}}\n\ndata: {REQUEST} {RAY} {RUN} {GATEWAY_TOKEN} {COOKIE}\n\n'
).encode()
BINARY = b"\x89PNG\xff" + f"{TOKEN}{ACCOUNT}{REQUEST}{GATEWAY_TOKEN}".encode() + b"\xfe"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
def test_recordings_are_for_nobody_else_s_eyes(tapes: Tapes, upstream: Emulator, tmp_path: Path) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    umask = os.umask(0)
    try:
        recorder = tapes.record(upstream.base_url)
        tapes.http(recorder).post()
        own = tmp_path / "own"
        own.mkdir(0o755)
        RecordingWriter(own).add(load_exchange(recorder.recordings[0]))
    finally:
        os.umask(umask)
    assert mode(tapes.folder) == 0o700
    assert mode(own) == 0o755, "a folder that was there is its owner's"
    assert [mode(path) for folder in (tapes.folder, own) for path in folder.iterdir()] == [0o600, 0o600]


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (ENVELOPE, "application/json", "401 Unauthorized"),
        (ENVELOPE, "application/json", "200 OK"),
        (PAGE, "text/html", "502 Bad Gateway"),
        (EVENTS, "text/event-stream", "200 OK"),
        (BINARY, "image/png", "200 OK"),
        (ENVELOPE, "", "302 Found"),
    ],
    ids=["error", "result", "page", "stream", "binary", "no content type"],
)
def test_no_secret_that_is_echoed_is_kept(tapes: Tapes, body: bytes, content_type: str, status: str, size: int) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            kind = f"content-type: {content_type}\r\n" if content_type else ""
            peer.send(f"HTTP/1.1 {status}\r\n{kind}{HEADERS}transfer-encoding: chunked\r\n\r\n".encode())
            for at in range(0, len(body), size):
                peer.chunk(body[at : at + size])
            peer.chunk(b"")

    client = tapes.through(script, gateway_token=GATEWAY_TOKEN)
    headers = {"cf-aig-authorization": client.http.headers["authorization"]}
    path = f"{client.path()}?note={TOKEN}&account={ACCOUNT}"
    inputs = {"prompt": f"my token is {TOKEN}", "headers": {"Authorization": "Bearer sk-of-another-provider"}}
    response = client.ask("POST", path, json=inputs, headers=headers)
    # The caller gets it as it is.
    assert response.content == body
    [exchange] = tapes.read()
    assert [len(chunk) for chunk in chunks(exchange)] == [len(chunk) for chunk in response.extensions["chunks"]]
    written = tapes.everything().lower()
    for secret in (*SECRETS, client.local.api_token, "sk-of-another-provider"):
        assert secret.lower().encode() not in written, secret
    headers = exchange["response"]["headers"]
    assert (headers["retry-after"], headers["cf-aig-cache-status"]) == ("5", "MISS")
    assert "set-cookie" not in headers
    # What is no secret is left as it was.
    assert b"api.cloudflare.com" not in written
    assert exchange["response"]["chunks"] != []


def test_what_was_not_secret_is_kept_as_it_was(tapes: Tapes) -> None:
    text = b'{"result":{"response":"Bearer tokens, 0123-4567, api.cloudflare.com, cafe-babe"},"success":true}'
    tapes.through(answers(text, head="set-cookie: a=b; Domain=.api.cloudflare.com\r\n")).post()
    assert b"".join(chunks(tapes.read()[0])) == text


def test_a_gateway_token_is_not_kept_whoever_has_it(tapes: Tapes, serve: Serve) -> None:
    server = serve(answers(ENVELOPE))
    mine = {"cf-aig-authorization": f"Bearer {GATEWAY_TOKEN}", "x-api-key": REQUEST}
    for name, options, headers, secrets in (
        ("the caller's own", {}, mine, (GATEWAY_TOKEN, REQUEST)),
        ("the recorder's, not used", {"gateway_token": GATEWAY_TOKEN}, {}, (GATEWAY_TOKEN,)),
    ):
        with row(name):
            tapes.http(tapes.record(server.url, **options)).post(headers=headers)
            assert (GATEWAY_TOKEN.encode() in server.requests[-1]) == bool(headers)
            for secret in secrets:
                assert secret.encode() not in tapes.everything()


@pytest.mark.parametrize("stream", [False, True])
def test_no_id_of_the_emulator_is_kept(tapes: Tapes, recorder: Recorder, upstream: Emulator, stream: bool) -> None:
    upstream.script(Fault(error_after=3), Fault(code=3040), "ok")
    client = tapes.http(recorder)
    ids: list[str] = []
    for _ in range(3):
        path = f"{recorder.gateway_url}/{recorder.account_id}/g/workers-ai/{MODEL}"
        response = client.ask("POST", path, json={"prompt": "Hello", "stream": stream})
        ids += [response.headers[name] for name in ("cf-ai-req-id", "cf-ray") if name in response.headers]
        ids += [response.headers["cf-aig-log-id"]] if "cf-aig-log-id" in response.headers else []
    assert len(ids) >= 7
    written = tapes.everything()
    for id in ids:
        assert id.partition("-LHR")[0].encode() not in written
    assert b"(00000000-0000-0000-0000-00000000" in written


def test_a_batch_can_be_followed_by_the_id_that_stands_for_its_own(tapes: Tapes, recorder: Recorder) -> None:
    def follow(client: Http) -> list[Any]:
        path = f"{client.path('@cf/baai/bge-small-en-v1.5')}?queueRequest=true"
        queued = client.ask("POST", path, json={"requests": [{"text": "Hello"}]}).json()["result"]
        while (polled := client.ask("POST", path, json={"request_id": queued["request_id"]}).json()["result"]).get(
            "status"
        ) in ("queued", "running"):
            pass
        return [queued["request_id"], polled["responses"]]

    real = follow(tapes.http(recorder))
    recorder.stop()
    assert real[0].encode() not in tapes.everything()
    played = follow(tapes.http(tapes.play()))
    assert played[0] != real[0]
    assert played[1] == real[1]


def test_lists_of_what_exists_keep_their_ids(tapes: Tapes, serve: Serve) -> None:
    text = json.dumps({"result": [{"id": BATCH, "name": MODEL}], "success": True, "said": f"({ERROR})"}).encode()

    def script(peer: Peer) -> None:
        assert peer.connection.recv(65536).startswith(b"GET ")
        peer.answer(text, head=HEADERS)

    recorder = tapes.record(serve(script).url)
    tapes.http(recorder).ask("GET", f"/accounts/{recorder.account_id}/ai/models/search")
    [body] = chunks(tapes.read()[0])
    assert json.loads(body)["result"][0]["id"] == BATCH
    assert ERROR.encode() not in body


# By itself


def raw(*chunks: bytes, **changes: Any) -> RawExchange:
    """Return an exchange as it passes by."""
    request: dict[str, Any] = {"method": "POST", "path": "/p", "query": "", "request_content_type": None}
    response: dict[str, Any] = {"status": 200, "response_headers": JSON, "response_chunks": chunks}
    return RawExchange(**{"number": 1, "request_body": b""} | request | response | changes)


def redact(body: bytes, cuts: list[int], **changes: Any) -> bytes:
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    pieces = [body[start:end] for start, end in pairwise(edges)]
    redacted = Redactor({TOKEN: "x", ACCOUNT: "cfa1"}).redact(raw(*pieces, **changes)).response.decode_chunks()
    assert [len(chunk) for chunk in redacted] == [len(chunk) for chunk in pieces]
    return b"".join(redacted)


@given(cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_where_chunks_are_cut_does_not_matter(cuts: list[int]) -> None:
    assert redact(EVENTS, cuts) == redact(EVENTS, [])


def test_a_stand_in_is_as_long_as_what_it_stands_for() -> None:
    for body, redacted in (
        (f"a {TOKEN} b", f"a {'x' * len(TOKEN)} b"),
        (TOKEN.upper() * 2, "x" * 2 * len(TOKEN)),
        (f"/{ACCOUNT}/", f"/{'cfa1' * 8}/"),
        (f"({ERROR})", "(00000000-0000-0000-0000-000000001001)"),
        (f"{ERROR} {BATCH} {ERROR.upper()}", "{0}1 {0}2 {0}1".format("00000000-0000-0000-0000-00000000100")),
        ('"request_id": "abc-123"', '"request_id": "001-001"'),
        (f"chatcmpl-{LOG}", f"chatcmpl-{'0' * 19}0001001"),
        ("chatcmpl-tool-1", "chatcmpl-tool-1"),
        (f"Ray ID: {RAY}", "Ray ID: 0000000000001001"),
        (f"x{ERROR}0", f"x{ERROR}0"),
        ("", ""),
    ):
        with row(body):
            assert redact(body.encode(), []).decode() == redacted
    failed, attempted = doctest.testmod(_exchange)
    assert (failed, attempted > 0) == (0, True)


def test_an_id_has_the_same_stand_in_in_every_exchange_unless_the_request_named_it() -> None:
    redactor = Redactor({})
    headers = JSON | {"cf-ray": f"{RAY}-LHR"}
    one, other = (
        redactor.redact(raw(ERROR.encode(), number=number, response_headers=headers)).response for number in (1, 2)
    )
    assert one == other
    assert one.headers["cf-ray"] == "0000000000001001-LHR"
    assert (
        redactor.redact_request(f"/x/{ERROR}?ray={RAY}".encode())
        == b"/x/%s?ray=0000000000001001" % one.decode_chunks()[0]
    )
    assert redact(ERROR.encode(), [], request_body=f'{{"prompt":"echo {ERROR}"}}'.encode()).decode() == ERROR


def test_a_secret_that_begins_as_another_does_is_replaced_whole_and_a_word_is_none() -> None:
    redactor = Redactor({TOKEN: "x", f"{TOKEN}-and-more": "y"})
    assert redactor.redact_request(f"{TOKEN}-and-more".encode()) == b"y" * (len(TOKEN) + 9)
    assert Redactor({"none": "x", "me": "x"}).redact_request(b"none of me") == b"none of me"
    redactor = Redactor({})
    redactor.redact(raw(request_body=b'{"prompt": "Explain bearer authentication, token=authentication-scheme"}'))
    assert redactor.redact_request(b"authentication-scheme") == b"authentication-scheme"


def test_secrets_are_found_as_urls_and_json_write_them() -> None:
    secret = 'a"b/c d+e-f-g-h'
    for written in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        with row(written):
            hidden = Redactor({secret: "x"}).redact_request(f"<{written}>".encode())
            assert hidden == f"<{'x' * len(written)}>".encode()


def test_secrets_are_found_in_base64_wherever_they_begin() -> None:
    secret = b"token~that?must>not-show-0123456789"
    for before, encode in product(range(3), (base64.b64encode, base64.urlsafe_b64encode)):
        with row((before, encode.__name__)):
            text = encode(b"m" * before + secret + b": more")
            hidden = Redactor({secret.decode(): "x"}).redact_request(b'{"basic": "%s"}' % text)
            assert len(hidden) == len(text) + 13
            assert secret[2:-2] not in base64.b64decode(hidden[11:-2], altchars=b"-_")
            assert secret[2:-2] not in base64.b64decode(hidden[11:-2])
            assert b"x" * 44 in hidden


def test_secrets_are_found_whatever_of_them_is_escaped() -> None:
    for name, written in (
        ("a URL", "".join(f"%{ord(character):02X}" for character in TOKEN)),
        ("JSON", "".join(f"\\u{ord(character):04x}" for character in TOKEN)),
        ("a part of it", TOKEN.replace("-", "%2D")),
        ("one character", TOKEN.replace("t", "\\u0074", 1).upper()),
        ("JSON in JSON", TOKEN.replace("t", "\\\\u0074")),
    ):
        with row(name):
            passed = raw(
                f'{{"said": "{written}"}}'.encode(),
                query=f"note={written}" if "%" in written else "",
                request_body=f'{{"prompt": "{written}"}}'.encode(),
                response_headers=JSON | {"location": f"/x?{written}"},
            )
            exchange = Redactor({TOKEN: "x"}).redact(passed)
            hidden = "x" * len(written)
            assert exchange.request.query in ("", f"note={hidden}")
            assert exchange.request.body == {"json": {"prompt": hidden}}
            assert exchange.response.headers["location"] == f"/x?{hidden}"
            assert exchange.response.chunks == [f'{{"said": "{hidden}"}}']


def test_a_token_for_another_provider_is_kept_neither_where_it_is_sent_nor_where_it_is_echoed() -> None:
    def passed(token: str) -> RawExchange:
        """Return an exchange with a token in the place of `OTHER`."""
        error = f'{{"error": "Incorrect API key provided: {token}"}}'.encode()
        places = {"query": query.replace("OTHER", token), "request_body": sent.replace("OTHER", token).encode()}
        return raw(error, status=401, **places)

    for query, sent in (
        ("", '[{"provider": "anthropic", "headers": {"x-api-key": "OTHER"}}]'),
        ("", '[{"provider": "openai", "headers": {"Authorization": "Bearer OTHER"}}]'),
        ("", '{"auth": {"access_token":"OTHER"}}'),
        ("alt=sse&key=OTHER", "{}"),
        ("api_key=OTHER&b=c", "{}"),
    ):
        with row(query or sent):
            exchange = Redactor({}).redact(passed("sk-of-another-provider-42"))
            assert "sk-of-another-provider-42" not in exchange.model_dump_json()
            # A player looks for the same, whichever token its caller has.
            mine = passed("sk-of-another-provider-77")
            assert exchange.request == parse_request("POST", mine.path, mine.query, None, mine.request_body)


def test_a_batch_that_another_recorder_handed_in_is_followed_without_its_id() -> None:
    redactor = Redactor({})
    result = f'{{"result": {{"status": "queued", "request_id": "{BATCH}"}}}}'.encode()
    exchange = redactor.redact(raw(result, number=7, request_body=f'{{"request_id": "{BATCH}"}}'.encode()))
    stand_in = "00000000-0000-0000-0000-000000007001"
    assert exchange.request.body == {"json": {"request_id": stand_in}}
    assert json.loads(exchange.response.decode_chunks()[0])["result"]["request_id"] == stand_in
    redactor.redact(raw(number=8, request_body=f'{{"request_id": "{stand_in}"}}'.encode()))
    assert redactor.redact_request(stand_in.encode()) == stand_in.encode()


def test_an_id_under_any_name_is_taken_out_but_of_lists_of_what_exists() -> None:
    body = json.dumps({"job": BATCH}).encode()
    for method, status, remains in (("POST", 200, False), ("GET", 404, False), ("GET", 200, True)):
        with row((method, status)):
            [chunk] = Redactor({}).redact(raw(body, method=method, status=status)).response.decode_chunks()
            assert (BATCH.encode() in chunk) == remains
            assert len(chunk) == len(body)
