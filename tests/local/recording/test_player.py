"""The player: what was recorded, byte for byte, and nothing else."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cfai import NotFoundError, RateLimitError, StreamTruncatedError
from cfai.local import Emulator, Fault, Player, Recorder
from tests.conftest import SYNC_AND_ASYNC, Caller, row
from tests.local.recording.conftest import EVENT, MODEL, NATIVE, REST, Ask, Tapes, answers, breaks_off, chunks, streams

IMAGE = "@cf/leonardo/phoenix-1.0"


# What is played


@SYNC_AND_ASYNC
def test_answers_are_those_that_were_recorded(tapes: Tapes, recorder: Recorder, upstream: Emulator, ask: Ask) -> None:
    def results(caller: Caller) -> list[Any]:
        text = caller.run(MODEL, {"prompt": "Hello"}).text
        tokens = [(token.text, token.finish_reason) for token in caller.stream(NATIVE)]
        image = caller.run(IMAGE, {"prompt": "a cat"}).content
        with pytest.raises(RateLimitError) as caught:
            caller.run(MODEL, {"prompt": "refuse"})
        return [text, tokens, image, caught.value.code, caught.value.retry_after]

    upstream.script("ok", "ok", "ok", Fault(code=3021, retry_after=9))
    recorded = results(ask(recorder))
    recorder.stop()
    upstream.stop()
    assert results(ask(tapes.play())) == recorded


def test_a_body_comes_in_the_chunks_in_which_it_came(tapes: Tapes) -> None:
    body = 'data: {"response":"naïve 🙂"}\n\ndata: [DONE]\n\n'.encode() + b"\xff\x00"
    for size in (1, 5, 64, 10_000):
        with row(size):
            pieces = [body[at : at + size] for at in range(0, len(body), size)]
            assert tapes.through(streams(*pieces)).post({"size": size}).extensions["chunks"] == pieces
            played = tapes.replay().post({"size": size})
            assert played.extensions["chunks"] == pieces
            assert (played.status_code, played.headers["content-type"]) == (200, "text/event-stream")
            assert played.headers["transfer-encoding"] == "chunked"


def test_a_whole_answer_has_its_length_and_its_headers(tapes: Tapes, recorder: Recorder) -> None:
    recorded = tapes.http(recorder).post()
    played = tapes.replay().post()
    assert len(played.content) == len(recorded.content)
    assert set(played.headers) == set(recorded.headers)
    for name in ("content-type", "content-length", "cf-ai-neurons"):
        assert played.headers[name] == recorded.headers[name]


@SYNC_AND_ASYNC
def test_a_stream_that_was_cut_breaks_off_there(tapes: Tapes, ask: Ask) -> None:
    for local in (tapes.through(breaks_off(EVENT)).local, None):
        with pytest.raises(StreamTruncatedError) as caught:
            list(ask(local or tapes.play()).stream(NATIVE))
        assert caught.value.partial == "Hel"
    assert tapes.bodies() == [("by the service", [EVENT])]


def test_an_answer_that_was_cut_breaks_off_however_long_its_edited_chunks_are(tapes: Tapes) -> None:
    for headers, edited in (
        ({"content-type": "image/png"}, "half"),
        ({"content-type": "image/png", "content-length": "10"}, "half"),
        ({"content-length": "10"}, "just as it"),
        ({"content-length": "10"}, "much longer than it was"),
    ):
        tapes.write(response__headers=headers, response__chunks=[edited], response__cut="by the service")
        client = tapes.replay()
        with row((headers, edited)), client.http.stream("POST", client.path(), json={"prompt": "Hello"}) as response:
            received: list[bytes] = []
            with pytest.raises(httpx.RemoteProtocolError):
                received.extend(response.iter_raw())
            assert b"".join(received).decode() == edited


def test_recordings_of_one_request_are_played_in_order_and_the_last_again(tapes: Tapes) -> None:
    for number in (10, 2, 1):
        tapes.write(number, response__chunks=[f"{number}"])
    tapes.write(3, request__body={"json": {"prompt": "other"}}, response__chunks=["other"])
    player = tapes.play()
    for _ in range(2):
        client = tapes.http(player)
        assert [client.post().text for _ in range(5)] == ["1", "2", "10", "10", "10"]
        assert client.post({"prompt": "other"}).text == "other"
        player.stop()
        player.start()


def test_a_chunk_that_was_changed_by_hand_is_played_as_it_is_now(tapes: Tapes, recorder: Recorder) -> None:
    tapes.http(recorder).post()
    [path] = tapes.folder.iterdir()
    recording = json.loads(path.read_bytes())
    recording["response"]["chunks"] = ['{"result":{"response":"Grüße"}}']
    headers = recording["response"]["headers"]
    headers |= {"Content-Length": headers.pop("content-length"), "x-note": "été", "x-empty": ""}
    path.write_text(json.dumps(recording), "utf-8")
    assert tapes.replay().post().json() == {"result": {"response": "Grüße"}}
    path.unlink()
    for edited in ([], [""], ["much longer than it was"], ["a", "b"]):
        tapes.write(response__headers={"content-length": "10"}, response__chunks=edited)
        with row(edited):
            response = tapes.replay().post()
            assert response.headers["content-length"] == str(len("".join(edited)))
            assert response.text == "".join(edited)


def test_answers_without_a_body_are_played_too(tapes: Tapes) -> None:
    for method, status, headers in (("HEAD", 200, {"content-length": "10"}), ("GET", 204, {})):
        with row(method):
            changes = {"response__status": status, "response__headers": headers, "response__chunks": []}
            tapes.write(request__method=method, request__body=None, **changes)
            client = tapes.replay()
            response = client.ask(method, client.path())
            assert (response.status_code, response.content) == (status, b"")
            assert response.headers.get("content-length") == headers.get("content-length")


# Timing


def test_pauses_are_kept_if_they_are_asked_for(tapes: Tapes) -> None:
    for times in ({"head": 10**8}, {"head": 0, "chunks": [0, 10**8]}):
        with row(times):
            tapes.write(response__chunks=["one", "two"], response__times=times)
            assert tapes.replay().post().text == "onetwo"
            client = tapes.replay(timing=True)
            client.http.timeout = 0.2
            with pytest.raises(httpx.ReadTimeout):
                client.post()
    tapes.write(response__chunks=["one", "two", "three"], response__times={"head": 1, "chunks": [1, 2]})
    assert tapes.replay(timing=True).post().text == "onetwothree", "pauses that are over are none"


# What is the same request


JSON = {"content-type": "application/json"}


def test_bodies_are_compared_by_value_and_forms_whatever_parts_them(tapes: Tapes) -> None:
    for recorded, requested, status in (
        (b'{"a": 1, "b": [1, {"c": null, "d": 2}]}', b'{"b":[1.0,{"d":2e0,"c":null}],"a":1.0}', 200),
        (b'{"a": "\\u00fc"}', '{"a": "ü"}'.encode(), 200),
        (b"plain text", b"plain text", 200),
        (b"\xff\x00 audio", b"\xff\x00 audio", 200),
        (b"", b"", 200),
        (b'{"a": NaN}', b'{"a": NaN}', 200),
        (b'{"a": 1e999}', b'{"a": 1e999}', 200),
        (b"[" * 500 + b"]" * 500, b"[" * 500 + b"]" * 500, 200),
        (b"[" * 100_000, b"[" * 100_000, 200),
        (b'{"a": "Bearer sk-1234567890"}', b'{"a": "Bearer sk-0987654321"}', 200),
        (b'{"a": true}', b'{"a": 1}', 404),
        (b'{"a": "1"}', b'{"a": 1}', 404),
        (b'{"a": null}', b"{}", 404),
        (b'{"a": [1, 2]}', b'{"a": [2, 1]}', 404),
        (b'{"a": 0.1}', b'{"a": 0.2}', 404),
        (b"{}", b"", 404),
        (b"\xff\x00 audio", b"\xff\x01 audio", 404),
        (b"text", b"Text", 404),
    ):
        with row((recorded[:50], requested[:50])):
            for path in tapes.folder.glob("*"):
                path.unlink()
            assert tapes.through(answers(b"{}")).post(content=recorded, headers=JSON).status_code == 200
            assert tapes.replay().post(content=requested, headers=JSON).status_code == status
    form = {"prompt": (None, "a cat"), "image": ("cat.png", b"\xff\xfe", "image/png")}
    tapes.through(answers(b"{}")).post(files=form)
    player = tapes.replay()
    assert player.post(files=form).status_code == 200
    assert player.post(files=form | {"prompt": (None, "a dog")}).status_code == 404


def test_a_path_is_compared_segment_by_segment_and_a_query_by_its_values(tapes: Tapes) -> None:
    tapes.write(request__query="a=1&b=%2F")
    client = tapes.replay()
    for model, query, status in (
        (MODEL, "?a=1&b=%2F", 200),
        (MODEL, "?b=/&a=1", 200),
        (MODEL, "?a=1", 404),
        (MODEL, "?a=1&b=%2F&c=", 404),
        (MODEL, "", 404),
        ("%40cf/zai-org/glm-4%2E7-flash", "?a=1&b=%2F", 200),
        ("@cf%2Fzai-org%2Fglm-4.7-flash", "?a=1&b=%2F", 404),
        ("@cf/zai-org/GLM-4.7-flash", "?a=1&b=%2F", 404),
    ):
        with row((model, query)):
            assert client.post(model=f"{model}{query}").status_code == status


# What was not recorded


def nearest(answer: httpx.Response) -> str:
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    envelope = answer.json()
    assert (envelope["result"], envelope["success"], envelope["messages"]) == (None, False, [])
    [error] = envelope["errors"]
    start = "no recording answers this request; the nearest is "
    assert error["message"].startswith(start)
    return error["message"].removeprefix(start)


LONG_TEXT = "word " * 100
HELLO: dict[str, Any] = {"prompt": "Hello"}
MESSAGES = {"messages": [{"role": "user", "content": "A"}]}
CHAT = "/client/v4/accounts/{account_id}/ai/v1/chat/completions"
RECORDED: list[dict[str, Any]] = [
    {},
    {"request__body": {"json": MESSAGES}},
    {"request__body": {"json": {"text": f"{LONG_TEXT}old"}}},
    {"request__body": {"json": {"audio": [*range(100)]}}},
]
OTHER = {"request__body": {"json": {"prompt": "other"}}}
IN_BODY = {"request__path": CHAT, "request__body": {"json": {"model": MODEL, "messages": []}}}
OF_NATIVE = {"request__path": f"/client/v4/accounts/{{account_id}}/ai/run/{NATIVE}"}
NEAREST: list[tuple[list[dict[str, Any]], str, str, Any, str]] = [
    (RECORDED, "POST", "", {"prompt": "Hallo"}, '0001-x.json: prompt is "Hello" there and "Hallo" here'),
    (RECORDED, "POST", "", {}, '0001-x.json: prompt is "Hello" there and missing here'),
    (RECORDED, "POST", "", HELLO | {"top_p": 0.5}, "0001-x.json: top_p is missing there and 0.5 here"),
    (RECORDED, "POST", "", {"messages": [{"role": "user", "content": "B"}], "stream": True},
     '0002-x.json: messages[0].content is "A" there and "B" here, stream is missing there and true here'),
    (RECORDED, "POST", "", {"messages": []},
     '0002-x.json: messages[0] is {"role": "user", "content": "A"} there and missing here'),
    (RECORDED, "POST", "", HELLO | {"a": 1, "b": 2, "c": 3, "d": 4},
     "0001-x.json: a is missing there and 1 here, b is missing there and 2 here, c is missing there and 3 here, "
     "and 1 more differ"),
    (RECORDED, "POST", "", {"text": f"{LONG_TEXT}new"},
     f"0003-x.json: text is …*{(LONG_TEXT + 'new')[-26:]}\" here"),
    (RECORDED, "POST", "", {"audio": [*range(99), 0]}, "0004-x.json: audio is …*, 94, 95, 96, 97, 98, 0] here"),
    ([{}], "POST", "?a=1", HELLO, '0001-x.json: query is "" there and "a=1" here'),
    ([{}], "PUT", "", HELLO, '0001-x.json: method is "POST" there and "PUT" here'),
    ([{}], "POST", "", b"\xff\xfe", '0001-x.json: body is {"prompt": "Hello"} there and "2 bytes" here'),
    ([{}], "POST", "", b"", '0001-x.json: body is {"prompt": "Hello"} there and missing here'),
    ([{"request__body": {"text": "plain"}}], "POST", "?a=1", b"plain", '0001-x.json: query is "" there and "a=1" here'),
    ([OTHER, {}], "POST", OF_NATIVE["request__path"], HELLO,
     f'0002-x.json: model is "{MODEL}" there and "{NATIVE}" here'),
    ([OTHER, IN_BODY], "POST", CHAT, {"model": NATIVE, "messages": []},
     f'0002-x.json: model is "{MODEL}" there and "{NATIVE}" here'),
    # Of two that are as near it is the one of the same model.
    ([OF_NATIVE | OTHER, OTHER], "POST", "", HELLO, '0002-x.json: prompt is "other" there and "Hello" here'),
]  # fmt: skip
"""Rows: recordings; a method, a query or a path, and a body; the nearest recording, with `*` for any text."""


def test_the_nearest_recording_is_named_with_the_differences(tapes: Tapes) -> None:
    for recorded, method, place, body, expected in NEAREST:
        for path in tapes.folder.glob("*"):
            path.unlink()
        for number, changes in enumerate(recorded, 1):
            tapes.write(number, **changes)
        client = tapes.replay()
        url = place.replace("{account_id}", client.local.account_id).removeprefix("/client/v4")
        with row(expected):
            sent = {"content": body} if isinstance(body, bytes) else {"json": body}
            message = nearest(client.ask(method, url if url.startswith("/") else client.path() + place, **sent))
            start, _, end = expected.partition("*")
            assert message == expected if not end else message.startswith(start) and message.endswith(end)
            assert len(message) < 250


@SYNC_AND_ASYNC
def test_a_client_of_ours_says_it_too(tapes: Tapes, ask: Ask) -> None:
    tapes.write()
    with pytest.raises(NotFoundError, match=r"nearest is 0001-x\.json: prompt is"):
        ask(tapes.play()).run(MODEL, {"prompt": "other"})


# Who is let in


def test_a_player_checks_who_asks_and_may_be_reached_from_elsewhere(tapes: Tapes) -> None:
    tapes.write()
    client = tapes.replay()
    for account, headers, status in (
        (client.local.account_id, {}, 200),
        (client.local.account_id, {"authorization": "Bearer other"}, 401),
        ("other", {}, 400),
        (client.local.account_id, {"host": "evil.example"}, 403),
        (client.local.account_id, {"connection": "upgrade", "upgrade": "websocket"}, 501),
    ):
        with row(status):
            path = f"/accounts/{account}/ai/run/{MODEL}"
            assert client.ask("POST", path, json={"prompt": "Hello"}, headers=headers).status_code == status
    with pytest.raises(ValueError, match="allow_remote=True"):
        Player(tapes.folder, "0.0.0.0")
    with Player(tapes.folder, "0.0.0.0", allow_remote=True, api_token="t", account_id="me") as player:
        assert tapes.http(player).post(headers={"host": "elsewhere.example"}).status_code == 200


# Files that are none


def nested(depth: int) -> Any:
    """Return a list in a list in a list ..."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
def test_what_is_no_file_or_a_huge_one_is_named_and_not_read(tapes: Tapes) -> None:
    def make_large(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(2**40)

    made: dict[str, Callable[[Path], object]] = {
        "a pipe": os.mkfifo,
        "a folder": Path.mkdir,
        "a link to a device without an end": lambda path: path.symlink_to("/dev/zero"),
        "a link to nothing": lambda path: path.symlink_to("nowhere"),
        "a link to itself": lambda path: path.symlink_to(path),
        "a terabyte": make_large,
    }
    for name, make in made.items():
        path = tapes.write()
        path.unlink()
        with row(name):
            make(path)
            with pytest.raises(ValueError, match=r"0001-x\.json is no recording: it must "):
                Player(tapes.folder).start()
        path.rmdir() if path.is_dir() else path.unlink()


def test_an_answer_that_has_no_body_is_played_and_a_link_to_a_recording_followed(tapes: Tapes, tmp_path: Path) -> None:
    for status in (204, 304):
        for changes in ({}, {"response__headers": {"content-length": "5"}}):
            with row((status, changes)):
                tapes.write(response__status=status, response__chunks=[], **changes).replace(tmp_path / "elsewhere")
                path = tapes.folder / "0001-x.json"
                path.symlink_to(tmp_path / "elsewhere")
                answer = tapes.replay().post()
                assert (answer.status_code, answer.content) == (status, b"")
                path.unlink()


def test_a_folder_without_recordings_is_an_error_and_a_file_that_is_none_named(tapes: Tapes) -> None:
    with pytest.raises(ValueError, match="nothing is recorded in"):
        Player(tapes.folder).start()
    tapes.folder.mkdir()
    (tapes.folder / "notes.json").write_text("{}")
    with pytest.raises(ValueError, match="nothing is recorded in"):
        Player(tapes.folder).start()
    for changes, problem in (
        ({"format": 2}, "format: Input should be 1"),
        ({"response__status": "fine"}, "response.status: Input should be a valid integer"),
        ({"response__chunks": [1]}, "response.chunks.0"),
        ({"response__chunks": [{"base64": "?"}]}, "Only base64 data is allowed"),
        ({"response__extra": 1}, "response.extra: Extra inputs are not permitted"),
        ({"response__status": 600}, "response.status: Input should be less than or equal to 599"),
        ({"response__headers": {"x-a": "b\r\nc: d"}}, r"response.headers.x-a: 'b\r\nc: d' cannot be sent"),
        ({"response__headers": {"x-a": "\u20ac"}}, "response.headers.x-a"),
        ({"response__headers": {"x a": ""}}, "response.headers.x a"),
        ({"response__headers": {"Content-Length": "ten"}}, "response.headers.Content-Length: 'ten' cannot be sent"),
        ({"request__method": None}, "request.method: Input should be a valid string"),
        ({"request__body": {"json": {"a": math.nan}}}, "NaN is not JSON"),
        (
            {"request__body": {"sha256": "00"}},
            "request.body: Value error, it has `json`, `text`",
        ),
        ({"request__body": {"json": nested(300)}}, "request.body: it is nested too deeply"),
        ({"response__status": 100}, "response.status: Input should be greater than or equal to 200"),
        ({"response__status": 999}, "response.status: Input should be less than or equal to 599"),
        ({"response__status": 204}, "response.chunks: status 204 to POST has no body"),
        ({"response__status": 304}, "response.chunks: status 304 to POST has no body"),
        ({"request__method": "HEAD"}, "response.chunks: status 200 to HEAD has no body"),
        (
            {"response__headers": {"Transfer-Encoding": "gzip"}},
            "Transfer-Encoding: it belongs to a connection",
        ),
        ({"response__headers": {"connection": "close"}}, "response.headers.connection: it belongs to a connection"),
        ({"response__headers": {"content-length": "9" * 5000}}, "cannot be sent"),
        ({"response__headers": {"content-length": "\u0663"}}, "cannot be sent"),
        ({"response__times": {"head": -1}}, "response.times.head: Input should be greater than or equal to 0"),
        ({"response__times": {"chunks": [10**400]}}, "response.times.chunks.0: Input should be less than"),
    ):
        path = tapes.write(**changes)
        with row(problem):
            with pytest.raises(ValueError, match="is no recording: ") as caught:
                Player(tapes.folder).start()
            assert str(path) in str(caught.value)
            assert problem in str(caught.value)
    for content in (b"", b"nonsense", b"[]", b"\xff", b"[" * 100_000):
        tapes.write().write_bytes(content)
        with row(content[:20]), pytest.raises(ValueError, match=r"0001-x\.json is no recording: "):
            Player(tapes.folder).start()


def test_other_files_are_left_alone(tapes: Tapes) -> None:
    tapes.write()
    (tapes.folder / "notes.json").write_text("{}")
    (tapes.folder / "README.md").write_text("mine")
    assert tapes.replay().post().status_code == 200


# Starting and stopping


@pytest.mark.anyio
async def test_a_player_is_an_async_context_manager(tapes: Tapes, anyio_backend_name: str) -> None:
    body = {"json": {"prompt": anyio_backend_name}}
    tapes.write(request__body=body, response__chunks=['{"result":{"response":"x"}}'])
    async with Player(str(tapes.folder)) as local, local.ai() as ai:
        assert repr(local) == f"Player('{local.base_url}')"
        assert (await ai.arun(MODEL, {"prompt": anyio_backend_name})).text == "x"
    with pytest.raises(RuntimeError, match="the player is not running"):
        _ = local.base_url


def test_what_was_recorded_can_be_recorded_again_from_a_player(tapes: Tapes, tmp_path: Path) -> None:
    tapes.through(streams(EVENT, REST)).post()
    player = tapes.play()
    options = {"upstream_account_id": player.account_id, "upstream_token": player.api_token}
    with Recorder(tmp_path / "again", upstream_url=player.base_url, **options) as again:
        tapes.http(again).post()
    [path] = (tmp_path / "again").iterdir()
    assert chunks(json.loads(path.read_bytes())) == chunks(tapes.read()[0])
