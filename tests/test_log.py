"""The logger `cfai`: a line a call, a line a retry, headers at DEBUG, and silence by default."""

from __future__ import annotations

import gc
import logging
import os
import re
import subprocess
import sys

import anyio
import httpx
import pytest

from cfai import Ai, CfaiError, ConfigurationError, Retry
from tests.bodies import HELLO, OK, native
from tests.conftest import ACCOUNT, SYNC_AND_ASYNC, TOKEN, Caller, Callers, Peer, Serve, Service, row
from tests.transport.echo import answer_by_name

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
USAGE = {"prompt_tokens": 14, "completion_tokens": 128, "total_tokens": 142}


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """Return what was logged at one level since the last time, milliseconds left out."""
    found = [re.sub(r"ms=\d+", "ms=…", record.getMessage()) for record in caplog.records if record.levelno == level]
    caplog.clear()
    return found


@SYNC_AND_ASYNC
def test_each_call_is_one_line_with_what_it_came_to(
    caller: Caller, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cfai")
    service.answers(service.result({"response": "Hi", "usage": USAGE}, cf_ai_neurons="4.52", cf_ai_req_id="the-id"))
    caller.run(MODEL, {"prompt": "my secret plan"})
    whole = f"{MODEL} status=200 ms=… tokens=14+128 neurons=4.52 retries=0 request_id=the-id"
    assert lines(caplog, logging.INFO) == [whole]
    service.answers(service.result({"responses": [], "usage": {"prompt_tokens": 3}}, cf_ai_req_id="the-id"))
    caller.run(MODEL, {"requests": []}, checks="off")
    assert lines(caplog, logging.INFO) == [f"{MODEL} status=200 ms=… retries=0 request_id=the-id"]
    service.answers(service.result({"response": "Hi"}, cf_ai_neurons="4.52", cf_ai_req_id="the-id"))
    caller.run(MODEL, {"prompt": "x"}, return_raw_response=True)
    assert lines(caplog, logging.INFO) == [f"{MODEL} status=200 ms=… neurons=4.52 retries=0 request_id=the-id"]

    service.answers(service.events(*HELLO, cf_ai_req_id="the-id"))
    stream = caller.stream(MODEL)
    assert lines(caplog, logging.INFO) == []
    assert stream.result().text == "Hello"
    stream.close()
    streamed = f"{MODEL} status=200 ms=… tokens=10+2 neurons=0.5 retries=0 request_id=the-id"
    assert lines(caplog, logging.INFO) == [streamed]


@SYNC_AND_ASYNC
def test_a_call_that_fails_is_one_line_with_its_error(
    caller: Caller, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cfai")
    retried = {"max_retries": Retry(max_retries=1, base=0)}
    for name, answer, line in (
        ("refused", service.error(400, 5006), "status=400 ms=… retries=0 error=BadRequestError(5006)"),
        ("busy", service.error(429, 3040), "status=429 ms=… retries=1 error=CapacityError(3040)"),
        ("no connection", httpx.ConnectError("refused"), "ms=… retries=1 error=APIConnectionError"),
        ("a page", service.raw(b"<html>", "text/html"), "status=200 ms=… retries=0 error=APIResponseValidationError"),
    ):
        service.answers(answer)
        with row(name):
            with pytest.raises(CfaiError):
                caller.run(MODEL, {"prompt": "x"}, **retried)
            assert lines(caplog, logging.INFO) == [f"{MODEL} {line}"]
    service.answers(service.events(*native("Hel")))
    with pytest.raises(CfaiError):
        list(caller.stream(MODEL))
    with caller.stream(MODEL) as stream:
        next(stream)
    ended = f"{MODEL} status=200 ms=… retries=0 error=StreamTruncatedError"
    assert lines(caplog, logging.INFO) == [ended, ended]


def test_a_call_that_is_cancelled_is_one_line_before_its_answer_and_while_it_waits_to_be_sent_again(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cfai")

    def busy(peer: Peer) -> None:
        peer.request()
        peer.answer(b"{}", status="503 Service Unavailable", head="retry-after: 30\r\n")

    async def give_up(ai: Ai) -> None:
        with anyio.move_on_after(0.2):
            await ai.arun(MODEL, {"prompt": "x"})

    for name, script in (("silent", Peer.left), ("busy", busy)):
        with row(name), Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=serve(script).url) as ai:
            anyio.run(give_up, ai)
            assert lines(caplog, logging.INFO) == [f"{MODEL} ms=… retries=0 error=CancelledError"]


@SYNC_AND_ASYNC
def test_a_stream_that_is_dropped_is_one_line_at_the_next_call(
    callers: Callers, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cfai")

    def script(peer: Peer) -> None:
        peer.request()
        if peer.server.connections == 1:
            peer.stream(native("Hel")[0])
            peer.left()
        else:
            peer.answer(OK)

    server = serve(script)
    caller = callers(base_url=server.url)
    stream = caller.stream(MODEL)
    next(stream)
    del stream
    gc.collect()
    caller.run(MODEL, {"prompt": "x"})
    dropped, answered = lines(caplog, logging.INFO)
    assert dropped == f"{MODEL} status=200 ms=… retries=0 error=StreamTruncatedError"
    assert answered.endswith("retries=0")


@SYNC_AND_ASYNC
def test_each_retry_is_a_warning_with_the_reason_and_the_pause(
    caller: Caller, service: Service, sleeps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    service.answers(
        service.error(503, message="upstream\x1b[31m down"),
        httpx.ConnectError("refused"),
        service.result({"response": "Hi"}),
    )
    caller.run(MODEL, {"prompt": "x"}, max_retries=Retry(base=1, jitter=lambda: 1.0))
    first, second = lines(caplog, logging.WARNING)
    assert first.startswith(f"{MODEL} sent again in 1.00 s, retry 1, after InternalServerError: ")
    assert "\x1b" not in first
    assert second.startswith(f"{MODEL} sent again in 2.00 s, retry 2, after APIConnectionError: ")
    assert sleeps == [1.0, 2.0]


@SYNC_AND_ASYNC
def test_what_breaks_a_stream_for_a_browser_is_a_warning_since_the_program_does_not_see_it(
    caller: Caller, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    error = b'event: error\ndata: {"code": 3040, "message": "busy\\u001b[31m"}\n\n'
    for body, logged in (
        ([*native("a"), b"data: [DONE]\n\n"], []),
        ([*native("a"), error], [f"{MODEL} an event stream broke off: StreamError: the service reported an error"]),
        (native("a"), [f"{MODEL} an event stream broke off: StreamTruncatedError: the stream ended"]),
    ):
        with row(body):
            service.answers(service.events(*body))
            assert list(caller.stream(MODEL).to_event_stream())[-1].endswith(b"data: [DONE]\n\n")
            found = lines(caplog, logging.WARNING)
            assert [line[: len(start)] for line, start in zip(found, logged, strict=True)] == logged
            assert "\x1b" not in "".join(found)


@SYNC_AND_ASYNC
def test_headers_are_logged_for_debugging_and_no_secret_is(
    callers: Callers, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "cfai")
    secrets = {"x-api-key": "a-key-of-mine", "cf-access-jwt-assertion": "a-jwt-of-mine", "x-tenant": "seen"}
    service.answers(service.result({"response": "Hi"}, set_cookie="a-cookie", x_echo=TOKEN, cf_ray="the-ray"))
    callers(default_headers=secrets).run(MODEL, {"prompt": "x"}, gateway={"id": "gw", "token": "a-gateway-token"})
    logged = lines(caplog, logging.DEBUG)
    assert len(logged) == 2
    request, answer = logged
    for header in ("x-tenant: seen", "x-api-key: [removed]", "authorization: [removed]"):
        assert header in request
    assert "cf-ray: the-ray" in answer
    for secret in (TOKEN, "of-mine", "a-cookie", "a-gateway-token"):
        assert secret not in request + answer


PROGRAM = """
import sys
from cfai import Ai
ai = Ai(account_id="local", api_token="{token}", base_url=sys.argv[1], trust_env={trust_env})
ai.run("{model}", {{"prompt": "x"}})
"""


def test_a_library_is_silent_until_an_environment_variable_asks(serve: Serve) -> None:
    server = serve(answer_by_name)
    shown = rf"[-\d]+ [:,\d]+ INFO cfai: {re.escape(MODEL)} status=200 ms=\d+ retries=0\n"
    for name, level, trust_env, expected in (
        ("by default", None, True, ""),
        ("info", "info", True, shown),
        ("in capitals", "INFO", True, shown),
        ("in quotes", '"info"\r', True, shown),
        ("warning", "warning", True, ""),
        ("not trusted", "info", False, ""),
    ):
        environment = {**os.environ} | ({} if level is None else {"CFAI_LOG": level})
        program = PROGRAM.format(token=TOKEN, model=MODEL, trust_env=trust_env)
        command = [sys.executable, "-c", program, server.url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        with row(name):
            assert re.fullmatch(expected, done.stderr)
            assert done.stdout == ""


def test_a_program_s_own_logging_shows_each_line_once(serve: Serve) -> None:
    url = serve(answer_by_name).url
    environment = {**os.environ, "CFAI_LOG": "info"}
    own = 'import logging; logging.basicConfig(format="own %(message)s")\n'
    before = own + PROGRAM
    after = PROGRAM.replace("ai.run", f"{own}ai.run")
    for when, program in (("before the client is made", before), ("after", after)):
        command = [sys.executable, "-c", program.format(token=TOKEN, model=MODEL, trust_env=True), url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        shown = [line for line in done.stderr.splitlines() if "status=" in line]
        with row(when):
            assert len(shown) == 1
            assert shown[0].startswith(f"own {MODEL} status=200 ")


def test_a_level_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFAI_LOG", "loud")
    with pytest.raises(ConfigurationError, match="CFAI_LOG must be debug, info, warning, error or unset"):
        Ai(account_id=ACCOUNT, api_token=TOKEN)
