"""Limits at the edges of what templates drop and of what is counted."""

from __future__ import annotations

import pytest

from cfai import models
from cfai._limits import check, resolve_max_tokens

SMALL = "@cf/meta/llama-2-7b-chat-int8"
SHARED = "@cf/meta/llama-3.1-8b-instruct-fp8"


@pytest.mark.parametrize("letter", ["X", "x"])
def test_letters_count_from_the_first_to_the_last(letter: str) -> None:
    found = check(SMALL, {"prompt": f"{letter} " * 8000})
    assert found is not None
    assert found.error.field == "prompt"


@pytest.mark.parametrize("blank", [" ", "\n", "\ufeff", "\u3000", "\x1f"])
@pytest.mark.parametrize("what", ["prompt", "messages"])
def test_what_a_template_may_trim_counts_nothing(what: str, blank: str) -> None:
    text = blank * 20_000
    assert check(SMALL, {what: text if what == "prompt" else [{"role": "user", "content": text}]}) is None


def test_what_max_stands_for_is_a_whole_number() -> None:
    entry = models.get(SHARED)
    assert entry is not None
    assert entry.context_length is not None
    for length in (entry.context_length.value + 1, entry.context_length.value + 2):
        (asked,) = {resolve_max_tokens(SHARED, {"prompt": "a" * length, "max_tokens": "max"})["max_tokens"]}
        assert type(asked) is int
