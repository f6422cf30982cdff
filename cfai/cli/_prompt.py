"""The prompt of a command: its argument, and standard input."""

from __future__ import annotations

import sys


def read_prompt(argument: str | None, model: str) -> str:
    """Return the prompt behind `model`: the argument, and behind it what a file or a pipe brings on standard input.

    Without an argument, or for `-`, standard input is all of it. Raises `ValueError` for what is not UTF-8, and if
    there is nothing.
    """
    if argument in (None, "-"):
        prompt = _read_input(may_be_typed=argument == "-")
        if not prompt.strip():
            raise ValueError(f"there is no prompt: give one behind the model, {model!r}, or by standard input")
        return prompt
    prompt = check_argument(str(argument), "the prompt")
    piped = _read_input(may_be_typed=False)
    return f"{prompt}\n\n{piped}" if piped.strip() else prompt


def check_argument(argument: str, name: str) -> str:
    """Return an argument. Raises `ValueError` if it was not UTF-8: Python has put half surrogates into it then."""
    return _decode(argument.encode("utf-8", "surrogatepass"), name)


def _read_input(*, may_be_typed: bool) -> str:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # a program that was started without one
        return ""
    if sys.stdin.isatty():
        return sys.stdin.read() if may_be_typed else ""
    return _decode(sys.stdin.buffer.read(), "standard input")


def _decode(content: bytes, source: str) -> str:
    """Return text without its byte-order mark. Raises `ValueError`, which names the first byte that is wrong."""
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not UTF-8, byte {error.start}: convert it first, such as with iconv") from error
