"""The clients that are compared, each as the same few calls: read a stream, ask for a whole answer, close.

Each has its loop written out: a function that they shared would be called for every token, and be part of the figures.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable
from typing import Any

import httpx
from httpx_sse import EventSource

from cfai import Ai

from .server import CHAT_MODEL, NATIVE_MODEL, words

PROMPT = "Where is New York?"
MESSAGES: Any = [{"role": "user", "content": PROMPT}]
MODELS = {"native": NATIVE_MODEL, "chat": CHAT_MODEL}

_TLS = httpx.create_ssl_context()
"""Made once, since it costs more than the rest of a client."""

_now = time.monotonic_ns


@contextmanager
def running_server() -> Generator[str]:
    """Return the URL of a server that runs until the end of the block."""
    # -P: the server's folder is no place to import from, or a file of it could stand for one of the standard library.
    with Popen(
        [executable, "-P", Path(__file__).with_name("server.py")], stdin=PIPE, stdout=PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


class Client(ABC):
    """One client, for one way of sending (see `server`), one dialect and one number of tokens."""

    def __init__(self, server: str, how: str, dialect: str, count: int) -> None:
        self.dialect = dialect
        self.model = MODELS[dialect]
        self.base_url = f"{server}/{how}/{dialect}/{count}"
        self.url = f"{self.base_url}/client/v4/accounts/local/ai/run/{self.model}"
        self.inputs = {"prompt": PROMPT, "stream": True}

    @abstractmethod
    def stream(self, arrived: list[int] | None = None) -> list[str]:
        """The texts of a stream; `arrived` takes the times of their arrival, in nanoseconds of `monotonic_ns`."""

    @abstractmethod
    def call(self) -> str:
        """Return the text of a whole answer."""

    @abstractmethod
    def close(self) -> None: ...


class AsyncClient(Client):
    """A client whose calls are awaited."""

    stream: Any
    call: Any
    close: Any


class Floor(Client):
    """httpx itself. It gives no texts, or, where times are asked for, those of the bytes it was given."""

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.http = httpx.Client(verify=_TLS)

    def stream(self, arrived: list[int] | None = None) -> list[str]:
        kept: list[bytes] = []
        request = self.http.build_request("POST", self.url, json=self.inputs)
        response = self.http.send(request, stream=True)
        for chunk in response.iter_raw():
            if arrived is not None:
                arrived.append(_now())
                kept.append(chunk)
        response.close()
        return texts_in(b"".join(kept))

    def call(self) -> str:
        content = self.http.post(self.url, json={"prompt": PROMPT}).content
        return "" if not content else "bytes"

    def close(self) -> None:
        self.http.close()


class AsyncFloor(AsyncClient):
    def __init__(self, *where: Any, http: Any = None) -> None:
        super().__init__(*where)
        self.http = http or httpx.AsyncClient(verify=_TLS)

    async def stream(self, arrived: list[int] | None = None) -> list[str]:
        kept: list[bytes] = []
        request = self.http.build_request("POST", self.url, json=self.inputs)
        response = await self.http.send(request, stream=True)
        async for chunk in response.aiter_raw():
            if arrived is not None:
                arrived.append(_now())
                kept.append(chunk)
        await response.aclose()
        return texts_in(b"".join(kept))

    async def call(self) -> str:
        content = (await self.http.post(self.url, json={"prompt": PROMPT})).content
        return "" if not content else "bytes"

    async def close(self) -> None:
        await self.http.aclose()


class Sse(Floor):
    """httpx, httpx-sse and `json.loads`: what one writes without an SDK."""

    def stream(self, arrived: list[int] | None = None) -> list[str]:
        texts: list[str] = []
        with self.http.stream("POST", self.url, json=self.inputs) as response:
            for event in EventSource(response).iter_sse():
                if event.data == "[DONE]":
                    continue
                text = get_text(json.loads(event.data))
                if text:
                    texts.append(text)
                    if arrived is not None:
                        arrived.append(_now())
        return texts


class AsyncSse(AsyncFloor):
    async def stream(self, arrived: list[int] | None = None) -> list[str]:
        texts: list[str] = []
        async with self.http.stream("POST", self.url, json=self.inputs) as response:
            async for event in EventSource(response).aiter_sse():
                if event.data == "[DONE]":
                    continue
                text = get_text(json.loads(event.data))
                if text:
                    texts.append(text)
                    if arrived is not None:
                        arrived.append(_now())
        return texts


class Cfai(Client):
    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        self.ai = Ai(account_id="local", api_token="token", base_url=f"{self.base_url}/client/v4", trust_env=False)
        self.run: Any = self.ai.run  # the model is a variable here, so its type says nothing of the answer

    def stream(self, arrived: list[int] | None = None) -> list[str]:
        texts: list[str] = []
        with self.run(self.model, self.inputs) as stream:
            for token in stream:
                text = token.text
                if text:
                    texts.append(text)
                    if arrived is not None:
                        arrived.append(_now())
        return texts

    def call(self) -> str:
        return self.run(self.model, {"prompt": PROMPT}).text

    def close(self) -> None:
        self.ai.close()


class AsyncCfai(AsyncClient):
    def __init__(self, *where: Any, http: Any = None) -> None:
        super().__init__(*where)
        url = f"{self.base_url}/client/v4"
        self.ai = Ai(account_id="local", api_token="token", base_url=url, trust_env=False, async_http_client=http)
        self.run: Any = self.ai.arun
        self.http = http

    async def stream(self, arrived: list[int] | None = None) -> list[str]:
        texts: list[str] = []
        async with await self.run(self.model, self.inputs) as stream:
            async for token in stream:
                text = token.text
                if text:
                    texts.append(text)
                    if arrived is not None:
                        arrived.append(_now())
        return texts

    async def call(self) -> str:
        return (await self.run(self.model, {"prompt": PROMPT})).text

    async def close(self) -> None:
        await self.ai.aclose()
        if self.http is not None:
            await self.http.aclose()


class OpenAi(Client):
    """openai's chat completions. It speaks the chat dialect alone."""

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        import openai

        http = openai.DefaultHttpxClient(verify=_TLS)
        self.openai = openai.OpenAI(api_key="token", base_url=f"{self.base_url}/v1", max_retries=0, http_client=http)

    def stream(self, arrived: list[int] | None = None) -> list[str]:
        texts: list[str] = []
        with self.openai.chat.completions.create(model=self.model, messages=MESSAGES, stream=True) as stream:
            for chunk in stream:
                text = chunk.choices[0].delta.content if chunk.choices else None
                if text:
                    texts.append(text)
                    if arrived is not None:
                        arrived.append(_now())
        return texts

    def call(self) -> str:
        answer = self.openai.chat.completions.create(model=self.model, messages=MESSAGES)
        return answer.choices[0].message.content or ""

    def close(self) -> None:
        self.openai.close()


class AsyncOpenAi(AsyncClient):
    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        import openai

        http = openai.DefaultAsyncHttpxClient(verify=_TLS)
        self.openai = openai.AsyncOpenAI(
            api_key="token", base_url=f"{self.base_url}/v1", max_retries=0, http_client=http
        )

    async def stream(self, arrived: list[int] | None = None) -> list[str]:
        texts: list[str] = []
        async with await self.openai.chat.completions.create(
            model=self.model, messages=MESSAGES, stream=True
        ) as stream:
            async for chunk in stream:
                text = chunk.choices[0].delta.content if chunk.choices else None
                if text:
                    texts.append(text)
                    if arrived is not None:
                        arrived.append(_now())
        return texts

    async def call(self) -> str:
        answer = await self.openai.chat.completions.create(model=self.model, messages=MESSAGES)
        return answer.choices[0].message.content or ""

    async def close(self) -> None:
        await self.openai.close()


def check_texts(name: str, texts: list[str], count: int) -> None:
    """Return a client that loses tokens, changes them or their order has no figure."""
    if texts != words(count):
        raise AssertionError(f"{name} gave other texts than the {count} that were sent: {texts[:20]}")


def get_text(event: dict[str, Any]) -> str | None:
    """Return what a program without an SDK takes out of an event."""
    if "response" in event:
        return event["response"]
    return event["choices"][0]["delta"].get("content") if event["choices"] else None


def texts_in(body: bytes) -> list[str]:
    """Return the texts of a whole stream."""
    events = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    return [text for text in map(get_text, events) if text]
