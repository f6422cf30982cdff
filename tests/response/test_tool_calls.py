"""Tool calls and usage, put together from their pieces."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cfai._response.tool_calls import ToolCallAccumulator
from cfai._response.usage import UsageAccumulator
from cfai.types import ToolCall, ToolCallDelta, Usage


def together(*pieces: list[Any]) -> list[ToolCall]:
    """Return the calls of pieces that arrive one event after another."""
    calls = ToolCallAccumulator()
    for items in pieces:
        calls.add(items)
    return calls.build_result()


def function(name: Any = None, arguments: Any = "", **more: Any) -> dict[str, Any]:
    return {**more, "type": "function", "function": {"name": name, "arguments": arguments}}


FINAL: dict[str, Any] = {"id": None, "type": None, "function": {"name": None, "arguments": ""}}

CALLS: dict[str, tuple[list[list[Any]], list[ToolCall]]] = {
    "name, then arguments": (
        [[function("f", index=0, id="a")], [function(arguments='{"x":', index=0)], [function(arguments="1}", index=0)]],
        [ToolCall("f", '{"x":1}', "a")],
    ),
    "name and first arguments together": (
        [[function("f", '{"x":', index=0)], [function(None, "1}", index=0)]],
        [ToolCall("f", '{"x":1}')],
    ),
    "arguments before the name": (
        [[function(arguments='{"x":', index=0)], [function("f", "1}", index=0, id="a")]],
        [ToolCall("f", '{"x":1}', "a")],
    ),
    "all arguments before the name": (
        [[function(arguments="{}", index=0)], [function("f", index=0, id="a")]],
        [ToolCall("f", "{}", "a")],
    ),
    "the id comes last": ([[function("f", "{}", index=0)], [function(index=0, id="a")]], [ToolCall("f", "{}", "a")]),
    "the first id stays": (
        [[function("f", "{", index=0, id="a")], [function(None, "}", index=0, id="b")]],
        [ToolCall("f", "{}", "a")],
    ),
    "the marker of the end is no call": ([[FINAL], [{**FINAL, "index": 0}]], []),
    "the marker of the end changes nothing": ([[function("f", "{}", index=0)], [FINAL]], [ToolCall("f", "{}")]),
    "no index is index 0": ([[function("f", "{")], [function(None, "}")]], [ToolCall("f", "{}")]),
    "an index of the wrong type is none": (
        [[function("f", "{", index=None)], [function(None, "}", index=True)], [function(None, " ", index="7")]],
        [ToolCall("f", "{} ")],
    ),
    "calls interleaved by index": (
        [
            [function("f", "{", index=0), function("g", "[", index=1)],
            [function(None, "]", index=1)],
            [function(None, "}", index=0)],
        ],
        [ToolCall("f", "{}"), ToolCall("g", "[]")],
    ),
    "calls come in the order of their index": (
        [[function("g", "{}", index=1)], [function("f", "{}", index=0)]],
        [ToolCall("f", "{}"), ToolCall("g", "{}")],
    ),
    "several without index in one event": (
        [[function("f", '{"x":1}'), function("f", '{"x":2}'), function("g", "{}")]],
        [ToolCall("f", '{"x":1}'), ToolCall("f", '{"x":2}'), ToolCall("g", "{}")],
    ),
    "several without index or arguments in one event": (
        [[function("f"), function("g")]],
        [ToolCall("f", ""), ToolCall("g", "")],
    ),
    "several without index in events of their own": (
        [[function("f", "{}", id="a")], [function("f", "{}", id="a")], [function("g", "{}")]],
        [ToolCall("f", "{}", "a"), ToolCall("f", "{}", "a"), ToolCall("g", "{}")],
    ),
    "arguments without index belong to the last call": (
        [[function("f", "{}"), function("g", "{")], [function(None, "}")]],
        [ToolCall("f", "{}"), ToolCall("g", "{}")],
    ),
    "two whole calls under one index": (
        [[function("f", "{}", index=0, id="a")], [function("g", "{}", index=0, id="b")]],
        [ToolCall("f", "{}", "a"), ToolCall("g", "{}", "b")],
    ),
    "one id for several calls": (
        [[function("f", "{}", index=0, id="a"), function("f", "[]", index=1, id="a")]],
        [ToolCall("f", "{}", "a"), ToolCall("f", "[]", "a")],
    ),
    "the name in every piece": (
        [[function("f", "{", index=0, id="a")], [function("f", "}", index=0, id="a")]],
        [ToolCall("f", "{}", "a")],
    ),
    "the name again under the index of a whole call": (
        [[function("f", "{}", index=0, id="a")], [function("f", " ", index=0)], [function("f", " ", index=0, id="a")]],
        [ToolCall("f", "{}  ", "a")],
    ),
    "the name again in the second place of an event": (
        [[function("f", "{", index=0)], [function("g", "{}", index=1), function("f", "}", index=0)]],
        [ToolCall("f", "{}"), ToolCall("g", "{}")],
    ),
    "the name again without an index": (
        [[function("f", '{"x":"}')], [function("f", '"}')]],
        [ToolCall("f", '{"x":"}"}')],
    ),
    "a call in pieces, then another without index": (
        [[function("f", '{"x":')], [function(None, "1}")], [function("g", '{"y":')], [function(None, "2}")]],
        [ToolCall("f", '{"x":1}'), ToolCall("g", '{"y":2}')],
    ),
    "the name in two pieces": (
        [[function("get_", index=0, id="a")], [function("weather", "{}", index=0)]],
        [ToolCall("get_weather", "{}", "a")],
    ),
    "the flat form": ([[{"name": "f", "arguments": {"x": [1, "é"]}}]], [ToolCall("f", '{"x":[1,"é"]}')]),
    "the flat form of the Responses API": (
        [[{"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}", "index": 2}]],
        [ToolCall("f", "{}", "call_1")],
    ),
    "no arguments at all": (
        [[{"name": "f"}], [{"name": "g", "arguments": None, "index": 1}]],
        [ToolCall("f", ""), ToolCall("g", "")],
    ),
    "two calls without index and without arguments": (
        [[function("f", id="a")], [function("f", id="b")], [function("g", id="c")]],
        [ToolCall("f", "", "a"), ToolCall("f", "", "b"), ToolCall("g", "", "c")],
    ),
    "a second call without index while the first is not whole": (
        [[function("f", "{", id="a")], [function("g", "{}", id="b")]],
        [ToolCall("f", "{", "a"), ToolCall("g", "{}", "b")],
    ),
    "a new id for every piece of a call without index": (
        [[function("f", "{", id="a")], [function("f", "}", id="b")]],
        [ToolCall("f", "{}", "a")],
    ),
    "two calls under one index and without arguments": (
        [[function("f", index=0, id="a")], [function("g", index=0, id="b")]],
        [ToolCall("f", "", "a"), ToolCall("g", "", "b")],
    ),
    "a new id for every piece": (
        [
            [function("f", index=0, id="a")],
            [function("f", "{", index=0, id="b")],
            [function("f", "}", index=0, id="c")],
        ],
        [ToolCall("f", "{}", "a")],
    ),
    "another name and a new id while the first call is not whole": (
        [[function("f", "{", index=0, id="a")], [function("g", "}", index=0, id="b")]],
        [ToolCall("fg", "{}", "a")],
    ),
    "three calls under one index, in pieces": (
        [
            [piece]
            for name in "fgh"
            for piece in (function(name, index=0, id=name), function(None, "{", index=0), function(None, "}", index=0))
        ],
        [ToolCall(name, "{}", name) for name in "fgh"],
    ),
    "half a character in each of two pieces": (
        [[function("f", '"\ud83d', index=0)], [function(None, '\ude00"', index=0)]],
        [ToolCall("f", '"😀"')],
    ),
    "half a character alone": ([[function("f", '"\ud83d"', index=0)]], [ToolCall("f", '"\ufffd"')]),
    "what is no call before a call": ([[None, FINAL, function("f", "{}")]], [ToolCall("f", "{}")]),
    "what is no call": ([["f", None, 1, [], {}, {"function": None}, {"function": "f"}]], []),
    "names and ids that are no text": (
        [[function(5, "{}", index=0, id=7)], [function("", index=0, id="")]],
        [ToolCall("", "{}")],
    ),
}


def test_pieces_make_calls() -> None:
    for name, (pieces, expected) in CALLS.items():
        assert together(*pieces) == expected, name
    assert together() == together([]) == []


def test_a_piece_is_given_on_with_the_index_of_its_call() -> None:
    calls = ToolCallAccumulator()
    assert calls.add([function("f", "{}", id="a"), function("g")]) == (
        ToolCallDelta(0, "f", "{}", "a"),
        ToolCallDelta(1, "g", "", None),
    )
    assert calls.add([FINAL]) == ()
    assert calls.add([function(None, "{}")]) == (ToolCallDelta(1, None, "{}", None),)


def test_a_call_lacks_its_arguments_until_they_come() -> None:
    calls = ToolCallAccumulator()
    assert calls.is_missing(1)
    calls.add([function("f", index=1)])
    assert calls.is_missing(1)
    calls.add([function(None, "{", index=1)])
    assert not calls.is_missing(1)
    assert calls.is_missing(0)


def test_half_a_character_waits_for_its_other_half() -> None:
    calls = ToolCallAccumulator()
    assert [delta.arguments for delta in calls.add([function("f", "a\ud83d", index=0)])] == ["a"]
    assert calls.build_result() == [ToolCall("f", "a\ufffd")]
    assert [delta.arguments for delta in calls.add([function(None, "\ude00b", index=0)])] == ["😀b"]
    assert calls.build_result() == [ToolCall("f", "a😀b")]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["f", "g"]), st.lists(st.text(max_size=3), max_size=4)), max_size=4),
    st.randoms(use_true_random=False),
)
def test_calls_by_index_come_together_in_any_interleaving(said: list[tuple[str, list[str]]], chance: Any) -> None:
    queues = [
        [function(name, index=at), *(function(None, part, index=at) for part in parts)]
        for at, (name, parts) in enumerate(said)
    ]
    calls = ToolCallAccumulator()
    while queue := [queue for queue in queues if queue]:
        calls.add([chance.choice(queue).pop(0)])
    assert calls.build_result() == [ToolCall(name, "".join(parts)) for name, parts in said]


def test_a_name_in_every_piece_still_makes_one_call() -> None:
    for more in ({}, {"id": "a"}):
        pieces = ['["', *["0123456789"] * 2_000, '"]']
        calls = together(*([function("f", piece, **more)] for piece in pieces))
        assert calls == [ToolCall("f", "".join(pieces), more.get("id"))]


# Usage.


def report(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}


def tallied(*reports: Any) -> dict[str, Any]:
    tally = UsageAccumulator()
    for each in reports:
        tally.add(each)
    return tally.total()


USAGES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "no report": ([], {}),
    "one report": ([report(10, 2)], report(10, 2)),
    "totals so far": ([report(13, 0), report(13, 1), report(13, 2)], report(13, 2)),
    "increments": ([report(11, 1), report(0, 1), report(0, 1)], report(11, 3)),
    "increments with a trailer": ([report(23, 1), report(0, 1), report(0, 0), report(23, 15)], report(23, 15)),
    "increments, then zeros": ([report(11, 1), report(0, 1), report(0, 0)], report(11, 2)),
    "totals so far, then zeros": ([report(13, 1), report(13, 2), report(0, 0)], report(13, 2)),
    "the prompt first, the completion later": ([report(11, 0), report(0, 2)], report(11, 2)),
    "the prompt in two of the increments": ([report(8, 0), report(3, 1), report(0, 1)], report(11, 2)),
    "an increment before the prompt": ([report(0, 1), report(11, 0), report(0, 1)], report(11, 2)),
    "never a prompt": ([report(0, 1), report(0, 2)], report(0, 2)),
    "neurons add up": (
        [report(11, 1, neurons=0.25), report(0, 1, neurons=0.5), report(0, 0, neurons=0.125)],
        report(11, 2, neurons=0.875),
    ),
    "details add up": (
        [
            report(11, 1, prompt_tokens_details={"cached_tokens": 4, "kind": "a"}),
            report(0, 1, prompt_tokens_details={"cached_tokens": 1}, completion_tokens_details={"reasoning_tokens": 1}),
            report(0, 1, completion_tokens_details={"reasoning_tokens": 1}),
        ],
        report(
            11,
            3,
            prompt_tokens_details={"cached_tokens": 5, "kind": "a"},
            completion_tokens_details={"reasoning_tokens": 2},
        ),
    ),
    "an increment without details takes none away": (
        [
            report(11, 1, neurons=0.5, prompt_tokens_details={"cached_tokens": 4}),
            report(0, 1, neurons=None, prompt_tokens_details=None),
        ],
        report(11, 2, neurons=0.5, prompt_tokens_details={"cached_tokens": 4}),
    ),
    "details that only a later increment has": (
        [
            report(11, 1, neurons=None, prompt_tokens_details=None),
            report(0, 1, neurons=0.5, prompt_tokens_details={"cached_tokens": 4}),
        ],
        report(11, 2, neurons=0.5, prompt_tokens_details={"cached_tokens": 4}),
    ),
    "the names of the Responses API": (
        [{"input_tokens": 8, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 2}],
        {"input_tokens": 8, "output_tokens": 3},
    ),
    **{
        f"only {name}": ([{name: 0.5}], {name: 0.5})
        for name in ("completion_tokens", "output_tokens", "total_tokens", "neurons")
    },
    "only zeros": ([report(0, 0, neurons=0.0)], {}),
    "what is no report": ([None, "x", 5, [report(1, 1)], {}], {}),
}


def test_reports_make_one_usage() -> None:
    for name, (reports, expected) in USAGES.items():
        assert tallied(*reports) == expected, name


def test_reports_are_not_changed() -> None:
    reports = [report(prompt, 1, prompt_tokens_details={"cached_tokens": prompt}) for prompt in (11, 0)]
    before = copy.deepcopy(reports)
    tallied(*reports, reports[1])
    assert reports == before


_counts = st.integers(1, 50)


@settings(max_examples=100, deadline=None)
@given(_counts, st.lists(_counts, min_size=1, max_size=10), st.booleans(), st.booleans())
def test_the_three_habits_come_to_the_same(prompt: int, pieces: list[int], zeros: bool, trailer: bool) -> None:
    total = sum(pieces)
    increments = [report(prompt, pieces[0]), *(report(0, piece) for piece in pieces[1:])]
    cumulative = [report(prompt, sum(pieces[: at + 1])) for at in range(len(pieces))]
    for habit in (increments, cumulative, []):
        reports = habit + [report(0, 0)] * zeros + [report(prompt, total)] * (trailer or not habit)
        usage = Usage.of(tallied(*reports))
        assert usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (prompt, total, prompt + total)
