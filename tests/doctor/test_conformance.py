"""The facts, found out from the emulator, from recordings of it, and from recordings that were changed."""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cfai import ConfigurationError, count_tokens, models
from cfai._credentials import Credentials, Secret
from cfai.doctor import FACTS, Finding, conform, estimate_cost
from cfai.doctor.conformance._exchanges import ExchangeRedactor
from cfai.local import Emulator, Exchange, Player, RecordingWriter
from cfai.local.recording import RawExchange
from cfai.tokens import get_strategy, list_embedding_texts, measure_prompt
from tests.conftest import ACCOUNT, TOKEN
from tests.doctor.conftest import At, point_at
from tests.doctor.replay import RecordingFile, Replay, data

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}
UNSEEN = ["licence", "retry-after"]
"""The facts that the emulator gives no occasion to find out."""

MOST = ("max_tokens", "max_completion_tokens", "max_output_tokens")
Recorded = tuple[Path, dict[str, Finding]]
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def collect_findings(**options: Any) -> dict[str, Finding]:
    """Return what is found out, by the name of the fact, without the pauses between polls."""
    return {finding.check: finding for finding in conform(**{"sleep": lambda _: None, **options})}


class ExchangeList(list[Exchange]):
    """Keeps exchanges as they come."""

    def add(self, exchange: Exchange) -> None:
        self.append(exchange)


@pytest.fixture
def account(at: At) -> None:
    at("https://api.cloudflare.com/client/v4")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A folder of recordings of the emulator, and what was found out meanwhile."""
    folder = tmp_path_factory.mktemp("recordings")
    with Emulator(account_id=ACCOUNT, api_token=TOKEN) as local, pytest.MonkeyPatch.context() as patch:
        point_at(patch, local.base_url)
        return folder, collect_findings(gateway="default", sink=RecordingWriter(folder))


@pytest.fixture
def recordings(recorded: Recorded) -> list[RecordingFile]:
    return [json.loads(file.read_bytes()) for file in sorted(recorded[0].iterdir())]


def replayed(recordings: list[RecordingFile]) -> dict[str, Finding]:
    with httpx.Client(transport=Replay(recordings)) as http:
        return collect_findings(gateway="default", http_client=http)


# From the emulator


SEEN = [
    ("headers", "cf-ai-neurons, cf-ai-req-id, cf-ray"),
    ("wrong token", "401 / 10000, in cfai AuthenticationError"),
    ("no such model", "400 / 5007, in cfai NotFoundError"),
    ("request id", "400 / 5006: that in the message is that in cf-ai-req-id"),
    ("too long", "400 / 3030, in which cfai reads a limit of 60,000 tokens"),
    ("SDXL's image", "declared as image/png, and the bytes are image/png"),
    ("text too long", "400 / 3030, in which cfai reads a limit of 8,192 tokens"),
    ("JSON streamed", "refused with 400 / 5023, application/json"),
    ("JSON cut", "not refused: 200, application/json"),
    ("JSON wrapped", "refused with 400 / 5024, application/json"),
    ("JSON schema, v1", "bare 200 and is obeyed; in an envelope 200 and is obeyed"),
    ("two prompts", "a prompt beside messages is refused with 400 / 1001"),
    ("two limits",
     "max_tokens 1 and max_completion_tokens 16 give 1 tokens, the other way round 16: max_tokens is read"),
    ("tool choice",
     "any gives 400 / 8001, in cfai BadRequestError; a forced tool with 2 tokens "
     "gives 400 / 8006, in cfai BadRequestError"),
    ("queued alone", "200: answered at once"),
    ("tasks", "12 rows under result; the first is description (str), id (str), name (str)"),
    ("authors", "42 rows under result; the first is id (str), name (str)"),
    ("fine-tunes", "1 rows under result; the first is list"),
    ("markdown", "results come in the order of the files; one has data, format, id, mimeType, name, tokens; "
     "one that is refused has error, format, id, mimeType, name"),
    ("stream, v1",
     "text/event-stream: usage that grows unasked, usage that grows if asked for; no native event among them; "
     "ends with data: [DONE]"),
    ("AI Search", "1 rows under result; the first is created_at (str), description (NoneType), name (str)"),
    ("AutoRAG", "0 rows under result; the first is NoneType"),
    ("gateway, audio", "declared as audio/mpeg, and it begins with fff360c4"),
    ("gateway's address", "behind the gateway it has nothing"),
    ("stream, native",
     "text/event-stream: response and choices, both in one event; usage in increments; ends with data: [DONE]"),
    ("stream, chat", "text/event-stream: choices and reasoning_content; usage that grows; ends with data: [DONE]"),
    ("batch", "handed in with 200; while it waits 200 queued; done with 200, results in the order [1, 0], nested once, "
     "with their references; a poll without queueRequest gives 200"),
    ("batch sound", "its result is dict {'data': 'str'}"),
]  # fmt: skip


def test_every_fact_is_found_out_from_the_emulator_and_says_which_form_it_saw(recorded: Recorded) -> None:
    findings = recorded[1]
    assert list(findings) == [fact.name for fact in FACTS]
    assert [name for name, finding in findings.items() if finding.verdict != "ok"] == UNSEEN
    assert all(finding.message and "\n" not in finding.message for finding in findings.values())
    for fact, message in SEEN:
        assert findings[fact].message == message, fact


def test_without_a_gateway_the_other_facts_are_found_out_for_less_than_is_announced(local: Emulator) -> None:
    sink = ExchangeList()
    assert list(collect_findings(sink=sink)) == [fact.name for fact in FACTS if not fact.needs_gateway]
    charged = sum(float(exchange.response.headers.get("cf-ai-neurons", 0)) for exchange in sink)
    assert 0 < charged < estimate_cost() <= 300
    assert estimate_cost() < estimate_cost("a gateway") <= 300
    requested = {request.model for request in local.requests}
    assert {name for name in requested if name and models.get(name) is None} == {"@cf/cfai/no-such-model"}


@pytest.mark.usefixtures("local")
def test_no_fact_costs_more_than_it_says() -> None:
    sink = ExchangeList()
    findings = conform(gateway="default", sink=sink, sleep=lambda _: None)
    for fact, finding in zip(FACTS, findings, strict=True):
        assert finding.check == fact.name
        assert sum(map(price, sink)) <= fact.neurons, fact.name
        sink.clear()


def price(exchange: Exchange) -> float:
    """Neurons of a call by the catalogue's prices per token or character, for the longest answer that it may get."""
    inputs: Any = (exchange.request.body or {}).get("json", {})
    name = exchange.request.model or ""
    if isinstance(inputs, list):  # a step for a gateway
        name, inputs = inputs[0]["endpoint"], inputs[0]["query"]
    model = models.get(name)
    rates = {rate.unit: rate.neurons or 0.0 for rate in model.price} if model else {}
    wanted = max((inputs.get(field, 0) for field in MOST), default=0)
    # A model stops by itself, and the doctor asks for nothing long.
    output = min(wanted, 256) if "requests" not in inputs else 0
    texts = [text for _, text in list_embedding_texts(inputs)] if inputs else []
    read = sum(count_tokens(text, model=name).estimate for text in texts)
    read = read or (measure_prompt(inputs, get_strategy(name)).text_estimate if model else 0)
    return (
        read * rates.get("per M input tokens", 0) / 1e6
        + output * rates.get("per M output tokens", 0) / 1e6
        + len(str(inputs.get("text", ""))) * rates.get("per 1k characters", 0) / 1e3
    )


def test_credentials_that_cannot_work_are_named_before_anything_is_asked() -> None:
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_ACCOUNT_ID"):
        collect_findings()


@pytest.mark.usefixtures("account")
def test_a_connection_that_fails_leaves_each_fact_open_and_a_client_without_hooks() -> None:
    with httpx.Client(transport=Replay([])) as http:
        findings = collect_findings(gateway="default", http_client=http)
        assert http.event_hooks["response"] == []
        assert not http.is_closed
    assert {finding.verdict for finding in findings.values()} == {"warning"}
    assert list(findings) == [fact.name for fact in FACTS]


# Recordings


@pytest.mark.usefixtures("account")
def test_a_recording_gives_the_same_findings_also_when_it_is_played(
    recorded: Recorded, recordings: list[RecordingFile], at: At
) -> None:
    assert replayed(recordings) == recorded[1]
    with Player(recorded[0], account_id=ACCOUNT, api_token=TOKEN) as local:
        at(local.base_url)
        assert collect_findings(gateway="default") == recorded[1]


def test_no_secret_and_no_id_is_on_the_disk(recorded: Recorded, recordings: list[RecordingFile]) -> None:
    written = b"".join(file.name.encode() + file.read_bytes() for file in recorded[0].iterdir())
    assert TOKEN.encode() not in written
    steps = re.sub(rb'"Authorization": "Bearer x+"', b"", written)  # of a gateway have one in the body
    assert [secret for secret in (ACCOUNT, "uthorization") if secret.encode() in steps] == []
    # The lists of models, tasks and authors have ids of their own, which are everybody's.
    posted = [json.dumps(one) for one in recordings if one["request"]["method"] == "POST"]
    ids = set(re.findall(UUID, "".join(posted)))
    assert ids
    assert {id for id in ids if not id.startswith("00000000-0000-0000-0000-")} == set()


def test_a_recording_has_what_was_asked_and_answered_in_its_chunks(recordings: list[RecordingFile]) -> None:
    first = recordings[0]
    assert first["format"] == 1
    assert first["request"] == {
        "method": "POST",
        "path": "/client/v4/accounts/{account_id}/ai/run/@cf/baai/bge-small-en-v1.5",
        "content_type": "application/json",
        "body": {"json": {"text": "hello"}},
    }
    assert first["response"]["status"] == 200
    content = b"".join(data(first))
    assert len(content) == int(first["response"]["headers"]["content-length"])
    assert json.loads(content)["result"]["shape"] == [1, 384]
    [stream] = [one for one in recordings if one["request"]["path"].endswith("llama-3.3-70b-instruct-fp8-fast")][:1]
    assert stream["response"]["headers"]["content-type"] == "text/event-stream"
    assert len(stream["response"]["chunks"]) > 1
    assert b"".join(data(stream)).endswith(b"data: [DONE]\n\n")


def make_exchange(*chunks: bytes, headers: dict[str, str] | None = None, sent: bytes = b"") -> RawExchange:
    path, query = f"/client/v4/accounts/{ACCOUNT}/ai/run/@cf/a/b", f"a={TOKEN}"
    request: dict[str, Any] = {
        "number": 1,
        "method": "POST",
        "path": path,
        "query": query,
        "request_content_type": None,
    }
    response: dict[str, Any] = {"status": 200, "response_headers": headers or {}, "response_chunks": chunks}
    return RawExchange(**request, request_body=sent, **response)


def redact(one: RawExchange) -> Exchange:
    return ExchangeRedactor(Credentials(ACCOUNT, Secret(TOKEN)))(one)


def test_recordings_are_numbered_on_from_those_that_are_there(tmp_path: Path) -> None:
    exchange = redact(make_exchange(b"\xff"))
    folder = tmp_path / "new" / "folder"
    names = [RecordingWriter(folder).add(exchange).name for _ in range(2)]
    assert names == ["0001-cf-a-b.json", "0002-cf-a-b.json"]
    assert json.loads((folder / names[0]).read_bytes())["response"]["chunks"] == [{"base64": "/w=="}]


def test_what_is_secret_is_taken_out_of_both_sides_and_of_compressed_bodies() -> None:
    body = f'{{"token":"{TOKEN}","account":"{ACCOUNT}"}}'.encode()
    clean = redact(make_exchange(body[:20], body[20:], sent=body))
    assert [len(chunk) for chunk in clean.response.decode_chunks()] == [20, len(body) - 20]
    assert clean.request.path == "/client/v4/accounts/{account_id}/ai/run/@cf/a/b"
    answered = b"".join(clean.response.decode_chunks()).decode()
    for text in (answered, clean.request.query, json.dumps(clean.request.body)):
        assert "x" * len(TOKEN) in text
        assert TOKEN not in text
        assert ACCOUNT not in text
    body = gzip.compress(TOKEN.encode())
    clean = redact(make_exchange(body[:5], body[5:], headers={"content-encoding": "gzip", "content-length": "9"}))
    assert (clean.response.decode_chunks(), clean.response.headers) == ([b"x" * len(TOKEN)], {})
    unknown = redact(make_exchange(b"?", headers={"content-encoding": "br"}))
    assert unknown.response.decode_chunks() == [b"[a body in the encoding br]"]


# Other forms, as the real service may have them


Change = Callable[[RecordingFile], None]


def answer(status: int, body: Any, headers: dict[str, str] = JSON) -> Change:
    def change(recording: RecordingFile) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        own = {name: value for name, value in recording["response"]["headers"].items() if name.startswith("cf-ai-req")}
        recording["response"] = {"status": status, "headers": {**own, **headers}, "chunks": [text]}

    return change


def no(status: int, code: int, message: str = "AiError: no") -> Change:
    return answer(status, {"errors": [{"code": code, "message": message}], "success": False, "result": {}})


def yes(result: Any) -> Change:
    return answer(200, {"result": result, "success": True, "errors": [], "messages": []})


def stream(*data: str, head: str = "", end: str = "\n\n") -> Change:
    return answer(200, head + "".join(f"data: {each}{end}" for each in data), EVENTS)


def headed(**headers: str | None) -> Change:
    def change(recording: RecordingFile) -> None:
        for name, value in headers.items():
            recording["response"]["headers"].pop(name.replace("_", "-"), None)
            if value is not None:
                recording["response"]["headers"][name.replace("_", "-")] = value

    return change


def status(code: int) -> Change:
    def change(recording: RecordingFile) -> None:
        recording["response"]["status"] = code

    return change


def without_done(recording: RecordingFile) -> None:
    chunks = recording["response"]["chunks"]
    recording["response"]["chunks"] = [chunk.replace("data: [DONE]\n\n", "") for chunk in chunks]


def sends(text: str) -> Callable[[RecordingFile], bool]:
    """Recordings whose request has `text` in it."""
    return lambda recording: re.search(text, json.dumps(recording["request"])) is not None


def queued(recording: RecordingFile) -> bool:
    return b'"status":"queued"' in b"".join(data(recording)) and sends("request_id")(recording)


RESPONSES = [
    '{"type": "response.output_text.delta", "delta": "Hi", "sequence_number": 1}',
    '{"type": "response.completed", "response": {"status": "completed", "output": []}, "sequence_number": 2}',
]
BOTH_PROMPTS = sends('"prompt": "Hi", "messages"')
ALONE = sends('queueRequest=true.*"json": {"text": "hello"}')
CHAT = '{"choices": [{"index": 0, "delta": {"content": "%s"}, "finish_reason": null}], "usage": %s}'


CHANGES: list[tuple[str, Callable[[RecordingFile], bool], Change, str, str]] = [
    ("headers", sends("hello"), headed(cf_ai_req_id=None, cf_ray=None), "problem", "no request id comes"),
    ("headers", sends("hello"), no(429, 4006), "warning", "refused with 429 / 4006"),
    ("tags", sends("tags=%20"), no(400, 5006), "ok", "a comma passes, and so do six tags; a repeated key passes"),
    ("tags", sends("tags=(%20|a,b,c)"), no(400, 5006), "ok", "a comma parts them (tags=a,b); a repeated key"),
    ("tags", sends("tags=(%20|a,b|a&)"), no(400, 5006), "warning", "neither form is taken: 400 / 5006"),
    ("tags", sends("tags=(%20|a,b)"), no(400, 5006), "problem", "the key is repeated (tags=a&tags=b)"),
    ("tags", sends("tags=a,b"), no(400, 5006), "warning", "not found out: no tag is looked at"),
    ("%40", sends("%40cf"), no(400, 7000), "ok", "%40 in place of @ gives 400 / 7000"),
    ("wrong token", sends("a wrong token"), no(403, 10000), "ok", "403 / 10000, in cfai AuthenticationError"),
    ("wrong token", sends("a wrong token"), no(400, 7003), "problem", "400 / 7003, in cfai BadRequestError"),
    ("no such model", sends("no-such-model"), no(404, 3042), "ok", "404 / 3042"),
    ("no such model", sends("no-such-model"), no(400, 9999), "problem", "in cfai BadRequestError"),
    ("request id", sends('"text": 5}}'), no(400, 5006), "ok", "none in the message; one in cf-ai-req-id"),
    ("request id", sends('"text": 5}}'), no(400, 5006, "no (12345678-0000-4000-8000-000000000000)"), "ok",
     "that in the message is not that in cf-ai-req-id"),
    ("request id", sends('"text": 5}}'), headed(cf_ai_req_id=None), "ok", "none in cf-ai-req-id"),
    ("request id", sends('"text": 5}}'), yes({}), "warning", "a number was taken"),
    ("too long", sends("10000000"), no(400, 5021, "some new words"), "warning", "reads no limit: some new words"),
    ("too long", sends("10000000"), yes({"response": "Hi"}), "ok", "no refusal for ten million output tokens"),
    ("text too long", sends("bge-m3"), yes({"data": [[0.5]]}), "ok", "no refusal for a text of 8,600 words"),
    ("two prompts", BOTH_PROMPTS, no(429, 4006), "warning", "refused with 429 / 4006"),
    ("two prompts", BOTH_PROMPTS, yes({"response": "Hi"}), "warning", "both are taken, and no usage comes"),
    ("two prompts", BOTH_PROMPTS, yes({"usage": {"prompt_tokens": 71}}), "ok", "both are taken: 71 tokens of prompt"),
    ("two limits", sends("hundred"), no(400, 5006), "ok", "both together are refused with 400 / 5006"),
    ("two limits", sends("hundred"), no(403, 5035), "warning", "refused with 403 / 5035"),
    ("two limits", sends("hundred"), yes({"usage": {"completion_tokens": 1}}), "ok", "1: the smaller is read"),
    ("two limits", sends("hundred"), yes({}), "ok", "it does not show which is read"),
    ("penalty", sends("frequency_penalty"), yes({"response": "Hi"}), "ok", "of -1 gives 200 with @cf/meta/llama-3.2"),
    ("penalty", sends("frequency_penalty"), no(429, 3040), "warning", "refused with 429 / 3040"),
    ("JSON schema, v1", sends('v1/chat.*"name": "answer"'), no(400, 8001), "ok", "in an envelope 400 / 8001"),
    ("JSON schema, v1", sends('v1/chat.*"json_schema": {"type"'),
     answer(200, {"choices": [{"message": {"content": {"n": 7}}}]}), "ok", "bare 200 with an object as content"),
    ("queued alone", ALONE, yes({"status": "queued", "request_id": "1"}), "ok", "200: queued like a batch"),
    ("queued alone", ALONE, no(400, 5006), "ok", "refused with 400 / 5006"),
    ("queued alone", ALONE, no(401, 10000), "warning", "refused with 401 / 10000"),
    ("stream, v1", sends("include_usage"), stream(CHAT % ("Hi", "null"),
     '{"response": "", "usage": {"prompt_tokens": 5, "completion_tokens": 2}}', "[DONE]",), "ok",
     "usage that grows unasked, usage once if asked for; a native event among them"),
    ("stream, v1", sends("include_usage"), no(400, 5006), "warning", "refused with 400 / 5006"),
    ("JSON streamed", sends("json_object"), no(400, 5006), "warning",
     "400 / 5006, application/json; cfai expects 5023"),
    ("JSON streamed", sends("json_object"), no(500, 8005), "warning", "not found out: refused with 500 / 8005"),
    ("JSON cut", sends("minLength.*max_tokens.: 2,?"), no(400, 5024), "ok", "refused with 400 / 5024"),
    ("no JSON mode", sends("llama-3.2-1b.*minLength"), no(400, 5025), "ok", "refused with 400 / 5025"),
    ("no JSON mode", sends("llama-3.2-1b.*minLength"), no(429, 4006), "warning", "not found out: refused with 429"),
    ("tool choice", sends("function.: {.name.: .weather.}"), no(400, 8006), "ok", "2 tokens gives 400 / 8006, in cfai"),
    ("tool choice", sends("weather"), no(429, 3040), "warning", "not found out: refused with 429 / 3040"),
    ("bad picture", sends("gemma"), no(500, 8005), "ok", "gives 500 / 8005, in cfai InternalServerError"),
    ("bad picture", sends("gemma"), no(429, 3040), "warning", "refused with 429 / 3040"),
    ("licence", sends("vision"), no(403, 5016), "ok", "refused with 403 / 5016, application/json"),
    ("licence", sends("vision"), no(403, 5018), "warning", "not found out: refused with 403 / 5018"),
    ("retired model", sends("llama-3.1-8b-instruct"), no(400, 5007), "ok", "is refused with 400 / 5007"),
    ("reject if busy", sends("rejectIfBusy"), no(429, 3040), "ok", "a busy model answers 429 / 3040"),
    ("reject if busy", sends("rejectIfBusy"), no(400, 5006), "problem", "refused with 400 / 5006"),
    ("JSON schema", sends("json_schema"), no(400, 8001), "ok", "bare 400 / 8001; in an envelope 400 / 8001"),
    ("JSON schema", sends('"name": "answer"'), no(400, 8001), "ok", "in an envelope 400 / 8001"),
    ("JSON schema", sends('"json_schema": {"type"'), yes({"choices": [{"message": {"content": {"n": 7}}}]}), "ok",
     "bare 200 with an object as content"),
    ("JSON schema", sends('"json_schema": {"type"'), yes({"choices": [{"message": {"content": "Seven."}}]}), "ok",
     "bare 200 and is not obeyed"),
    ("raw image", sends("image/png"), no(400, 5006), "ok", "as the whole body gives 400 / 5006, as a list of"),
    ("SDXL's image", sends("lightning"), headed(content_type="image/jpeg"), "ok", "declared as image/jpeg, and"),
    ("SDXL's image", sends("lightning"), no(403, 5018), "warning", "refused with 403 / 5018, no"),
    ("melotts' speech", sends("melotts"), answer(200, "ID3", {"content-type": "audio/mpeg"}), "ok", "raw, decl"),
    ("melotts' speech", sends("melotts"), yes({"audio": "x"}), "warning", "the answer has an odd form"),
    ("melotts' speech", sends("melotts"), no(500, 8005), "warning", "refused with 500 / 8005"),
    ("batch", queued, status(202), "ok", "while it waits 202 queued; done with 200"),
    ("batch", sends('"first"'), no(413, 3006), "warning", "refused with 413 / 3006"),
    ("batch", sends('"first"'), yes({}), "warning", "there is no request_id"),
    ("batch", queued, no(500, 8005), "warning", "refused with 500 / 8005"),
    ("batch item", sends('{"text": 5}]'), no(400, 5006), "ok", "the whole batch is refused at once"),
    ("batch item", queued, no(400, 5006), "ok", "the whole batch is refused later with 400 / 5006"),
    ("batch sound", sends("aura.*requests"), no(400, 5006), "warning", "refused with 400 / 5006"),
    ("batch sound", sends("aura.*request_id"), yes({"responses": [{"id": 0, "result": "SUQzBA"}]}), "ok",
     "its result is str 'SUQzBA'"),
    ("batch item", sends("request_id"), yes({"responses": [{"success": True}]}), "ok", "no row of the batch"),
    ("stream's frame", sends("Count to three"),
     stream('{"response": "One"}', "[DONE]", head=": ping\r\nevent: message\r\n", end="\r\n\r\n"), "ok",
     "with CRLF, comments, event names; ends with data: [DONE]"),
    ("stream's frame", sends("Count to three"),
     answer(200, 'data: {"response": "One"}\n\n[DONE]\n', {"content-type": "text/plain"}), "ok",
     "text/plain, with none; ends with a bare [DONE]"),
    ("stream's frame", sends("Count to three"), without_done, "problem",
     "ends with an event, without [DONE]; cfai cannot read that (StreamTruncatedError"),
    ("stream's frame", sends("Count to three"), no(429, 4006), "warning", "refused with 429 / 4006"),
    ("stream, chat", sends("Say hi.*max_completion"), stream(CHAT % ("H",
     '{"prompt_tokens": 5, "completion_tokens": 1}'), CHAT % ("i", '{"prompt_tokens": 0, "completion_tokens": 1}'),
     '{"response": "", "usage": {"prompt_tokens": 5, "completion_tokens": 2}}', "[DONE]",), "ok",
     "usage in increments and a total at the end"),
    ("stream, chat", sends("Say hi.*max_completion"), stream(CHAT % ("Hi", "null"), "[DONE]"), "ok",
     "choices; no usage"),
    ("stream, native", sends("Say hi.*max_tokens"),
     stream('{"response": "Hi"}', '{"response": "", "usage": {"prompt_tokens": 5}}', "[DONE]"), "ok",
     "text/event-stream: response; usage once"),
    ("stream, native", sends("Say hi.*max_tokens"), no(429, 3040), "warning", "refused with 429 / 3040"),
    ("JSON streamed", sends("json_object"), stream('{"response": "{}"}', "[DONE]"), "ok",
     "not refused: 200, text/event-stream"),
    ("responses", sends("gpt-oss.*responses|run.*gpt-oss"), without_done, "ok", "ends with an event, without"),
    ("responses", sends("run.*gpt-oss"), yes({"output": []}), "ok", "no events, application/json"),
    ("responses, v1", sends("/v1/responses"), stream(*RESPONSES, "[DONE]"), "ok", "ends with data: [DONE]"),
    ("responses, v1", sends("/v1/responses"), no(400, 7000), "warning", "refused with 400 / 7000"),
    ("responses, v1", sends("/v1/responses"), stream(*RESPONSES), "ok", "last event is response.completed; ends"),
    ("moondream", sends("moondream"), stream('{"answer": "A grey square", "metrics": {"output_tokens": 3}}', "[DONE]"),
     "ok", "events of answer, metrics.output_tokens; ends with data: [DONE]"),
    ("moondream", sends("moondream"), no(403, 5018), "warning", "refused with 403 / 5018"),
    ("error inside", sends("dGhpcyBpcyBubyBpbWFnZQ"),
     stream('{"answer": "A grey square"}', "[DONE]", '{"error": "no"}'), "problem",
     "an event of error, after which it ends with an event, without [DONE]; cfai takes it for an answer"),
    ("moondream", sends("moondream"), stream('{"piece": "A"}', "[DONE]"), "problem", "cfai finds no text in them"),
    ("error inside", sends("dGhpcyBpcyBubyBpbWFnZQ"), stream('{"errors": [{"code": 8005, "message": "no"}]}', "[DONE]"),
     "ok", "an event of errors.code, errors.message, after which it ends with data: [DONE]; in cfai StreamError"),
    ("error inside", sends("dGhpcyBpcyBubyBpbWFnZQ"), no(500, 8005), "ok",
     "no image is refused before the stream: 500 / 8005, application/json"),
    ("models' list", sends("page=1&"), yes([{"id": 1, "name": "a"}]), "ok", "a page of 5 has 1 rows of id, name;"),
    ("models' list", sends("page=1"), answer(200, {"result": [], "result_info": {"count": 0}}), "ok",
     "result_info has count; the next page has others; past the end 200 with 0 rows"),
    ("models' list", sends("page=2&"), yes([]), "ok", "the next page has others"),
    ("models' list", sends("page=[12]&"), yes([{"name": "a"}]), "ok", "the next page has the same ones"),
    ("models' list", sends("page=1&"), no(403, 10000), "warning", "refused with 403 / 10000"),
    ("tasks", sends("tasks/search"), yes(["a", "b"]), "ok", "2 rows under result; the first is str"),
    ("tasks", sends("tasks/search"), yes({"a": 1}), "ok", "no list as result, but errors (list), messages (list)"),
    ("authors", sends("authors/search"), no(404, 7000), "ok", "there is no such list: 404 / 7000"),
    ("authors", sends("authors/search"), no(403, 10000), "warning", "refused with 403 / 10000"),
    ("markdown", sends("tomarkdown"), yes([{"name": "a.csv"}, {"name": "b.csv"}]), "ok",
     "results come as a.csv, b.csv; one has name; none is refused"),
    ("markdown", sends("tomarkdown"), yes({}), "warning", "no list of results came"),
    ("markdown", sends("tomarkdown"), no(400, 7001), "warning", "refused with 400 / 7001"),
    ("OpenAI list", sends("v1/models"), no(400, 7000), "ok", "there is no such list: 400 / 7000"),
    ("schema", sends("models/schema"), no(400, 5007), "warning", "refused with 400 / 5007"),
    ("schema", sends("models/schema"), yes({"input": {}, "output": {"contentType": "image/png", "format": "binary"}}),
     "ok", "has input, output; the output says contentType image/png, format binary"),
    ("gateway's host", sends("default/workers-ai"), answer(200, {"shape": [], "data": []}), "ok", "of shape, data"),
    ("gateway's host", sends("default/workers-ai"), no(401, 2009), "warning", "refused with 401 / 2009"),
    ("gateway, REST", sends('/ai/run", '), yes({"state": "Completed", "result": {}}), "ok", "json of result"),
    ("gateway, audio", sends("aura"), yes({"audio": "SUQz"}), "ok", "declared as application/json, and it begins with"),
    ("gateway, audio", sends("aura"), no(401, 2009), "warning", "refused with 401 / 2009"),
    ("gateway's header", sends("a gateway"), headed(cf_aig_log_id=None), "ok", "the header is heeded"),
    ("gateway's header", sends("a gateway"), yes({}), "ok", "the header is not heeded"),
    ("gateway's header", sends("a gateway"), no(400, 2001), "warning", "refused with 400 / 2001"),
    ("gateway, steps", sends('"provider'), yes({"shape": [], "data": []}), "ok", "json of result, "),
    ("gateway, steps", sends('"provider'), no(401, 2009), "warning", "refused with 401 / 2009"),
    ("gateway's address", sends("url/universal"), yes({"url": "https://x/v1/a/default/"}), "ok", "it has /"),
    ("gateway's address", sends("url/universal"), no(400, 7000), "warning", "not found out: 7000"),
    ("gateway's log", sends("logs/"), no(404, 7002), "warning", "not found out: AiGatewayLogNotFound"),
    ("retry-after", sends("rejectIfBusy"), no(429, 3040), "ok", "429 / 3040 with none"),
    ("retry-after", sends("rejectIfBusy"), answer(429, {}, {"retry-after": "7", **JSON}), "ok", "429 with 7"),
]  # fmt: skip
"""A fact, the exchanges that are changed, and how; the verdict, and some words of the finding."""


@pytest.mark.usefixtures("account")
def test_another_form_is_told(recordings: list[RecordingFile]) -> None:
    wrong: list[str] = []
    for fact, which, change, verdict, words in CHANGES:
        changed = copy.deepcopy(recordings)
        matching = [recording for recording in changed if which(recording)]
        for recording in matching:
            change(recording)
        with httpx.Client(transport=Replay(changed)) as http:
            findings = conform(gateway="default", http_client=http, sleep=lambda _: None)
            finding = next(finding for finding in findings if finding.check == fact)
            findings.close()
        if not matching or (finding.verdict, words in finding.message) != (verdict, True):
            wrong.append(f"{fact}, {len(matching)} changed: not {verdict!r} with {words!r} but {finding}")
    assert wrong == []


@pytest.mark.usefixtures("account")
def test_a_refusal_for_the_account_or_its_use_finds_nothing_out(recordings: list[RecordingFile]) -> None:
    for status, code, telling in ((401, 10000, ["wrong token"]), (429, 4006, ["retry-after"]), (403, 5018, [])):
        changed = copy.deepcopy(recordings)
        for recording in changed:
            no(status, code)(recording)
        findings = replayed(changed)
        open = [name for name, finding in findings.items() if finding.message.startswith("not found out: ")]
        assert [name for name in findings if name not in [*open, *telling, "wrong token"]] == [], (status, code)
        assert {findings[name].verdict for name in open} == {"warning"}, (status, code)
        assert [name for name in telling if findings[name].verdict != "ok"] == [], (status, code)


@pytest.mark.usefixtures("account")
def test_a_batch_that_is_never_done_is_given_up(recordings: list[RecordingFile]) -> None:
    waiting = [recording for recording in recordings if queued(recording)]
    pauses: list[float] = []
    with httpx.Client(transport=Replay(waiting * 20 + recordings)) as http:
        findings = {finding.check: finding for finding in conform(http_client=http, sleep=pauses.append)}
    assert findings["batch"].message.endswith("while it waits 200 queued; not done after 15 polls")
    assert findings["batch item"].message.endswith("not done after 15 polls")
    assert findings["batch sound"].message.endswith("not done after 15 polls")
    assert pauses == [2.0] * 45


@pytest.mark.usefixtures("account")
def test_what_a_service_echoes_is_not_repeated(recordings: list[RecordingFile]) -> None:
    id = "12345678-0000-4000-8000-000000000000"
    for recording in recordings:
        if sends("lightning")(recording):
            no(400, 5006, f"who is {ACCOUNT}, {TOKEN}? ({id})")(recording)
    says = replayed(recordings)["SDXL's image"].message
    assert "who is " in says
    assert [secret for secret in (ACCOUNT, TOKEN, id) if secret in says] == []


def test_findings_come_at_once(local: Emulator) -> None:
    findings = conform(sleep=lambda _: None)
    assert next(findings).check == FACTS[0].name
    assert len(local.requests) == 1
