"""How scenarios are asked for: by name, in sequence, in the header, by chance; and what is said to a wrong name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cfai import models
from cfai.local import Emulator, Fault
from cfai.local.emulator._generate import generate
from cfai.local.faults import SCENARIOS, Script, parse_fault, parse_faults
from cfai.local.faults._defects import DEFECTS, NEEDS
from cfai.local.faults._events import find_position
from cfai.local.wire import encode_events
from tests.local.dialects import CHAT, DUAL, MODELS, NATIVE, RESPONSES, question

if TYPE_CHECKING:
    from tests.local.conftest import Service

HELLO: dict[str, Any] = {"prompt": "hello"}


@pytest.fixture
def local(service: Service) -> Iterator[Emulator]:
    yield service.local
    service.local.reset()


# Names


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("rate-limited", Fault(code=3021)),
        ("Rate_Limited", Fault(code=3021)),
        ("rate-limited, retry-after=2", Fault(code=3021, retry_after="2")),
        ("short-body,drop-after=9", Fault(drop_after=9)),
        ("byte-order-mark, one-byte-chunks", Fault(defect="byte-order-mark", split=1)),
        ("503", Fault(status=503)),
        ("503,retry-after=1", Fault(status=503, retry_after="1")),
        ("200", Fault()),
        ("ok", Fault()),
        ("ok, delay=0.5", Fault(delay=0.5)),
        ("body=%7B%7D,content-type=text/html", Fault(body=b"{}", content_type="text/html")),
        ("raw=%FF%00", Fault(raw=b"\xff\0")),
    ],
)
def test_a_text_asks_for_a_fault(asked: str, expected: Fault) -> None:
    assert parse_fault(asked) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([503, 503, "ok"], ["503", "503", "ok"]),
        ([[503, "rate-limited"], Fault(code=3040), 200], ["503", "rate-limited", "Fault(code=3040)", "200"]),
        (["503; rate-limited,retry-after=2 ;ok"], ["503", "rate-limited,retry-after=2", "ok"]),
        ([Fault()], ["ok"]),
        ([], []),
    ],
)
def test_a_sequence_is_a_fault_for_each_request(asked: list[Any], expected: list[str]) -> None:
    assert [str(fault) for fault in parse_faults(*asked)] == expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("rate-limted", "no scenario 'rate-limted': did you mean rate-limited"),
        ("crlf-lines", "did you mean crlf-line-ends"),
        ("xyzzy", "no scenario 'xyzzy'. All are listed by: cfai dev --scenarios"),
        ("retry-after", "retry-after needs a value"),
        ("retry-aftr=2", "no field 'retry-aftr': did you mean retry-after"),
        ("hold=1", "hold takes no value"),
        ("split=two", "'split=two' has a value of the wrong kind"),
        ("split=0", "split is 1 to any number, not 0"),
        ("3040", "3040 is no status but a code: ask for out-of-capacity"),
        ("99", "status is 200 to 599, not 99"),
        ("204", "status 204 has no body"),
        ("defect=nothing", "no defect of streams is called 'nothing'"),
        ("content-type=a%0Ab", "content_type is one line of ASCII"),
        ("retry-after=%C3%A9", "retry_after is one line of ASCII"),
        ("stalled-tls", "local.stalled_tls_url"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(service: Service, asked: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        service.local.script(asked)
    assert service.local.faults == []
    response = service.run(NATIVE, HELLO, asked)
    assert (response.status_code, response.headers["content-type"]) == (400, "text/plain")
    assert said in response.text


@pytest.mark.parametrize("asked", [None, True, 3.5, object()])
def test_what_is_no_fault_at_all_is_a_type_error(local: Emulator, asked: Any) -> None:
    with pytest.raises(TypeError, match="the name of a scenario"):
        local.script("ok", asked)
    assert local.faults == []


def test_names_are_those_of_no_field_and_have_dashes() -> None:
    fields = {name.replace("_", "-") for name in Fault.__slots__}
    assert not fields & set(SCENARIOS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name) for name in SCENARIOS)


def test_each_scenario_has_a_line_and_a_fault_of_its_own() -> None:
    made = [scenario.fault for scenario in SCENARIOS.values() if scenario.fault]
    assert all(fault.get_changed_fields() for fault in made)
    assert all(made.count(fault) == 1 for fault in made if fault != Fault(html=502))
    for scenario in SCENARIOS.values():
        assert 0 < len(scenario.summary) < 90
        assert not scenario.summary.endswith(".")


def test_a_fault_that_is_known_by_name_is_equal_to_itself() -> None:
    assert parse_fault("rate-limited") == Fault(code=3021)
    assert parse_fault("rate-limited").name == "rate-limited"
    assert repr(parse_fault("rate-limited")) == "Fault(code=3021)"


# In sequence, and in the header


def test_scripts_are_met_in_order_and_told_of(local: Emulator, service: Service) -> None:
    local.script([503, "rate-limited"], "ok")
    assert [service.run(NATIVE, HELLO).status_code for _ in range(3)] == [503, 429, 200]
    assert [request.fault for request in local.requests[-3:]] == ["503", "rate-limited", "ok"]


def test_a_header_takes_names_and_statuses(service: Service) -> None:
    header = "503; rate-limited,retry-after=7; ok"
    responses = [service.run(NATIVE, HELLO, header) for _ in range(4)]
    assert [response.status_code for response in responses] == [503, 429, 200, 503]
    assert responses[1].headers["retry-after"] == "7"
    assert service.local.requests[-2].fault == "ok"


def test_of_the_sequences_in_headers_only_so_many_are_remembered() -> None:
    script = Script()
    assert [str(script.next("503;ok")) for _ in range(2)] == ["503", "ok"]
    assert str(script.next("503;ok")) == "503"
    for number in range(1001):
        script.next(f"delay=0.{number}")
    assert str(script.next("503;ok")) == "503", "it begins anew"


# By chance


def drawn(rate: float, seed: int, scenarios: Any = None, *, streams: bool = False, number: int = 200) -> list[str]:
    script = Script()
    script.draw(rate, seed, scenarios)
    return [str(script.next(None, streams=streams)) for _ in range(number)]


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(0.3, 7) == drawn(0.3, 7)
    assert drawn(0.3, 7) != drawn(0.3, 8)


def test_about_as_many_go_wrong_as_were_asked_for() -> None:
    assert 350 < sum(fault != "ok" for fault in drawn(0.2, 1, number=2000)) < 450
    assert set(drawn(0, 1)) == {"ok"}
    assert "ok" not in drawn(1, 1)


def test_chance_draws_from_what_is_given() -> None:
    assert set(drawn(0.5, 3, [503, "rate-limited", Fault(code=3040)])) == {
        "503",
        "rate-limited",
        "Fault(code=3040)",
        "ok",
    }
    assert set(drawn(1, 3, "503; rate-limited")) == {"503", "rate-limited"}


def test_what_happens_to_streams_is_drawn_for_them_alone() -> None:
    pool = ["byte-order-mark", "rate-limited"]
    assert set(drawn(1, 3, pool)) == {"rate-limited"}
    assert set(drawn(1, 3, pool, streams=True)) == {"byte-order-mark", "rate-limited"}
    assert set(drawn(1, 3, "byte-order-mark")) == {"ok"}


def test_by_default_nobody_has_to_wait() -> None:
    possible = set(drawn(1, 5, streams=True, number=20_000))
    every = {name: scenario.fault for name, scenario in SCENARIOS.items() if scenario.fault}
    waiting = {"no-answer", "no-body", "trickling-body", "stalled", "held-open"}
    assert {name for name, fault in every.items() if fault.waits} == waiting
    assert possible == set(every) - waiting


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rate": 1.1}, "from 0 to 1, not 1.1"),
        ({"rate": -1}, "from 0 to 1"),
        ({"rate": float("nan")}, "from 0 to 1"),
        ({"scenarios": []}, "nothing to draw from"),
        ({"scenarios": "rate-limted"}, "rate-limited"),
    ],
)
def test_a_draw_that_cannot_be_is_told(local: Emulator, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        local.random_faults(**asked)


def test_requests_say_what_each_one_drew_until_the_reset(local: Emulator, service: Service) -> None:
    local.random_faults(0.5, seed=11, scenarios=[503, 429])
    local.script("request-too-large")
    statuses = [service.run(NATIVE, HELLO).status_code for _ in range(20)]
    told = [request.fault for request in local.requests[-20:]]
    assert (statuses[0], told[0]) == (413, "request-too-large")
    assert told[1:] == drawn(0.5, 11, [503, 429], number=19)
    assert statuses[1:] == [200 if fault == "ok" else int(fault) for fault in told[1:]]
    local.reset()
    assert [service.run(NATIVE, HELLO).status_code for _ in range(5)] == [200] * 5


def test_a_header_is_left_out_of_the_draw(local: Emulator, service: Service) -> None:
    local.random_faults(1, scenarios=[503])
    assert [service.run(NATIVE, HELLO, fault).status_code for fault in ("ok", None)] == [200, 503]


def test_what_chance_cannot_do_to_a_stream_leaves_it_whole(local: Emulator, service: Service) -> None:
    local.random_faults(1, scenarios="tool-call-flat")
    assert service.run(NATIVE, HELLO | {"stream": True}).text.endswith("data: [DONE]\n\n")
    assert local.requests[-1].fault == "tool-call-flat"


def test_what_chance_cannot_do_to_a_model_that_does_not_stream_leaves_it_whole(
    local: Emulator, service: Service
) -> None:
    local.random_faults(1, scenarios="held-open")
    assert service.run("@cf/baai/bge-m3", {"text": "x", "stream": True}).status_code == 200
    assert local.requests[-1].fault == "held-open"


# On the wire

PATTERNS = {
    "number-token": rb'"response":"\[".*?"response":0,.*?"response":"emulated"',
    "decimal-token": rb'"response":0\.10,',
    "null-token": rb'"response":null,',
    "empty-token": rb'"response":"","tool_calls"',
    "missing-token": rb'data: \{"tool_calls":\[\],"p"',
    "object-token": rb'"response":\{"a":1\}',
    "boolean-token": rb'"response":true',
    "line-separator-token": "\u2028\u2029\u0085".encode(),
    "split-surrogate-pair": rb'"response":"\\ud83d".*"response":"\\ude42"',
    "null-fields": rb'"response":"\[","tool_calls":null,"p":"\w+","finish_reason":null,"usage":null\}',
    "doubled-dialect": rb'"response":"emulated".*?"delta":\{"content":"emulated"\}',
    "mixed-dialects": rb'\{"response":"\[".*?\{"p":"\w+","choices":\[\{"index":0,"delta":\{"content":"emulated"\}',
    "renamed-reasoning": rb'"reasoning":"emulated"',
    "tool-call-without-index": rb'"tool_calls":\[\{"id":"[\w-]+","type":"function","function"',
    "tool-call-without-id": rb'"tool_calls":\[\{"type":"function","index":0,"function"',
    "tool-call-flat": rb'"tool_calls":\[\{"id":"[\w-]+","type":"function","index":0,"name":"get_weather"\}',
    "tool-arguments-first": rb'"arguments":"\{"\}.*"name":"get_weather"',
    "tool-arguments-object": rb'"arguments":\{"city":"emulated"\}',
    "usage-cumulative": rb'"completion_tokens":1,.*"completion_tokens":2,.*"completion_tokens":3,',
    "usage-incremental": rb'"prompt_tokens":4,"completion_tokens":1,.*"prompt_tokens":0,"completion_tokens":1,',
    "usage-trailer": rb'"prompt_tokens":0,"completion_tokens":1,.*"usage":\{"prompt_tokens":4,[^\n]+\n\ndata: \[DONE\]',
    "usage-metrics": rb'"metrics":\{"input_tokens":4,"output_tokens":\d+\}\}\n\ndata: \[DONE\]',
    "usage-null": rb'"usage":null',
    "usage-missing": rb'\A(?!.*"usage")',
    "text-after-finish": rb'"response":"\[".*?"finish_reason":"stop".*?"response":"emulated"',
    "empty-finish-reason": rb'"response":"\[",[^\n]*"finish_reason":""',
    "finish-reason-error": rb'"response":" by".*?"finish_reason":"error"\}\n\ndata: \[DONE\]\n\n\Z',
    "missing-done": rb"\A(?!.*DONE)",
    "bare-done": rb"\n\n\[DONE\]\n\n\Z",
    "events-after-done": rb'data: \[DONE\]\n\ndata: \{"response":"leaked".*data: \[DONE\]\n\n\Z',
    "empty-stream": rb"\A\Z",
    "only-done": rb"\Adata: \[DONE\]\n\n\Z",
    "truncated-event": rb'"response":" by"[^\n]*\n\ndata: \{"response":"[^\n}]*\Z',
    "html-event": rb"\n\ndata: <html>.*</html>\n\ndata: \[DONE\]\n\n\Z",
    "list-event": rb"\n\ndata: \[1,2\]\n\ndata: \[DONE\]\n\n\Z",
    "error-event-done": rb'" by".*data: \{"errors":\[\{"code":3040[^\n]*\n\ndata: \[DONE\]\n\n\Z',
    "error-event-object": rb'" by".*data: \{"error":\{"message":[^\n]*\n\n\Z',
    "error-event-string": rb'" by".*data: \{"error":"AiError: 3040: [^\n]*\n\n\Z',
    "error-event-typed": rb'" by".*data: \{"type":"error","code":"3040"[^\n]*\n\n\Z',
    "error-event-internal": rb'" by".*data: \{"internalCode":3040[^\n]*\n\n\Z',
    "error-event-named": rb'" by".*event: error\ndata: 3040: [^\n]*\n\n\Z',
    "error-event-response": rb'" by".*data: \{"type":"response.failed"[^\n]*\n\n\Z',
    "byte-order-mark": rb"\A\xef\xbb\xbfdata: ",
    "crlf-line-ends": rb"\A(?:[^\r\n]+\r\n\r\n)+\Z",
    "cr-line-ends": rb"\A(?:[^\r\n]+\r\r)+\Z",
    "mixed-line-ends": rb"\A[^\r\n]+\n\n[^\r\n]+\r\n\r\n[^\r\n]+\r\r[^\r\n]+\n\n",
    "keep-alive-comments": rb"\A: keep-alive\n\ndata: .*\n\n: keep-alive\n\ndata: \[DONE\]",
    "empty-events": rb"\Adata:\n\ndata: \{",
    "event-fields": rb"\Aid: 1\nretry: 1000\nunknown: 1\ndata: \{",
    "no-space-after-colon": rb'\Adata:\{"response":.*data:\[DONE\]',
    "multi-line-data": rb'\Adata: \{\ndata:  "response":"\[",\n.*\ndata: \}\n\n',
    "no-blank-lines": rb"\A(?:data: [^\n]+\n)+\Z",
    "unterminated-end": rb"\n\ndata: \[DONE\]\Z",
}


def streamed(model: str, name: str) -> tuple[list[tuple[int, bytes]], dict[str, Any]]:
    """Return the events of a stream in which a defect can be, and its usage."""
    entry = models.get(model)
    assert entry is not None
    generation = generate(entry, question(model, name) | {"stream": True})
    return list(encode_events(generation)), generation.usage()


def joined(stream: list[tuple[int, bytes]]) -> bytes:
    return b"".join(data for _, data in stream)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_defect_is_there_where_it_was_not(name: str) -> None:
    plain, usage = streamed(CHAT if name == "renamed-reasoning" else NATIVE, name)
    assert not re.search(PATTERNS[name], joined(plain), re.DOTALL)
    defective = joined(DEFECTS[name].rewrite(plain, usage))
    assert re.search(PATTERNS[name], defective, re.DOTALL), defective[:2000]


CHUNKS = {"one-chunk", "split-characters"}
"""What changes the pieces and no byte."""


def test_every_defect_has_a_pattern() -> None:
    assert set(PATTERNS) | CHUNKS == set(DEFECTS)


def test_what_concerns_the_pieces_changes_only_them() -> None:
    original = [(1, "data: “a”\n\n".encode()), (1, b"data: b\n\n"), (0, b"data: [DONE]\n\n")]
    whole = b"".join(data for _, data in original)
    assert DEFECTS["one-chunk"].rewrite(original, {}) == [(2, whole)]
    pieces = DEFECTS["split-characters"].rewrite(original, {})
    assert [tokens for tokens, _ in pieces] == [1, 0, 1, 0]
    assert b"".join(data for _, data in pieces) == whole
    with pytest.raises(UnicodeDecodeError):
        pieces[0][1].decode()


def test_defects_of_tool_calls_keep_the_calls_of_several_answers_apart() -> None:
    def piece(choice: int, index: int, name: str | None, arguments: str) -> tuple[int, bytes]:
        call = {"index": index, "function": {"arguments": arguments} | ({"name": name} if name else {})}
        chunk = {"choices": [{"index": choice, "delta": {"tool_calls": [call]}}]}
        return 1, f"data: {json.dumps(chunk)}\n\n".encode()

    def calls(events: list[tuple[int, bytes]]) -> list[tuple[int, Any]]:
        chunks = [json.loads(data.removeprefix(b"data: ")) for _, data in events]
        choices = [chunk["choices"][0] for chunk in chunks]
        return [(choice["index"], choice["delta"]["tool_calls"][0]["function"]) for choice in choices]

    events = [piece(0, 0, "a", ""), piece(1, 0, "b", ""), piece(0, 0, None, '{"x": '), piece(1, 0, None, '{"y": 2}')]
    events += [piece(0, 0, None, "1}"), piece(0, 1, "c", "")]
    whole = calls(DEFECTS["tool-arguments-object"].rewrite(events, {}))
    assert whole == [
        (0, {"arguments": {"x": 1}, "name": "a"}),
        (1, {"arguments": {"y": 2}, "name": "b"}),
        (0, {"arguments": {}, "name": "c"}),
    ]
    first, second, *_ = calls(DEFECTS["tool-arguments-first"].rewrite(events, {}))
    assert (first, second) == ((0, {"arguments": '{"x": '}), (0, {"arguments": "", "name": "a"}))


def test_a_reset_begins_a_sequence_of_a_header_anew() -> None:
    script = Script()
    assert [script.next("503;ok").status for _ in range(3)] == [503, None, 503]
    script.clear()
    assert script.next("503;ok").status == 503


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_changes_every_dialect_that_can_have_it(model: str, name: str) -> None:
    plain, usage = streamed(model, name)
    needs = DEFECTS[name].needs
    if needs and find_position(plain, NEEDS[needs]) is None:
        assert name == "renamed-reasoning" or model == RESPONSES
        return
    defective = DEFECTS[name].rewrite(list(plain), usage)
    assert sum(tokens for tokens, _ in defective) <= sum(tokens for tokens, _ in plain)
    # This model's events have both dialects as they are.
    assert (defective != plain) is ((name, model) != ("doubled-dialect", DUAL))


@pytest.mark.parametrize("name", ["error-event-object", "html-event", "finish-reason-error", "truncated-event"])
def test_what_ends_a_stream_ends_a_short_one_too(name: str) -> None:
    text, done = b'data: {"response":"a"}\n\n', b"data: [DONE]\n\n"
    stream = DEFECTS[name].rewrite([(1, text), (0, done)], {})
    assert stream[0] == (1, text)
    assert done not in stream[1][1][: len(done)]


# What is told of them


def rows() -> list[str]:
    """Return the table of the documentation, made from the table of the code."""
    lines: list[str] = []
    for group in dict.fromkeys(scenario.group for scenario in SCENARIOS.values()):
        lines += ["", f"| {group} | |", "|---|---|"]
        lines += [
            f"| `{name}` | {scenario.summary} |" for name, scenario in SCENARIOS.items() if scenario.group == group
        ]
    return lines


def test_the_documentation_has_every_scenario() -> None:
    page = (Path(__file__).parents[3] / "docs" / "testing.md").read_text("utf-8")
    assert "\n".join(rows()) in page, "\n".join(rows())
