"""The line editor of a chat: several lines, history, and a menu of commands, models and files.

It is prompt_toolkit and not the standard `readline`: Windows has none, that of macOS takes a pasted text for a question
a line, and neither has a menu. It knows how wide a character is, and draws anew when the terminal is resized.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.styles import Style

from cfai.cli._attach import takes_messages
from cfai.cli._catalogue import known_models
from cfai.cli._chat_input import CONTINUATION, PROMPT

_STYLE = Style.from_dict(
    {
        "prompt": "bold",
        # The menu in the terminal's own colours: its greys are hard to read on some.
        "completion-menu": "bg:default fg:default",
        "completion-menu.completion.current": "bg:default fg:default reverse",
        "completion-menu.meta.completion": "bg:default fg:default dim",
        "completion-menu.meta.completion.current": "bg:default fg:default reverse",
        "scrollbar.background": "bg:default",
        "scrollbar.button": "bg:default",
    }
)
_MENU_ROWS = 8


class LineEditor:
    """Reads questions from a terminal."""

    def __init__(self, commands: Mapping[str, tuple[str, str]], asked: Iterable[str]) -> None:
        # It would ask the terminal for the place of the cursor, and a slow one's answer comes while somebody types.
        os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
        self._session: PromptSession[str] = PromptSession(
            [("class:prompt", PROMPT)],
            style=_STYLE,
            multiline=True,
            prompt_continuation=CONTINUATION,
            key_bindings=_make_keys(),
            completer=_CommandCompleter(commands),
            complete_while_typing=Condition(lambda: get_app().current_buffer.text.startswith("/")),
            reserve_space_for_menu=_MENU_ROWS,
            enable_suspend=True,
            history=InMemoryHistory([*asked]),
        )

    def read(self) -> str:
        """Return the next question, or a command. Raises `EOFError` for Ctrl-D, and `KeyboardInterrupt` for Ctrl-C."""
        return self._session.prompt()


def _make_keys() -> KeyBindings:
    r"""Return the keys that send, Enter, and that begin a new line: Alt-Enter, and Enter behind a `\`."""
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.char_before_cursor == "\\":
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def add_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class _CommandCompleter(Completer):
    """Completes commands, and behind them the names of models and files."""

    def __init__(self, commands: Mapping[str, tuple[str, str]]) -> None:
        self._commands = commands
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Return what may be meant by the text before the cursor."""
        command, space, argument = document.text_before_cursor.partition(" ")
        if not space:
            for name, (parameter, help_text) in self._commands.items():
                if name.startswith(command) and command:
                    yield Completion(name, -len(command), display=f"{name} {parameter}", display_meta=help_text)
        elif command == "/model":
            for name in _list_models():
                if argument in name:
                    yield Completion(name, -len(argument))
        elif command in ("/attach", "/save"):
            yield from self._files.get_completions(Document(argument), complete_event)


def _list_models() -> list[str]:
    """Return the live models that hold a conversation, by the names that tell them from others."""
    names = [each.name for each in known_models().values() if each.retired_on is None and takes_messages(each.name)]
    shorts = [name.rpartition("/")[2] for name in names]
    return sorted(short if shorts.count(short) == 1 else name for name, short in zip(names, shorts, strict=True))
