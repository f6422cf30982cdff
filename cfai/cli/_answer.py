"""The answer of a model on standard output: text as it comes, media as files, everything else as JSON or a table."""

from __future__ import annotations

import json
import mimetypes
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, cast

from rich.cells import cell_len

from cfai import CutAnswerWarning, Stream, Token
from cfai.cli._errors import make_error_console
from cfai.cli._markdown import AnswerWriter, make_writer
from cfai.cli._stats import Stopwatch
from cfai.cli._terminal import print_text, write
from cfai.types import (
    Binary,
    Classification,
    DetectedObjects,
    Embeddings,
    ImageDescription,
    StructuredOutput,
    Summary,
    TextOutput,
    Transcription,
    Translation,
    VisionAnswer,
)
from cfai.types._media_types import SUFFIXES

_WITH_TEXT = (ImageDescription, Summary, Transcription, Translation, VisionAnswer)
"""Answers of other tasks that are a text, if they have one."""


class AnswerPrinter:
    """Prints an answer; notes on standard error when its first token came."""

    def __init__(self, watch: Stopwatch, *, as_json: bool, file: Path | None, is_billed: bool) -> None:
        self._watch = watch
        self._as_json = as_json
        self._is_billed = is_billed
        self._file = file
        """The file that standard output is, if it was asked for by name."""

    def print(self, answer: Any) -> Any:
        """Print an answer, and return it whole: a stream, as what it came to."""
        whole: Any = answer
        if isinstance(answer, Stream):
            return self._print_stream(cast("Stream[Token]", answer))
        if self._as_json:
            write(f"{_to_json(answer, is_billed=self._is_billed)}\n")
        elif isinstance(answer, StructuredOutput):
            write(json.dumps(cast("Any", answer).output, indent=2, ensure_ascii=False) + "\n")
        elif isinstance(answer, Binary):
            self._print_media(answer)
        elif isinstance(answer, TextOutput):
            reasoning = ReasoningWriter()
            reasoning.write(answer.reasoning or "")
            reasoning.end(is_followed=True)
            with make_writer() as writer:
                writer.write(answer.text)
            _print_calls(answer)
        elif isinstance(answer, _WITH_TEXT) and str(answer) and not str(answer).startswith(type(answer).__name__):
            write(f"{answer}\n")
        else:
            write(_format_table(answer) if sys.stdout.isatty() else f"{answer.model_dump_json()}\n")
        return whole

    def _print_stream(self, stream: Stream[Token]) -> Any:
        with stream, make_writer() as writer:
            print_tokens(stream, writer, self._watch.note_token)
        answer: Any = stream.result()
        if not isinstance(answer, TextOutput):  # a model that does not stream
            return self.print(answer)
        _print_calls(answer)
        return answer

    def _print_media(self, answer: Binary) -> None:
        """Write bytes to standard output; where that is a terminal, into a file with a name that is free."""
        errors = make_error_console()
        if sys.stdout.isatty():
            path = _save(answer)
            print_text(errors, f"Wrote {path}: {answer.media_type}, {len(answer):,} bytes.", "yellow")
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.content)
        named = mimetypes.guess_type(self._file.name)[0] if self._file else None
        if named is not None and named != answer.media_type:
            print_text(errors, f"{self._file} is {answer.media_type}, whatever its name says.", "yellow")


def warn_of_shortfall(answer: Any, most: int | None) -> None:
    """Warn of a text that was cut, at `most` tokens if so many were asked for; and of one that is none."""
    if not isinstance(answer, TextOutput):
        return
    # Native models give no reason.
    has_most = bool(most and answer.usage and answer.usage.completion_tokens >= most)
    if answer.finish_reason == "length" or (answer.finish_reason is None and has_most):
        warnings.warn("the answer was cut", CutAnswerWarning, stacklevel=2)
    elif not (answer.text.strip() or answer.tool_calls):
        warnings.warn("The model wrote nothing.", stacklevel=2)


def print_tokens(tokens: Iterable[Token], writer: AnswerWriter, note_token: Callable[[], None]) -> None:
    """Print an answer while it comes: its reasoning, where that is shown, and its text."""
    reasoning = ReasoningWriter()
    try:
        for token in tokens:
            if token.text or token.reasoning:
                note_token()
            if token.reasoning:
                writer.end()
                reasoning.write(token.reasoning)
            if token.text:
                reasoning.end(is_followed=True)
            writer.write(token.text)
    finally:
        reasoning.end()


class ReasoningWriter:
    """Prints reasoning on standard error where that is a terminal: what is piped on is the answer.

    It is grey. Where that cannot be shown, on a terminal of `TERM=dumb` or with `NO_COLOR`, a line comes before it.
    """

    def __init__(self) -> None:
        self._wrapped: _Wrapped | None = None

    def write(self, text: str) -> None:
        """Print a piece of it."""
        if not (text and make_error_console().is_terminal):
            return
        if self._wrapped is None:
            self._wrapped = _Wrapped()
            if make_error_console().color_system is None:
                self._print("(thinking)\n")
        self._print(self._wrapped.add(text))

    def end(self, *, is_followed: bool = False) -> None:
        """End the line, if anything was written; with a blank line behind it if an answer follows."""
        if self._wrapped is not None:
            self._print(f"{self._wrapped.end()}\n" + ("\n" if is_followed else ""))
            self._wrapped = None

    def _print(self, text: str) -> None:
        print_text(make_error_console(), text, "dim", end="")


class _Wrapped:
    """Text that comes in pieces, with its lines broken between words. The last word waits for its end."""

    def __init__(self) -> None:
        self._column = 0
        self._last = ""

    def add(self, text: str) -> str:
        """Take a piece, and return what can be shown."""
        *words, self._last = re.split(r"(?<=\S)(?=\s)", self._last + text)
        return "".join(map(self._place, words))

    def end(self) -> str:
        """Return the last word."""
        return self._place(self._last.rstrip())

    def _place(self, word: str) -> str:
        """Return a word with the blanks before it, or in a new line if it does not fit."""
        console = make_error_console()  # a dumb one does not say how wide it is
        is_past = not console.is_dumb_terminal and self._column > console.width - cell_len(word)
        if "\n" not in word and self._column > 0 and is_past:
            word = f"\n{word.lstrip()}"
        _, newline, line = word.rpartition("\n")
        self._column = cell_len(line) + (0 if newline else self._column)
        return word


def _print_calls(answer: Any) -> None:
    for call in answer.tool_calls if isinstance(answer, TextOutput) else ():
        write(f"{call.name}({call.arguments})\n")


def _save(answer: Binary) -> Path:
    """Write bytes into a new file in this folder, or where that cannot be, in the folder for temporary files."""
    kind = answer.media_type.partition("/")[0]
    base = {"image": "image", "audio": "sound", "video": "video"}.get(kind, "answer")
    suffix = SUFFIXES.get(answer.media_type, "")
    problem: OSError | None = None
    for folder in (Path(), Path(tempfile.gettempdir())):
        for number in count(1):
            path = folder / (f"{base}{suffix}" if number == 1 else f"{base}-{number}{suffix}")
            try:
                with path.open("xb") as file:
                    file.write(answer.content)
            except FileExistsError:
                continue
            except OSError as error:
                problem = error
                break
            return path
    raise problem or AssertionError("unreachable")


def _to_json(answer: Any, *, is_billed: bool) -> str:
    """Return all of an answer as JSON. Texts have the same names whatever the model."""
    if not isinstance(answer, TextOutput):
        return answer.model_dump_json(indent=2)
    usage, meta = answer.usage, answer.meta
    fields: dict[str, Any] = {
        "model": meta.model,
        "text": answer.text,
        "reasoning": answer.reasoning,
        "tool_calls": [{"name": call.name, "arguments": call.arguments, "id": call.id} for call in answer.tool_calls],
        "finish_reason": answer.finish_reason,
        "usage": usage
        and {name: getattr(usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
        "neurons": meta.neurons if is_billed else None,
        "cost_usd": meta.cost if is_billed else None,
        "request_id": meta.request_id,
    }
    if isinstance(answer, StructuredOutput):
        fields["output"] = cast("Any", answer).output
    return json.dumps(fields, indent=2, ensure_ascii=False)


def _format_table(answer: Any) -> str:
    """Return an answer as people read it: labels with their scores, the size of vectors, else JSON in lines."""
    if isinstance(answer, Classification | DetectedObjects):
        return "".join(f"{item.score:8.4f}  {item.label}\n" for item in answer)
    if isinstance(answer, Embeddings):
        vectors = answer.data or []
        first = ", ".join(f"{number:.4f}" for number in vectors[0][:4]) if vectors else ""
        length = len(vectors[0]) if vectors else 0
        return f"{len(vectors)} of {length} numbers, the first {first}, … (--json, or > file, has all)\n"
    fields = cast("Mapping[str, Any]", answer.model_dump(mode="json"))
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
