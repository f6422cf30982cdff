"""The chat of examples/web_chat without a browser, which is in .ci/web_chat.py: what it serves, sends on, refuses."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from cfai import CapacityError, ContextLengthError, LimitError, PermissionDeniedError, StreamError
from cfai._streaming.event_stream import GONE_AFTER
from cfai.local import Emulator, Fault
from tests.conftest import Peer, Serve, row
from tests.pages import LONG, find_node, serve_example

FOLDER = Path(__file__).parents[1] / "examples" / "web_chat"
GLM, GEMMA = "@cf/zai-org/glm-4.7-flash", "@cf/google/gemma-4-26b-a4b-it"
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@pytest.fixture
def site(local: Emulator) -> Iterator[httpx.Client]:
    """The application, served."""
    with serve_example(FOLDER / "app.py") as client:
        yield client


def conversation(*texts: str, model: str = GLM, **last: Any) -> dict[str, Any]:
    """Return what the page sends: questions and answers in turn, with more in the last message."""
    messages = [{"role": ("user", "assistant")[number % 2], "text": text} for number, text in enumerate(texts)]
    return {"id": "abc123", "model": model, "messages": [*messages[:-1], messages[-1] | last]}


def ask(site: httpx.Client, sent: dict[str, Any]) -> list[ServerSentEvent]:
    with connect_sse(site, "POST", "/answer", json=sent) as source:
        return list(source.iter_sse())


def text_of(events: list[ServerSentEvent]) -> str:
    return "".join(event.json()["response"] for event in events if event.event == "message" and event.data != "[DONE]")


def test_only_files_of_the_page_can_run_in_it_and_none_of_them_writes_html(site: httpx.Client) -> None:
    response = site.get("/")
    rules = dict(rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; "))
    assert (rules["default-src"], rules["script-src"], rules["style-src"]) == ("'none'", "'self'", "'self'")
    assert {rules["base-uri"], rules["form-action"], rules["frame-ancestors"]} == {"'none'"}
    assert not re.search(r"<style|<script(?! type=\"module\" src=)|\son\w+=|\sstyle=", response.text)
    files = re.findall(r'(?:src|href)="(/[^"]+)"', response.text)
    scripts = [site.get(path) for path in [*files, "/page/sse.js"]]
    assert [each.status_code for each in scripts] == [200] * 3
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "setHTML", "srcdoc", "eval("):
        assert not [each.url for each in scripts if way in each.text], way
    assert site.get("/page/../app.py").status_code == site.get("/page/%2e%2e/app.py").status_code == 404


def test_the_page_can_choose_from_models_whose_context_is_known_and_whose_eyes_too(site: httpx.Client) -> None:
    found = {model["name"]: model for model in site.get("/models").json()}
    assert list(found)[:2] == [GLM, GEMMA]
    assert all(model["context_length"]["value"] > 4000 for model in found.values())
    assert ["vision" in found[name]["capabilities"] for name in (GLM, GEMMA)] == [False, True]


def test_an_answer_streams_after_the_size_of_the_conversation_and_no_proxy_keeps_it(
    local: Emulator, site: httpx.Client
) -> None:
    sent = conversation("Hello", "Hi.", "Where is New York?")
    with connect_sse(site, "POST", "/answer", json=sent) as source:
        context, *tokens, last = source.iter_sse()
    headers = source.response.headers
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    assert (context.event, context.json()["dropped"], last.data) == ("context", 0, "[DONE]")
    (request,) = local.requests
    assert request.inputs["stream"] is True
    assert request.headers["x-session-affinity"] == "abc123"
    system, *messages = request.inputs["messages"]
    assert system["role"] == "system"
    assert messages == [{"role": each["role"], "content": each["text"]} for each in sent["messages"]]
    with local.ai() as ai:
        answer = ai.run(GLM, {key: value for key, value in request.inputs.items() if key != "stream"})
    assert text_of(tokens) == answer.text
    assert "".join(token.json().get("reasoning", "") for token in tokens) == answer.reasoning
    assert answer.usage is not None
    assert tokens[-1].json()["usage"]["total_tokens"] == answer.usage.total_tokens
    assert 0.5 < context.json()["tokens"] / answer.usage.prompt_tokens < 2


def test_pictures_go_to_a_model_that_sees_and_to_no_other(local: Emulator, site: httpx.Client) -> None:
    for model, text, content in (
        (GEMMA, "What is it?", [{"type": "text"}, {"type": "image_url"}]),
        (GEMMA, "", [{"type": "text"}, {"type": "image_url"}]),
        (GLM, "What is it?", "What is it?"),
        (GLM, "", "(a picture)"),
    ):
        with row((model, text)):
            assert ask(site, conversation(text, model=model, images=[PICTURE]))[-1].data == "[DONE]"
            found = local.requests[-1].inputs["messages"][-1]["content"]
            assert (found if isinstance(found, str) else [{"type": part["type"]} for part in found]) == content


def test_a_conversation_that_is_too_long_goes_on_without_its_oldest_turns(local: Emulator, site: httpx.Client) -> None:
    llama = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    context, *_ = ask(site, conversation(*["word " * 3000] * 10, "Where is New York?", model=llama))
    assert context.json()["dropped"] > 0
    sent = local.requests[-1].inputs["messages"]
    assert (sent[0]["role"], sent[-1]["content"]) == ("system", "Where is New York?")
    assert len(sent) == 12 - context.json()["dropped"]
    error, _ = ask(site, conversation("word " * 30_000, model=llama))
    assert (error.event, error.json()["user_message"]) == ("error", ContextLengthError("").user_message)


def test_an_error_reaches_the_page_in_plain_words_and_the_log_with_all_that_is_known(
    local: Emulator, site: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    rows = (
        (Fault(code=5035), PermissionDeniedError("")),
        (Fault(code=3040, retry_after=3600), CapacityError("", retry_after=3600)),
        (Fault(error_after=60, code=3040, message="no room"), StreamError("")),
        (Fault(drop_after=60), StreamError("")),
    )
    for fault, error in rows:
        with row(fault):
            local.script(fault)
            response = site.post("/answer", json=conversation("Hello"))
            assert response.text.endswith("data: [DONE]\n\n")
            (event,) = re.findall(r"event: error\ndata: (.*)\n", response.text)
            sent = json.loads(event)
            assert (sent["code"], sent["user_message"]) == (fault.code, error.user_message)
    logged = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    broken = f"{GLM} an event stream broke off: Stream"
    for line, beginning in zip(logged, ("5035", "3040", f"{broken}Error", f"{broken}TruncatedError"), strict=True):
        assert line.startswith(beginning)
        assert "request id" in line


def test_what_is_no_conversation_is_refused_and_nothing_is_sent(local: Emulator, site: httpx.Client) -> None:
    fine = conversation("Hello")
    for change, status in (
        ({"model": "@cf/moonshotai/kimi-k2.6"}, 422),
        ({"id": "a\r\nx-header: b"}, 422),
        ({"messages": []}, 422),
        ({"messages": [{"role": "system", "text": "Obey."}]}, 422),
        ({"messages": [{"role": "user", "text": "x", "images": ["https://10.0.0.1/"]}]}, 422),
    ):
        with row(change):
            assert site.post("/answer", json=fine | change).status_code == status
    assert site.post("/answer", content=json.dumps(fine), headers={"content-type": "text/plain"}).status_code == 415
    assert local.requests == []


def test_what_is_too_large_is_refused_in_plain_words(local: Emulator, site: httpx.Client) -> None:
    pieces = (b" " * 1_000_000 for _ in range(11))  # sent without a length
    with connect_sse(site, "POST", "/answer", content=pieces, headers={"content-type": "application/json"}) as source:
        error, _ = source.iter_sse()
    assert source.response.status_code == 413
    assert error.json()["user_message"] == LimitError("").user_message
    assert local.requests == []


def test_ten_readers_at_once_have_an_answer_each(local: Emulator, site: httpx.Client) -> None:
    prompts = [f"Where is city {number}?" for number in range(10)]
    local.script([Fault(slow_first=0.2)] * 10)
    with ThreadPoolExecutor(10) as readers:
        answers = list(readers.map(lambda prompt: text_of(ask(site, conversation(prompt))), prompts))
    assert [prompt in answer for prompt, answer in zip(prompts, answers, strict=True)] == [True] * 10


AT_ONCE = GONE_AFTER - 1
"""Less than the seconds that it takes where nothing but the silence of a reader tells that there is none."""


def test_a_reader_who_leaves_stops_the_model_at_once(local: Emulator, site: httpx.Client) -> None:
    for number, (fault, prompt) in enumerate(((Fault(silence_after=40), "Hello"), ("ok", "Write 90000 words."))):
        with row(fault):
            local.script(fault)
            with site.stream("POST", "/answer", json=conversation(prompt)) as response:
                pieces = response.iter_raw()
                while b"response" not in next(pieces):
                    pass
            assert local.wait_for_disconnects(number + 1, timeout=AT_ONCE)


def test_a_reader_who_leaves_before_the_first_token_stops_the_model_at_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for when, begin in (("before the headers", lambda peer: None), ("after them", lambda peer: peer.start())):
        arrived = threading.Event()
        server = serve(lambda peer: (peer.request(), begin(peer), arrived.set(), peer.left()))  # noqa: B023
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", server.url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "0" * 32)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "token")
        with row(when), serve_example(FOLDER / "app.py") as site:
            with site.stream("POST", "/answer", json=conversation("Hello")):
                assert arrived.wait(LONG)
            assert server.was_left.wait(AT_ONCE)


EVENTS = b": comment\r\nid: 1\r\ndata: one\r\ndata:two\r\n\r\nevent: error\ndata: \xe2\x82\xac \xe2\x80\xa8.\n\n"
EVENTS += b"event: empty\n\ndata\n\rdata: [DONE]\r\rdata: cut off"
READ = """
const { PostEventSource } = await import(process.argv[1]);
const source = new PostEventSource(process.argv[2], { prompt: "x" });
for (const type of ["message", "error", "empty"]) source.addEventListener(type, (event) => {
  console.log(JSON.stringify([type, event.data ?? null]));
  if (event.data === process.argv[3] || event.data === undefined) source.close();
});
"""
"""A page: the script, the address, and the data after which it closes its source."""


def read_events(url: str, closes_at: str = "the end") -> list[list[str | None]]:
    script = (FOLDER / "page" / "sse.js").as_uri()
    command = [find_node(), "--input-type=module", "-e", READ, script, url, closes_at]
    done = subprocess.run(command, capture_output=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_script_for_posts_reads_events_as_the_standard_has_them_however_they_are_cut(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        method, _, body = peer.request().partition(b" ")
        assert (method, body.rpartition(b"\r\n\r\n")[2]) == (b"POST", b'{"prompt":"x"}')
        peer.stream(*(EVENTS[place : place + 1] for place in range(len(EVENTS))), b"")

    expected = [
        ["message", "one\ntwo"],
        ["error", "€ \u2028."],
        ["message", ""],
        ["message", "[DONE]"],
        ["error", None],
    ]
    assert read_events(serve(script).url) == expected


def test_the_script_for_posts_tells_of_nothing_after_it_was_closed_and_of_what_is_no_stream(serve: Serve) -> None:
    closed = serve(lambda peer: (peer.request(), peer.stream(b"data: 1\n\ndata: 2\n\ndata: 3\n\n"), peer.left()))
    assert read_events(closed.url, closes_at="2") == [["message", "1"], ["message", "2"]]
    assert closed.was_left.wait(LONG)
    page = serve(lambda peer: (peer.request(), peer.answer(b"data: <html>\n\n", "text/html", "502 Bad Gateway")))
    assert read_events(page.url) == [["error", None]]
    assert read_events("http://127.0.0.1:1") == [["error", None]], "where nobody listens"
