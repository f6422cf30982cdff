"""Emulated text: sentences by default, and what is hard to get right where that is asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfai import Ai
from cfai.local import Emulator
from cfai.local.emulator import _text
from cfai.local.wire import split_into_tokens
from tests.conftest import row
from tests.local.conftest import PNG, PNG_URL, WAV, Service, join
from tests.local.dialects import CHAT, MODELS, NATIVE

SENTENCE = re.compile(r"(This|A|Another|It|Next|After|From) [^.!?\n]*\.")


@pytest.fixture(scope="module")
def readable() -> Iterator[Service]:
    """An emulator as it is by default."""
    with Emulator() as local, (service := Service(local)).http:
        yield service


def answer(service: Service, prompt: str, **more: Any) -> str:
    return service.result(NATIVE, {"prompt": prompt, "max_tokens": 20_000, **more})["response"]


@given(st.text(), st.text(), st.sampled_from(["readable", "hostile"]))
def test_a_text_says_what_it_is_and_is_the_same_for_the_same_question(question: str, key: str, kind: Any) -> None:
    text = _text.write_answer(question, key=key, kind=kind)
    assert text.startswith("This is an emulated answer")
    assert text == _text.write_answer(question, key=key, kind=kind)


def test_an_answer_is_a_few_sentences_that_take_up_the_question_and_say_once_that_they_are_emulated(
    readable: Service,
) -> None:
    for question, topic in (
        ("Where is New York?", "New York"),
        ("what is the capital of France?", "the capital of France"),
        ("Tell me a story about a dog", "a story"),
        ("Name three colours.", "three colours"),
        ("東京はどこですか", "東京はどこですか"),
        ("Hello", "the question"),
        ("", "the question"),
        ("what does it cost? $0.10, 42 or 100%?", "cost"),
    ):
        with row(question):
            content = readable.result(CHAT, {"messages": [{"role": "user", "content": question}]})
            text = content["choices"][0]["message"]["content"]
            first, rest = text.split(": no model has read it. ")
            assert first == "This is an emulated answer" + (f" to “{question}”" if question else "")
            assert re.fullmatch(rf"{SENTENCE.pattern}(?: {SENTENCE.pattern}){{2}}", rest), rest
            assert topic in rest
            assert "emulated" not in rest
            assert not re.search(r"[\d$€%]", rest)


def test_an_answer_has_as_many_words_as_the_question_asks_for(readable: Service) -> None:
    for number in (1, 2, 7, 80, 1234, 5000):
        with row(number):
            text = answer(readable, f"write {number} words about the sea")
            assert len(text.partition("read it. ")[2].split()) == number
    assert len(_text.write_answer("write 999999999 words", key="").split()) < _text.MAX_WORDS + 40


def test_a_long_answer_is_in_paragraphs_and_repeats_itself_little(readable: Service) -> None:
    _, _, text = answer(readable, "write 2000 words about the sea and the wind").partition("read it. ")
    paragraphs = text.split("\n\n")
    assert len(paragraphs) > 20
    assert all(SENTENCE.match(paragraph) for paragraph in paragraphs[:-1])
    sentences = Counter(re.findall(r"[^.]+\.", text))
    assert len(sentences) > 150
    assert max(sentences.values()) <= 4
    assert "the sea" in text
    assert "the wind" in text


def test_the_same_words_stream_and_are_counted_in_every_dialect(readable: Service) -> None:
    with readable.local.ai() as ai:
        run: Any = ai.run
        for model in MODELS:
            with row(model):
                inputs = {"messages": [{"role": "user", "content": "where is new york?"}], "max_tokens": 40}
                whole = run(model, inputs)
                with run(model, inputs | {"stream": True}) as stream:
                    assert "".join(str(token) for token in stream) == whole.text
                assert whole.text.startswith("This is an emulated answer to “where is new york?”")
                assert stream.usage.completion_tokens == whole.usage.completion_tokens == 40


def test_a_picture_s_description_and_other_tasks_say_the_same_of_themselves(readable: Service) -> None:
    image = {"image": list(PNG)}
    vision = {"image": PNG_URL, "question": "what is it?", "stream": False}
    for model, inputs, text in (
        ("@cf/facebook/bart-large-cnn", {"input_text": "A long story."}, "an emulated summary of “A long story.”"),
        ("@cf/meta/m2m100-1.2b", {"text": "hi", "target_lang": "french"}, "an emulated translation of “hi”"),
        ("@cf/llava-hf/llava-1.5-7b-hf", {**image, "prompt": "what"}, "an emulated description of a picture"),
        ("@cf/moondream/moondream3.1-9B-A2B", vision, "an emulated answer to “what is it?”"),
        ("@cf/openai/whisper", {"audio": list(WAV)}, "This transcript is emulated"),
    ):
        with row(model):
            assert text in str(readable.result(model, inputs))


# Hostile


def test_hostile_text_has_what_programs_lose_and_says_what_it_is_as_well(service: Service) -> None:
    text = answer(service, "write 2000 words")
    assert text.startswith(
        "This is an emulated answer to “write 2000 words”: no model has read it. 42 words cost $0.10. 🙂"
    )
    for each in (
        "\u2028",
        "\u2029",
        "\u0085",
        "\0",
        "\x1b[31m",
        "\ufeff",
        "\u202e",
        "مرحبا",
        "👩\u200d👩\u200d👧\u200d👦",
        "e\u0301",
    ):
        with row(repr(each)):
            assert each in text
    for each in ("\n\ndata: [DONE]\n\n", '"', "\\", "007", "-0", "1e3", "null", "true", "<b>", "<|im_end|>"):
        with row(repr(each)):
            assert each in text


def test_hostile_tokens_are_numbers_and_halves_of_emojis(service: Service) -> None:
    tokens = [payload["response"] for payload in service.payloads(NATIVE, {"prompt": "hi"})]
    assert {"42", "0", "\ud83d"} <= {str(token) for token in tokens}
    assert join(map(str, tokens)) == answer(service, "hi")
    assert split_into_tokens(join(map(str, tokens))) != [str(token) for token in tokens if token]


def test_the_client_loses_nothing_of_hostile_text_wherever_it_is_cut(service: Service) -> None:
    with service.local.ai() as ai:
        whole = read(ai, 256)
        for limit in range(1, 60):
            with row(limit):
                text = read(ai, limit)
                # Half of an emoji is all that may be lost.
                assert whole.startswith(text.removesuffix("\ufffd"))
                assert text == ai.run(NATIVE, {"prompt": "hi", "max_tokens": limit}).text


def read(ai: Ai, limit: int) -> str:
    with ai.run(NATIVE, {"prompt": "hi", "max_tokens": limit, "stream": True}) as stream:
        return "".join(token.text for token in stream)


def test_a_kind_of_text_that_there_is_none_of_is_refused() -> None:
    wrong: Any = "hostil"
    with pytest.raises(ValueError, match="text must be 'readable' or 'hostile', got 'hostil'"):
        Emulator(text=wrong)
    engine: Any = object()
    with pytest.raises(ValueError, match="text='hostile' is for emulated answers: it means nothing with an engine"):
        Emulator(text="hostile", engine=engine)
