"""A notebook without its page, and IPython in a terminal: what a cell shows, by media type."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from cfai.local import Emulator


@dataclass
class Shown:
    """What a cell has shown in the end."""

    outputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The outputs, each by media type, with what they became by later changes."""
    looks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The same and all that they were in between."""
    stdout: str = ""
    """What it has printed, errors too."""
    ok: bool = True

    @property
    def page(self) -> dict[str, Any]:
        """The only output."""
        assert len(self.outputs) == 1, (self.outputs, self.stdout)
        return self.outputs[0]

    @property
    def text(self) -> str:
        """All of the page but its text for terminals."""
        return "".join(str(value) for kind, value in self.page.items() if kind != "text/plain")


class Shell:
    """An IPython of this process."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def __call__(self, cell: str) -> Shown:
        """Run a cell."""
        with capture_output() as captured:
            result = self.shell.run_cell(cell)
        return self._collect(captured, result)

    async def arun(self, cell: str) -> Shown:
        """Run a cell inside of the loop that runs, as a kernel does."""
        with capture_output() as captured:
            result = await self.shell.run_cell_async(
                cell, transformed_cell=self.shell.transform_cell(cell), store_history=False
            )
            self.shell.events.trigger("post_run_cell", result)
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others)
        return self._collect(captured, result)

    def _collect(self, captured: Any, result: Any) -> Shown:
        shown = Shown(stdout=captured.stdout + captured.stderr, ok=result.success)
        by_id: dict[str, int] = {}
        for output in captured.outputs:
            name = (output.transient or {}).get("display_id", "")
            shown.looks.append(output.data)
            if output.update:
                shown.outputs[by_id[name]] = output.data
            else:
                by_id[name] = len(shown.outputs)
                shown.outputs.append(output.data)
        return shown

    def set(self, **variables: Any) -> None:
        self.shell.user_ns.update(variables)


@pytest.fixture(scope="module")
def _only_shell() -> Iterator[InteractiveShell]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", folder)
        config = Config()
        config.HistoryManager.enabled = False
        shell = InteractiveShell.instance(config=config)
        # The value of a cell is published, as by a kernel.
        hook: Any = shell.displayhook
        hook.write_output_prompt = hook.finish_displayhook = lambda: None
        hook.write_format_data = lambda data, metadata=None: shell.display_pub.publish(data)
        yield shell
        InteractiveShell.clear_instance()


@pytest.fixture
def notebook(_only_shell: InteractiveShell) -> Iterator[Shell]:
    """An IPython that shows all media types."""
    before = dict(_only_shell.user_ns)
    yield Shell(_only_shell)
    _only_shell.user_ns.clear()
    _only_shell.user_ns.update(before)


@pytest.fixture
def terminal(notebook: Shell) -> Iterator[Shell]:
    """An IPython that shows text alone."""
    formatter: Any = notebook.shell.display_formatter
    kinds = formatter.active_types
    formatter.active_types = ["text/plain"]
    yield notebook
    formatter.active_types = kinds


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def ai(emulator: Emulator, notebook: Shell) -> Iterator[Any]:
    """A client of an emulator, which is a variable of the notebook, too."""
    with emulator.ai() as ai:
        notebook.set(ai=ai)
        yield ai


@pytest.fixture
def account(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of the environment, so that an `Ai` without arguments calls the emulator."""
    assert not [name for name in os.environ if name.startswith("CLOUDFLARE_")]
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", emulator.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", emulator.account_id)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", emulator.api_token)
