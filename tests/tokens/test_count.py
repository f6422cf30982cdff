"""The parts of the inputs that are counted, in each of their forms, and how often."""

from __future__ import annotations

import base64
import math
import os
import signal
import struct
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel

from cfai import ConfigurationError, InputError, TokenCount, count_tokens, tokens
from cfai.tokens import CountingStrategy, Family, measure_prompt, to_token_count
from tests.conftest import row

LLAMA = CountingStrategy(Family("llama3", certain=True))
TEXT = "The quick brown fox jumps over the lazy dog."
WORDS = round(tokens.estimate_unrounded(TEXT, "llama3"))
TOOL = {"type": "function", "function": {"name": "weather", "description": TEXT, "parameters": {"type": "object"}}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


# Forms

CALL = {"name": "", "arguments": TEXT}
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
    "call": ({"messages": [user(""), {"role": "assistant", "tool_calls": [{"function": CALL}]}]}, 25),
    "call of the older form": ({"messages": [user(""), {"role": "assistant", "function_call": CALL}]}, 25),
    "call of the Responses API": ({"input": [user(""), {"type": "function_call", **CALL}]}, 25),
}


def test_a_text_counts_in_every_form_and_other_scripts_are_told() -> None:
    for form, (inputs, around) in FORMS.items():
        found = measure_prompt(inputs, LLAMA)
        assert found.text_estimate == pytest.approx(tokens.estimate_unrounded(TEXT, "llama3") + around, abs=0.5), form
        assert (found.images, found.lowest_ratio) == (0, LLAMA.lowest_ratio(True)), form
        assert found.upper_bound >= len(TEXT) + around, form
        whole = to_token_count(measure_prompt(inputs, LLAMA), LLAMA)
        assert whole.lower <= WORDS <= whole.estimate <= whole.upper, form
    other, ascii_text = (measure_prompt({"prompt": text}, LLAMA) for text in ("naïve", "naive"))
    assert other.lowest_ratio < ascii_text.lowest_ratio


def test_tools_and_arguments_count_as_their_json() -> None:
    for key in ["tools", "functions"]:
        bare = measure_prompt({"prompt": TEXT}, LLAMA).text_estimate
        one, two = (measure_prompt({"prompt": TEXT, key: [TOOL] * times}, LLAMA).text_estimate for times in (1, 2))
        assert one - bare > 56 + tokens.estimate_unrounded(TEXT, "llama3"), key
        assert two - one == pytest.approx(one - bare - 56), key
    as_object, as_text = (
        measure_prompt({"messages": [{"role": "assistant", "tool_calls": [{"function": {**CALL, **given}}]}]}, LLAMA)
        for given in ({"arguments": {"city": "Paris"}}, {"arguments": '{"city":"Paris"}'})
    )
    assert as_object.text_estimate == as_text.text_estimate


def test_odd_inputs_break_nothing() -> None:
    for odd in [None, 5, "text", [None], [5], {"a": 1}, [{"role": 5}], [{"content": 7}], [[]]]:
        for field in ["messages", "input", "prompt", "instructions", "tools", "image", "tool_calls"]:
            found = measure_prompt({field: odd}, LLAMA)
            assert found.lower_bound <= found.upper_bound, (odd, field)
            assert found.text_estimate >= 0, (odd, field)


# Images


W, H = 1000, 768
HEADS = {
    "PNG": b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", W, H),
    "GIF": b"GIF89a" + struct.pack("<HH", W, H),
    "JPEG": b"\xff\xd8\xff\xe0\0\x10" + bytes(14) + b"\xff\xc0" + struct.pack(">HBHH", 17, 8, H, W),
    "WebP": b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + struct.pack("<HH", W, H),
    "lossless WebP": b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", (W - 1) | (H - 1) << 14),
    "extended WebP": b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"".join((side - 1).to_bytes(3, "little") for side in (W, H)),
}
IMAGES = {name: head + bytes(90) for name, head in HEADS.items()}
"""Files of an image of one size, by their format."""


def data_url(data: bytes) -> str:
    return "data:image/x;base64," + base64.b64encode(data).decode()


def measure_image(image: Any, family: str = "qwen2") -> tuple[int, int]:
    """Return the images, and about how many tokens they are, in a message or beside the prompt."""
    inputs = {"messages": [user([image])]} if isinstance(image, dict) else {"prompt": TEXT, "image": image}
    size = measure_prompt(inputs, CountingStrategy(Family(family, certain=True)))
    return size.images, size.image_estimate


def by_url(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def test_an_image_counts_by_its_size_where_the_model_s_way_is_known() -> None:
    by_size = {"qwen2": 980, "qwen3_5": 750, "tekken": 36 * 28, "llama4": 150 * (1 + 3 * 3), "kimi_k2": 980}
    for family, expected in by_size.items():
        for name, data in IMAGES.items():
            assert measure_image(by_url(data_url(data)), family) == (1, expected), (family, name)
    for family, expected in {"llama2": 576, "llama3": 1, "gemma3": 256, "glm4": 1000}.items():
        assert measure_image(by_url(data_url(IMAGES["PNG"])), family) == (1, expected), family


def test_an_image_is_found_where_it_may_be_and_of_unknown_size_a_guess() -> None:
    data = IMAGES["PNG"]
    base = base64.b64encode(data).decode()
    found: list[Any] = [
        {"type": "image_url", "image_url": "data:image/png;base64," + base},
        {"type": "input_image", "image_url": data_url(data)},
        {"type": "image", "image": base},
        {"type": "image", "source": {"data": base}},
        list(data),
        data_url(data),
    ]
    urls = ("https://example.com/a.png", "data:image/png;base64,####", "data:,", "", data_url(b"BM"))
    unknown: list[Any] = [*map(by_url, urls), by_url(data_url(data[:20])), ["a", "b"], [-1, 300], [], 5]
    heads = (b"RIFF\0\0\0\0WEBPVP9 " + bytes(40), b"\xff\xd8\xff\xe0\0\x10" + bytes(14), b"\xff\xd8")
    unknown += ["données en français", *map(list, heads)]
    for images, expected in ((found, 980), (unknown, 1000)):
        for image in images:
            assert measure_image(image) == (1, expected), image


def test_media_are_no_text() -> None:
    for kind in ("image_url", "input_audio", "video_url", "file", "input_file", "input_image"):
        size = measure_prompt({"messages": [user([{"type": kind, kind: {"data": "A" * 100_000}}])]}, LLAMA)
        assert size.media == 1, kind
        assert 100_000 <= size.inline_characters < 100_050, kind
        assert size.upper_bound < 4000, kind


# Sums


def test_counts_add_up() -> None:
    one, other = count_tokens("one two three", family="llama3"), count_tokens("four five", family="llama3")
    both = one + other
    assert both == TokenCount(one.lower + other.lower - 1, 5, one.upper + other.upper, "llama3", True)
    assert both.lower <= count_tokens("one two three four five", family="llama3").estimate
    mixed = count_tokens("one", family="llama3") + count_tokens("two", family="qwen2")
    assert (mixed.family, mixed.certain) == ("default", False)


# Counters


class Letters:
    """Counts letters, and how often it is texts. Not hashable, and false."""

    def __eq__(self, other: object) -> bool:
        return self is other  # and so it has no hash

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __bool__(self) -> bool:
        return False

    def count_text(self, text: str, /) -> int:
        self.asked.append(text)
        return len(text)


def test_a_counter_is_asked_once_for_a_text_and_counts_are_right_when_more_is_counted_than_is_kept() -> None:
    class Twice(Letters):
        def count_text(self, text: str, /) -> int:
            return 2 * len(text)

    letters = Letters()
    for _ in range(3):
        assert count_tokens(TEXT, model="@cf/some/model", counter=letters).estimate == len(TEXT)
        assert count_tokens([user(TEXT)], model="@cf/some/model", counter=letters).lower == len(TEXT) - 1
        assert count_tokens(TEXT, model="@cf/some/model", counter=Twice()).estimate == 2 * len(TEXT)
    assert letters.asked.count(TEXT) == 1
    assert len(letters.asked) == len(set(letters.asked))
    letters = Letters()
    for number in range(100):
        text = f"{number} " + "x" * 400_000
        assert count_tokens(text, family="llama3", counter=letters).lower == len(text)
        assert count_tokens(TEXT, family="llama3", counter=letters).lower == len(TEXT)


def test_a_long_chat_pays_for_its_new_message() -> None:
    letters = Letters()
    talk = [user(f"message {number} {TEXT}") for number in range(100)]
    before = count_tokens(talk, family="llama3", counter=letters)
    letters.asked.clear()
    after = count_tokens([*talk, user("new")], family="llama3", counter=letters)
    assert set(letters.asked) <= {"new", "user", "role", "content"}
    assert after.estimate > before.estimate


def test_a_loaded_counter_counts_until_it_is_unloaded() -> None:
    letters = Letters()
    for model in ("@cf/some/model", "@cf/other/model"):
        tokens.register_counter(letters, model)
    assert count_tokens(TEXT, model="@cf/some/model").exact
    assert tokens.unregister_counter("@cf/some/model") is None  # another model is counted by it
    assert not count_tokens(TEXT, model="@cf/some/model").exact
    assert tokens.unregister_counter("@cf/other/model") is letters
    assert tokens.unregister_counter("@cf/other/model") is None
    assert sys.getrefcount(letters) == 2  # nothing keeps it


def test_threads_that_count_the_same_agree() -> None:
    texts = [f"{TEXT} {number}" for number in range(300)]
    with ThreadPoolExecutor(4) as threads:
        counts = threads.map(lambda _: [count_tokens(text, family="qwen2") for text in texts], range(4))
    assert [*counts] == [[count_tokens(text, family="qwen2") for text in texts]] * 4


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_child_that_is_forked_while_others_count_counts_as_well() -> None:
    stop = threading.Event()

    def count() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            count_tokens(f"{TEXT} {number}", family="llama3")

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for number in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                os._exit(0 if count_tokens(f"{number} {TEXT}", family="llama3").lower > 5 else 1)
            assert os.waitpid(child, 0)[1] == 0, number
    finally:
        stop.set()
        thread.join()


# Messages and tools of every kind


class Message(BaseModel):
    role: str
    content: str | None = None


def test_messages_may_be_pydantic_models_and_tools_come_one_by_one_or_not_at_all() -> None:
    plain = count_tokens([{"role": "user", "content": TEXT}], family="llama3")
    assert count_tokens([Message(role="user", content=TEXT)], family="llama3") == plain
    assert plain.lower > 8
    bare = count_tokens([user(TEXT)], family="llama3")
    listed = count_tokens([user(TEXT)], family="llama3", tools=[TOOL])
    assert count_tokens([user(TEXT)], family="llama3", tools=(tool for tool in [TOOL])) == listed
    assert count_tokens([user(TEXT)], family="llama3", tools=None) == bare
    assert listed.estimate > bare.estimate + 56
    with pytest.raises(InputError, match="`tools` must be a list of dicts, got str"):
        count_tokens([user("a")], family="llama3", tools="weather")


def test_a_json_schema_is_in_the_upper_bound_alone_and_the_template_in_a_part_of_its_own() -> None:
    schema = {"type": "json_schema", "json_schema": {"type": "object", "description": TEXT}}
    bare = to_token_count(measure_prompt({"prompt": TEXT}, LLAMA), LLAMA)
    held = to_token_count(measure_prompt({"prompt": TEXT, "response_format": schema}, LLAMA), LLAMA)
    assert held.upper >= bare.upper + len(TEXT)
    assert held.lower == bare.lower
    found = count_tokens([user(TEXT)], family="llama3")
    assert found.template == (0, 10, found.upper - len(TEXT) - len("user") - len("role") - len("content"))
    assert found.estimate - found.template[1] == WORDS
    assert count_tokens(TEXT, family="llama3").template == (0, 0, 0)
    assert (found + found).template == (0, 20, 2 * found.template[2])


# Counters of the user's


def test_a_counter_that_gives_no_number_is_named() -> None:
    for given in (None, math.nan, math.inf, -1, "many"):
        for method in ("count_text", "count_messages"):
            counter: Any = Letters()
            setattr(counter, method, lambda *_, given=given, **options: given)
            message = f"{method} of the token counter must return a number of tokens, got {given!r}"
            with row((method, given)), pytest.raises(ConfigurationError, match=message):
                count_tokens([user(TEXT)], model="@cf/some/model", counter=counter)


def test_arguments_are_checked() -> None:
    for given, message in (
        (5, "`text_or_messages` must be a string or a list of dicts, got int"),
        (None, "`text_or_messages` must be a string or a list of dicts, got NoneType"),
        ({"role": "user"}, "got dict"),
        (["text"], r"messages\[0\] must be a dict or a pydantic model, got str"),
        ([user("a"), user(b"b")], r"messages\[1\]\['content'\]: bytes cannot be sent"),
    ):
        with pytest.raises(InputError, match=message):
            count_tokens(given, family="llama3")  # pyright: ignore[reportArgumentType]  # what is tested
    for options, message in (
        ({}, "count_tokens needs either `model` or `family`"),
        ({"model": "@cf/some/model", "family": "llama3"}, "needs either"),
        ({"family": "llama9"}, "`family` must be one of llama2, .*, got 'llama9'"),
        ({"model": 5}, "`model` must be a string such as '@cf/zai-org/glm-4.7-flash', got 5"),
        ({"family": "llama3", "counter": 5}, r"`counter` must have a method count_text\(text\), got int"),
        ({"family": "llama3", "counter": Letters}, "`counter` must be an object, got the class Letters: call it"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            count_tokens(TEXT, **options)


class Templated(Letters):
    """Knows the template too: it puts so many letters around each message."""

    def __init__(self, around: int) -> None:
        super().__init__()
        self.around = around
        self.options: list[Any] = []

    def count_messages(self, messages: Any, *, tools: Any, response_format: Any) -> int:
        self.options.append((tools, response_format))
        return sum(len(message["content"]) + self.around for message in messages)


def test_a_counter_that_knows_the_template_counts_messages_whole() -> None:
    counter = Templated(100)
    found = count_tokens([user(TEXT), user(TEXT)], model="@cf/some/model", tools=[TOOL], counter=counter)
    assert found.estimate == 2 * (len(TEXT) + 100)
    assert (found.lower, found.exact, found.method) == (2 * (len(TEXT) - 2) + 1, False, "custom")
    measure = CountingStrategy(Family("llama3", certain=True), counter)
    measure_prompt({"messages": [user("a")], "response_format": {"type": "json_object"}}, measure)
    assert counter.options == [([TOOL], None), (None, {"type": "json_object"})]
    assert count_tokens(TEXT, model="@cf/some/model", counter=counter).method == "custom"
    # What it makes of messages is no less for the upper bound.
    found = count_tokens([user("")], model="@cf/some/model", counter=Templated(50_000))
    assert (found.estimate, found.upper) == (50_000, 50_000)


def test_a_counter_is_not_kept_and_one_in_its_place_counts_for_itself() -> None:
    class Counter:
        def __init__(self, tokens: int) -> None:
            self.tokens = tokens

        def count_text(self, text: str) -> int:
            return self.tokens

    forgotten: list[weakref.ref[Counter]] = []
    for number in range(1, 50):
        counter = Counter(number)
        assert int(count_tokens("Where is New York?", family="llama3", counter=counter)) == number
        forgotten.append(weakref.ref(counter))
        del counter
    assert [counter() for counter in forgotten] == [None] * len(forgotten)
