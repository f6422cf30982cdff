"""What of the inputs is counted, in each of their forms, and how often."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from threading import Barrier, BrokenBarrierError
from typing import Any, cast

import pytest
from pydantic import BaseModel

from cfai import Ai, ConfigurationError, InputError, TokenCount, count_tokens, fit_messages, tokens, truncate
from cfai.tokens import CountingStrategy, Family, _estimate, _measure, count, measure_prompt, most_bytes
from cfai.tokens._features import features

LLAMA = CountingStrategy(Family("llama3", certain=True))
TEXT = "The quick brown fox jumps over the lazy dog."
WORDS = round(tokens.cost(TEXT, "llama3"))
TOOL = {"type": "function", "function": {"name": "weather", "description": TEXT, "parameters": {"type": "object"}}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> _measure._Memory:
    """An empty one."""
    fresh = _measure._Memory(_measure._MOST_KEPT)
    monkeypatch.setattr(_measure, "_kept", fresh)
    return fresh


# Forms

FORMS: dict[str, tuple[dict[str, Any], float]] = {
    "prompt": ({"prompt": TEXT}, 10),
    "raw prompt": ({"prompt": TEXT, "raw": True}, 0),
    "messages": ({"messages": [user(TEXT)]}, 10),
    "parts": ({"messages": [user([{"type": "text", "text": TEXT}])]}, 10),
    "parts of the Responses API": ({"input": [user([{"type": "input_text", "text": TEXT}])]}, 10),
    "input": ({"input": TEXT}, 10),
    "system": ({"messages": [{"role": "system", "content": TEXT}]}, 15),
    "system and user": ({"messages": [{"role": "system", "content": ""}, user(TEXT)]}, 20),
    "instructions": ({"instructions": TEXT, "input": ""}, 20),
    "answer": ({"messages": [user(""), {"role": "assistant", "content": TEXT}]}, 15),
    "result of a tool": ({"messages": [user(""), {"role": "tool", "content": TEXT}]}, 20),
    "output of a call": ({"input": [user(""), {"type": "function_call_output", "output": TEXT}]}, 20),
    "call": (
        {"messages": [user(""), {"role": "assistant", "tool_calls": [{"function": {"name": "", "arguments": TEXT}}]}]},
        25,
    ),
    "call of the older form": (
        {"messages": [user(""), {"role": "assistant", "function_call": {"name": "", "arguments": TEXT}}]},
        25,
    ),
    "call of the Responses API": ({"input": [user(""), {"type": "function_call", "name": "", "arguments": TEXT}]}, 25),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_text_counts_in_every_form(form: str) -> None:
    inputs, around = FORMS[form]
    found = measure_prompt(inputs, LLAMA)
    assert found.likely == pytest.approx(tokens.cost(TEXT, "llama3") + around, abs=0.5)
    assert (found.images, found.sure) == (0, LLAMA.sure(True))
    assert most_bytes(inputs) >= found.most >= len(TEXT) + around
    whole = count(inputs, LLAMA)
    assert whole.lower <= WORDS <= whole.estimate <= whole.upper


@pytest.mark.parametrize("key", ["tools", "functions"])
def test_tools_count_as_their_json(key: str) -> None:
    bare = measure_prompt({"prompt": TEXT}, LLAMA).likely
    one, two = (measure_prompt({"prompt": TEXT, key: [TOOL] * times}, LLAMA).likely for times in (1, 2))
    assert one - bare > 56 + tokens.cost(TEXT, "llama3")
    assert two - one == pytest.approx(one - bare - 56)


def test_arguments_that_are_objects_count_as_json() -> None:
    call = {"function": {"name": "weather", "arguments": {"city": "Paris"}}}
    given = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    text = {**call, "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    as_text = {"messages": [{"role": "assistant", "tool_calls": [text]}]}
    assert measure_prompt(given, LLAMA).likely == measure_prompt(as_text, LLAMA).likely


def test_other_scripts_are_told() -> None:
    assert measure_prompt({"prompt": "naïve"}, LLAMA).sure < measure_prompt({"prompt": "naive"}, LLAMA).sure


@pytest.mark.parametrize("odd", [None, 5, "text", [None], [5], {"a": 1}, [{"role": 5}], [{"content": 7}], [[]]])
@pytest.mark.parametrize("field", ["messages", "input", "prompt", "instructions", "tools", "image", "tool_calls"])
def test_odd_inputs_break_nothing(field: str, odd: Any) -> None:
    inputs = {field: odd}
    found = measure_prompt(inputs, LLAMA)
    assert found.least <= found.most
    assert found.likely >= 0
    assert most_bytes(inputs) >= 0


# Images


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(90)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(90)


def jpeg(width: int, height: int) -> bytes:
    head = b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + bytes(14)
    return head + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + bytes(90)


def webp(width: int, height: int) -> bytes:
    return b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + struct.pack("<HH", width, height) + bytes(90)


def webp_lossless(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    return b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", bits) + bytes(90)


def webp_extended(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + sizes + bytes(90)


def linked(data: bytes) -> str:
    return "data:image/x;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize("make", [png, gif, jpeg, webp, webp_lossless, webp_extended])
@pytest.mark.parametrize(
    ("family", "expected"),
    [("qwen2", 980), ("qwen3_5", 750), ("tekken", 36 * 28), ("llama4", 150 * (1 + 3 * 3)), ("kimi_k2", 980)],
)
def test_an_image_counts_by_its_size(make: Any, family: str, expected: int) -> None:
    image = {"type": "image_url", "image_url": {"url": linked(make(1000, 768))}}
    found = measure_prompt({"messages": [user([image])]}, CountingStrategy(Family(family, certain=True)))
    assert found.images == 1
    assert found.image_tokens == expected


@pytest.mark.parametrize(("family", "expected"), [("llama2", 576), ("llama3", 1), ("gemma3", 256), ("glm4", 1000)])
def test_some_models_take_all_images_for_the_same(family: str, expected: int) -> None:
    image = {"type": "image_url", "image_url": {"url": linked(png(1000, 768))}}
    assert (
        measure_prompt({"messages": [user([image])]}, CountingStrategy(Family(family, certain=True))).image_tokens
        == expected
    )


@pytest.mark.parametrize(
    "image",
    [
        {"type": "image_url", "image_url": "data:image/png;base64," + base64.b64encode(png(1000, 768)).decode()},
        {"type": "input_image", "image_url": linked(png(1000, 768))},
        {"type": "image", "image": base64.b64encode(png(1000, 768)).decode()},
        {"type": "image", "source": {"data": base64.b64encode(png(1000, 768)).decode()}},
    ],
)
def test_an_image_is_found_where_it_may_be(image: Any) -> None:
    found = measure_prompt({"messages": [user([image])]}, CountingStrategy(Family("qwen2", certain=True)))
    assert (found.images, found.image_tokens) == (1, 980)


def test_an_image_beside_the_prompt_is_one_as_well() -> None:
    for image in (list(png(1000, 768)), linked(png(1000, 768))):
        found = measure_prompt({"prompt": TEXT, "image": image}, CountingStrategy(Family("qwen2", certain=True)))
        assert (found.images, found.image_tokens) == (1, 980)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/a.png", "data:image/png;base64,####", "data:,", "", linked(b"BM"), linked(png(9, 9)[:20])],
)
def test_an_image_of_unknown_size_is_a_guess(url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url}}
    assert (
        measure_prompt({"messages": [user([image])]}, CountingStrategy(Family("qwen2", certain=True))).image_tokens
        == 1000
    )


@pytest.mark.parametrize(
    "image",
    [
        ["a", "b"],
        [-1, 300],
        [],
        5,
        "données en français",
        list(b"RIFF\0\0\0\0WEBPVP9 " + bytes(40)),
        list(b"\xff\xd8\xff\xe0\0\x10" + bytes(14)),
        list(b"\xff\xd8"),
    ],
)
def test_what_is_no_image_is_a_guess_as_well(image: Any) -> None:
    found = measure_prompt({"prompt": TEXT, "image": image}, CountingStrategy(Family("qwen2", certain=True)))
    assert (found.images, found.image_tokens) == (1, 1000)


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "video_url", "file", "input_file", "input_image"])
def test_media_are_no_text(kind: str) -> None:
    part = {"type": kind, kind: {"data": "A" * 100_000}}
    inputs = {"messages": [user([part])]}
    found = measure_prompt(inputs, LLAMA)
    media, characters = found.media, found.inline
    assert media == 1
    assert 100_000 <= characters < 100_050
    assert measure_prompt(inputs, LLAMA).most < 4000
    # The gateway may take it for text, so it is looked at.
    assert most_bytes(inputs) > 25_000


# Sums


def test_counts_add_up() -> None:
    one, other = count_tokens("one two three", family="llama3"), count_tokens("four five", family="llama3")
    both = one + other
    assert both == TokenCount(one.lower + other.lower - 1, 5, one.upper + other.upper, "llama3", True)
    assert both.lower <= count_tokens("one two three four five", family="llama3").estimate


def test_counts_of_different_families_are_of_none() -> None:
    both = count_tokens("one", family="llama3") + count_tokens("two", family="qwen2")
    assert (both.family, both.certain) == ("default", False)


# How often


class Letters:
    """Counts letters, and how often it is asked. Not hashable, and false."""

    def __eq__(self, other: object) -> bool:
        return self is other  # and so it has no hash

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __bool__(self) -> bool:
        return False

    def count_text(self, text: str, /) -> int:
        self.asked.append(text)
        return len(text)


def test_a_long_chat_pays_for_its_new_message(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def spied(text: str, family: str) -> float:
        asked.append(text)
        return tokens.cost(text, family)

    monkeypatch.setattr(_measure, "cost", spied)
    messages = [user(f"message {number} {TEXT}") for number in range(100)]
    before = count({"messages": messages}, LLAMA)
    assert len(asked) == 100
    again = count({"messages": [*messages, user("new")]}, LLAMA)
    assert asked[100:] == ["new"]
    assert again.estimate > before.estimate


def test_a_counter_is_asked_once_for_a_text() -> None:
    letters = Letters()
    for _ in range(3):
        assert count_tokens(TEXT, model="@cf/some/model", counter=letters).estimate == len(TEXT)
        assert count_tokens([user(TEXT)], model="@cf/some/model", counter=letters).lower == len(TEXT) - 1
    assert letters.asked.count(TEXT) == 1
    assert len(letters.asked) == len(set(letters.asked))


def kept_of(counter: tokens.TokenCounter, memory: _measure._Memory) -> list[Any]:
    """The texts of which it is kept what `counter` counted."""
    return [text for text, kept in memory._found.items() if any(key[1] == _measure._Same(counter) for key in kept)]


def test_what_a_counter_counted_is_forgotten_with_it(memory: _measure._Memory) -> None:
    letters = Letters()
    tokens.use(letters, "@cf/some/model")
    tokens.use(letters, "@cf/other/model")
    assert count_tokens(TEXT, model="@cf/some/model").exact
    assert tokens.forget("@cf/some/model") is None  # another model is counted by it
    assert not count_tokens(TEXT, model="@cf/some/model").exact
    assert kept_of(letters, memory) == [TEXT]
    assert tokens.forget("@cf/other/model") is letters
    assert kept_of(letters, memory) == []
    assert memory._size == sum(map(_measure._length, memory._found))
    assert tokens.forget("@cf/other/model") is None


def test_two_counters_are_not_mixed_up() -> None:
    class Twice(Letters):
        def count_text(self, text: str, /) -> int:
            return 2 * len(text)

    assert count_tokens("abc", family="llama3", counter=Letters()).estimate == 3
    assert count_tokens("abc", family="llama3", counter=Twice()).estimate == 6


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = _measure._Memory(10_000)
    monkeypatch.setattr(_measure, "_kept", memory)
    for number in range(500):
        assert LLAMA.most(f"text {number} " + "x" * (number % 90)) > 0
        assert memory._size <= 10_000
    before = [*memory._found]
    assert LLAMA.most("y" * 50_000) == 50_000
    assert [*memory._found] == before  # one text does not drive out all others
    assert len(before) > 5
    assert memory._size == sum(map(_measure._length, memory._found))
    assert memory._size <= 10_000


class Meeting(dict[Any, Any]):
    """A dictionary in whose changes two threads meet, unless something keeps them apart."""

    def __init__(self, *items: Any) -> None:
        super().__init__(*items)
        self._barrier = Barrier(2)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._meet()
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self._meet()
        super().__delitem__(key)

    def _meet(self) -> None:
        with suppress(BrokenBarrierError):
            self._barrier.wait(0.2)


def both(*works: Callable[[], object]) -> None:
    """Does two things at once; raises what either raised."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()


def test_threads_that_count_the_same_keep_it_once(memory: _measure._Memory) -> None:
    memory._found = Meeting()
    both(lambda: LLAMA.most(TEXT), lambda: LLAMA.most(TEXT))
    assert list(memory._found) == [TEXT]
    assert memory._size == _measure._length(TEXT)


def test_what_one_thread_forgets_another_need_not(memory: _measure._Memory) -> None:
    letters = Letters()
    assert CountingStrategy(LLAMA.family, letters).most(TEXT) == len(TEXT)
    memory._found = Meeting(memory._found)
    both(*[lambda: memory.drop(_measure._Same(letters))] * 2)
    assert memory._found == {}
    assert memory._size == 0


# Messages and tools of every kind


class Message(BaseModel):
    role: str
    content: str | None = None


def test_messages_may_be_pydantic_models() -> None:
    plain = count_tokens([{"role": "user", "content": TEXT}], family="llama3")
    assert count_tokens([Message(role="user", content=TEXT)], family="llama3") == plain
    assert plain.lower > 8


def test_tools_may_come_one_by_one() -> None:
    listed = count_tokens([user(TEXT)], family="llama3", tools=[TOOL])
    assert count_tokens([user(TEXT)], family="llama3", tools=(tool for tool in [TOOL])) == listed
    assert listed.estimate > count_tokens([user(TEXT)], family="llama3").estimate + 56


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "count_tokens counts a text, or a list of messages that are dicts, not this int"),
        (None, "count_tokens counts a text, or a list of messages that are dicts, not this NoneType"),
        ({"role": "user"}, "not this dict"),
        (["text"], r"messages\[0\] must be a dict or a pydantic model, got str"),
        ([user("a"), user(b"b")], r"messages\[1\]\['content'\]: bytes cannot be sent"),
    ],
)
def test_what_is_no_message_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        count_tokens(given, family="llama3")


def test_a_json_schema_is_in_the_upper_bound_and_in_no_lower_one() -> None:
    schema = {"type": "json_schema", "json_schema": {"type": "object", "description": TEXT}}
    bare, held = count({"prompt": TEXT}, LLAMA), count({"prompt": TEXT, "response_format": schema}, LLAMA)
    assert held.upper >= bare.upper + len(TEXT)
    assert held.lower == bare.lower


def test_the_count_says_what_of_it_is_the_template() -> None:
    found = count_tokens([user(TEXT)], family="llama3")
    assert found.template == (0, 10, found.upper - len(TEXT) - len("user") - len("role") - len("content"))
    assert found.estimate - found.template[1] == WORDS
    assert count_tokens(TEXT, family="llama3").template == (0, 0, 0)
    assert (found + found).template == (0, 20, 2 * found.template[2])


# Counters of the user's


class Odd:
    def __init__(self, count: Any) -> None:
        self.count = count

    def count_text(self, text: str, /) -> Any:
        return self.count


@pytest.mark.parametrize("given", [None, math.nan, math.inf, -1, "many"])
def test_a_counter_that_gives_no_number_is_told(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="count_text of the token counter gave"):
        count_tokens(TEXT, family="llama3", counter=Odd(given))


def test_what_cannot_count_is_no_counter() -> None:
    with pytest.raises(ConfigurationError, match=r"counter has a method count_text\(text\), which int has not"):
        count_tokens(TEXT, family="llama3", counter=cast("Any", 5))


class Templated(Letters):
    """Knows the template too: it puts 100 letters around each message."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Any] = []

    def count_messages(self, messages: Any, *, tools: Any, response_format: Any) -> int:
        self.given.append((tools, response_format))
        return sum(len(message["content"]) + 100 for message in messages)


def test_a_counter_that_knows_the_template_counts_messages_whole() -> None:
    counter = Templated()
    found = count_tokens([user(TEXT), user(TEXT)], model="@cf/some/model", tools=[TOOL], counter=counter)
    assert found.estimate == 2 * (len(TEXT) + 100)
    assert (found.lower, found.exact, found.method) == (2 * (len(TEXT) - 2) + 1, False, "custom")
    assert counter.given == [([TOOL], None)]
    measure = CountingStrategy(Family("llama3", certain=True), counter)
    measure_prompt({"messages": [user("a")], "response_format": {"type": "json_object"}}, measure)
    assert counter.given[1:] == [(None, {"type": "json_object"})]
    assert count_tokens(TEXT, model="@cf/some/model", counter=counter).method == "custom"


def test_what_a_counter_makes_of_messages_is_no_less_for_the_upper_bound() -> None:
    class Long(Letters):
        def count_messages(self, messages: Any, *, tools: Any, response_format: Any) -> int:
            return 50_000

    found = count_tokens([user("hi")], model="@cf/some/model", counter=Long())
    assert (found.estimate, found.upper) == (50_000, 50_000)


@pytest.mark.parametrize("count", [count_tokens, fit_messages, truncate])
def test_a_model_is_named_by_a_text(count: Any) -> None:
    given: Any = ([user("a")],) if count is not truncate else ("a", 5)
    with pytest.raises(ConfigurationError, match=r"a model name is a text such as .*, not 5"):
        count(*given, model=5)


def test_a_counter_is_an_object_and_no_class() -> None:
    with pytest.raises(ConfigurationError, match=r"token_counter is a class: give an object of it, Letters\(\)"):
        Ai("0" * 32, "token", token_counter=cast("Any", Letters))


def test_no_tools_are_none() -> None:
    assert count_tokens([user("a")], family="llama3", tools=None) == count_tokens([user("a")], family="llama3")
    with pytest.raises(InputError, match="`tools` must be a list of dicts, got str"):
        count_tokens([user("a")], family="llama3", tools="weather")


def test_a_counter_that_is_wrong_about_messages_is_told() -> None:
    class Wrong(Letters):
        def count_messages(self, messages: Any, *, tools: Any, response_format: Any) -> Any:
            return None

    with pytest.raises(ConfigurationError, match="count_messages of the token counter gave None"):
        count_tokens([user(TEXT)], model="@cf/some/model", counter=Wrong())


# Long texts


def test_of_very_many_new_words_only_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def spied(piece: str) -> Any:
        looked.append(piece)
        return features(piece)

    monkeypatch.setattr(_estimate, "features", spied)
    rng = Random(5)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=9)) for _ in range(100_000)]
    text = " ".join(words)
    found = tokens.cost(text, "codegen")
    assert len(looked) < 25_000
    some = sum(tokens.cost(" " + word, "codegen") for word in rng.sample(words, 2_000))
    assert found == pytest.approx(50 * some, rel=0.03)


def test_of_a_very_long_word_the_beginning_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def spied(piece: str) -> Any:
        looked.append(piece)
        return features(piece)

    monkeypatch.setattr(_estimate, "features", spied)
    found = tokens.cost("aBc" * 200_000, "codegen")
    assert max(map(len, looked)) == 20_000
    assert found == pytest.approx(tokens.cost("aBc" * 5_000, "codegen") * 40, rel=0.01)
