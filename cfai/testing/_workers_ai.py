"""`WorkersAI`: the emulator, with assertions on what it was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfai.local import Emulator, RecordedRequest
from cfai.testing._differences import find_differences, format_requests, shorten


class WorkersAI(Emulator):
    """An `Emulator` for tests: it also says whether it was sent what it should have been.

    ```python
    with WorkersAI() as workers_ai:
        answer(workers_ai.ai())  # stands for your code
        workers_ai.assert_sent("@cf/zai-org/glm-4.7-flash", {"max_tokens": 200}, times=1)
    ```
    """

    def assert_sent(
        self,
        model: str | None = None,
        inputs: Any = None,
        *,
        headers: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        gateway: str | None = None,
        times: int | None = None,
    ) -> list[RecordedRequest]:
        """Fail unless a request was sent that has all of this, or exactly `times` of them; give those that have it.

        Objects may have more than is named here, at any depth; lists have to be of the same length. Whatever has an
        `==` of its own can stand for a value: `unittest.mock.ANY`, `pytest.approx(0.2)`. Names of headers are in any
        case. Looked at are `requests`: the last `keep_requests`, and none with another token, account or path.
        """
        __tracebackhide__ = True
        wanted: dict[str, Any] = {"model": model, "inputs": inputs, "headers": headers, "query": query}
        wanted = {name: value for name, value in (wanted | {"gateway": gateway}).items() if value is not None}
        if headers is not None:
            wanted["headers"] = {name.lower(): value for name, value in headers.items()}
        requests = self.requests
        mismatches = [_find_mismatches(request, wanted) for request in requests]
        fitting = [request for request, lines in zip(requests, mismatches, strict=True) if not lines]
        if (len(fitting) == times) if times is not None else fitting:
            return fitting
        criteria = ", ".join(f"{name}={shorten(value)}" for name, value in wanted.items())
        count = f"{_format_count(len(fitting))} sent{criteria and ' with '}{criteria}"
        heading = count if times is None else f"{count}, not {times}"
        raise AssertionError(f"{heading}\n{format_requests(requests, mismatches)}")

    def assert_not_sent(
        self,
        model: str | None = None,
        inputs: Any = None,
        *,
        headers: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        gateway: str | None = None,
    ) -> None:
        """Fail if a request was sent that has all of this; without arguments, if any was."""
        __tracebackhide__ = True
        self.assert_sent(model, inputs, headers=headers, query=query, gateway=gateway, times=0)


def _find_mismatches(request: RecordedRequest, wanted: Mapping[str, Any]) -> list[str]:
    """Return the lines that say how a request differs from what is wanted of it."""
    return [line for name, value in wanted.items() for line in find_differences(getattr(request, name), value, name)]


def _format_count(count: int) -> str:
    return {0: "no request was", 1: "1 request was"}.get(count, f"{count} requests were")
