"""The prompt of a command: its argument, and standard input."""

from __future__ import annotations

import sys

from cfai.cli._attach import Attachment, recognise


def read_prompt(argument: str | None) -> tuple[str, list[Attachment]]:
    """Return a prompt and its attachments: the argument, and behind it what a file or a pipe brings on standard input.

    Without an argument, or for `-`, standard input is all of it. An image, a sound or a video that is piped in is an
    attachment. Raises `ValueError` for what is not UTF-8.
    """
    piped = _read_input(may_be_typed=argument == "-")
    medium = recognise("standard input", piped) if piped else None
    text = "" if medium else _decode(piped, "standard input")
    prompt = "" if argument in (None, "-") else check_argument(str(argument), "the prompt")
    parts = [prompt, text] if text.strip() else [prompt]
    return "\n\n".join(filter(None, parts)), [medium] if medium else []


def check_argument(argument: str, name: str) -> str:
    """Return an argument. Raises `ValueError` if it was not UTF-8: Python has put half surrogates into it then."""
    return _decode(argument.encode("utf-8", "surrogatepass"), name)


def _read_input(*, may_be_typed: bool) -> bytes:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # a program that was started without one
        return b""
    return sys.stdin.buffer.read() if may_be_typed or not sys.stdin.isatty() else b""


def _decode(content: bytes, source: str) -> str:
    """Return text without its byte-order mark. Raises `ValueError`, which names the first byte that is wrong."""
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not UTF-8, byte {error.start}: convert it first, such as with iconv") from error
