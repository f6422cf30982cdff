"""What takes long is done in a thread, and where none can start, on the event loop."""

from __future__ import annotations

import threading

import anyio
import pytest

from cfai._threads import run_in_thread


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_function_is_called_once_in_a_thread_or_here_if_none_can_start(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[threading.Thread] = []

    def work(error: Exception | None) -> int:
        calls.append(threading.current_thread())
        if error is not None:
            raise error
        return len(calls)

    async def main() -> None:
        assert await run_in_thread(work, None) == 1
        with pytest.raises(RuntimeError, match="its own"):
            await run_in_thread(work, RuntimeError("its own"))
        assert len(calls) == 2
        assert threading.current_thread() not in calls

    async def main_without_threads() -> None:
        assert await run_in_thread(work, None) == 3
        with pytest.raises(RuntimeError, match="its own"):
            await run_in_thread(work, RuntimeError("its own"))
        assert calls[2:] == [threading.current_thread()] * 2

    anyio.run(main, backend=backend)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    # trio starts its threads below `threading`, and keeps those that wait for work.
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr("trio._core._thread_cache.start_thread_soon", refuse)
    monkeypatch.setattr("trio._threads.start_thread_soon", refuse)
    anyio.run(main_without_threads, backend=backend)
