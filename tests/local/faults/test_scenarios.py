"""Every scenario as a caller of cfai sees it, in both colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

import cfai
import cfai._streaming.stream
from cfai import (
    AiInternalError,
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    CfaiError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    Retry,
    StreamError,
    StreamTruncatedError,
    Timeout,
)
from cfai._errors import BrokenResponseError, RefusedContextLengthError, StreamTimeoutError
from cfai.local import SCENARIOS, Emulator
from cfai.local.wire import MESSAGES
from tests.local.dialects import CHAT, COMPLETION, DUAL, KIMI, MODELS, NATIVE, RESPONSES, TRAILER, question

if TYPE_CHECKING:
    import httpx

    from tests.local.conftest import Service

BGE = "@cf/baai/bge-m3"
THREE = "This is an"
"""The first three tokens."""


@dataclass(frozen=True)
class Raises:
    """An error, and what is on it."""

    kind: type[CfaiError]
    status: int | None = None
    code: int | str | None = None
    retryable: bool | None = False
    retry_after: float | None = None
    partial: str | None = None
    says: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """With which the call is made."""


@dataclass(frozen=True)
class Gives:
    """An answer, the same as without the scenario but for what is told here."""

    before: str = "This"
    """How the text begins: whatever comes between its first token and the others."""
    usage: bool = True
    finish: str | None = None
    same: bool = True
    """True if it has the text at all."""


REFUSED: dict[type[CfaiError], str] = {
    BadRequestError: """
        invalid-input 400 1001, incomplete-request 400 3003, request-too-large 413 3006, upstream-rejected 400 3030,
        fine-tune-incomplete 400 3039, invalid-base64 400 5004, lora-unsupported 405 5005, bad-input 400 5006,
        unprocessable-input 422 5012, sdk-deprecated 405 5019, context-window-exceeded 413 5021,
        json-mode-streaming 400 5023, json-mode-failed 400 5024, json-mode-unsupported 400 5025, no-route 400 7000,
        method-not-allowed 405 7001, invalid-account 400 7003, engine-invalid-input 400 8001,
        engine-invalid-value 400 8002, forced-tool-too-long 400 8006, engine-bad-request 400 8007,
        incomplete-input 400 3010, engine-rejected 400 3025, gateway-not-found 400 2001, invalid-provider 400 2008,
        prompt-blocked 400 2016, response-blocked 400 2017, gateway-endpoint-disabled 400 2019,
        gateway-endpoint-off 400 2036""",
    AuthenticationError: """
        authentication-error 401 10000, unauthenticated 401 10001, invalid-token 401 1000, invalid-headers 400 6003,
        invalid-key-header 400 6103, invalid-authorization-header 400 6111, no-token 400 9106,
        token-of-another-account 403 9109, gateway-unauthorized 401 2009, provider-unauthorized 401 2018,
        provider-key-missing 400 2040""",
    PermissionDeniedError: """
        token-expired 403 1031, account-blocked 403 3023, private-model 403 3041, agreement-required 403 5016,
        model-not-allowed 403 5018, paid-plan-required 403 5035, address-banned 403 1006, country-banned 403 1009,
        client-banned 403 1010, firewall-blocked 403 1020""",
    RequestTimeoutError: "request-timeout 408 3007, request-aborted 408 3008, inference-timeout 408 3046",
    NotFoundError: """
        invalid-model 404 3042, no-such-model 400 5007, model-retired 410 5028, fine-tune-not-found 400 3037,
        not-found 404 7002""",
    QuotaExceededError: """
        quota-exceeded 429 4006, quota-exceeded-documented 429 3036, gateway-balance-empty 402 2021,
        spend-limit 429 2041, spend-limit-of-rule 429 2045""",
    AiInternalError: "gateway-unreadable-answer 400 2002, provider-failed 400 2005",
    InternalServerError: "origin-dns-error 530 1016, tunnel-error 530 1033",
}
"""Scenarios, with status and code, by the error that they are and that no further call mends."""

TEMPORARY: dict[type[CfaiError], str] = {
    RateLimitError: """
        rate-limited 429 3021, api-throttled 429 971, edge-throttled 429 1015, gateway-throttled 429 2003""",
    CapacityError: "out-of-capacity 429 3040",
    InternalServerError: """
        engine-error 500 8005, engine-failed 500 8008, unknown-failure 500 3001, inference-error 500 3043,
        unknown-inference-error 503 3048, retries-exhausted 500 3050, model-unavailable 503 5030,
        worker-exception 500 1101, worker-over-limit 503 1102""",
}
"""Scenarios, with status and code, by the error that they are and that a further call may mend."""


LIMITED = Raises(RateLimitError, 429, 3021, True)
BUSY = Raises(CapacityError, 429, 3040, True)
FAILED = Raises(InternalServerError, retryable=True)
UNREADABLE = Raises(APIResponseValidationError, 200)
GONE = Raises(APIConnectionError, retryable=False)
DROPPED = replace(GONE, retryable=None)  # a connection that was kept alive may have been closed before the request
STOPPED = Raises(StreamError, code=3040, partial=THREE, says="Capacity temporarily exceeded")
TRUNCATED = Raises(StreamTruncatedError, partial=THREE)
SOON = {"timeout": Timeout(first_byte=10, read=0.4)}

STREAMED: dict[str, Raises | Gives] = {
    # What is not named changes nothing for a caller.
    **{name: Gives() for name, scenario in SCENARIOS.items() if scenario.fault is not None},
    # Codes
    **{
        name: Raises(kind, int(status), int(code), retryable, says="What to do: ")
        for table, retryable in ((REFUSED, False), (TEMPORARY, True))
        for kind, refusals in table.items()
        for name, status, code in map(str.split, refusals.split(","))
    },
    # Statuses
    "payment-required": Raises(QuotaExceededError, 402),
    "internal-server-error": replace(FAILED, status=500),
    "bad-gateway": replace(FAILED, status=502),
    "service-unavailable": replace(FAILED, status=503),
    "gateway-timeout": Raises(RequestTimeoutError, 504),
    "web-server-unknown-error": replace(FAILED, status=520),
    "web-server-down": replace(FAILED, status=521),
    "connection-timed-out": replace(FAILED, status=522),
    "origin-unreachable": replace(FAILED, status=523),
    "timeout-occurred": Raises(RequestTimeoutError, 524),
    # Errors
    "errors-object": BUSY,
    "internal-error-envelope": Raises(BadRequestError, 400, 1001, says="prompt is missing"),
    "openai-error": Raises(BadRequestError, 400, "invalid_prompt", says="the prompt is invalid"),
    "openai-error-message": Raises(BadRequestError, 400, says="no"),
    "openai-error-string": replace(FAILED, status=500, says="the model failed"),
    "gateway-run-failed": replace(FAILED, status=503, code="provider_unavailable", says="no provider"),
    "gateway-error-list": Raises(AuthenticationError, 401, 2009),
    "edge-page": Raises(PermissionDeniedError, 403, 1020, says="Attention Required!"),
    "schema-page": Raises(BadRequestError, 400, 5006, says=": `prompt` is a string, and must be an array ("),
    "problem-json": Raises(BadRequestError, 400, says="Bad Request: it is wrong"),
    "code-in-text": BUSY,
    "plain-text-error": replace(FAILED, status=502, says="error code: 502"),
    "empty-error": replace(FAILED, status=500),
    "html-error": replace(FAILED, status=502, says="502"),
    "upstream-json-message": Raises(BadRequestError, 400, 3030, says="the image cannot be read"),
    "unknown-code": Raises(PermissionDeniedError, 403, 9999, says="it is new"),
    "sequence-too-long": Raises(RefusedContextLengthError, 400, 3030, says="8,192"),
    "context-window-numbers": Raises(RefusedContextLengthError, 413, 5021, says="262,144"),
    "retry-after-seconds": replace(BUSY, retry_after=0),
    "retry-after-date": replace(LIMITED, retry_after=0),
    "retry-after-too-long": replace(LIMITED, retry_after=3600),
    "redirect": Raises(InferenceUpstreamError, 302, says="redirects are not followed"),
    # Answers
    "success-false": Raises(CapacityError, 200, 3040),
    "empty-result": UNREADABLE,
    "invalid-json": UNREADABLE,
    "truncated-json": UNREADABLE,
    "empty-body": UNREADABLE,
    "html-page": replace(UNREADABLE, says="HTML page"),
    # Connections
    "connection-closed": DROPPED,
    "connection-reset": DROPPED,
    "partial-header": GONE,
    "not-http": GONE,
    "invalid-chunk": Raises(StreamTruncatedError, partial=""),
    "no-answer": Raises(APITimeoutError, options={"timeout": Timeout(first_byte=0.2)}),
    "no-body": Raises(StreamTimeoutError, partial="", options=SOON),
    "short-body": TRUNCATED,
    "body-reset": Raises(StreamTruncatedError),  # a reset may overtake what was sent before it
    "trickling-body": Raises(StreamTimeoutError, options={"total_timeout": 1.0}),
    # Streams
    "truncated": TRUNCATED,
    "stalled": Raises(StreamTimeoutError, partial=THREE, options=SOON),
    "error-event": STOPPED,
    "number-token": Gives("This0"),
    "decimal-token": Gives("This0.10"),
    "object-token": Gives('This{"a":1}'),
    "boolean-token": Gives("Thistrue"),
    "line-separator-token": Gives("This\u2028\u2029\u0085"),
    "split-surrogate-pair": Gives("This🙂"),
    "usage-null": Gives(usage=False),
    "usage-missing": Gives(usage=False),
    "text-after-finish": Gives(finish="stop"),
    "finish-reason-error": Raises(StreamError, partial=THREE, says="stopped with an error"),
    "missing-done": Raises(StreamTruncatedError),
    "empty-stream": Raises(StreamTruncatedError, partial=""),
    "only-done": Gives(same=False, usage=False),
    "truncated-event": TRUNCATED,
    "html-event": Raises(StreamError, partial=THREE, says="502 Bad Gateway"),
    "list-event": Raises(StreamError, partial=THREE, says="[1,2]"),
    "error-event-done": STOPPED,
    "error-event-object": STOPPED,
    "error-event-string": STOPPED,
    "error-event-typed": STOPPED,
    "error-event-internal": STOPPED,
    "error-event-named": STOPPED,
    "error-event-response": replace(STOPPED, code="server_error"),
}
"""The outcome of a call with `"stream": True`, by scenario."""

BROKEN = Raises(BrokenResponseError, 200, says="before it broke off")
LATE = Raises(APITimeoutError, 200, options={"timeout": Timeout(first_byte=10, read=0.2)}, says="no more in time")

WHOLE: dict[str, Raises | Gives] = {
    "empty-result": Gives(same=False, usage=False),
    "invalid-chunk": BROKEN,
    "no-body": LATE,
    "short-body": BROKEN,
    "body-reset": BROKEN,
    "trickling-body": Raises(APITimeoutError, 200, options={"total_timeout": 0.3}),
    "truncated": UNREADABLE,
    "stalled": LATE,
    "error-event": BUSY,
}
"""The outcome of any other call, by scenario, where that is something else."""

ANSWERED_WHOLE = [name for name, each in SCENARIOS.items() if each.fault is not None and not each.fault.only_streams]


@pytest.fixture
def caller(callers: Callable[..., Any], service: Service) -> Any:
    local = service.local
    return callers(local.account_id, local.api_token, base_url=local.base_url, trust_env=False, max_retries=None)


@pytest.fixture(autouse=True)
def _a_short_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cfai._streaming.stream, "DRAIN_TIMEOUT", 0.1)


def read_answer(caller: Any, model: str, inputs: dict[str, Any], **options: Any) -> Any:
    """Return the answer, read to its end."""
    answer = caller.run(model, inputs, **options)
    if inputs.get("stream"):
        with answer:
            answer.result()
    return answer


def check(caller: Any, service: Service, model: str, name: str, expected: Raises | Gives, *, stream: bool) -> None:
    inputs = question(model, name) | {"stream": stream}
    service.local.script(name)
    answer = None
    if isinstance(expected, Raises):
        with pytest.raises(CfaiError) as caught:
            read_answer(caller, model, inputs, **expected.options)
        check_error(caught.value, expected)
    else:
        answer = read_answer(caller, model, inputs)
    assert service.local.requests[-1].fault == name
    # The client can go on with the server, and the server with the client.
    plain = read_answer(caller, model, inputs)
    assert plain.tool_calls or plain.text.startswith("This")
    if isinstance(expected, Gives):
        check_answer(answer, plain, expected, name)


def check_error(error: CfaiError, expected: Raises) -> None:
    assert type(error) is expected.kind, repr(error)
    retryable = None if expected.retryable is None else error.retryable
    fields = (error.status_code, error.code, retryable, error.retry_after)
    status = 200 if isinstance(error, StreamError) else expected.status  # the stream had begun
    assert fields == (status, expected.code, expected.retryable, expected.retry_after)
    assert expected.says in str(error)
    if isinstance(error, StreamError) and expected.partial is not None:
        assert error.partial == expected.partial


def check_answer(answer: Any, plain: Any, expected: Gives, name: str) -> None:
    if not expected.same:
        assert (answer.text, answer.usage) == ("", None)
        return
    assert answer.text == (plain.text and expected.before + plain.text.removeprefix("This"))
    assert answer.reasoning == plain.reasoning
    assert answer.finish_reason == (expected.finish or plain.finish_reason)
    calls = [(call.name, call.parse(), call.id) for call in plain.tool_calls]
    if name == "tool-call-without-id":
        calls = [(*call[:2], None) for call in calls]
    assert [(call.name, call.parse(), call.id) for call in answer.tool_calls] == calls
    assert bool(calls) == name.startswith("tool-")
    assert count_tokens(answer) == (count_tokens(plain) if expected.usage else None)


def count_tokens(answer: Any) -> tuple[int, int, int] | None:
    usage = answer.usage
    return usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def failures(names: Iterable[str], check: Callable[[str], None]) -> list[str]:
    """Return the names for which a check fails, each with why."""
    failed: list[str] = []
    for name in names:
        try:
            check(name)
        except (AssertionError, CfaiError, pytest.fail.Exception) as error:
            failed.append(f"{name}: {error!r}")
    return failed


def test_a_caller_sees_it_for_what_it_is(caller: Any, service: Service) -> None:
    def check_stream(name: str) -> None:
        model = CHAT if name == "renamed-reasoning" else NATIVE
        check(caller, service, model, name, STREAMED[name], stream=True)

    def check_whole(name: str) -> None:
        check(caller, service, NATIVE, name, WHOLE.get(name, STREAMED[name]), stream=False)

    assert failures(STREAMED, check_stream) == []
    assert failures(ANSWERED_WHOLE, check_whole) == []


OF_STREAMS = [name for name, each in SCENARIOS.items() if each.group == "Streams"]
ANY_DIALECT = ["truncated", *(name for name in OF_STREAMS if name not in ("held-open", "whole-answer"))]
NO_SHAPE = {"null-fields", "doubled-dialect", "mixed-dialects", "text-after-finish", "empty-finish-reason"}
"""The scenarios that need events of another dialect than that of the Responses API, as all that are `usage-…` do."""


def expect_in_dialect(model: str, name: str) -> Raises | Gives:
    expected = STREAMED[name]
    if name == "renamed-reasoning" and model in (DUAL, COMPLETION, RESPONSES):
        return Raises(BadRequestError, 400, says="needs a stream with reasoning")
    if model == RESPONSES and (name in NO_SHAPE or name.startswith("usage-") or name == "finish-reason-error"):
        return Raises(BadRequestError, 400, says="needs a stream with events other than those of the Responses API")
    if name == "missing-done":
        return Gives()  # a finish reason was there
    if isinstance(expected, Raises) and model in (CHAT, TRAILER, KIMI, RESPONSES):
        return replace(expected, partial="")  # the first three tokens are reasoning
    return expected


@pytest.mark.parametrize("portal", ["sync"], indirect=True)
@pytest.mark.parametrize("model", MODELS[1:])
def test_a_stream_has_it_in_every_dialect(caller: Any, service: Service, model: str) -> None:
    def check_stream(name: str) -> None:
        check(caller, service, model, name, expect_in_dialect(model, name), stream=True)

    assert failures(ANY_DIALECT, check_stream) == []


def run_without_stream(service: Service, fault: str) -> Iterator[tuple[str, httpx.Response]]:
    """Give each kind of request whose answer is no stream, and its answer with a fault."""
    queue = {"queueRequest": "true"}
    poll = {"request_id": service.run(BGE, {"requests": [{"text": "hi"}]}, params=queue).json()["result"]["request_id"]}
    models = f"/accounts/{service.local.account_id}/ai/models/search"
    yield "call", service.run(NATIVE, {"prompt": "hi"}, fault)
    yield "batch", service.run(BGE, {"requests": [{"text": "hi"}]}, fault, params=queue)
    yield "poll", service.run(BGE, poll, fault)
    yield "list", service.http.get(models, headers={"cfai-emulate": fault})


def test_a_stream_is_needed_for_what_happens_to_streams_unless_it_is_an_error_inside(service: Service) -> None:
    for name in STREAMED.keys() - set(ANSWERED_WHOLE):
        for request, response in run_without_stream(service, name):
            assert (response.status_code, response.headers["content-type"]) == (400, "text/plain"), (name, request)
            assert f"{name} happens to streams alone" in response.text
    for request, response in run_without_stream(service, "error_after=1,code=3046"):
        assert (response.status_code, response.json()["errors"][0]["code"]) == (408, 3046), request


# What the sources say


def test_every_code_of_the_service_is_a_scenario_and_every_scenario_expected() -> None:
    names = [name for name, each in SCENARIOS.items() if each.group == "Codes"]
    expected = [STREAMED[name] for name in names]
    assert [each.code for each in expected if isinstance(each, Raises)] == [*MESSAGES]
    statuses = [scenario.fault for scenario in SCENARIOS.values() if scenario.group == "Statuses" and scenario.fault]
    assert [fault.status or fault.html for fault in statuses] == [402, 500, 502, 503, 504, 520, 521, 522, 523, 524]
    assert set(STREAMED) == {name for name, scenario in SCENARIOS.items() if scenario.fault is not None}
    assert set(WHOLE) <= set(ANSWERED_WHOLE)
    assert [name for name, scenario in SCENARIOS.items() if scenario.fault is None] == ["stalled-tls"]


# Retries


@pytest.fixture
def patient(callers: Callable[..., Any], local: Emulator) -> Any:
    """A caller who tries again at once."""
    return callers(local.account_id, local.api_token, base_url=local.base_url, max_retries=Retry(base=0))


NEVER_LEFT = [name for name, each in STREAMED.items() if each in (GONE, DROPPED)]
ONCE: dict[str, tuple[type[CfaiError], str | None]] = {
    **dict.fromkeys(NEVER_LEFT, (APIConnectionError, "may have been billed")),
    **dict.fromkeys(
        ["retry-after-too-long", "quota-exceeded", "inference-timeout", "success-false"], (InferenceUpstreamError, None)
    ),
    **dict.fromkeys(["error-event", "truncated", "body-reset"], (StreamError, None)),
}


def test_what_may_have_run_or_cannot_be_mended_is_sent_once(patient: Any, local: Emulator) -> None:
    for number, (name, (kind, message)) in enumerate(ONCE.items(), 1):
        local.script(name)
        with pytest.raises(kind, match=message) as caught:
            read_answer(patient, NATIVE, {"prompt": "hi", "stream": kind is StreamError})
        assert kind is not APIConnectionError or not caught.value.retryable, name
        assert [request.fault for request in local.requests] == list(ONCE)[:number]


def test_what_was_not_run_is_sent_again_and_an_empty_result_asked_for_once_more(patient: Any, local: Emulator) -> None:
    local.script("empty-result")
    answer = read_answer(patient, NATIVE, {"prompt": "hi", "stream": True})
    assert answer.text.startswith("This is an emulated")
    assert [request.inputs.get("stream") for request in local.requests] == [True, False]
    for name in [name for name, expected in STREAMED.items() if expected in (BUSY, LIMITED)]:
        local.script([name, name, "ok"])
        assert patient.run(NATIVE, {"prompt": "hi"}).text.startswith("This is an emulated"), name
        assert [request.fault for request in local.requests[-3:]] == [name, name, "ok"]


# TLS


def test_a_stalled_handshake_is_given_up_in_time(callers: Callable[..., Any], local: Emulator) -> None:
    url = local.stalled_tls_url
    assert url.startswith("https://127.0.0.1:")
    assert url == local.stalled_tls_url
    stalled = callers(local.account_id, local.api_token, base_url=url, trust_env=False, max_retries=Retry(1, base=0))
    with pytest.raises(APITimeoutError, match=r"could not connect to 127\.0\.0\.1:\d+ in time") as caught:
        stalled.run(NATIVE, {"prompt": "hi"}, timeout=Timeout(connect=0.2))
    assert caught.value.retryable
    assert local.requests == []
    reached = callers(local.account_id, local.api_token, base_url=local.base_url, trust_env=False)
    assert reached.run(NATIVE, {"prompt": "hi"}).text


def test_the_stalled_port_is_closed_with_the_emulator(callers: Callable[..., Any]) -> None:
    with Emulator() as local:
        url = local.stalled_tls_url
    caller = callers(local.account_id, local.api_token, base_url=url, trust_env=False, max_retries=None)
    with pytest.raises(APIConnectionError) as caught:
        caller.run(NATIVE, {"prompt": "hi"}, timeout=Timeout(connect=5))
    assert not isinstance(caught.value, APITimeoutError)
