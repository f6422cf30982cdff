"""The errors themselves: their tree, and what each can be asked."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Iterator

import cfai
from cfai import (
    APIConnectionError,
    CfaiError,
    _errors,
)
from cfai._errors import StreamTimeoutError
from tests.conftest import row


def names_in_the_drawing() -> dict[str, str]:
    """Return each class that the docstring draws, with the one it stands under."""
    parents: dict[str, str] = {}
    above = [""]
    for line in (_errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z][A-Za-z]+Error)\b(.*)", line)
        if found:
            depth = len(found[1]) // 4
            parents[found[2]] = above[depth]
            above[depth + 1 :] = [found[2]]
    return parents


def test_the_drawing_has_every_error_and_tells_the_truth() -> None:
    drawn = names_in_the_drawing()
    assert set(drawn) == {name for name in cfai.__all__ if name.endswith("Error")} - {"APIStatusError"}
    for name, parent in drawn.items():
        bases = {base.__name__ for base in getattr(cfai, name).__bases__}
        line = next(line for line in (_errors.__doc__ or "").splitlines() if re.search(rf"\b{name}\b", line))
        assert bases == {parent or "Exception", *re.findall(r"\(also ([A-Za-z]+)\)", line)}, name


def test_an_error_is_caught_by_each_of_its_names() -> None:
    for kind, names in (
        (cfai.CapacityError, (cfai.RateLimitError, cfai.InferenceUpstreamError)),
        (cfai.QuotaExceededError, (cfai.RateLimitError,)),
        (cfai.RequestTimeoutError, (cfai.APITimeoutError, APIConnectionError)),
        (cfai.InternalServerError, (cfai.InferenceUpstreamError,)),
        (StreamTimeoutError, (cfai.StreamTruncatedError, cfai.APITimeoutError)),
    ):
        assert [name for name in names if not issubclass(kind, name)] == [], kind


def test_every_error_can_be_asked_the_same_things() -> None:
    for error in (CfaiError("x"), APIConnectionError("x"), cfai.ConfigurationError("x")):
        asked = (error.status_code, error.code, error.request_id, error.retry_after, error.body, error.model)
        assert asked == (None,) * 6, error
        assert error.headers == pickle.loads(pickle.dumps(error)).headers == {}, error
    assert StreamTimeoutError("silence").retryable is False


def subclasses_of(kind: type[CfaiError]) -> Iterator[type[CfaiError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__.partition(".")[0] == "cfai":
            yield from subclasses_of(each)


def test_every_error_has_plain_words_for_the_person_before_a_page_and_nothing_of_the_call_is_in_them() -> None:
    facts = {"model": "@cf/meta/llama", "code": 3040, "status_code": 429, "request_id": "8f3c", "body": {"a": "b"}}
    for kind in set(subclasses_of(CfaiError)):
        with row(kind.__name__):
            said = kind("3040: busy (status 429), see https://example.com", **facts).user_message
            assert said == kind("another").user_message
            assert re.fullmatch(r"([A-Z][a-z ,]+\.( |$)){1,2}", said)
            assert len(said) <= 90
            assert (said == CfaiError("x").user_message) == (kind is CfaiError)


def test_the_plain_words_of_an_error_say_what_its_reader_can_do() -> None:
    for kind, words in (
        (cfai.ConfigurationError, "tell whoever runs it"),
        (cfai.AuthenticationError, "tell whoever runs it"),
        (cfai.ContextLengthError, "Shorten it, or start a new conversation"),
        (_errors.RefusedContextLengthError, "Shorten it, or start a new conversation"),
        (_errors.StreamContextLengthError, "Shorten it, or start a new conversation"),
        (_errors.RefusedSequenceLengthError, "Ask for a shorter one"),
        (cfai.RequestTimeoutError, "took too long"),
        (cfai.BadRequestError, "choose another model"),
        (cfai.NotFoundError, "Choose another one"),
        (cfai.QuotaExceededError, "come back later"),
        (cfai.CapacityError, "busy"),
        (cfai.StreamTruncatedError, "broke off"),
        (_errors.BrokenResponseError, "broke off"),
        (StreamTimeoutError, "stopped coming"),
    ):
        with row(kind.__name__):
            assert words in kind("x").user_message


def test_the_plain_words_of_an_error_name_the_wait_that_the_service_asks_for() -> None:
    for seconds, when in (
        (None, "in a moment"),
        (0.0, "in a moment"),
        (1.5, "in 2 seconds"),
        (90, "in 90 seconds"),
        (91, "in 2 minutes"),
        (5_401, "in 2 hours"),
        (10**9, "later"),
        (math.inf, "later"),
    ):
        with row(seconds):
            said = cfai.CapacityError("busy", retry_after=seconds).user_message
            assert said == f"The model is busy. Try again {when}, or choose another one."
