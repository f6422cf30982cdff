"""The probe that facts are found out with: calls by cfai's own client, plain ones, and what cfai makes of an answer."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from cfai import Ai, AiGateway, CfaiError, Stream
from cfai._credentials import Credentials
from cfai._json import is_mapping
from cfai._response import ErrorBody, parse_body, parse_error_body
from cfai.doctor._finding import REPORT_REMEDY, Finding, report_ok, report_problem, report_warning
from cfai.doctor.conformance._exchanges import make_recording_hook
from cfai.local.recording import RawExchange

_PARSED_HEADERS = ("content-type", "cf-ai-req-id", "cf-ai-neurons", "cf-ray", "cf-aig-log-id", "retry-after")


class Probe:
    """Asks the service. Every exchange is kept in `exchanges`, answers are read whole."""

    def __init__(
        self, account: Credentials, http: httpx.Client, *, gateway: str | None = None, sleep: Callable[[float], None]
    ) -> None:
        self.account = account
        self.gateway = gateway or ""
        self.sleep = sleep
        self.exchanges: list[RawExchange] = []
        self._http = http
        self._hook = make_recording_hook(self.exchanges)
        http.event_hooks["response"].append(self._hook)
        self._ai = self._make_client(http)

    def close(self) -> None:
        """Keep no more exchanges of the client."""
        self._http.event_hooks["response"].remove(self._hook)

    def run(self, model: str, inputs: Any, *, route: str | None = None, **options: Any) -> ProbeResponse:
        """Return the answer to a call of cfai's own, whatever its status. `route` is the one to a gateway."""
        ai = self._ai if route is None else self._ai.with_options(gateway_route=cast("Any", route))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            response: Any = ai.run(model, inputs, return_raw_response=True, **options)
        response.read()
        response.close()
        return ProbeResponse(response)

    def open_gateway(self) -> AiGateway:
        """Return cfai's own handle of the gateway."""
        return self._ai.gateway(self.gateway)

    def ask(
        self,
        method: str,
        path: str,
        *,
        under: str = "ai",
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ProbeResponse:
        """Send a plain request to a path under `/ai`, or another part of the account, and return the answer."""
        url = f"{self.account.base_url}/accounts/{quote(self.account.account_id, safe='')}/{under}{path}"
        headers = {"authorization": f"Bearer {self.account.token.value}", **(headers or {})}
        return ProbeResponse(self._http.request(method, url, json=json, content=content, headers=headers))

    def read(self, response: ProbeResponse, model: str, inputs: Any) -> Any:
        """Return what cfai makes of an answer that came before, a stream read to its end; or the error it raises."""
        headers = {name: value for name, value in response.headers.items() if name.lower() in _PARSED_HEADERS}

        def replay(_: httpx.Request) -> httpx.Response:
            return httpx.Response(response.status, headers=headers, content=response.content)

        with httpx.Client(transport=httpx.MockTransport(replay)) as http, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                output: Any = self._make_client(http).run(model, inputs)
                if isinstance(output, Stream):
                    stream = cast("Stream[Any]", output)
                    for _ in stream:
                        pass
                    return stream.result()
            except CfaiError as error:
                return error
        return output

    def _make_client(self, http: httpx.Client) -> Ai:
        account = self.account
        return Ai(
            account_id=account.account_id,
            api_token=account.token.value,
            base_url=account.base_url,
            http_client=http,
            max_retries=None,
            checks="off",
            timeout=60.0,
        )


class InconclusiveError(Exception):
    """A fact cannot be found out; the message is the reason."""


class ProbeResponse:
    """An answer of the service, read whole."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.content = response.content
        self.is_success = response.is_success

    @property
    def body(self) -> Any:
        """The body as JSON if it is JSON, else its text."""
        return parse_body(self.content)

    @property
    def error(self) -> ErrorBody:
        """The body as that of an error."""
        return parse_error_body(self.body)

    @property
    def content_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "none").partition(";")[0].strip()

    @property
    def status_text(self) -> str:
        """The status, and the code if it is an error with one."""
        code = self.error.code if self.status >= 400 else None
        return str(self.status) if code is None else f"{self.status} / {code}"

    @property
    def lines(self) -> list[str]:
        """The lines of a stream. Only these three ends end one; a line separator in a token does not."""
        return re.split("\r\n|\n|\r", self.content.decode("utf-8", "replace"))

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """The JSON objects of a stream's `data:` lines."""
        data = [parse_body(line[5:].strip().encode()) for line in self.lines if line.startswith("data:")]
        return [event for event in data if is_mapping(event)]

    @property
    def last_line(self) -> str:
        """The last line of a stream, described."""
        last = next((line for line in reversed(self.lines) if line.strip()), "")
        if last.startswith("data:"):
            return "data: [DONE]" if last[5:].strip() == "[DONE]" else "an event, without [DONE]"
        return "a bare [DONE]" if last.strip() == "[DONE]" else "neither an event nor [DONE]"

    def get(self, *path: str | int) -> Any:
        """Return what stands under `path` in a body of JSON, or `None` if there is no such place."""
        return get_path(self.body, *path)

    def require_success(self) -> Self:
        """Return the answer to a call that has to succeed. Raises `InconclusiveError` for any other."""
        if self.is_success:
            return self
        reason = self.error.message or self.content_type
        raise InconclusiveError(f"refused with {self.status_text}, {' '.join(reason.split())[:200]}")

    def require_verdict(self, *statuses: int) -> Self:
        """Return an answer that tells something of the question.

        Raises `InconclusiveError` for a refusal of the account, its plan or its use, unless it has one of `statuses`.
        """
        is_unrelated = self.status in (401, 402, 403, 404, 429) and self.status not in statuses
        return self.require_success() if is_unrelated else self


def get_path(value: Any, *path: str | int) -> Any:
    """Return what stands under `path`, or `None` if there is no such place."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = cast("dict[str, Any]", value).get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[step]
        else:
            return None
    return value


def judge_code(response: ProbeResponse, code: int) -> Finding:
    """Judge a refusal that cfai expects under a code of which it is not sure."""
    form = f"refused with {response.status_text}, {response.content_type}"
    if response.error.code == code:
        return report_ok(form)
    if response.status >= 500:
        response.require_success()
    response.require_verdict()
    return report_warning(f"{form}; cfai expects {code}", REPORT_REMEDY)


def judge_output(form: str, output: Any) -> Finding:
    """Judge a form by what cfai makes of it: its error is a problem."""
    if isinstance(output, CfaiError):
        return report_problem(f"{form}; cfai cannot read that ({type(output).__name__}: {output})", REPORT_REMEDY)
    return report_ok(form)


def list_keys(value: Any) -> list[str]:
    """Return the keys of an object in order; none of anything else."""
    return sorted(value) if is_mapping(value) else []


def join_words(words: Iterable[str]) -> str:
    """Return words in a row, or that there is none."""
    return ", ".join(words) or "none"
