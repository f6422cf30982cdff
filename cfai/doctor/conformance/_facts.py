"""The table of facts that no page of Cloudflare's settles, and the walk through it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import httpx

from cfai import CfaiError
from cfai._credentials import Credentials, EnvironmentVariables, resolve_credentials
from cfai._transport import make_client
from cfai.doctor._finding import Finding, report_warning
from cfai.doctor.conformance import _answers, _codes, _documents, _gateways, _lists, _refusals, _requests, _streamed
from cfai.doctor.conformance._codes import JSON_OBJECT, SCHEMA, WRAPPED_SCHEMA
from cfai.doctor.conformance._exchanges import ExchangeRedactor, ExchangeSink
from cfai.doctor.conformance._inputs import BGE_M3, GLM, LLAMA, SMALL_MODEL
from cfai.doctor.conformance._probe import InconclusiveError, Probe

_HUGE_OUTPUT = {"prompt": "Hi", "max_tokens": 10_000_000}
_LONG_TEXT = {"text": "one " * 8_600}
_SAY_HI = {"messages": [{"role": "user", "content": "Say hi."}], "max_completion_tokens": 32}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to find out. To add one, write a function that asks, and put it into `FACTS`."""

    name: str
    ask: Callable[[Probe], Finding]
    neurons: float = 0.1
    """Its cost at most, rounded up."""

    needs_gateway: bool = False


FACTS: tuple[Fact, ...] = (
    Fact("headers", _answers.ask_headers),
    Fact("tags", _requests.ask_tags),
    Fact("%40", _requests.ask_at_sign),
    Fact("wrong token", _refusals.ask_wrong_token),
    Fact("no such model", _refusals.ask_no_model),
    Fact("request id", _refusals.ask_request_id),
    Fact(
        "too long", lambda probe: _refusals.ask_limit(probe, SMALL_MODEL, _HUGE_OUTPUT, "ten million output tokens"), 5
    ),
    # Its limit of 8,192 tokens is only presumed.
    Fact("text too long", lambda probe: _refusals.ask_limit(probe, BGE_M3, _LONG_TEXT, "a text of 8,600 words"), 11),
    Fact("retired model", _requests.ask_retired, 1),
    Fact("reject if busy", _requests.ask_reject_if_busy),
    Fact("JSON schema", _requests.ask_json_schema, 6),
    Fact("JSON schema, v1", _requests.ask_json_schema_v1, 6),
    Fact("two prompts", _requests.ask_two_prompts, 1),
    Fact("two limits", _requests.ask_two_limits, 2),
    Fact("penalty", _requests.ask_penalty, 1),
    Fact("raw image", _requests.ask_raw_image, 1),
    Fact("SDXL's image", _answers.ask_image, 20),
    Fact("melotts' speech", _answers.ask_speech, 2),
    Fact("batch", _answers.ask_batch),
    Fact("batch item", _answers.ask_batch_item),
    Fact("batch sound", _answers.ask_batch_sound, 3),
    Fact("queued alone", _answers.ask_queued_alone),
    Fact("stream's frame", _streamed.ask_frame, 1),
    Fact("stream, native", lambda probe: _streamed.ask_text(probe, LLAMA, {"prompt": "Say hi.", "max_tokens": 8}), 4),
    Fact("stream, chat", lambda probe: _streamed.ask_text(probe, GLM, _SAY_HI), 2),
    Fact("stream, v1", _streamed.ask_chat_v1, 2),
    Fact("responses", _streamed.ask_responses, 3),
    Fact("responses, v1", lambda probe: _streamed.ask_responses(probe, at_own_address=True), 3),
    Fact("moondream", _streamed.ask_moondream, 40),
    Fact("error inside", _streamed.ask_error_inside, 40),
    Fact("JSON streamed", lambda probe: _codes.ask_json(probe, LLAMA, JSON_OBJECT, 5023, max_tokens=8, stream=True), 4),
    # There is no room for what the schema asks for.
    Fact("JSON cut", lambda probe: _codes.ask_json(probe, LLAMA, SCHEMA, 5024, max_tokens=2), 5),
    Fact("JSON wrapped", lambda probe: _codes.ask_json(probe, LLAMA, WRAPPED_SCHEMA, 5024, max_tokens=8), 6),
    # The model's own schema knows no JSON mode.
    Fact("no JSON mode", lambda probe: _codes.ask_json(probe, SMALL_MODEL, SCHEMA, 5025, max_tokens=8), 1),
    Fact("tool choice", _codes.ask_tool_choice, 3),
    Fact("bad picture", _codes.ask_picture, 4),
    Fact("licence", _codes.ask_licence, 1),
    Fact("models' list", _lists.ask_models, 0),
    Fact("schema", _lists.ask_schema, 0),
    Fact("tasks", lambda probe: _lists.ask_list(probe, "/tasks/search", "result"), 0),
    Fact("authors", lambda probe: _lists.ask_list(probe, "/authors/search", "result"), 0),
    Fact("OpenRouter list", lambda probe: _lists.ask_list(probe, "/models/search?format=openrouter", "data"), 0),
    Fact("OpenAI list", lambda probe: _lists.ask_list(probe, "/v1/models", "data"), 0),
    Fact("fine-tunes", lambda probe: _lists.ask_list(probe, "/finetunes", "result"), 0),
    Fact("markdown", _documents.ask_markdown, 0),
    Fact("AI Search", lambda probe: _lists.ask_list(probe, "/namespaces", "result", "ai-search"), 0),
    Fact("AutoRAG", lambda probe: _lists.ask_list(probe, "/rags", "result", "autorag"), 0),
    Fact("gateway's host", _gateways.ask_gateway_envelope, needs_gateway=True),
    Fact("gateway, REST", lambda probe: _gateways.ask_gateway_envelope(probe, "api"), needs_gateway=True),
    Fact("gateway, audio", _gateways.ask_gateway_binary, 3, needs_gateway=True),
    Fact("gateway's header", _gateways.ask_gateway_header, needs_gateway=True),
    Fact("gateway, steps", _gateways.ask_gateway_steps, needs_gateway=True),
    Fact("gateway's address", _gateways.ask_gateway_url, 0, needs_gateway=True),
    Fact("gateway's log", _gateways.ask_gateway_log, needs_gateway=True),
    Fact("retry-after", _refusals.ask_retry_after, 0),
)


def select_facts(gateway: str | None = None) -> list[Fact]:
    """Return the facts that can be settled, with the gateway or without one."""
    return [fact for fact in FACTS if gateway or not fact.needs_gateway]


def estimate_cost(gateway: str | None = None) -> float:
    """Return the neurons that `conform` takes at most."""
    return sum(fact.neurons for fact in select_facts(gateway))


def conform(
    *,
    gateway: str | None = None,
    sink: ExchangeSink | None = None,
    http_client: httpx.Client | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Finding]:
    """Ask the service which form it really uses, for each of `FACTS`; the findings come at once.

    Verdicts: `ok` is a form that cfai takes, `problem` one that it does not, `warning` what could not be found out.

    It takes `estimate_cost()` neurons of the account in the environment, at most. `gateway` is the id of an AI Gateway
    to ask about too. `sink` gets every exchange, without token, account id and request ids; a `RecordingWriter` is one.
    Another `http_client` than its own stays open. `sleep` waits so many seconds between two polls of a batch. Raises
    `ConfigurationError` for credentials that cannot work, and what `sink` raises.
    """
    account = resolve_credentials(EnvironmentVariables(os.environ))
    redactor = ExchangeRedactor(account)
    http = http_client or _make_http_client(account)
    probe = Probe(account, http, gateway=gateway, sleep=sleep)
    try:
        for fact in select_facts(gateway):
            before = len(probe.exchanges)
            finding = _ask(fact, probe)
            # Also where no sink takes them: an id that is known by now is taken out of the message.
            for exchange in map(redactor, probe.exchanges[before:]):
                if sink is not None:
                    sink.add(exchange)
            yield replace(finding, message=redactor.redact_text(finding.message), check=fact.name)
    finally:
        probe.close()
        if http_client is None:
            http.close()


def _make_http_client(account: Credentials) -> httpx.Client:
    urls = (account.base_url, account.gateway_url)
    http: httpx.Client = make_client(httpx.Client, urls=urls, trust_env=not account.is_direct)
    http.timeout = 60.0
    http.headers["accept-encoding"] = "identity"
    return http


def _ask(fact: Fact, probe: Probe) -> Finding:
    try:
        return fact.ask(probe)
    except (InconclusiveError, CfaiError, httpx.HTTPError) as error:
        return report_warning(f"not found out: {error or type(error).__name__}")
    except ValueError as error:
        return report_warning(f"not found out: the answer has an odd form ({error})")
