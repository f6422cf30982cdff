"""The errors themselves: their tree, and what each can be asked."""

from __future__ import annotations

import pickle
import re

import pytest

import cfai
from cfai import (
    APIConnectionError,
    APITimeoutError,
    CfaiError,
    ConfigurationError,
    StreamError,
    StreamTruncatedError,
    _errors,
)
from cfai._errors import DONE_EVENT, StreamTimeoutError


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


def test_the_drawing_has_every_error() -> None:
    public = {name for name in cfai.__all__ if name.endswith("Error")} - {"APIStatusError"}
    assert set(names_in_the_drawing()) == public


@pytest.mark.parametrize(("name", "parent"), [*names_in_the_drawing().items()])
def test_the_drawing_tells_the_truth(name: str, parent: str) -> None:
    bases = {base.__name__ for base in getattr(cfai, name).__bases__}
    assert (parent or "Exception") in bases
    line = next(line for line in (_errors.__doc__ or "").splitlines() if re.search(rf"\b{name}\b", line))
    also = re.findall(r"\(also ([A-Za-z]+)\)", line)
    assert bases == {parent or "Exception", *also}


def test_a_stream_that_fell_silent_is_not_safe_to_send_again() -> None:
    error = StreamTimeoutError("silence")
    assert isinstance(error, StreamTruncatedError)
    assert isinstance(error, APITimeoutError)
    assert error.retryable is False


def test_an_error_is_caught_by_each_of_its_names() -> None:
    for kind, names in (
        (cfai.CapacityError, (cfai.RateLimitError, cfai.InferenceUpstreamError)),
        (cfai.QuotaExceededError, (cfai.RateLimitError,)),
        (cfai.RequestTimeoutError, (APITimeoutError, APIConnectionError)),
        (cfai.InternalServerError, (cfai.InferenceUpstreamError,)),
    ):
        assert [name for name in names if not issubclass(kind, name)] == [], kind


@pytest.mark.parametrize("error", [CfaiError("x"), APIConnectionError("x"), ConfigurationError("x")])
def test_every_error_can_be_asked_the_same_things(error: CfaiError) -> None:
    asked = (error.status_code, error.code, error.request_id, error.retry_after, error.body, error.model)
    assert asked == (None,) * 6
    assert error.headers == {}
    assert pickle.loads(pickle.dumps(error)).headers == {}


def test_the_end_mark_for_a_browser_is_one_event() -> None:
    assert DONE_EVENT == b"data: [DONE]\n\n"
    assert StreamError("it failed").to_event_stream().endswith(b"\n\ndata: [DONE]\n\n")


def test_what_a_browser_is_told_has_code_and_message() -> None:
    event, _, _ = StreamError("it failed", code=3040).to_event_stream().partition(b"\n\n")
    assert event == b'event: error\ndata: {"code":3040,"message":"it failed"}'
