"""The player: what was recorded, byte for byte, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cfai import NotFoundError, RateLimitError, StreamTruncatedError
from cfai.local import Emulator, Fault, Player, Recorder
from tests.conftest import row
from tests.local.recording.conftest import (
    MODEL,
    NATIVE,
    SYNC_AND_ASYNC,
    Http,
    answers,
    breaks_off,
    chunks,
    read_recordings,
    streams,
)

Make = Callable[..., Any]
IMAGE = "@cf/leonardo/phoenix-1.0"
EVENT = b'data: {"response":"Hel"}\n\n'
REST = b'data: {"response":"lo"}\n\ndata: [DONE]\n\n'


@pytest.fixture
def ask(callers: Make) -> Make:
    return lambda local: callers(local.account_id, local.api_token, base_url=local.base_url, max_retries=None)


def write(folder: Path, number: int = 1, **changes: Any) -> Path:
    """Return a recording by hand; names with two underscores reach inside."""
    recording: dict[str, Any] = {
        "format": 1,
        "request": {
            "method": "POST",
            "path": f"/client/v4/accounts/{{account_id}}/ai/run/{MODEL}",
            "body": {"json": {"prompt": "Hello"}},
        },
        "response": {"status": 200, "headers": {"content-type": "application/json"}, "chunks": ["{}"]},
    }
    for name, value in changes.items():
        *inside, last = name.split("__")
        part = recording
        for each in inside:
            part = part[each]
        part[last] = value
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:04d}-x.json"
    path.write_text(json.dumps(recording), "utf-8")
    return path


# What is played


@SYNC_AND_ASYNC
def test_answers_are_those_that_were_recorded(
    recorder: Recorder, upstream: Emulator, play: Make, ask: Make, folder: Path
) -> None:
    def results(caller: Any) -> list[Any]:
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
    assert results(ask(play())) == recorded


def test_a_body_comes_in_the_chunks_in_which_it_came(through: Make, play: Make, http: Make, folder: Path) -> None:
    body = 'data: {"response":"naïve 🙂"}\n\ndata: [DONE]\n\n'.encode() + b"\xff\x00"
    for size in (1, 5, 64, 10_000):
        with row(size):
            pieces = [body[at : at + size] for at in range(0, len(body), size)]
            assert through(streams(*pieces)).post({"size": size}).extensions["chunks"] == pieces
            played = http(play()).post({"size": size})
            assert played.extensions["chunks"] == pieces
            assert (played.status_code, played.headers["content-type"]) == (200, "text/event-stream")
            assert played.headers["transfer-encoding"] == "chunked"


def test_a_whole_answer_has_its_length_and_its_headers(recorder: Recorder, play: Make, http: Make) -> None:
    recorded = http(recorder).post()
    played = http(play()).post()
    assert len(played.content) == len(recorded.content)
    assert set(played.headers) == set(recorded.headers)
    for name in ("content-type", "content-length", "cf-ai-neurons"):
        assert played.headers[name] == recorded.headers[name]


@SYNC_AND_ASYNC
def test_a_stream_that_was_cut_breaks_off_there(serve: Make, record: Make, play: Make, ask: Make, folder: Path) -> None:
    for local in (record(serve(breaks_off(EVENT)).url), None):
        with pytest.raises(StreamTruncatedError) as caught:
            list(ask(local or play()).stream(NATIVE))
        assert caught.value.partial == "Hel"
    assert read_recordings(folder)[0]["response"]["cut"] == "by the service"


def test_an_answer_that_was_cut_has_no_proper_end(folder: Path, play: Make, http: Make) -> None:
    for length in ({}, {"content-length": "10"}):
        headers = {"content-type": "image/png"} | length
        write(folder, response__headers=headers, response__chunks=["half"], response__cut="by the service")
        with row(length), pytest.raises(httpx.RemoteProtocolError):
            http(play()).post()


def test_recordings_of_one_request_are_played_in_order_and_the_last_again(folder: Path, play: Make, http: Make) -> None:
    for number in (10, 2, 1):
        write(folder, number, response__chunks=[f"{number}"])
    write(folder, 3, request__body={"json": {"prompt": "other"}}, response__chunks=["other"])
    client: Http = http(play())
    assert [client.post().text for _ in range(5)] == ["1", "2", "10", "10", "10"]
    assert client.post({"prompt": "other"}).text == "other"


def test_a_player_starts_again_from_the_first(folder: Path, play: Make, http: Make) -> None:
    for number in (1, 2):
        write(folder, number, response__chunks=[f"{number}"])
    player: Player = play()
    for _ in range(2):
        client: Http = http(player)
        assert [client.post().text, client.post().text] == ["1", "2"]
        player.stop()
        player.start()


def test_a_chunk_that_was_changed_by_hand_is_played_as_it_is_now(
    recorder: Recorder, play: Make, http: Make, folder: Path
) -> None:
    http(recorder).post()
    [path] = folder.iterdir()
    recording = json.loads(path.read_bytes())
    recording["response"]["chunks"] = ['{"result":{"response":"Grüße"}}']
    headers = recording["response"]["headers"]
    headers |= {"Content-Length": headers.pop("content-length"), "x-note": "été", "x-empty": ""}
    path.write_text(json.dumps(recording), "utf-8")
    assert http(play()).post().json() == {"result": {"response": "Grüße"}}


def test_the_length_that_is_announced_is_that_of_the_edited_chunks(folder: Path, play: Make, http: Make) -> None:
    for edited in ([], [""], ["much longer than it was"], ["a", "b"]):
        write(folder, response__headers={"content-length": "10"}, response__chunks=edited)
        with row(edited):
            response = http(play()).post()
            assert response.headers["content-length"] == str(len("".join(edited)))
            assert response.text == "".join(edited)


def test_an_answer_that_was_cut_breaks_off_however_long_its_edited_chunks_are(
    folder: Path, play: Make, http: Make
) -> None:
    for edited in ("half", "just as it", "much longer than it was"):
        headers = {"content-length": "10"}
        write(folder, response__headers=headers, response__chunks=[edited], response__cut="by the service")
        client: Http = http(play())
        with row(edited), client.http.stream("POST", client.path(), json={"prompt": "Hello"}) as response:
            received: list[bytes] = []
            with pytest.raises(httpx.RemoteProtocolError):
                received.extend(response.iter_raw())
            assert b"".join(received).decode() == edited


def test_answers_without_a_body_are_played_too(folder: Path, play: Make, http: Make) -> None:
    for method, status, headers in (("HEAD", 200, {"content-length": "10"}), ("GET", 204, {})):
        with row(method):
            changes = {"response__status": status, "response__headers": headers, "response__chunks": []}
            write(folder, request__method=method, request__body=None, **changes)
            client: Http = http(play())
            response = client.ask(method, client.path())
            assert (response.status_code, response.content) == (status, b"")
            assert response.headers.get("content-length") == headers.get("content-length")


# Timing


def test_pauses_are_kept_if_they_are_asked_for(folder: Path, play: Make, http: Make) -> None:
    for times in ({"head": 10**8}, {"head": 0, "chunks": [0, 10**8]}):
        with row(times):
            write(folder, response__chunks=["one", "two"], response__times=times)
            assert http(play()).post().text == "onetwo"
            client: Http = http(play(timing=True))
            client.http.timeout = 0.2
            with pytest.raises(httpx.ReadTimeout):
                client.post()


def test_pauses_that_are_over_are_none(folder: Path, play: Make, http: Make) -> None:
    write(folder, response__chunks=["one", "two", "three"], response__times={"head": 1, "chunks": [1, 2]})
    assert http(play(timing=True)).post().text == "onetwothree"


# What is the same request


JSON = {"content-type": "application/json"}


def test_bodies_are_compared_by_value(through: Make, play: Make, http: Make, folder: Path) -> None:
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
            for path in folder.glob("*"):
                path.unlink()
            assert through(answers(b"{}")).post(content=recorded, headers=JSON).status_code == 200
            assert http(play()).post(content=requested, headers=JSON).status_code == status


def test_a_form_is_the_same_whatever_parts_it(through: Make, play: Make, http: Make) -> None:
    form = {"prompt": (None, "a cat"), "image": ("cat.png", b"\xff\xfe", "image/png")}
    through(answers(b"{}")).post(files=form)
    player = http(play())
    assert player.post(files=form).status_code == 200
    assert player.post(files=form | {"prompt": (None, "a dog")}).status_code == 404


def test_a_query_is_compared_by_its_values(folder: Path, play: Make, http: Make) -> None:
    write(folder, request__query="a=1&b=%2F")
    client: Http = http(play())
    for query, status in (("a=1&b=%2F", 200), ("b=/&a=1", 200), ("a=1", 404), ("a=1&b=%2F&c=", 404), ("", 404)):
        with row(query):
            path = f"{client.path()}?{query}" if query else client.path()
            assert client.ask("POST", path, json={"prompt": "Hello"}).status_code == status


def test_a_path_is_compared_segment_by_segment(folder: Path, play: Make, http: Make) -> None:
    write(folder)
    client: Http = http(play())
    for model, status in (
        ("%40cf/zai-org/glm-4%2E7-flash", 200),
        ("@cf%2Fzai-org%2Fglm-4.7-flash", 404),
        ("@cf/zai-org/GLM-4.7-flash", 404),
    ):
        with row(model):
            assert client.post(model=model).status_code == status


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


def test_the_nearest_recording_is_named_with_the_differences(folder: Path, play: Make, http: Make) -> None:
    write(folder)
    write(folder, 2, request__body={"json": {"messages": [{"role": "user", "content": "A"}]}})
    write(folder, 3, request__body={"json": {"text": LONG_TEXT + "old"}})
    write(folder, 4, request__body={"json": {"audio": [*range(100)]}})
    client: Http = http(play())
    for inputs, expected in (
        ({"prompt": "Hallo"}, '0001-x.json: prompt is "Hello" there and "Hallo" here'),
        ({}, '0001-x.json: prompt is "Hello" there and missing here'),
        ({"prompt": "Hello", "top_p": 0.5}, "0001-x.json: top_p is missing there and 0.5 here"),
        (
            {"messages": [{"role": "user", "content": "B"}], "stream": True},
            '0002-x.json: messages[0].content is "A" there and "B" here, stream is missing there and true here',
        ),
        ({"messages": []}, '0002-x.json: messages[0] is {"role": "user", "content": "A"} there and missing here'),
        (
            {"prompt": "Hello", "a": 1, "b": 2, "c": 3, "d": 4},
            "0001-x.json: a is missing there and 1 here, b is missing there and 2 here, c is missing there and 3 here, "
            "and 1 more differ",
        ),
    ):
        with row(inputs):
            assert nearest(client.post(inputs)) == expected
    for inputs, start, end in (
        ({"text": LONG_TEXT + "new"}, "0003-x.json: text is …", (LONG_TEXT + "new")[-26:] + '" here'),
        ({"audio": [*range(99), 0]}, "0004-x.json: audio is …", ", 94, 95, 96, 97, 98, 0] here"),
    ):
        with row(start):
            message = nearest(client.post(inputs))
            assert len(message) < 250
            assert message.startswith(start)
            assert message.endswith(end)


def test_another_model_is_named_in_the_path_and_in_the_body(folder: Path, play: Make, http: Make) -> None:
    write(folder, 1, request__body={"json": {"prompt": "other"}})
    write(folder, 2)
    client: Http = http(play())
    expected = f'0002-x.json: model is "{MODEL}" there and "{NATIVE}" here'
    assert nearest(client.post(model=NATIVE)) == expected
    path = "/client/v4/accounts/{account_id}/ai/v1/chat/completions"
    write(folder, 2, request__path=path, request__body={"json": {"model": MODEL, "messages": []}})
    client = http(play())
    url = path.replace("{account_id}", client.local.account_id).removeprefix("/client/v4")
    assert nearest(client.ask("POST", url, json={"model": NATIVE, "messages": []})) == expected


def test_any_difference_is_named(folder: Path, play: Make, http: Make) -> None:
    write(folder)
    client: Http = http(play())
    for method, query, body, expected in (
        ("POST", "?a=1", b'{"prompt":"Hello"}', 'query is "" there and "a=1" here'),
        ("PUT", "", b'{"prompt":"Hello"}', 'method is "POST" there and "PUT" here'),
        ("POST", "", b"\xff\xfe", 'body is {"prompt": "Hello"} there and "2 bytes" here'),
        ("POST", "", b"", 'body is {"prompt": "Hello"} there and missing here'),
    ):
        with row(expected):
            message = nearest(client.ask(method, client.path() + query, content=body))
            assert message == f"0001-x.json: {expected}"


def test_a_query_alone_is_named_beside_a_body_that_is_no_json(folder: Path, play: Make, http: Make) -> None:
    write(folder, request__body={"text": "plain"})
    client: Http = http(play())
    message = nearest(client.ask("POST", f"{client.path()}?a=1", content=b"plain"))
    assert message == '0001-x.json: query is "" there and "a=1" here'


def test_of_two_that_are_as_near_it_is_the_one_of_the_same_model(folder: Path, play: Make, http: Make) -> None:
    write(folder, 1, request__path=f"/client/v4/accounts/{{account_id}}/ai/run/{NATIVE}")
    write(folder, 2, request__body={"json": {"prompt": "other"}})
    assert nearest(http(play()).post()).startswith("0002-x.json: prompt is ")


@SYNC_AND_ASYNC
def test_a_client_of_ours_says_it_too(folder: Path, play: Make, ask: Make) -> None:
    write(folder)
    with pytest.raises(NotFoundError, match=r"nearest is 0001-x\.json: prompt is"):
        ask(play()).run(MODEL, {"prompt": "other"})


# Who is let in


def test_a_player_checks_who_asks_as_the_recorder_does(folder: Path, play: Make, http: Make) -> None:
    write(folder)
    client: Http = http(play())
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


def test_a_player_may_be_reached_from_elsewhere_with_allow_remote(folder: Path, http: Make) -> None:
    write(folder)
    with pytest.raises(ValueError, match="allow_remote=True"):
        Player(folder, "0.0.0.0")
    with Player(folder, "0.0.0.0", allow_remote=True, api_token="t", account_id="me") as player:
        assert http(player).post(headers={"host": "elsewhere.example"}).status_code == 200


# Files that are none


def test_a_file_that_is_no_recording_is_named(folder: Path) -> None:
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
    ):
        path = write(folder, **changes)
        with row(problem):
            with pytest.raises(ValueError, match="is no recording: ") as caught:
                Player(folder).start()
            assert str(path) in str(caught.value)
            assert problem in str(caught.value)
    for content in (b"", b"nonsense", b"[]", b"\xff", b"[" * 100_000):
        write(folder).write_bytes(content)
        with row(content[:20]), pytest.raises(ValueError, match=r"0001-x\.json is no recording: "):
            Player(folder).start()


def test_a_folder_without_recordings_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="nothing is recorded in"):
        Player(folder).start()
    folder.mkdir()
    (folder / "notes.json").write_text("{}")
    with pytest.raises(ValueError, match="nothing is recorded in"):
        Player(folder).start()


def test_other_files_are_left_alone(folder: Path, play: Make, http: Make) -> None:
    write(folder)
    (folder / "notes.json").write_text("{}")
    (folder / "README.md").write_text("mine")
    assert http(play()).post().status_code == 200


# Starting and stopping


@pytest.mark.anyio
async def test_a_player_is_an_async_context_manager(anyio_backend_name: str, folder: Path) -> None:
    write(
        folder, request__body={"json": {"prompt": anyio_backend_name}}, response__chunks=['{"result":{"response":"x"}}']
    )
    async with Player(str(folder)) as local, local.ai() as ai:
        assert repr(local) == f"Player('{local.base_url}')"
        assert (await ai.arun(MODEL, {"prompt": anyio_backend_name})).text == "x"
    with pytest.raises(RuntimeError, match="the player is not running"):
        _ = local.base_url


def test_what_was_recorded_can_be_recorded_again_from_a_player(
    through: Make, play: Make, http: Make, folder: Path, tmp_path: Path
) -> None:
    through(streams(EVENT, REST)).post()
    player: Player = play()
    options = {"upstream_account_id": player.account_id, "upstream_token": player.api_token}
    with Recorder(tmp_path / "again", upstream_url=player.base_url, **options) as again:
        http(again).post()
    assert chunks(read_recordings(tmp_path / "again")[0]) == chunks(read_recordings(folder)[0])
