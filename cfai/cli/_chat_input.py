"""The questions of a chat: typed into a line editor on a terminal, else read line by line from standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Protocol

from cfai._lazy import explain_missing

PROMPT, CONTINUATION = "> ", "  "


class Reader(Protocol):
    """Something that questions are read from."""

    def read(self) -> str:
        """Return the next question, or a command. Raises `EOFError` at the end, and `KeyboardInterrupt` for Ctrl-C."""
        ...


def open_reader(commands: Mapping[str, tuple[str, str]], asked: Iterable[str]) -> Reader:
    """Return what reads questions from standard input: a line editor where it is a terminal that can have one.

    It completes `commands`, each with its argument and what it does, and brings back what was `asked` before.
    """
    can_draw = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    if not (is_typed() and can_draw):
        return LineReader()
    with explain_missing("cfai chat", extra="cli"):
        from cfai.cli._line_editor import LineEditor
    return LineEditor(commands, asked)


def is_typed() -> bool:
    """Return True if somebody types on standard input: it is no file and no pipe."""
    return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]


class LineReader:
    r"""Reads a question a line; one that ends in `\` goes on in the next."""

    def read(self) -> str:
        """Return the next question. Raises `EOFError` at the end, and `ValueError` for what is not UTF-8."""
        lines: list[str] = []
        while line := self._read_line(CONTINUATION if lines else PROMPT):
            line = line.removeprefix("\ufeff").rstrip("\r\n")
            lines.append(line.removesuffix("\\"))
            if not line.endswith("\\"):
                break
        if not lines:
            raise EOFError
        return "\n".join(lines)

    def _read_line(self, prompt: str) -> str:
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # a program that was started without one
            return ""
        if is_typed():
            sys.stderr.write(prompt)
            sys.stderr.flush()
        line = ""
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError as error:
            raise ValueError("standard input is not UTF-8: convert it first, such as with iconv") from error
        finally:
            if is_typed() and not line.endswith("\n"):  # Ctrl-C, Ctrl-D
                sys.stderr.write("\n")
        return line
