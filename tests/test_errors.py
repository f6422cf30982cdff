"""The errors themselves: their tree, and what each can be asked."""

from __future__ import annotations

import pickle
import re

import cfai
from cfai import (
    APIConnectionError,
    CfaiError,
    _errors,
)
from cfai._errors import StreamTimeoutError


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
