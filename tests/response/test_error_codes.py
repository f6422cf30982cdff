"""Errors by code, by name and by text: the class that fits, and the advice that helps."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cfai import (
    AuthenticationError,
    BadRequestError,
    CapacityError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    StreamError,
    models,
)
from cfai._errors import RefusedContextLengthError
from cfai._response.error_codes import CODES, EDGE_PAGE_CODES, HINTS, NAMES, STATUSES
from cfai._response.errors import build_error
from cfai.local import Emulator, Fault
from tests.bodies import event, native
from tests.conftest import SYNC_AND_ASYNC, Callers, Service, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
UUID = "3a1f9e1c-0b7d-4f0e-9a54-8f2f6c1f4b11"
ADVICE = r"What to do: [a-z\"`].*[a-z0-9')\"`=]\.$"
"""It goes on in the middle of a sentence, and ends it."""


def error_of(
    status: int, body: Any, model: str | None = MODEL, inputs: dict[str, Any] | None = None
) -> InferenceUpstreamError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return build_error(status, {}, content, model=model, inputs=inputs)


@SYNC_AND_ASYNC
def test_every_row_of_the_table_is_what_a_caller_gets(callers: Callers, local: Emulator) -> None:
    caller = callers(local.account_id, local.api_token, base_url=local.base_url, max_retries=None, trust_env=False)
    own_hints = {5028: "such as @cf/"}
    for code, spec in CODES.items():
        local.script(Fault(code=code))
        with row(code), pytest.raises(InferenceUpstreamError) as caught:
            caller.run(MODEL, {"prompt": "Hello"})
        error = caught.value
        seen = (type(error), error.status_code, error.code, error.name, error.retryable)
        assert seen == (spec.kind, spec.status, code, spec.name, spec.retryable)
        assert own_hints.get(code, f"What to do: {spec.hint}.") in str(error), code
        assert re.search(ADVICE, str(error)), str(error)


def test_inputs_that_a_newer_api_refuses_are_no_wrong_method() -> None:
    body = {"success": False, "errors": [{"code": 7001, "message": "Input Validation Error: id is too long"}]}
    refused, method = error_of(400, body, None), error_of(405, body, None)
    assert (type(refused), refused.code, refused.name) == (BadRequestError, 7001, "BadRequest")
    assert "another method" not in str(refused)
    assert (method.name, "another method" in str(method)) == ("NoSuchMethod", True)


def test_the_code_of_a_wrong_address_with_a_failure_is_one_of_the_service() -> None:
    for code in (7000, 7001, 7002, 7003):
        error = error_of(500, {"success": False, "errors": [{"code": code, "message": "Internal Error"}]}, None)
        assert (type(error), error.code, error.retryable) == (InternalServerError, code, True)
        assert "try again" in str(error)


def test_every_status_and_name_of_the_tables_has_advice() -> None:
    for status, spec in STATUSES.items():
        error = error_of(status, b"no", model=None)
        assert (type(error), error.retryable) == (spec.kind, spec.retryable), status
        assert re.search(ADVICE, str(error)), status
    for name, spec in NAMES.items():
        for body in ({"error": {"code": name, "message": "no"}}, {"errors": [{"name": name.upper()}]}):
            error = error_of(400, body, model=None)
            assert (type(error), spec.hint in str(error)) == (spec.kind, True), (name, body)


def test_a_code_is_found_wherever_it_stands() -> None:
    for body, code in (
        ({"errors": [{"code": "5028", "message": "no"}]}, 5028),
        ({"internalCode": "3040", "description": "no"}, 3040),
        (b"InferenceUpstreamError: 3040: no room", 3040),
        (b"InferenceUpstreamError: InferenceUpstreamError: ERROR 3010: incomplete", 3010),
        (b"InferenceUpstreamError: error code: 1031", 1031),
        (b"AiError: 5007: No such model @cf/a/b or task", 5007),
        (b"error code: 1015", 1015),
        ({"title": "Error 1020: Access denied", "status": 403, "detail": "It is blocked.", "error_code": 1020}, 1020),
        ({"errors": [{"code": 3040.0, "message": "no"}]}, 3040),
        (b"AiError 3043: it failed", 3043),
        (b"Invalid provider (code 2008)", 2008),
        (b"Unauthorized to access requested resource [code: 9109]", 9109),
        ({"error": [{"code": 2041, "message": "no"}], "name": "AiGatewayError", "internalCode": 2041}, 2041),
        ({"error": "AiGatewayError: 2003: Rate limited"}, 2003),
        # A port, a status and a number of something else are none.
        (b"http://10.0.0.1:8001: connection refused", None),
        (b"502: bad gateway", None),
        (b"12.3040: no", None),
        (b'{"errors":[{"code":NaN,"message":"no"}]}', None),
    ):
        error = error_of(400, body)
        assert error.code == code, body
        assert code is None or type(error) is CODES[code].kind, body
        assert code is None or str(error).count(str(code)) <= 2, body


TEXTS: list[tuple[int, str, type[InferenceUpstreamError], str]] = [
    # The status, the text without any code, the class, and words of the advice.
    (400, "you have used up your daily free allocation of 10,000 neurons", QuotaExceededError, "00:00 UTC"),
    (400, "Capacity temporarily exceeded, please try again.", CapacityError, "busy"),
    (500, "No more data centers to forward the request to", CapacityError, "busy"),
    (400, "Prior to using this model, you must submit the prompt 'agree'", PermissionDeniedError, "licence"),
    (400, "User has not agreed to Llama3.2 model terms", PermissionDeniedError, "licence"),
    (400, "Model agreement", PermissionDeniedError, "licence"),
    (500, "No such model @cf/a/b or task", NotFoundError, "name"),
    (400, "The model name is invalid", NotFoundError, "name"),
    (400, "not authorized", AuthenticationError, "token"),
    (403, "You are not authorized to do this", PermissionDeniedError, "permissions"),
    (500, "Unauthorized to access requested resource", AuthenticationError, "token"),
    (400, "Model has been deprecated: it ended on 2026-05-30", NotFoundError, "retired"),
    (400, "This model was deprecated on 2026-05-30. Please use an alternative model", NotFoundError, "retired"),
    (400, "The model has reached its end of life", NotFoundError, "retired"),
    (400, "Model @cf/a/b is no longer available", NotFoundError, "retired"),
    (400, "Lora adapter my-lora not found", NotFoundError, "ai.finetunes.list()"),
    (404, "Finetune 3dd75f75-0e0c-425b-b19e-6fbd2fb84cde not found", NotFoundError, "ai.finetunes.list()"),
    (400, "The model does not support LoRa inference", BadRequestError, "takes no lora"),
    (400, "Sequence too long: 9003 > 8192", RefusedContextLengthError, "8,192"),
    (400, "This model requires a Workers Paid plan.", PermissionDeniedError, "Workers Paid"),
    (400, "The account is not allowed to access this model", PermissionDeniedError, "may not use"),
    (500, "Service unavailable for account", PermissionDeniedError, "support"),
    (400, "Rate limit exceeded for this model", RateLimitError, "slow down"),
    (500, "AiError: Request timeout", RequestTimeoutError, "may have been billed"),
    (400, "Request is too large", BadRequestError, "send less"),
    (400, "JSON Model couldn't be met", BadRequestError, "simpler schema"),
    (400, "This model doesn't suuport JSON Schema.", BadRequestError, "takes no JSON schema"),
    (500, "JSON Schema mode is not supported with stream mode", BadRequestError, "without stream"),
    (500, "Invalid data type for base64 input: string", BadRequestError, "base64"),
    (500, "Bad input: Error: it is wrong", BadRequestError, "schema"),
    (500, "Invalid provider", BadRequestError, "gateway_route"),
    (500, "Please configure AI Gateway in the Cloudflare dashboard", BadRequestError, "create the gateway"),
    (429, "Spend limit exceeded: rule 'per-user' (cost limit 0.002 per 3600s, fixed)", QuotaExceededError, "window"),
    (400, "Insufficient wholesale credits.", QuotaExceededError, "add money"),
    (400, "Could not route to /client/v4/accounts/x/ai/run", BadRequestError, "account_id"),
    (503, "Just a moment...", PermissionDeniedError, "edge blocks"),
    # What is told by the code that came, or by the status.
    (522, "Connection timed out", InternalServerError, "try again"),
    (400, "accurate limits are good", BadRequestError, "schema"),
    (400, "x" * 500 + " rate limit", BadRequestError, "schema"),
    (500, "teapot", InternalServerError, "try again"),
]


def test_without_code_and_name_the_text_decides() -> None:
    for status, text, kind, advice in TEXTS:
        for body in (
            {"errors": [{"message": f"AiError: AiError: {text} ({UUID})"}]},
            {"errors": [text]},
            {"errors": {"message": text}},
            {"error": text},
            {"error": {"message": text, "type": "some_error"}},
            {"error": {"code": "invalid_prompt", "message": f"AiError: {text}"}},
            {"error": [{"message": text}]},
            {"success": False, "result": [], "messages": [], "error": [{"code": 99_999, "message": text}]},
            {"detail": text},
            {"message": text},
            {"title": text},
            {"type": "https://a.example/e", "title": "It failed", "status": status, "detail": text},
            f"{text} ({UUID})".encode(),
        ):
            with row((status, body)):
                error = error_of(status, body, model=None)
                assert type(error) is kind
                assert advice in str(error).partition("What to do: ")[2]


def test_a_lost_connection_of_the_service_is_no_wrong_token() -> None:
    for status in (400, 500):
        error = error_of(status, {"errors": [{"message": "Error: Network connection lost.", "code": 1000}]})
        assert (type(error), error.code) == (InternalServerError, 1000)
        assert "token" not in str(error)


def test_a_page_inside_a_message_is_told_by_its_title() -> None:
    page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>"
    for body in (
        f"InferenceUpstreamError: {page}".encode(),
        {"errors": [{"message": f"AiError: AiError: {page} ({UUID})", "code": 3043}], "success": False},
    ):
        error = error_of(502, body)
        assert ": 502 Bad Gateway (status 502" in str(error)
        assert error.request_id == (None if isinstance(body, bytes) else UUID)


def test_an_error_of_a_status_alone_is_that_error() -> None:
    for status, kind in (
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (410, NotFoundError),
        (422, BadRequestError),
        (429, RateLimitError),
        (500, InternalServerError),
        (504, RequestTimeoutError),
        (530, InternalServerError),
    ):
        for body in (b"", {}, [], None, {"error": None}, {"errors": []}):
            error = error_of(status, body)
            assert type(error) is kind, (status, body)
            assert re.search(ADVICE, str(error)), (status, body)


def test_a_chain_and_a_list_of_an_error_say_what_it_means() -> None:
    chain = [{"code": 6111, "message": "Invalid format for Authorization header"}]
    error = error_of(400, {"errors": [{"code": 6003, "message": "Invalid request headers", "error_chain": chain}]})
    assert type(error) is AuthenticationError
    assert "6003 InvalidHeaders: Invalid request headers: Invalid format for Authorization header (" in str(error)
    detail = [{"loc": ["body", "messages", 0, "role"], "msg": "field required", "type": "missing"}]
    assert ": body.messages.0.role: field required (" in str(error_of(422, {"detail": detail}))
    refusal = "maximum context length is 24000 tokens. However, your prompt contains at least 24001 input tokens"
    upstream = {"error": {"message": refusal, "code": 400}}
    error = error_of(400, {"errors": [{"code": 8007, "message": f"AiError: {json.dumps(upstream)} ({UUID})"}]})
    assert (type(error), error.code, error.request_id) == (RefusedContextLengthError, 8007, UUID)
    assert "EngineRejected: maximum context length is 24000 tokens. However," in str(error)


# Pages of Cloudflare's edge, and of others


def page(title: str, body: str = "") -> bytes:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>{body}</body></html>".encode()


EDGE_BODY = (
    '<div id="cf-wrapper"><div id="cf-error-details"><h1><span class="cf-error-type">Error</span> '
    '<span class="cf-error-code">{}</span> <small>Ray ID: 8885b5d9562815fb</small></h1></div></div>'
)
WITHOUT_TITLE = b"<style>body{margin:0} .a{color:red}</style> <script>if (a < 1) { b() }</script><!-- 1015 -->"


def test_a_page_of_the_edge_is_told_by_the_code_on_it() -> None:
    for code in EDGE_PAGE_CODES:
        for content in (
            page("It failed", EDGE_BODY.format(code)),
            page(f"Access denied | Error {code}", "<p>Cloudflare Ray ID: 1</p>"),
            WITHOUT_TITLE + EDGE_BODY.format(code).encode(),
            page("Error", f"<h1>Error code: {code}</h1><script src='/cdn-cgi/x.js'></script>"),
        ):
            error = error_of(CODES[code].status, content)
            assert (error.code, type(error)) == (code, CODES[code].kind), content
            assert "margin" not in str(error), content
    # The number means something else in Workers AI's own errors, and a status is no code.
    for title in ("Error 1001: DNS resolution error", "a.example | 522: Connection timed out", "Error 502"):
        assert error_of(530, page(title, EDGE_BODY.format(""))).code is None, title
    for title, status, kind, retryable in (
        ("gateway.ai.cloudflare.com | 524: A timeout occurred", 524, RequestTimeoutError, False),
        ("gateway.ai.cloudflare.com | 522: Connection timed out", 522, InternalServerError, True),
        ("gateway.ai.cloudflare.com | 520: Web server is returning an unknown error", 520, InternalServerError, True),
        ("Attention Required! | Cloudflare", 403, PermissionDeniedError, False),
        ("Just a moment...", 503, PermissionDeniedError, False),
    ):
        error = error_of(status, page(title, EDGE_BODY.format("")))
        assert (type(error), error.retryable) == (kind, retryable), title
        assert f": {title} (status {status}" in str(error), title


def test_a_page_of_another_is_told_from_an_answer_of_the_service() -> None:
    for status, title in ((403, "Blocked by the firewall"), (404, "404 Not Found"), (401, "Log in")):
        error = error_of(status, page(title, "<p>The address https://api.cloudflare.com/ is not allowed.</p>"))
        assert "a web page answered, and not Workers AI: check base_url" in str(error), title
        assert error.body == page(title, "<p>The address https://api.cloudflare.com/ is not allowed.</p>").decode()
    assert "What to do: try again." in str(error_of(502, page("502 Bad Gateway")))


# Advice about the call


def test_the_status_of_a_proxy_says_more_than_its_page() -> None:
    page = b"<html><head><title>ERROR: Cache Access Denied</title></head></html>"
    for status, words in (
        (302, "redirects are not followed"),
        (407, "the proxy wants a user and a password"),
        (511, "log in to this network"),
    ):
        assert f"What to do: {words}" in str(error_of(status, page)), status


def test_a_retired_model_names_one_that_lives_whether_the_catalogue_knows_or_not() -> None:
    for model, words in (
        ("@cf/meta/llama-3-8b-instruct", "was retired on 2026-05-30: use @cf/meta/llama-3.1-8b-instruct-fp8."),
        ("@cf/zai-org/glm-4.7-flash", "the service has retired this model: use another, such as @cf/zai-org/glm-"),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-slow", "use another, such as @cf/meta/llama-3.3-70b-instruct-fp8-fast"),
        ("@cf/somebody/unheard-of-model-x", "the service has retired this model: use another."),
    ):
        for status, body in (
            (410, {"errors": [{"code": 5028, "message": f"AiError: Model has been deprecated ({UUID})"}]}),
            (410, b""),
            (500, b"AiError: 5028: This model was deprecated on 2026-05-30."),
            (400, {"error": {"message": "Model has been deprecated"}}),
        ):
            error = error_of(status, body, model)
            assert (type(error), error.name, error.retryable) == (NotFoundError, "ModelRetired", False), (model, body)
            assert words in str(error), (model, body)
    said = {"errors": [{"code": 5028, "message": "@cf/a/b was deprecated on 2026-11-01. Please use @cf/a/b-2.5."}]}
    assert "use another, such as @cf/a/b-2.5." in str(error_of(410, said, "@cf/a/b")), "the service's own advice"
    for text, words in (
        ("Model @cf/a/c was deprecated, use @cf/a/d", "such as @cf/a/d."),
        ("Model has been deprecated, use @cf/meta/llama-3-8b-instruct", "such as @cf/zai-org/glm-"),
    ):
        assert words in str(error_of(410, text.encode(), "@cf/zai-org/glm-4.7-flash")), "what lives"
    suggested = str(error_of(410, b"", "@cf/zai-org/glm-4.7-flash")).partition("such as ")[2]
    names = re.findall(r"@[a-z]+/[^\s?,]+[a-z0-9]", suggested)
    assert "@cf/zai-org/glm-4.7-flash" not in names
    entries = [models.get(name) for name in names]
    assert [entry for entry in entries if entry is None or entry.retired_on] == []


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
def test_the_emulator_refuses_a_retired_model_as_the_service_does(callers: Callers) -> None:
    with Emulator(retired="refuse") as local:
        caller = callers(local.account_id, local.api_token, base_url=local.base_url, trust_env=False)
        with pytest.raises(NotFoundError, match=r"was retired on 2026-05-30: use @cf/") as caught:
            caller.run("@cf/meta/llama-3-8b-instruct", {"prompt": "hi"})
        [request] = local.requests
    error = caught.value
    words = f"AiError: Model has been deprecated: it ended on 2026-05-30, use another ({error.request_id})"
    assert (error.status_code, error.code, request.model) == (410, 5028, "@cf/meta/llama-3-8b-instruct")
    assert error.body == {"errors": [{"message": words, "code": 5028}], "success": False, "result": {}, "messages": []}


def test_an_unknown_fine_tune_is_named_with_how_to_list_those_that_there_are() -> None:
    body = {"errors": [{"message": f"AiError: AiError: Finetune my-lora not found ({UUID})", "code": 3037}]}
    for status in (400, 404):
        error = error_of(status, body, "@cf/google/gemma-2b-it-lora", {"prompt": "hi", "lora": "my-lora"})
        assert (type(error), error.code, error.request_id) == (NotFoundError, 3037, UUID)
        advice = str(error).partition("What to do: ")[2]
        assert "'my-lora'" in advice
        assert "ai.finetunes.list()" in advice
        assert "did you mean" not in advice
    for lora in (None, 5, "x" * 10_000):
        assert len(str(error_of(400, body, MODEL, {"lora": lora}))) < 2000, lora


def test_an_error_inside_a_stream_has_the_same_advice(callers: Callers, service: Service) -> None:
    caller, inputs = callers(), {"prompt": "hi", "lora": "my-lora", "stream": True}
    for problem, words in (
        (
            {"errors": [{"code": 5028, "message": "Model has been deprecated"}], "success": False},
            "use another, such as @cf/",
        ),
        ({"error": {"message": "Model has been deprecated", "code": "model_deprecated"}}, "use another, such as @cf/"),
        ({"error": "AiError: 3037: Finetune my-lora not found"}, "there is no 'my-lora'"),
        ({"error": [{"code": 2041, "message": "Spend limit exceeded"}], "name": "AiGatewayError"}, "spend limit"),
        ({"error": {"message": "Capacity temporarily exceeded"}}, "the model is busy"),
    ):
        service.answers(service.events(*native("Hel"), event(json.dumps(problem))))
        with row(problem), pytest.raises(StreamError) as caught:
            list(caller.run(MODEL, inputs, checks="off"))
        assert (caught.value.partial, caught.value.retryable, caught.value.status_code) == ("Hel", False, 200)
        assert words in str(caught.value).partition("What to do: ")[2]
    service.answers(service.events(*native("Hel"), event('{"error":"it is new"}')))
    with pytest.raises(StreamError, match=r"it is new$"):
        list(caller.run(MODEL, inputs, checks="off"))


def test_the_advice_on_a_code_that_says_little_goes_by_its_text() -> None:
    for code, text, words in (
        (5016, "Thank you for agreeing. You may now use the model.", "call the model again"),
        (3030, "Your output has been flagged. Please choose another prompt", "in another way"),
        (8006, "AiError: Invalid data for image - reason invalid base64 encoding", "data:image/png;base64,"),
        (3030, "image dimensions must be at least 10px (got 1x1)", "data:image/png;base64,"),
        (3030, "failed to process audio: corrupt or unsupported data", "WAV or MP3"),
        (3030, "System message must be at the beginning.", "first"),
        (3030, "Assistant tool call function.arguments must be valid JSON.", "JSON text"),
        (2021, "Gateway authentication is required to use unified billing", "authentication on"),
        (3030, "it failed", "the model refused these inputs"),
        (2009, "Unauthorized", "the provider refused its key; if some calls pass, slow down"),
        (2016, "Prompt blocked due to security configurations", "word the prompt in another way"),
    ):
        error = error_of(400, {"errors": [{"code": code, "message": text}]})
        assert type(error) is CODES[code].kind, code
        assert words in str(error).partition("What to do: ")[2], (code, text)
    assert len(HINTS) == len({hint for _, hint in HINTS})
