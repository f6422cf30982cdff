"""What takes long is done in a thread, and where none can start, on the event loop."""

from __future__ import annotations

import threading
from pathlib import Path

import anyio
import pytest
import respx

from cfai import Ai
from cfai._threads import run_in_thread
from tests.conftest import ACCOUNT, TOKEN


def refuse_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread start."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    # trio starts its threads below `threading`, and keeps those that wait for work.
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr("trio._core._thread_cache.start_thread_soon", refuse)
    monkeypatch.setattr("trio._threads.start_thread_soon", refuse)


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
    refuse_threads(monkeypatch)
    anyio.run(main_without_threads, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@respx.mock
def test_files_go_and_come_where_no_thread_can_start(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, target = tmp_path / "adapter_config.json", tmp_path / "a.md"
    config.write_text('{"model_type": "mistral", "r": 8}')
    respx.post(path__regex="/ai/tomarkdown$").respond(json={"result": [{"name": config.name, "data": "text"}]})
    respx.post(path__regex="/finetune-assets$").respond(json={"success": True})
    respx.get(path__regex="/download$").respond(text="words", content_type="text/markdown")

    async def main() -> None:
        async with Ai(account_id=ACCOUNT, api_token=TOKEN, max_retries=0) as ai:
            assert str(await ai.ato_markdown(config)) == "text"
            await ai.finetunes.aupload_asset("mine", config)
            await ai.search().get("docs").items.get("i").adownload(to=target)

    refuse_threads(monkeypatch)
    anyio.run(main, backend=backend)
    assert target.read_text() == "words"
