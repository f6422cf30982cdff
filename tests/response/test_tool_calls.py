"""Tool calls and usage, put together from their pieces."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cfai._response.tool_calls import ToolCallAccumulator
from cfai._response.usage import UsageAccumulator
from cfai.types import ToolCall, ToolCallDelta, Usage


def calls_of(*events: list[Any]) -> list[ToolCall]:
    """Return the calls of pieces that arrive one event after another."""
    calls = ToolCallAccumulator()
    for pieces in events:
        calls.add(pieces)
    return calls.build_result()


def piece(name: Any = None, arguments: Any = "", index: Any = None, id: Any = None) -> dict[str, Any]:
    """Return a piece of a call as chat completions have it, without an index or an id where there is none."""
    place = {key: value for key, value in (("index", index), ("id", id)) if value is not None}
    return {**place, "type": "function", "function": {"name": name, "arguments": arguments}}


FINAL: dict[str, Any] = {"id": None, "type": None, "function": {"name": None, "arguments": ""}}
RESPONSES_CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": "{}",
    "index": 2,
}
IN_THREE = [
    [part] for name in "fgh" for part in (piece(name, index=0, id=name), piece(None, "{", 0), piece(None, "}", 0))
]

CALLS: dict[str, tuple[list[list[Any]], list[ToolCall]]] = {
    # One call.
    "name, then arguments": (
        [[piece("f", "", 0, "a")], [piece(None, '{"x":', 0)], [piece(None, "1}", 0)]],
        [ToolCall("f", '{"x":1}', "a")],
    ),
    "name and first arguments together": ([[piece("f", "{", 0)], [piece(None, "}", 0)]], [ToolCall("f", "{}")]),
    "arguments before the name": ([[piece(None, "{", 0)], [piece("f", "}", 0, "a")]], [ToolCall("f", "{}", "a")]),
    "all arguments before the name": ([[piece(None, "{}", 0)], [piece("f", "", 0, "a")]], [ToolCall("f", "{}", "a")]),
    "the id comes last": ([[piece("f", "{}", 0)], [piece(None, "", 0, "a")]], [ToolCall("f", "{}", "a")]),
    "the first id stays": ([[piece("f", "{", 0, "a")], [piece(None, "}", 0, "b")]], [ToolCall("f", "{}", "a")]),
    "the marker of the end is no call": ([[FINAL], [{**FINAL, "index": 0}]], []),
    "the marker of the end changes nothing": ([[piece("f", "{}", 0)], [FINAL]], [ToolCall("f", "{}")]),
    "no index is index 0": ([[piece("f", "{")], [piece(None, "}")]], [ToolCall("f", "{}")]),
    "an index of the wrong type is none": (
        [[{**piece("f", "{"), "index": None}], [piece(None, "}", True)], [piece(None, " ", "7")]],
        [ToolCall("f", "{} ")],
    ),
    "the name in every piece": ([[piece("f", "{", 0, "a")], [piece("f", "}", 0, "a")]], [ToolCall("f", "{}", "a")]),
    "the name again under the index of a whole call": (
        [[piece("f", "{}", 0, "a")], [piece("f", " ", 0)], [piece("f", " ", 0, "a")]],
        [ToolCall("f", "{}  ", "a")],
    ),
    "the name again without an index": ([[piece("f", '{"x":"}')], [piece("f", '"}')]], [ToolCall("f", '{"x":"}"}')]),
    "the name in two pieces": (
        [[piece("get_", "", 0, "a")], [piece("weather", "{}", 0)]],
        [ToolCall("get_weather", "{}", "a")],
    ),
    "a new id for every piece": (
        [[piece("f", "", 0, "a")], [piece("f", "{", 0, "b")], [piece("f", "}", 0, "c")]],
        [ToolCall("f", "{}", "a")],
    ),
    "a new id for every piece of a call without index": (
        [[piece("f", "{", id="a")], [piece("f", "}", id="b")]],
        [ToolCall("f", "{}", "a")],
    ),
    "another name and a new id while the first call is not whole": (
        [[piece("f", "{", 0, "a")], [piece("g", "}", 0, "b")]],
        [ToolCall("fg", "{}", "a")],
    ),
    "half a character in each of two pieces": (
        [[piece("f", '"\ud83d', 0)], [piece(None, '\ude00"', 0)]],
        [ToolCall("f", '"😀"')],
    ),
    "half a character alone": ([[piece("f", '"\ud83d"', 0)]], [ToolCall("f", '"\ufffd"')]),
    # Several.
    "calls interleaved by index": (
        [[piece("f", "{", 0), piece("g", "[", 1)], [piece(None, "]", 1)], [piece(None, "}", 0)]],
        [ToolCall("f", "{}"), ToolCall("g", "[]")],
    ),
    "calls come in the order of their index": (
        [[piece("g", "{}", 1)], [piece("f", "{}", 0)]],
        [ToolCall("f", "{}"), ToolCall("g", "{}")],
    ),
    "several without index in one event": (
        [[piece("f", '{"x":1}'), piece("f", '{"x":2}'), piece("g", "{}")]],
        [ToolCall("f", '{"x":1}'), ToolCall("f", '{"x":2}'), ToolCall("g", "{}")],
    ),
    "several without index or arguments in one event": (
        [[piece("f"), piece("g")]],
        [ToolCall("f", ""), ToolCall("g", "")],
    ),
    "several without index in events of their own": (
        [[piece("f", "{}", id="a")], [piece("f", "{}", id="a")], [piece("g", "{}")]],
        [ToolCall("f", "{}", "a"), ToolCall("f", "{}", "a"), ToolCall("g", "{}")],
    ),
    "several without index and without arguments": (
        [[piece("f", id="a")], [piece("f", id="b")], [piece("g", id="c")]],
        [ToolCall("f", "", "a"), ToolCall("f", "", "b"), ToolCall("g", "", "c")],
    ),
    "arguments without index belong to the last call": (
        [[piece("f", "{}"), piece("g", "{")], [piece(None, "}")]],
        [ToolCall("f", "{}"), ToolCall("g", "{}")],
    ),
    "two whole calls under one index": (
        [[piece("f", "{}", 0, "a")], [piece("g", "{}", 0, "b")]],
        [ToolCall("f", "{}", "a"), ToolCall("g", "{}", "b")],
    ),
    "two calls under one index and without arguments": (
        [[piece("f", "", 0, "a")], [piece("g", "", 0, "b")]],
        [ToolCall("f", "", "a"), ToolCall("g", "", "b")],
    ),
    "three calls under one index, in pieces": (IN_THREE, [ToolCall(name, "{}", name) for name in "fgh"]),
    "one id for several calls": (
        [[piece("f", "{}", 0, "a"), piece("f", "[]", 1, "a")]],
        [ToolCall("f", "{}", "a"), ToolCall("f", "[]", "a")],
    ),
    "the name again in the second place of an event": (
        [[piece("f", "{", 0)], [piece("g", "{}", 1), piece("f", "}", 0)]],
        [ToolCall("f", "{}"), ToolCall("g", "{}")],
    ),
    "a call in pieces, then another without index": (
        [[piece("f", '{"x":')], [piece(None, "1}")], [piece("g", '{"y":')], [piece(None, "2}")]],
        [ToolCall("f", '{"x":1}'), ToolCall("g", '{"y":2}')],
    ),
    "a second call without index while the first is not whole": (
        [[piece("f", "{", id="a")], [piece("g", "{}", id="b")]],
        [ToolCall("f", "{", "a"), ToolCall("g", "{}", "b")],
    ),
    # Other forms, and none.
    "the flat form": ([[{"name": "f", "arguments": {"x": [1, "é"]}}]], [ToolCall("f", '{"x":[1,"é"]}')]),
    "the flat form of the Responses API": ([[RESPONSES_CALL]], [ToolCall("f", "{}", "call_1")]),
    "no arguments at all": (
        [[{"name": "f"}], [{"name": "g", "arguments": None, "index": 1}]],
        [ToolCall("f", ""), ToolCall("g", "")],
    ),
    "nothing": ([[]], []),
    "what is no call": ([["f", None, 1, [], {}, {"function": None}, {"function": "f"}]], []),
    "what is no call before a call": ([[None, FINAL, piece("f", "{}")]], [ToolCall("f", "{}")]),
    "names and ids that are no text": ([[piece(5, "{}", 0, 7)], [piece("", "", 0, "")]], [ToolCall("", "{}")]),
}


def test_pieces_make_calls() -> None:
    for name, (events, expected) in CALLS.items():
        assert calls_of(*events) == expected, name
    for id in (None, "a"):  # a name in every piece
        parts = ['["', *["0123456789"] * 2_000, '"]']
        assert calls_of(*([piece("f", part, id=id)] for part in parts)) == [ToolCall("f", "".join(parts), id)]


def test_a_piece_is_given_on_with_the_index_of_its_call_which_lacks_its_arguments_until_they_come() -> None:
    calls = ToolCallAccumulator()
    assert calls.is_missing(1)
    assert calls.add([piece("f", "{}", id="a"), piece("g")]) == (
        ToolCallDelta(0, "f", "{}", "a"),
        ToolCallDelta(1, "g", "", None),
    )
    assert calls.add([FINAL]) == ()
    assert calls.is_missing(1)
    assert calls.add([piece(None, "{}")]) == (ToolCallDelta(1, None, "{}", None),)
    assert [calls.is_missing(index) for index in (0, 1, 2)] == [False, False, True]


def test_half_a_character_waits_for_its_other_half() -> None:
    calls = ToolCallAccumulator()
    assert [delta.arguments for delta in calls.add([piece("f", "a\ud83d", 0)])] == ["a"]
    assert calls.build_result() == [ToolCall("f", "a\ufffd")]
    assert [delta.arguments for delta in calls.add([piece(None, "\ude00b", 0)])] == ["😀b"]
    assert calls.build_result() == [ToolCall("f", "a😀b")]


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(["f", "g"]), st.lists(st.text(max_size=3), max_size=4)), max_size=4),
    st.randoms(use_true_random=False),
)
def test_calls_by_index_come_together_in_any_interleaving(said: list[tuple[str, list[str]]], chance: Any) -> None:
    queues = [
        [piece(name, index=at), *(piece(None, part, at) for part in parts)] for at, (name, parts) in enumerate(said)
    ]
    calls = ToolCallAccumulator()
    while queue := [queue for queue in queues if queue]:
        calls.add([chance.choice(queue).pop(0)])
    assert calls.build_result() == [ToolCall(name, "".join(parts)) for name, parts in said]


def report(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}


def total_of(*reports: Any) -> dict[str, Any]:
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
        before = copy.deepcopy(reports)
        assert total_of(*reports) == expected, name
        assert reports == before, name
    neurons, counts = {"neurons": 5, "total_tokens": 0}, report(2, 1)
    for reports in (
        [neurons, counts],
        [counts, neurons],
        [{**counts, "neurons": 5}],
        [neurons, {**counts, "neurons": 5}],
    ):
        usage = Usage.of(total_of(*reports))
        assert usage is not None
        assert (usage.neurons, usage.total_tokens) == (5, 3), reports


_counts = st.integers(1, 50)


@settings(max_examples=100)
@given(_counts, st.lists(_counts, min_size=1, max_size=10), st.booleans(), st.booleans())
def test_the_three_habits_come_to_the_same(prompt: int, pieces: list[int], zeros: bool, trailer: bool) -> None:
    total = sum(pieces)
    increments = [report(prompt, pieces[0]), *(report(0, piece) for piece in pieces[1:])]
    cumulative = [report(prompt, sum(pieces[: at + 1])) for at in range(len(pieces))]
    for habit in (increments, cumulative, []):
        reports = habit + [report(0, 0)] * zeros + [report(prompt, total)] * (trailer or not habit)
        usage = Usage.of(total_of(*reports))
        assert usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (prompt, total, prompt + total)
