"""The probe that facts are found out with: calls by cfai's own client, plain ones, and what cfai makes of an answer."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast
from urllib.parse import quote

import httpx

from cfai import Ai, CfaiError, Stream
from cfai._credentials import Credentials
from cfai._json import is_mapping
from cfai._response import ErrorBody, parse_body, parse_error_body
from cfai.doctor._finding import REPORT, Finding, report_ok, report_problem, report_warning
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

    def run(self, model: str, inputs: Any, *, route: str | None = None, **options: Any) -> httpx.Response:
        """Return the answer to a call of cfai's own, whatever its status. `route` is the one to a gateway."""
        ai = self._ai if route is None else self._ai.with_options(gateway_route=cast("Any", route))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            response: Any = ai.run(model, inputs, return_raw_response=True, **options)
        response.read()
        response.close()
        return response

    def ask(
        self, method: str, path: str, *, json: Any = None, content: bytes | None = None, headers: Any = None
    ) -> httpx.Response:
        """Send a plain request to a path under `/ai`, and return the answer."""
        return self._http.request(
            method,
            f"{self.account.base_url}/accounts/{quote(self.account.account_id, safe='')}/ai{path}",
            json=json,
            content=content,
            headers={"authorization": f"Bearer {self.account.token.value}", **(headers or {})},
        )

    def read(self, response: httpx.Response, model: str, inputs: Any) -> Any:
        """Return what cfai makes of an answer that came before, a stream read to its end; or the error it raises."""
        headers = {name: value for name, value in response.headers.items() if name.lower() in _PARSED_HEADERS}
        status, content = response.status_code, response.content

        def replay(_: httpx.Request) -> httpx.Response:
            return httpx.Response(status, headers=headers, content=content)

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


def require_success(response: httpx.Response) -> httpx.Response:
    """Return the answer to a call that has to succeed. Raises `InconclusiveError` for any other."""
    if response.is_success:
        return response
    reason = parse_error(response).message or get_content_type(response)
    raise InconclusiveError(f"refused with {format_status(response)}, {' '.join(reason.split())[:200]}")


def require_verdict(response: httpx.Response, *statuses: int) -> httpx.Response:
    """Return an answer that tells something of the question.

    Raises `InconclusiveError` for a refusal of the account, its plan or its use, unless it has one of `statuses`.
    """
    is_unrelated = response.status_code in (401, 402, 403, 404, 429) and response.status_code not in statuses
    return require_success(response) if is_unrelated else response


def parse_error(response: httpx.Response) -> ErrorBody:
    """Parse the body of an error."""
    return parse_error_body(parse_body(response.content))


def read_path(response: httpx.Response, *path: str | int) -> Any:
    """Return what stands under `path` in a body of JSON, or `None` if there is no such place."""
    return get_path(parse_body(response.content), *path)


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


def get_content_type(response: httpx.Response) -> str:
    """Return the content type without its parameters."""
    return response.headers.get("content-type", "none").partition(";")[0].strip()


def format_status(response: httpx.Response) -> str:
    """Return the status, and the code if it is an error with one."""
    code = parse_error(response).code if response.status_code >= 400 else None
    return str(response.status_code) if code is None else f"{response.status_code} / {code}"


def judge_code(response: httpx.Response, code: int) -> Finding:
    """Judge a refusal that cfai expects under a code of which it is not sure."""
    form = f"refused with {format_status(response)}, {get_content_type(response)}"
    if parse_error(response).code == code:
        return report_ok(form)
    if response.status_code >= 500:
        require_success(response)
    require_verdict(response)
    return report_warning(f"{form}; cfai expects {code}", REPORT)


def judge_output(form: str, output: Any) -> Finding:
    """Judge a form by what cfai makes of it: its error is a problem."""
    if isinstance(output, CfaiError):
        return report_problem(f"{form}; cfai cannot read that ({type(output).__name__}: {output})", REPORT)
    return report_ok(form)


def split_lines(response: httpx.Response) -> list[str]:
    """Return the lines of a stream. Only these three ends end one; a line separator in a token does not."""
    return re.split("\r\n|\n|\r", response.content.decode("utf-8", "replace"))


def parse_events(response: httpx.Response) -> list[Mapping[str, Any]]:
    """Return the JSON objects of a stream's `data:` lines."""
    data = [parse_body(line[5:].strip().encode()) for line in split_lines(response) if line.startswith("data:")]
    return [event for event in data if is_mapping(event)]


def describe_last_line(response: httpx.Response) -> str:
    """Describe the last line of a stream."""
    last = next((line for line in reversed(split_lines(response)) if line.strip()), "")
    if last.startswith("data:"):
        return "data: [DONE]" if last[5:].strip() == "[DONE]" else "an event, without [DONE]"
    return "a bare [DONE]" if last.strip() == "[DONE]" else "neither an event nor [DONE]"


def list_keys(value: Any) -> list[str]:
    """Return the keys of an object in order; none of anything else."""
    return sorted(value) if is_mapping(value) else []


def join_words(words: Iterable[str]) -> str:
    """Return words in a row, or that there is none."""
    return ", ".join(words) or "none"
