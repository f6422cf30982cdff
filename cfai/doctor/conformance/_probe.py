"""The probe that facts are found out with: calls by cfai's own client, plain ones, and what cfai makes of an answer."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import quote

import httpx

from cfai import Ai, CfaiError, Stream
from cfai._credentials import Credentials
from cfai._response import parse_body, parse_error_body
from cfai.doctor._finding import Finding, ok, problem, warning
from cfai.doctor.conformance._exchanges import record_into
from cfai.local.recording import RawExchange

_PASSED_ON = ("content-type", "cf-ai-req-id", "cf-ai-neurons", "cf-ray", "cf-aig-log-id", "retry-after")


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
        self._hook = record_into(self.exchanges)
        http.event_hooks["response"].append(self._hook)
        self._ai = self._client(http)

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
            f"{self.account.base_url}/accounts/{quote(self.account.id, safe='')}/ai{path}",
            json=json,
            content=content,
            headers={"authorization": f"Bearer {self.account.token.value}", **(headers or {})},
        )

    def read(self, response: httpx.Response, model: str, inputs: Any) -> Any:
        """Return what cfai makes of an answer that came before, a stream read to its end; or the error it raises."""
        headers = {name: value for name, value in response.headers.items() if name.lower() in _PASSED_ON}
        status, content = response.status_code, response.content

        def again(_: httpx.Request) -> httpx.Response:
            return httpx.Response(status, headers=headers, content=content)

        with httpx.Client(transport=httpx.MockTransport(again)) as http, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                output: Any = self._client(http).run(model, inputs)
                if isinstance(output, Stream):
                    stream = cast("Stream[Any]", output)
                    for _ in stream:
                        pass
                    return stream.result()
            except CfaiError as error:
                return error
        return output

    def _client(self, http: httpx.Client) -> Ai:
        account = self.account
        return Ai(
            account_id=account.id,
            api_token=account.token.value,
            base_url=account.base_url,
            http_client=http,
            max_retries=None,
            checks="off",
            timeout=60.0,
        )


def decode_body(response: httpx.Response) -> Any:
    """Return a body as JSON if it is JSON, else its text."""
    return parse_body(response.content)


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


def status_text(response: httpx.Response) -> str:
    """Status, and code if it is an error with one."""
    code = parse_error_body(decode_body(response)).code if response.status_code >= 400 else None
    return str(response.status_code) if code is None else f"{response.status_code} / {code}"


def find_refusal(response: httpx.Response) -> Finding | None:
    """Return why there is nothing to find out from a call that had to succeed; `None` if it did."""
    if response.is_success:
        return None
    said = parse_error_body(decode_body(response)).message or get_content_type(response)
    return warning(f"not found out: refused with {status_text(response)}, {' '.join(said.split())[:200]}")


def find_unrelated_refusal(response: httpx.Response) -> Finding | None:
    """Return a refusal for the account, its plan or its use, which says nothing of what was asked; else `None`."""
    return find_refusal(response) if response.status_code in (401, 402, 403, 404, 429) else None


def judge_code(response: httpx.Response, code: int) -> Finding:
    """Judge a refusal that cfai expects under a code of which it is not sure."""
    says = f"refused with {status_text(response)}, {get_content_type(response)}"
    if parse_error_body(decode_body(response)).code == code:
        return ok(says)
    failed = find_refusal(response) if response.status_code >= 500 else find_unrelated_refusal(response)
    return failed or warning(f"{says}; cfai expects {code}", "report it to the project")


def judge_output(says: str, output: Any) -> Finding:
    """Return a form that was found, by what cfai made of it: its error is a problem."""
    if isinstance(output, CfaiError):
        return problem(f"{says}; cfai cannot read that ({type(output).__name__}: {output})", "report it to the project")
    return ok(says)


def split_lines(response: httpx.Response) -> list[str]:
    """Return the lines of a stream. Only these three ends end one; a line separator in a token does not."""
    return re.split("\r\n|\n|\r", response.content.decode("utf-8", "replace"))


def parse_events(response: httpx.Response) -> list[Mapping[str, Any]]:
    """Return the JSON objects of a stream's `data:` lines."""
    data = [parse_body(line[5:].strip().encode()) for line in split_lines(response) if line.startswith("data:")]
    return [cast("Mapping[str, Any]", each) for each in data if isinstance(each, dict)]


def describe_last_line(response: httpx.Response) -> str:
    """Return what the last line of a stream is."""
    last = next((line for line in reversed(split_lines(response)) if line.strip()), "")
    if last.startswith("data:"):
        return "data: [DONE]" if last[5:].strip() == "[DONE]" else "an event, without [DONE]"
    return "a bare [DONE]" if last.strip() == "[DONE]" else "neither an event nor [DONE]"


def join_words(words: Any) -> str:
    """Return words in a row, or that there is none."""
    return ", ".join(words) or "none"
