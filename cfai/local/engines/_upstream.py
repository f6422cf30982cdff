"""A server that speaks OpenAI's API, as an engine."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx

from cfai._errors import ConfigurationError, StreamError
from cfai._json import as_sequence, is_mapping, to_compact_json
from cfai._response import Decoder, EventSplitter
from cfai.local._json import as_object
from cfai.local.engines._translate import build_request, force_tool_call
from cfai.local.wire import ErrorResponse
from cfai.types import Token, ToolCallDelta, Usage

_TIMEOUT = httpx.Timeout(600.0, connect=5.0)
"""A large model may take minutes to read a long prompt."""
_BLIND = "image input is not supported"


class OpenAIUpstream:
    """Any server with OpenAI's API: Ollama, llama.cpp's server, vLLM, LM Studio.

    `url` ends where `/chat/completions` begins, mostly in `/v1`. `models` says which of the server's models stands for
    which of Workers AI's, `*` for all others: `{"@cf/baai/bge-m3": "nomic-embed-text", "*": "llama3.2"}`; a text is the
    one model for all. Without it the server's first model answers. `api_key` is sent if the server wants one.
    `timeout` is in seconds, for each wait: ten minutes, but five seconds to connect. `force_tools` has
    a tool that must be called written by a JSON schema, for servers that do not see to it themselves.

    Raises `ConfigurationError` for what is no URL.
    """

    def __init__(
        self,
        url: str,
        *,
        models: str | Mapping[str, str] | None = None,
        api_key: str | None = None,
        timeout: float | httpx.Timeout = _TIMEOUT,
        force_tools: bool = False,
    ) -> None:
        shown = _hide_secrets(url)
        if not _is_url(url):
            example = "'http://127.0.0.1:11434/v1', without ? and #"
            raise ConfigurationError(f"{shown!r} is no URL of a server, such as {example}")
        self._url = url.rstrip("/")
        self._shown = shown.rstrip("/")
        self._models = {"*": models} if isinstance(models, str) else dict(models or {})
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = timeout
        self._force_tools = force_tools
        self._http: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"OpenAIUpstream({self._shown!r})"

    async def answer(
        self, model: str, inputs: Mapping[str, Any], max_tokens: int | None
    ) -> AsyncGenerator[Token | Usage, None]:
        """Yield the answer in tokens, then its usage. Raises `ErrorResponse` for what the server refuses."""
        path, body = build_request(await self._map_model(model), inputs, max_tokens)
        forced = force_tool_call(body) if self._force_tools else None
        response = await self._send("POST", path, forced or body)
        parts = self._decode(response, Decoder(model), is_forced=forced is not None)
        # Only a generator that has begun runs its `finally` when it is closed.
        await anext(parts)
        return parts

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text. Raises `ErrorResponse` for what the server refuses."""
        body = {"model": await self._map_model(model), "input": list(texts), "encoding_format": "float"}
        rows = await self._read_rows("POST", "embeddings", body)
        try:
            rows.sort(key=lambda row: row.get("index", 0))
            vectors = [list(map(float, as_sequence(row.get("embedding")))) for row in rows]
        except (TypeError, ValueError) as error:
            raise build_gateway_error(f"{self._shown} gave vectors that are no numbers: {_describe(error)}") from error
        if len(vectors) != len(texts):
            raise build_gateway_error(f"{self._shown} gave {len(vectors)} vectors for {len(texts)} texts")
        return vectors

    async def aclose(self) -> None:
        """Close the connections. The next call, perhaps on another loop, opens new ones."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _map_model(self, name: str) -> str:
        """Return what the server calls the model that stands for `name`."""
        if name not in self._models and "*" not in self._models:
            rows = await self._read_rows("GET", "models")
            first = rows[0].get("id") if rows else None
            if not isinstance(first, str):
                raise build_gateway_error(f"{self._shown} has no model: load one, or say which with a model map")
            self._models["*"] = first
        return self._models.get(name) or self._models["*"]

    async def _decode(
        self, response: httpx.Response, decoder: Decoder, *, is_forced: bool
    ) -> AsyncGenerator[Token | Usage, None]:
        """Yield an empty token, then the answer as it comes; if a call of a tool was forced, that call at the end."""
        splitter = EventSplitter()
        try:
            yield Token("", {})
            async for chunk in response.aiter_bytes():
                for block in splitter.feed(chunk):
                    tokens = decoder.feed(block)
                    for token in tokens if not is_forced else ():
                        yield token
                if decoder.done:
                    # A server may keep the body open behind its last event.
                    break
            tokens = decoder.feed(splitter.rest())
            for token in tokens if not is_forced else ():
                yield token
        except StreamError as error:
            raise build_gateway_error(f"{self._shown}: {error}") from error
        except httpx.HTTPError as error:
            raise build_gateway_error(f"{self._shown} broke off: {_describe(error)}") from error
        finally:
            await response.aclose()
        if not decoder.done and decoder.finish_reason is None:
            raise build_gateway_error(f"{self._shown} ended before its answer did")
        if is_forced:
            yield _parse_forced_call(decoder)
        if decoder.usage is not None:
            yield decoder.usage

    async def _read_rows(self, method: str, path: str, body: Any = None) -> list[Mapping[str, Any]]:
        """Return the objects in the list that the server answers with."""
        response = await self._send(method, path, body)
        try:
            answer = json.loads(await response.aread())
        except (ValueError, httpx.HTTPError) as error:
            raise build_gateway_error(f"{self._shown}/{path} answered with no JSON: {_describe(error)}") from error
        finally:
            await response.aclose()
        return [row for row in as_sequence(as_object(answer).get("data")) if is_mapping(row)]

    async def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Return the server's answer, not read yet. Raises `ErrorResponse` if it is none, or an error."""
        if self._http is None:
            # Made here, on the loop that it is used on. The environment's proxies could not reach this machine.
            self._http = httpx.AsyncClient(headers=self._headers, timeout=self._timeout, trust_env=False)
        request = self._http.build_request(method, f"{self._url}/{path}", json=body)
        try:
            response = await self._http.send(request, stream=True)
            if response.is_success:
                return response
            async with aclosing(response):
                content = (await response.aread()).decode("utf-8", "replace")
        except httpx.HTTPError as error:
            raise build_gateway_error(
                f"{self._shown} cannot be reached: {_describe(error)}. Is the server running?"
            ) from error
        said = _find_message(content)
        if _BLIND in said:  # llama.cpp, of a model without a part that sees
            advice = "leave the image out, ask one that can, or nobody: cfai run --emulated, Ai.local(emulated=True)"
            raise ErrorResponse(None, f"this model cannot see images: {advice}", status=400)
        if response.status_code >= 500:
            raise ErrorResponse(None, f"{self._shown}/{path} failed: {said}", status=response.status_code)
        raise ErrorResponse(3030, f"{self._shown}/{path} refused: {said}", status=response.status_code)


def _parse_forced_call(decoder: Decoder) -> Token:
    """Return an answer that is the JSON of a call, as that call; as it is, if it was cut."""
    try:
        call = json.loads(decoder.text)
    except ValueError:
        call = None
    if not is_mapping(call) or not {"name", "arguments"} <= call.keys():
        return Token(decoder.text, {}, finish_reason=decoder.finish_reason or "length")
    head = ToolCallDelta(0, str(call["name"]), to_compact_json(call["arguments"]), f"call_{uuid.uuid4().hex}")
    return Token("", {}, tool_calls=(head,), finish_reason="tool_calls")


def build_gateway_error(message: str) -> ErrorResponse:
    """Return the error of an engine that cannot answer."""
    return ErrorResponse(None, message, status=502)


def _is_url(text: str) -> bool:
    """Return True if `text` is the URL of a server."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return False
    has_more = "?" in text or "#" in text  # paths are put behind it
    return url.scheme in ("http", "https") and bool(url.host) and (url.port or 0) < 65536 and not has_more


def _hide_secrets(url: str) -> str:
    """Return a URL without its user, password and query."""
    return re.sub(r"(?s)(?<=//).*@|\A[^/]*@|[?#].*", "", url)


def _describe(error: Exception) -> str:
    return str(error) or type(error).__name__


def _find_message(body: str) -> str:
    """Return what an error's body says, without the braces around it."""
    try:
        error = json.loads(body)
    except ValueError:
        return body[:500]
    for key in ("error", "message", "detail"):
        if is_mapping(error) and error.get(key):
            error = error[key]
    return to_compact_json(error) if not isinstance(error, str) else error


OpenAIUpstream.__module__ = "cfai.local"
