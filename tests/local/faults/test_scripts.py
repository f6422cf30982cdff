"""How scenarios are asked for: by name, in sequence, in the header, by chance; and what is said to a wrong name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cfai import models
from cfai.local import SCENARIOS, Emulator, Fault
from cfai.local.emulator._generate import generate
from cfai.local.faults import Script, UnfitFaultError, parse_fault, parse_faults
from cfai.local.wire import encode_events
from tests.local.dialects import CHAT, DUAL, MODELS, NATIVE, RESPONSES, question

if TYPE_CHECKING:
    from tests.local.conftest import Service

HELLO: dict[str, Any] = {"prompt": "hello"}
DEFECTS = {scenario.fault.defect for scenario in SCENARIOS.values() if scenario.fault} - {None}


@pytest.fixture
def local(service: Service) -> Iterator[Emulator]:
    yield service.local
    service.local.reset()


# Names

PARSED = {
    "": Fault(),
    "rate-limited": Fault(code=3021),
    "Rate_Limited": Fault(code=3021),
    "rate-limited, retry-after=2": Fault(code=3021, retry_after="2"),
    "short-body,drop-after=9": Fault(drop_after=9),
    "drop-after=0": Fault(drop_after=0),
    "byte-order-mark, one-byte-chunks": Fault(defect="byte-order-mark", split=1),
    "503": Fault(status=503),
    "503,retry-after=1": Fault(status=503, retry_after="1"),
    "status=503, retry-after=2": Fault(status=503, retry_after="2"),
    "200": Fault(),
    "ok": Fault(),
    "ok, delay=0.5": Fault(delay=0.5),
    "HOLD,slow-first=1.5": Fault(hold=True, slow_first=1.5),
    "body=%7B%7D,content-type=text/html": Fault(body=b"{}", content_type="text/html"),
    "raw=%FF%00": Fault(raw=b"\xff\0"),
    "retry-after=Wed%2C 21 Oct 2026 07:28:00 GMT": Fault(retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
}


def test_a_string_asks_for_a_fault_and_a_sequence_for_one_for_each_request() -> None:
    for requested, expected in PARSED.items():
        assert parse_fault(requested) == expected, requested
    rows: list[tuple[list[Any], list[str]]] = [
        ([503, 503, "ok"], ["503", "503", "ok"]),
        ([[503, "rate-limited"], Fault(code=3040), 200], ["503", "rate-limited", "Fault(code=3040)", "200"]),
        (["503; rate-limited,retry-after=2 ;ok"], ["503", "rate-limited,retry-after=2", "ok"]),
        ([Fault()], ["ok"]),
        ([], []),
    ]
    for requested, expected in rows:
        assert [str(fault) for fault in parse_faults(*requested)] == expected, requested


WRONG = {
    "rate-limted": "no scenario 'rate-limted': did you mean rate-limited",
    "crlf-lines": "did you mean crlf-line-ends",
    "xyzzy": "no scenario 'xyzzy'. All are listed by: cfai dev --scenarios",
    "503; bogus": "no scenario 'bogus'",
    "retry-after": "retry-after needs a value",
    "retry-aftr=2": "no field 'retry-aftr': did you mean retry-after",
    "bogus=1": "no field 'bogus'",
    "hold=1": "hold takes no value",
    "split=two": "'split=two' has a value of the wrong kind",
    "split=0": "split must be 1 or more, got 0",
    "3040": "3040 is no status but a code: ask for out-of-capacity",
    "99": "status must be 200 to 599, got 99",
    "204": "status 204 has no body",
    "defect=nothing": "no defect of streams is called 'nothing'",
    "content-type=a%0Ab": "content_type must be one line of ASCII",
    "retry-after=%C3%A9": "retry_after must be one line of ASCII",
    "stalled-tls": "local.stalled_tls_url",
}


def test_a_wrong_name_is_refused_with_the_nearest_and_none_is_a_type_error(service: Service, local: Emulator) -> None:
    for requested, message in WRONG.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            service.local.script(requested)
        assert service.local.faults == []
        # A sequence comes to its last fault with the request that has it.
        response = [service.run(NATIVE, HELLO, requested) for _ in requested.split(";")][-1]
        assert (response.status_code, response.headers["content-type"]) == (400, "text/plain"), requested
        assert message in response.text, requested
    wrong: list[Any] = [None, True, 3.5, object()]
    for value in wrong:
        with pytest.raises(TypeError, match=f"the name of a scenario or several of them, got {re.escape(repr(value))}"):
            local.script("ok", value)
        assert local.faults == [], value


def test_each_scenario_has_a_name_a_line_and_a_fault_of_its_own() -> None:
    assert not {name.replace("_", "-") for name in Fault.__slots__} & set(SCENARIOS)
    made = [scenario.fault for scenario in SCENARIOS.values() if scenario.fault]
    assert all(fault.get_changed_fields() for fault in made)
    assert all(made.count(fault) == 1 for fault in made if fault != Fault(html=502))
    for name, scenario in SCENARIOS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name), name
        assert 0 < len(scenario.summary) < 90, name
        assert not scenario.summary.endswith("."), name
    assert (parse_fault("rate-limited").name, repr(parse_fault("rate-limited"))) == ("rate-limited", "Fault(code=3021)")


# In sequence, and in the header


def test_scripts_and_headers_are_met_in_order_and_leave_each_other_alone(local: Emulator, service: Service) -> None:
    local.script([503, "rate-limited"], "ok")
    assert [service.run(NATIVE, HELLO).status_code for _ in range(4)] == [503, 429, 200, 200]
    assert [request.fault for request in local.requests[-4:]] == ["503", "rate-limited", "ok", "ok"]
    assert local.faults == []
    responses = [service.run(NATIVE, HELLO, "503; rate-limited,retry-after=7; ok") for _ in range(4)]
    assert [response.status_code for response in responses] == [503, 429, 200, 503], "it starts over"
    assert responses[1].headers["retry-after"] == "7"
    assert local.requests[-2].fault == "ok"
    service.local.script(Fault(status=503))
    assert service.run(NATIVE, HELLO, "ok").status_code == 200
    assert service.local.faults == [Fault(status=503)]
    service.local.reset()
    assert service.run(NATIVE, HELLO).status_code == 200


def test_a_sequence_of_a_header_begins_anew_at_its_end_after_a_reset_and_when_it_is_forgotten() -> None:
    script = Script()
    assert [script.next("503;ok").status for _ in range(3)] == [503, None, 503]
    script.clear()
    assert script.next("503;ok").status == 503
    for number in range(1001):
        script.next(f"delay=0.{number}")
    assert script.next("503;ok").status == 503, "only so many are remembered"


# By chance


def drawn(rate: float, seed: int, scenarios: Any = None, *, streams: bool = False, number: int = 200) -> list[str]:
    script = Script()
    script.draw(rate, seed, scenarios)
    return [str(script.next(None, streams=streams)) for _ in range(number)]


def test_chance_draws_from_what_is_given_about_as_often_as_was_asked_for() -> None:
    assert drawn(0.3, 7) == drawn(0.3, 7)
    assert drawn(0.3, 7) != drawn(0.3, 8)
    assert 350 < sum(fault != "ok" for fault in drawn(0.2, 1, number=2000)) < 450
    assert "ok" not in drawn(1, 1)
    given = [503, "rate-limited", Fault(code=3040)]
    pool = ["byte-order-mark", "rate-limited"]
    for name, draws, expected in (
        ("nothing goes wrong", drawn(0, 1), "ok"),
        ("several forms", drawn(0.5, 3, given), "503 rate-limited Fault(code=3040) ok"),
        ("a string", drawn(1, 3, "503; rate-limited"), "503 rate-limited"),
        ("no stream", drawn(1, 3, pool), "rate-limited"),
        ("a stream", drawn(1, 3, pool, streams=True), "byte-order-mark rate-limited"),
        ("what happens to streams alone", drawn(1, 3, "byte-order-mark"), "ok"),
    ):
        assert set(draws) == set(expected.split()), name


def test_by_default_nobody_has_to_wait_and_a_draw_that_cannot_be_is_refused(local: Emulator) -> None:
    possible = set(drawn(1, 5, streams=True, number=20_000))
    every = {name: scenario.fault for name, scenario in SCENARIOS.items() if scenario.fault}
    waiting = {"no-answer", "no-body", "trickling-body", "stalled", "held-open"}
    assert {name for name, fault in every.items() if fault.waits} == waiting
    assert possible == set(every) - waiting
    rows: list[tuple[dict[str, Any], str]] = [
        ({"rate": 1.1}, "from 0 to 1, got 1.1"),
        ({"rate": -1}, "from 0 to 1"),
        ({"rate": float("nan")}, "from 0 to 1"),
        ({"scenarios": []}, "nothing to draw from"),
        ({"scenarios": "rate-limted"}, "rate-limited"),
    ]
    for options, message in rows:
        with pytest.raises(ValueError, match=re.escape(message)):
            local.random_faults(**options)


def test_requests_say_what_each_one_drew_and_are_whole_if_they_cannot_have_it(
    local: Emulator, service: Service
) -> None:
    local.random_faults(0.5, seed=11, scenarios=[503, 429])
    local.script("request-too-large")
    statuses = [service.run(NATIVE, HELLO).status_code for _ in range(20)]
    told = [request.fault for request in local.requests[-20:]]
    assert (statuses[0], told[0]) == (413, "request-too-large")
    assert told[1:] == drawn(0.5, 11, [503, 429], number=19)
    assert statuses[1:] == [200 if fault == "ok" else int(fault) for fault in told[1:]]
    local.reset()
    assert [service.run(NATIVE, HELLO).status_code for _ in range(5)] == [200] * 5
    local.random_faults(1, scenarios=[503])
    assert [service.run(NATIVE, HELLO, fault).status_code for fault in ("ok", None)] == [200, 503], "a header wins"
    for name, model, inputs in (("tool-call-flat", NATIVE, HELLO), ("held-open", "@cf/baai/bge-m3", {"text": "x"})):
        local.random_faults(1, scenarios=name)
        response = service.run(model, inputs | {"stream": True})
        assert response.status_code == 200, name
        assert model != NATIVE or response.text.endswith("data: [DONE]\n\n")
        assert local.requests[-1].fault == name


# On the wire

PATTERNS = {
    "number-token": rb'"response":"This".*?"response":0,.*?"response":" is"',
    "decimal-token": rb'"response":0\.10,',
    "null-token": rb'"response":null,',
    "empty-token": rb'"response":"","tool_calls"',
    "missing-token": rb'data: \{"tool_calls":\[\],"p"',
    "object-token": rb'"response":\{"a":1\}',
    "boolean-token": rb'"response":true',
    "line-separator-token": "\u2028\u2029\u0085".encode(),
    "split-surrogate-pair": rb'"response":"\\ud83d".*"response":"\\ude42"',
    "null-fields": rb'"response":"This","tool_calls":null,"p":"\w+","finish_reason":null,"usage":null\}',
    "doubled-dialect": rb'"response":" is".*?"delta":\{"content":" is"\}',
    "mixed-dialects": rb'\{"response":"This".*?\{"p":"\w+","choices":\[\{"index":0,"delta":\{"content":" is"\}',
    "renamed-reasoning": rb'"reasoning":" is"',
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
    "text-after-finish": rb'"response":"This".*?"finish_reason":"stop".*?"response":" is"',
    "empty-finish-reason": rb'"response":"This",[^\n]*"finish_reason":""',
    "finish-reason-error": rb'"response":" an".*?"finish_reason":"error"\}\n\ndata: \[DONE\]\n\n\Z',
    "missing-done": rb"\A(?!.*DONE)",
    "bare-done": rb"\n\n\[DONE\]\n\n\Z",
    "events-after-done": rb'data: \[DONE\]\n\ndata: \{"response":"leaked".*data: \[DONE\]\n\n\Z',
    "empty-stream": rb"\A\Z",
    "only-done": rb"\Adata: \[DONE\]\n\n\Z",
    "truncated-event": rb'"response":" an"[^\n]*\n\ndata: \{"response":"[^\n}]*\Z',
    "html-event": rb"\n\ndata: <html>.*</html>\n\ndata: \[DONE\]\n\n\Z",
    "list-event": rb"\n\ndata: \[1,2\]\n\ndata: \[DONE\]\n\n\Z",
    "error-event-done": rb'" an".*data: \{"errors":\[\{"code":3040[^\n]*\n\ndata: \[DONE\]\n\n\Z',
    "error-event-object": rb'" an".*data: \{"error":\{"message":[^\n]*\n\n\Z',
    "error-event-string": rb'" an".*data: \{"error":"AiError: 3040: [^\n]*\n\n\Z',
    "error-event-typed": rb'" an".*data: \{"type":"error","code":"3040"[^\n]*\n\n\Z',
    "error-event-internal": rb'" an".*data: \{"internalCode":3040[^\n]*\n\n\Z',
    "error-event-named": rb'" an".*event: error\ndata: 3040: [^\n]*\n\n\Z',
    "error-event-response": rb'" an".*data: \{"type":"response.failed"[^\n]*\n\n\Z',
    "byte-order-mark": rb"\A\xef\xbb\xbfdata: ",
    "crlf-line-ends": rb"\A(?:[^\r\n]+\r\n\r\n)+\Z",
    "cr-line-ends": rb"\A(?:[^\r\n]+\r\r)+\Z",
    "mixed-line-ends": rb"\A[^\r\n]+\n\n[^\r\n]+\r\n\r\n[^\r\n]+\r\r[^\r\n]+\n\n",
    "keep-alive-comments": rb"\A: keep-alive\n\ndata: .*\n\n: keep-alive\n\ndata: \[DONE\]",
    "empty-events": rb"\Adata:\n\ndata: \{",
    "event-fields": rb"\Aid: 1\nretry: 1000\nunknown: 1\ndata: \{",
    "no-space-after-colon": rb'\Adata:\{"response":.*data:\[DONE\]',
    "multi-line-data": rb'\Adata: \{\ndata:  "response":"This",\n.*\ndata: \}\n\n',
    "no-blank-lines": rb"\A(?:data: [^\n]+\n)+\Z",
    "unterminated-end": rb"\n\ndata: \[DONE\]\Z",
}


Events = list[tuple[int, bytes]]


def streamed(model: str, name: str) -> tuple[Events, dict[str, Any]]:
    """Return the events of a stream in which a defect can be, and its usage."""
    entry = models.get(model)
    assert entry is not None
    generation = generate(entry, question(model, name) | {"stream": True}, "readable")
    return list(encode_events(generation)), generation.usage()


def rewrite(name: str, events: Events, usage: dict[str, Any] | None = None) -> Events:
    return list(Fault(defect=name).rewrite(events, usage or {}))


def joined(stream: Events) -> bytes:
    return b"".join(data for _, data in stream)


def test_every_defect_is_there_where_it_was_not() -> None:
    # These change the pieces and no byte.
    assert set(PATTERNS) | {"one-chunk", "split-characters"} == DEFECTS
    for name, pattern in PATTERNS.items():
        plain, usage = streamed(CHAT if name == "renamed-reasoning" else NATIVE, name)
        assert not re.search(pattern, joined(plain), re.DOTALL), name
        defective = joined(rewrite(name, plain, usage))
        assert re.search(pattern, defective, re.DOTALL), (name, defective[:2000])


def test_what_concerns_the_pieces_changes_only_them_and_what_ends_a_stream_a_short_one_too() -> None:
    original = [(1, "data: “a”\n\n".encode()), (1, b"data: b\n\n"), (0, b"data: [DONE]\n\n")]
    whole = b"".join(data for _, data in original)
    assert rewrite("one-chunk", original) == [(2, whole)]
    pieces = rewrite("split-characters", original)
    assert [tokens for tokens, _ in pieces] == [1, 0, 1, 0]
    assert b"".join(data for _, data in pieces) == whole
    with pytest.raises(UnicodeDecodeError):
        pieces[0][1].decode()
    text, done = b'data: {"response":"a"}\n\n', b"data: [DONE]\n\n"
    for name in ("error-event-object", "html-event", "finish-reason-error", "truncated-event"):
        stream = rewrite(name, [(1, text), (0, done)])
        assert stream[0] == (1, text), name
        assert done not in stream[1][1][: len(done)], name


def test_defects_of_tool_calls_keep_the_calls_of_several_answers_apart() -> None:
    def piece(choice: int, index: int, name: str | None, arguments: str) -> tuple[int, bytes]:
        call = {"index": index, "function": {"arguments": arguments} | ({"name": name} if name else {})}
        chunk = {"choices": [{"index": choice, "delta": {"tool_calls": [call]}}]}
        return 1, f"data: {json.dumps(chunk)}\n\n".encode()

    def calls(events: Events) -> list[tuple[int, Any]]:
        chunks = [json.loads(data.removeprefix(b"data: ")) for _, data in events]
        choices = [chunk["choices"][0] for chunk in chunks]
        return [(choice["index"], choice["delta"]["tool_calls"][0]["function"]) for choice in choices]

    events = [piece(0, 0, "a", ""), piece(1, 0, "b", ""), piece(0, 0, None, '{"x": '), piece(1, 0, None, '{"y": 2}')]
    events += [piece(0, 0, None, "1}"), piece(0, 1, "c", "")]
    whole = [(0, {"x": 1}, "a"), (1, {"y": 2}, "b"), (0, {}, "c")]
    expected = [(index, {"arguments": arguments, "name": name}) for index, arguments, name in whole]
    assert calls(rewrite("tool-arguments-object", events)) == expected
    first, second, *_ = calls(rewrite("tool-arguments-first", events))
    assert (first, second) == ((0, {"arguments": '{"x": '}), (0, {"arguments": "", "name": "a"}))
    assert len(rewrite("tool-arguments-first", events[:2])) == 2, "no more of a call comes"


def test_a_defect_changes_every_dialect_that_can_have_it() -> None:
    for name in sorted(filter(None, DEFECTS)):
        for model in MODELS:
            plain, usage = streamed(model, name)
            try:
                defective = rewrite(name, plain, usage)
            except UnfitFaultError:
                assert name == "renamed-reasoning" or model == RESPONSES, (name, model)
                continue
            assert sum(tokens for tokens, _ in defective) <= sum(tokens for tokens, _ in plain), (name, model)
            # The events of one model have both dialects as they are.
            assert (defective != plain) is ((name, model) != ("doubled-dialect", DUAL)), (name, model)


# What is told of them


def test_the_documentation_has_every_scenario() -> None:
    lines: list[str] = []
    for group in dict.fromkeys(scenario.group for scenario in SCENARIOS.values()):
        lines += ["", f"| {group} | |", "|---|---|"]
        lines += [f"| `{name}` | {each.summary} |" for name, each in SCENARIOS.items() if each.group == group]
    page = (Path(__file__).parents[3] / "docs" / "testing.md").read_text("utf-8")
    assert "\n".join(lines) in page, "\n".join(lines)
