"""What a mistake, or a hostile surrounding, must not do: show the token, send it astray, raise what is not cfai's."""

from __future__ import annotations

import asyncio
import gc
import pickle
import ssl
import time
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from cfai import (
    Ai,
    APIConnectionError,
    APITimeoutError,
    CfaiError,
    ConfigurationError,
    ContextLengthError,
    InputError,
    SequenceLengthError,
    Token,
)
from cfai._request import Options

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "the-secret-token-of-this-test"
MODEL = "@cf/zai-org/glm-4.7-flash"
LLAMA_2 = "@cf/meta/llama-2-7b-chat-int8"


def frames(trace: TracebackType | None) -> list[FrameType]:
    found: list[FrameType] = []
    while trace is not None:
        found.append(trace.tb_frame)
        trace = trace.tb_next
    return found


MISTAKES: dict[str, Callable[[Ai], Any]] = {
    "not a number": lambda ai: ai.run(MODEL, {"prompt": float("nan")}),
    "an object": lambda ai: ai.run(MODEL, {"prompt": object()}),
    "half a character": lambda ai: ai.run(MODEL, {"prompt": "\ud800"}),
    "a tag": lambda ai: ai.run(MODEL, {"prompt": "x"}, tags=["a b"]),
    "a header": lambda ai: ai.run(MODEL, {"prompt": "x"}, extra_headers={"x-a": "é"}),
    "an affinity": lambda ai: ai.run(MODEL, {"prompt": "x"}, session_affinity="é"),
    "a gateway": lambda ai: ai.run(MODEL, {"prompt": "x"}, gateway={"id": "a/b"}),
    "a limit": lambda ai: ai.run(LLAMA_2, {"prompt": "x", "max_tokens": 9999}),
    "a mode": lambda _: Ai(ACCOUNT, TOKEN, limits="no"),  # type: ignore[arg-type]
    "a URL": lambda _: Ai(ACCOUNT, TOKEN, base_url="http://evil.example"),
    "the token as the account": lambda _: Ai(TOKEN + "x" * 20, TOKEN),
    "a short account": lambda _: Ai("short", TOKEN),
    "a token with a blank": lambda _: Ai(ACCOUNT, TOKEN + " " + TOKEN),
    "a proxy": lambda _: Ai(ACCOUNT, TOKEN, proxy=f"user:{TOKEN}@host:1"),
    "a deadline": lambda _: Ai(ACCOUNT, TOKEN, deadline=float("inf")),
}


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
@pytest.mark.parametrize("name", MISTAKES)
def test_no_frame_of_ours_shows_the_token(name: str) -> None:
    ai = Ai(ACCOUNT, TOKEN)
    with pytest.raises(CfaiError) as caught:
        MISTAKES[name](ai)
    error = caught.value
    ours = [
        frame
        for frame in frames(error.__traceback__)
        if "cfai/" in frame.f_code.co_filename and "/tests/" not in frame.f_code.co_filename
    ]
    assert ours
    for frame in ours:
        assert TOKEN not in repr(frame.f_locals), frame.f_code.co_name
    told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert told
    assert TOKEN not in str(error)


def test_the_environment_s_token_does_not_show_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    for name in ("CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="no account id") as caught:
        Ai()
    for frame in frames(caught.value.__traceback__)[1:]:
        assert TOKEN not in repr(frame.f_locals)


def test_options_do_not_show_what_may_be_secret() -> None:
    options = Options(gateway={"id": "g", "token": TOKEN}, extra_headers={"x-key": TOKEN}, tags=["a"])
    assert repr(options) == "Options(tags=['a'])"


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": float("inf")},
        {"timeout": float("nan")},
        {"deadline": float("inf")},
        {"proxy": "user:password@host:1"},
        {"proxy": "ftp://host"},
        {"proxy": "nothing"},
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Ai(ACCOUNT, TOKEN, **options)
    assert "password" not in str(caught.value)


def test_a_model_s_name_has_an_end() -> None:
    with pytest.raises(ConfigurationError, match="no model name"):
        Ai(ACCOUNT, TOKEN).run("@cf/" + "x" * 70_000, {"prompt": "x"})


def test_a_context_of_tls_is_not_pickled_and_says_so() -> None:
    with pytest.raises(ConfigurationError, match="the path of its certificates"):
        pickle.dumps(Ai(ACCOUNT, TOKEN, verify=ssl.create_default_context()))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_pickles(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(Ai(ACCOUNT, TOKEN), protocol)).account_id == ACCOUNT
    token = Token("a", b'{"response":"a","p":"x"}')
    again = pickle.loads(pickle.dumps(token, protocol))
    assert again == token
    assert again.raw == {"response": "a"}


class Number:
    dtype = "int64"

    def __init__(self, value: int) -> None:
        self.value = value

    def tolist(self) -> int:
        return self.value


class Message(BaseModel):
    role: str
    content: str


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
def test_limits_see_what_will_be_sent(caller: Any, service: Any) -> None:
    with pytest.raises(SequenceLengthError):
        caller.run(LLAMA_2, {"prompt": "x", "max_tokens": Number(1801)})
    with pytest.raises(ContextLengthError):
        caller.run(LLAMA_2, {"messages": [Message(role="user", content="word " * 3000)]})
    assert not service.requests


def test_inputs_are_never_changed(caller: Any, service: Any) -> None:
    inputs = {"messages": [Message(role="user", content="x")], "seed": Number(5), "plain": [{"a": (1, 2)}]}
    before = dict(inputs)
    caller.run(MODEL, inputs)
    assert inputs == before
    assert service.sent == {"messages": [{"role": "user", "content": "x"}], "seed": 5, "plain": [{"a": [1, 2]}]}


def test_what_holds_itself_is_refused(caller: Any) -> None:
    holding: dict[str, Any] = {}
    holding["itself"] = holding
    with pytest.raises(InputError):
        caller.run(MODEL, {"prompt": "x", "more": holding})


def test_a_silent_server_is_left_at_the_deadline_which_is_named(callers: Any, serve: Any) -> None:
    server = serve(lambda peer: (peer.request(), peer.left()))
    with pytest.raises(APITimeoutError, match=r"the deadline of 0\.3 s passed"):
        callers(base_url=server.url).run(MODEL, {"prompt": "x"}, deadline=0.3)


@pytest.mark.parametrize("error", [CfaiError("x"), APIConnectionError("x"), ConfigurationError("x")])
def test_every_error_can_be_asked_the_same_things(error: CfaiError) -> None:
    asked = (error.status_code, error.code, error.request_id, error.retry_after, error.body, error.model)
    assert asked == (None,) * 6
    assert error.headers == {}
    assert pickle.loads(pickle.dumps(error)).headers == {}


def playing(peer: Any) -> None:
    peer.request()
    peer.start()
    peer.chunk(b'data: {"response":"Hel"}\n\n')
    time.sleep(0.2)
    peer.chunk(b'data: {"response":"lo"}\n\ndata: [DONE]\n\n')
    peer.chunk(b"")
    peer.left()


STREAM: Any = {"prompt": "x", "stream": True}


@pytest.mark.parametrize("raw", [False, True])
def test_a_stream_outlives_a_client_that_nobody_keeps(serve: Any, raw: bool) -> None:
    stream: Any = Ai(ACCOUNT, TOKEN, base_url=serve(playing).url).run(MODEL, STREAM, return_raw_response=raw)
    gc.collect()
    assert "lo" in (stream.read().decode() if raw else stream.result().text)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_so_does_an_asynchronous_one(serve: Any, raw: bool, backend: str) -> None:
    async def main() -> str:
        call = Ai(ACCOUNT, TOKEN, base_url=serve(playing).url).arun(MODEL, STREAM, return_raw_response=raw)
        stream: Any = await call
        del call
        gc.collect()
        return (await stream.aread()).decode() if raw else (await stream.aresult()).text

    assert "lo" in anyio.run(main, backend=backend)


def answering(peer: Any) -> None:
    while peer.request():
        peer.answer(b'{"result":{"response":"Hello"},"success":true,"errors":[],"messages":[]}')


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_loops_one_after_another_leave_nothing_open(serve: Any, closes: bool, backend: str) -> None:
    server = serve(answering)
    ai = Ai(ACCOUNT, TOKEN, base_url=server.url)

    async def main() -> str:
        return (await ai.arun(MODEL, {"prompt": "x"})).text

    async def last() -> str:
        async with ai:
            return await main()

    for call in (main, main, last if closes else main):
        assert anyio.run(call, backend=backend) == "Hello"
    assert server.connections == 3


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_client_that_is_forgotten_closes_its_connections(serve: Any) -> None:
    server = serve(answering)
    Ai(ACCOUNT, TOKEN, base_url=server.url).run(MODEL, {"prompt": "x"})
    gc.collect()

    async def main() -> None:
        await Ai(ACCOUNT, TOKEN, base_url=server.url).arun(MODEL, {"prompt": "x"})
        gc.collect()
        await asyncio.sleep(0.1)

    asyncio.run(main())
    gc.collect()
