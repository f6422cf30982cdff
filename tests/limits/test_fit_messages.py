"""Conversations that are too long, and what is left of them."""

from __future__ import annotations

import base64
import copy
import struct
from bisect import bisect_right
from contextlib import suppress
from itertools import product
from math import ceil
from typing import Any

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from cfai import tokens
from cfai._errors import ConfigurationError, ContextLengthError, InputError
from cfai._limits import FittedMessages, fit_messages
from cfai.tokens import CountingStrategy, Family
from tests.conftest import row
from tests.texts import FAMILIES, LOWEST, TEXTS, ByWords, words

LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # 24000 together, 256 by default
INT8 = "@cf/meta/llama-2-7b-chat-int8"  # 2048 in, 1800 out
MISTRAL = "@hf/mistral/mistral-7b-instruct-v0.2"  # 3072 in, 4096 together
EMBEDDINGS = "@cf/baai/bge-m3"

IMAGE = (
    "data:image/png;base64,"
    + base64.b64encode(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + bytes(900)).decode()
)
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


def system(text: str = "Be brief.") -> dict[str, Any]:
    return {"role": "system", "content": text}


def user(content: Any = "Hello") -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(text: Any = "Hi") -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def calls(*ids: str | None) -> dict[str, Any]:
    function = {"name": "weather", "arguments": '{"city": "New York"}'}
    made = [{"type": "function", "function": function} | ({"id": each} if each else {}) for each in ids]
    return {"role": "assistant", "content": None, "tool_calls": made}


def result(call: str | None, text: str = "18 degrees") -> dict[str, Any]:
    return {"role": "tool", "content": text} | ({"tool_call_id": call} if call else {})


def item_call(call: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call, "name": "weather", "arguments": "{}"}


def item_result(call: str, text: str = "18 degrees") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call, "output": text}


def most_likely(messages: list[Any], tools: Any, measure: CountingStrategy) -> int:
    """Return what a prompt takes at most, as the documentation has it."""
    inputs = {"messages": messages, "tools": tools}
    about = tokens.measure_prompt(inputs, measure)
    count = tokens.to_token_count(about, measure)
    sure = 1 if measure.counter else LOWEST[str(inputs).isascii()]
    return min(count.upper, max(count.lower, ceil(about.text_estimate / sure) + 3000 * about.images + 32))


def measured(family: str) -> CountingStrategy:
    return CountingStrategy(Family(family, certain=True))


def answers_have_their_calls(messages: list[Any]) -> bool:
    made: set[str] = set()
    for message in messages:
        made |= {call["id"] for call in message.get("tool_calls") or ()}
        made |= {message["call_id"]} if message.get("type") == "function_call" else set()
        answered = message.get("tool_call_id") or (message.get("call_id") if "output" in message else None)
        if answered and answered not in made:
            return False
    return True


def without_system(messages: list[Any]) -> list[Any]:
    head = next((place for place, each in enumerate(messages) if each.get("role") != "system"), len(messages))
    return messages[head:]


def fitted(messages: list[Any], **options: Any) -> FittedMessages | ContextLengthError:
    """Return what `fit_messages` returns or raises. Either way the messages stay as they were."""
    before = copy.deepcopy(messages)
    try:
        return fit_messages(messages, **options)
    except ContextLengthError as error:
        return error
    finally:
        assert messages == before


# Conversations

FEW = st.sampled_from([*TEXTS.values(), "Hi", ""]).flatmap(lambda text: st.integers(1, 9).map(text.__mul__))
IMAGES = st.just([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": IMAGE}}])
PERCENT = st.integers(20, 105)
"""The limit, in per cent of what a conversation needs. Limits drawn by themselves refuse nearly every conversation."""


@st.composite
def conversations(draw: st.DrawFn) -> list[Any]:
    messages: list[Any] = [system(draw(FEW)) for _ in range(draw(st.integers(0, 2)))]
    messages += [assistant(draw(FEW)) for _ in range(draw(st.integers(0, 1)))]
    for turn in range(draw(st.integers(1, 12))):
        messages.append(user(draw(FEW | IMAGES)))
        late: list[Any] = []
        for step in range(draw(st.integers(0, 3))):
            ids = [f"{turn}-{step}-{each}" for each in range(draw(st.integers(1, 3)))]
            if draw(st.booleans()):
                messages.append(calls(*ids))
                answers = [result(each, draw(FEW)) for each in ids]
            else:
                messages += map(item_call, ids)
                answers = [item_result(each, draw(FEW)) for each in ids]
            # Some users do not wait for the tools.
            (late if draw(st.integers(0, 4)) == 0 else messages).extend(answers)
        if late:
            messages += [user(draw(FEW)), *late]
        messages += [assistant(draw(FEW)) for _ in range(draw(st.integers(0, 1)))]
    return messages


@settings(max_examples=150)
@given(conversations(), st.sampled_from(FAMILIES), PERCENT, st.integers(0, 200), st.data())
def test_what_is_left_fits_and_is_whole(
    messages: list[Any], family: str, percent: int, max_tokens: int, data: st.DataObject
) -> None:
    keep_last, keep_system = data.draw(st.integers(1, 3)), data.draw(st.booleans())
    tools = data.draw(st.sampled_from([(), TOOLS]))
    limit = max_tokens + most_likely(messages, tools, measured(family)) * percent // 100
    fit = fitted(
        messages,
        family=family,
        limit=limit,
        max_tokens=max_tokens,
        tools=tools,
        keep_last=keep_last,
        keep_system=keep_system,
    )
    if isinstance(fit, ContextLengthError):
        assert fit.limit == limit
        return
    assert most_likely(fit.messages, tools, measured(family)) + max_tokens <= limit
    size = tokens.measure_prompt({"messages": fit.messages, "tools": tools}, measured(family))
    assert fit.count == tokens.to_token_count(size, measured(family))
    assert answers_have_their_calls(fit.messages)
    head = [*messages[: len(messages) - len(without_system(messages))]] if keep_system else []
    assert fit.messages[: len(head)] == head
    assert [*head, *fit.dropped, *fit.messages[len(head) :]] == messages
    if fit.dropped:
        assert fit.messages[len(head)]["role"] == "user"
    assert all(any(each is message for message in messages) for each in fit.messages)


@settings(max_examples=100)
@given(conversations(), st.sampled_from(FAMILIES), PERCENT)
def test_no_more_is_dropped_than_must_be(messages: list[Any], family: str, percent: int) -> None:
    limit = most_likely(messages, (), measured(family)) * percent // 100
    fit = fitted(messages, family=family, limit=limit, max_tokens=0)
    if isinstance(fit, ContextLengthError):
        assert fit.limit == limit
    elif not fit.dropped:
        assert fit.messages == messages
    else:
        # The last turn that went, with what follows from a user message on that it has.
        head = len(messages) - len(without_system(messages))
        starts = [place for place in range(len(fit.dropped)) if place == 0 or fit.dropped[place].get("role") == "user"]
        rests = (messages[head + start :] for start in reversed(starts))
        more = next(messages[:head] + rest for rest in rests if answers_have_their_calls(rest))
        assert most_likely(more, (), measured(family)) > limit


@settings(max_examples=100)
@given(conversations(), st.sampled_from(FAMILIES), st.integers(300, 1500))
def test_the_last_user_message_is_cut_if_that_is_wanted(messages: list[Any], family: str, limit: int) -> None:
    messages = [*messages, user(TEXTS["emoji"] + TEXTS["English"] * 200)]
    fit = fitted(messages, family=family, limit=limit, max_tokens=0, truncate_last=True)
    if isinstance(fit, ContextLengthError):
        assert "truncate_last" not in str(fit)
        return
    assert most_likely(fit.messages, (), measured(family)) <= limit
    last = fit.messages[-1]["content"]
    assert messages[-1]["content"].startswith(last)
    assert len(last) < len(messages[-1]["content"])


def long_conversation() -> list[Any]:
    """200 turns with tools and images, in many scripts."""
    messages = [system("You are a helpful assistant. " * 5)]
    texts = [*TEXTS.values()]
    for turn in range(200):
        text = f"{turn}: " + texts[turn % len(texts)] * 3
        image = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": IMAGE}}]
        messages.append(user(image if turn % 10 == 3 else text))
        if turn % 3 == 1:
            messages += [calls(f"{turn}a", f"{turn}b"), result(f"{turn}b", f"{turn} {text}"), result(f"{turn}a", text)]
        if turn % 5 == 2:
            messages += [item_call(f"{turn}c"), item_result(f"{turn}c", f"{turn} {text}")]
        messages.append(assistant(f"answer {turn}: " + texts[turn % 7] * 2))
    return [*messages, user("And now?")]


def test_a_long_conversation_keeps_its_end() -> None:
    for family, limit in product(FAMILIES, [2000, 8000, 24000]):
        messages = long_conversation()
        fit = fit_messages(messages, family=family, limit=limit, max_tokens=500, tools=TOOLS)
        with row((family, limit)):
            assert most_likely(fit.messages, TOOLS, measured(family)) + 500 <= limit
            last = max(place for place, message in enumerate(fit.dropped) if message.get("role") == "user")
            more = [messages[0], *fit.dropped[last:], *fit.messages[1:]]
            assert most_likely(more, TOOLS, measured(family)) + 500 > limit
            assert [messages[0], *fit.dropped, *fit.messages[1:]] == messages
            assert answers_have_their_calls(fit.messages)
            assert (fit.messages[1]["role"], fit.certain) == ("user", False)


def test_a_counter_counts_no_text_twice() -> None:
    for counter in (ByWords(), ByWords()):  # the first may come upon a full cache, which is emptied then
        fit = fit_messages(long_conversation(), family="llama3", limit=5000, counter=counter)
        assert fit.dropped
    assert max(counter.seen.values()) == 1


def test_a_conversation_that_fits_stays_as_it_is() -> None:
    messages = [assistant("Welcome!"), user(), assistant(), user()]
    fit = fit_messages(messages, model=LLAMA_3_3)
    assert (fit.messages, fit.dropped, fit.certain) == (messages, [], True)
    assert fit.messages is not messages
    fit = fit_messages([user([{"type": "image_url", "image_url": {"url": IMAGE}}])], family="gemma3", limit=100_000)
    assert (fit.count.images, fit.certain) == (1, False), "images make it uncertain"
    assert fit.count.upper < 100_000


def kept(messages: list[Any], **options: Any) -> str:
    """Return which messages are left if as many are dropped as may be, by their places."""
    least: list[Any] = []
    with suppress(ContextLengthError):
        for limit in range(400, 20, -1):
            fit = fit_messages(messages, family="deepseek_v3", limit=limit, max_tokens=0, counter=ByWords(), **options)
            least = fit.messages
    assert least
    return "".join(str(place) for place, each in enumerate(messages) if any(each is message for message in least))


CUSTOM_CALL = {"type": "custom_tool_call", "call_id": "a"}
TURNS: dict[str, tuple[list[Any], str]] = {
    "one turn": ([user(), assistant()], "01"),
    "turns": ([user(), assistant(), user(), assistant(), user()], "4"),
    "system messages": ([system(), system(), user(), assistant(), user()], "014"),
    "a developer message": ([{"role": "developer", "content": "Be brief."}, user(), user()], "02"),
    "a system message later on": ([system(), user(), system(), assistant(), user()], "04"),
    "an assistant that begins": ([system(), assistant(), user()], "02"),
    "an answer to come": ([user(), assistant(), user(), assistant()], "23"),
    "a tool call": ([user(), user(), calls("a"), result("a"), assistant()], "1234"),
    "a tool call before": ([user(), calls("a"), result("a"), assistant(), user()], "4"),
    "a user who did not wait": ([user(), user(), calls("a"), user(), result("a")], "1234"),
    "a user who did not wait for all": ([user(), calls("a", "b"), result("b"), user(), result("a"), user()], "5"),
    "results after turns": ([user(), user(), calls("a", "b"), user(), result("a"), user(), result("b")], "123456"),
    "ids that are used again": ([user(), calls("a"), result("a"), user(), calls("a"), result("a")], "345"),
    "a call that begins": ([calls("a"), result("a"), user(), user()], "3"),
    "a call that begins, and a user who did not wait": ([calls("a"), user(), result("a"), user()], "3"),
    "a result that begins": ([result("a"), user(), user()], "2"),
    "a result that does not say of what": ([user(), user(), calls("a"), user(), result(None)], "1234"),
    "no ids": ([user(), user(), calls(None), user(), result(None)], "1234"),
    "an old function call": (
        [user(), user(), {**assistant(""), "function_call": {"name": "f"}}, user(), {**user(), "role": "function"}],
        "1234",
    ),
    "a result without a call": ([user(), result("a"), user(), result("b")], "23"),
    "items of the Responses API": ([user(), user(), item_call("a"), user(), item_result("a")], "1234"),
    "several items": ([user(), item_call("a"), item_call("b"), user(), item_result("a"), user()], "5"),
    "calls of other kinds": ([user(), CUSTOM_CALL, user(), {**CUSTOM_CALL, "type": "custom_tool_call_output"}], "0123"),
}  # fmt: skip


def test_turns_are_dropped_whole() -> None:
    for name, (messages, left) in TURNS.items():
        assert kept(messages) == left, name
    talk = [system(), user(), assistant(), user(), user()]
    for keep_last, left in ((1, "04"), (2, "034"), (3, "01234"), (9, "01234")):
        assert kept(talk, keep_last=keep_last) == left, keep_last
    messages = [system(words(100)), user(), assistant(), user()]
    assert kept(messages, keep_system=False) == "3"
    assert fit_messages(messages, family="llama3", limit=60, keep_system=False).dropped == messages[:1]
    # An assistant that began goes with the system message.
    assert kept([system(), assistant(), user(), user()], keep_system=False, keep_last=2) == "23"


def test_an_estimate_has_a_margin_and_an_exact_count_has_none() -> None:
    text = TEXTS["English"] * 100
    for options, family, lowest in (
        ({"family": "llama3"}, "llama3", 0.87),
        ({"model": "@cf/some/model"}, "default", 0.54),
    ):
        about = tokens.measure_prompt({"messages": [user(text)]}, measured(family)).text_estimate
        limit = ceil(about / lowest) + 32
        assert not fit_messages([user(text)], limit=limit, max_tokens=0, **options).certain, family
        with pytest.raises(ContextLengthError, match="upper bound"):
            fit_messages([user(text)], limit=limit - 1, max_tokens=0, **options)
    counted: dict[str, Any] = {"family": "deepseek_v3", "max_tokens": 0, "counter": ByWords()}
    assert fit_messages([user(words(500))], limit=536, **counted).count.method == "custom"
    with pytest.raises(ContextLengthError):
        fit_messages([user(words(500))], limit=535, **counted)


# Limits


def test_the_catalogue_gives_the_limit() -> None:
    for model, max_tokens, room in (
        *((LLAMA_3_3, *each) for each in ((None, 24_000 - 256), (23_000, 1000), (0, 24_000))),
        *((MISTRAL, *each) for each in ((None, 3072), (512, 3072), (3596, 500))),
        (INT8, 1800, 2048),
    ):
        with pytest.raises(ContextLengthError, match=f"at most {room:,} tokens for {model}"):
            fit_messages([user(words(30_000))], model=model, max_tokens=max_tokens)
        if model != LLAMA_3_3:  # What fills the window fits, and no more.
            strategy = tokens.get_strategy(model)
            size = bisect_right(range(3 * room), room, key=lambda size: most_likely([user(words(size))], (), strategy))
            messages = [user("first"), user(words(size - 1))]
            assert fit_messages(messages, model=model, max_tokens=max_tokens).messages == messages[1:], model
            with pytest.raises(ContextLengthError, match=model):
                fit_messages([user(words(size))], model=model, max_tokens=max_tokens)


def test_an_error_says_what_must_be_and_what_came_and_what_to_do() -> None:
    with pytest.raises(ContextLengthError) as caught:
        fit_messages([system(), user("Hi"), user("a1" * 3000)], model=INT8)
    error = caught.value
    assert (error.model, error.field, error.limit, error.certain) == (INT8, "messages", 2048, True)
    with pytest.raises(ContextLengthError) as caught:
        fit_messages([user("word " * 200_000)], model="@cf/cloudflare/clef")
    assert not caught.value.certain  # its tokenizer is not known
    assert error.value == error.input_tokens == error.total_tokens
    assert error.value > 6000
    assert error.max_tokens is None
    for part in (
        f"`messages` must be at most 2,048 tokens for {INT8}, which the limit of 2,048",
        error.limit_source,
        "got 6,0",
        "(lower bound 6,00",
        "without the turns that may be dropped. Shorten the last messages,",
        "keep_last",
        "truncate_last=True",
    ):
        assert part in str(error), part


def test_a_limit_that_is_given_is_for_prompt_and_answer() -> None:
    for options, held in [
        ({"family": "llama3"}, 1),
        ({"family": "llama3", "max_tokens": 40}, 40),
        ({"model": LLAMA_3_3}, 256),
        ({"model": INT8}, 1),
        ({"model": INT8, "max_tokens": 40}, 40),
        ({"model": "@cf/some/model"}, 1),
    ]:
        with pytest.raises(ContextLengthError) as caught:
            fit_messages([user(words(2000))], limit=1000, **options)
        assert caught.value.output_tokens == held, (options, held)
        assert caught.value.limit_source == "given as limit=", (options, held)


def test_too_large_a_reserve_is_told_from_too_large_a_prompt() -> None:
    messages = [user(words(100))]
    with pytest.raises(ContextLengthError, match="Set max_tokens to") as caught:
        fit_messages(messages, model=LLAMA_3_3, max_tokens=24000)
    most = caught.value.max_tokens
    assert most is not None
    assert fit_messages(messages, model=LLAMA_3_3, max_tokens=most).dropped == []
    with pytest.raises(ContextLengthError):
        fit_messages(messages, model=LLAMA_3_3, max_tokens=most + 1)


# The last message


def cut(content: Any, limit: int = 60) -> Any:
    options: dict[str, Any] = {"family": "deepseek_v3", "limit": limit, "max_tokens": 0, "counter": ByWords()}
    fit = fit_messages([system(), user("first"), user(content), assistant("well")], truncate_last=True, **options)
    assert [message["role"] for message in fit.messages] == ["system", "user", "assistant"]
    assert fit.dropped == [user("first")]
    assert fit.messages[-1] == assistant("well")
    return fit.messages[1]["content"]


def test_a_text_is_cut_at_its_end_and_of_parts_the_last() -> None:
    text = " ".join(map(str, range(100)))
    left = cut(text)
    assert 10 < len(left.split()) < 30
    assert text.startswith(left + " ")
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    for kind in ({"type": "text"}, {"type": "input_text"}, {}):
        long, file = {**kind, "text": words(100)}, {"type": "file", "text": "five"}
        parts = [{**kind, "text": "one "}, image, "two ", long, {**kind, "text": "four"}, file]
        *before, shorter, last = cut(parts, limit=6070)
        assert [*before, last] == [*parts[:3], file], kind
        assert set(shorter) == set(long), kind
        assert long["text"].startswith(shorter["text"]), kind
        assert 0 < len(shorter["text"].split()) < 100, kind


def test_a_text_may_go_as_a_whole() -> None:
    least = most_likely([user("")], (), CountingStrategy(Family("deepseek_v3", True), ByWords()))
    options: dict[str, Any] = {"family": "deepseek_v3", "max_tokens": 0, "counter": ByWords(), "truncate_last": True}
    for content in (words(100), [{"type": "text", "text": words(100)}]):
        assert fit_messages([user(content)], limit=least, **options).messages == [user("")], content
        with pytest.raises(ContextLengthError, match="Shorten the last messages") as caught:
            fit_messages([user(content)], limit=least - 1, **options)
        assert "truncate_last" not in str(caught.value)
    # Without a user message there is nothing to cut.
    with pytest.raises(ContextLengthError, match=r"^`messages` must be at most 49 tokens, which the limit of 50 \("):
        fit_messages([system(words(100))], family="llama3", limit=50, truncate_last=True)


# Arguments


def test_arguments_are_checked() -> None:
    for options, message in (
        ({}, "fit_messages needs either `model` or `family`"),
        ({"model": LLAMA_3_3, "family": "llama3"}, "fit_messages needs either `model` or `family`"),
        ({"model": 5}, "`model` must be a string such as '@cf/zai-org/glm-4.7-flash', got 5"),
        ({"family": "llama9"}, "`family` must be one of llama2, "),
        ({"family": "llama3"}, "`limit` must be given in tokens: no limit is known for a family"),
        ({"model": "@cf/some/model"}, "no limit is known for @cf/some/model"),
        ({"model": EMBEDDINGS}, f"no limit is known for {EMBEDDINGS}"),
        ({"family": "llama3", "limit": 0}, "`limit` must be a number of tokens, 1 or more, got 0"),
        ({"model": LLAMA_3_3, "max_tokens": -1}, "`max_tokens` must be a number of tokens, 0 or more, got -1"),
        ({"model": LLAMA_3_3, "max_tokens": "max"}, "`max_tokens` must be a number of tokens, 0 or more, got 'max'"),
        ({"model": LLAMA_3_3, "keep_last": 0}, "`keep_last` must be a number of turns, 1 or more, got 0"),
        ({"model": LLAMA_3_3, "keep_last": None}, "`keep_last` must be a number of turns, 1 or more, got None"),
        ({"model": LLAMA_3_3, "counter": 5}, "`counter` must have a method count_text(text), got int"),
    ):
        with row(options), pytest.raises(ConfigurationError, match=regex.escape(message)):
            fit_messages([user()], **options)
    for messages, message in (
        ("Hello", "`messages` must be a list of dicts, got str"),
        (user(), "`messages` must be a list of dicts, got dict"),
        ([user(), "Hello"], "messages[1] must be a dict or a pydantic model, got str"),
        ([{"role": "user", "content": b"Hello"}], "messages[0]['content']: bytes cannot be sent"),
    ):
        with row(messages), pytest.raises(InputError, match=regex.escape(message)):
            fit_messages(messages, model=LLAMA_3_3)


class Message(BaseModel):
    role: str
    content: str


def test_pydantic_models_come_back_as_dicts() -> None:
    fit = fit_messages([Message(role="user", content="Hello")], model=LLAMA_3_3, tools=(tool for tool in TOOLS))
    assert fit == fit_messages([user("Hello")], model=LLAMA_3_3, tools=TOOLS)
    assert fit.messages == [user("Hello")]
