"""The journal of a job: a file with a line of JSON for each row that has ended, so that a second start goes on.

The first line names the model. A line is written by one system call: a process that is killed leaves whole lines, but
for the last one perhaps, which is cut off when the file is opened again. A row is found again by its model and inputs,
not by its place: inputs may be added, taken out and sorted anew. Of equal inputs each has a line of its own.
"""

from __future__ import annotations

import errno
import hashlib
import inspect
import io
import json
import math
import os
import re
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

from cfai import types
from cfai._errors import ConfigurationError, InputError
from cfai._json import is_mapping, json_default
from cfai._request import StreamedFile, is_medium, refuse_streams, walk
from cfai.many._report import Row, describe_cause
from cfai.structured import OutputFormat, has_class

_VERSION = 1
_SYNC_SECONDS = 1.0
"""How much a power cut may lose. A process that is killed loses nothing that was written."""
_LOCKED_BYTE = 1 << 62
"""Where Windows locks: beyond the end of any file, since what is locked cannot be read."""
_WITHOUT_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS)
_KEY_SIZE = 16


class Past(NamedTuple):
    """The contents of a journal when it was opened."""

    cost: float
    """US dollars that its rows have cost."""
    sent: list[float]
    """When its requests were sent, in seconds since 1970."""


class Journal:
    """An open journal, locked against every other process. Raises `ConfigurationError` if it is none, or not free."""

    def __init__(self, path: str | os.PathLike[str], model: str, output_type: Any) -> None:
        self.path = Path(path)
        self._model = model
        self._output_format = None if output_type is None else OutputFormat.of(output_type)
        self._lock = threading.RLock()  # the collector may close a journal in a thread that writes it
        self._done: dict[bytes, list[int]] = {}
        """Where the lines with answers begin, by the key of their inputs, last one first."""
        self._synced = 0.0
        try:
            # "a+" makes the file, and never empties one.
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115  # closed with the job
        except OSError as error:
            raise ConfigurationError(f"`journal` must be a file that can be written: {error}") from error
        _open_journals.add(self)
        try:
            self._lock_file()
            self.past = self._read()
        except BaseException:
            self._file.close()
            raise

    def find(self, key: bytes, index: int, inputs: Any) -> Row[Any] | None:
        """Return the row that the journal has for inputs, which it has once, or `None`."""
        places = self._done.get(key)
        while places:
            with self._lock:
                self._file.seek(places.pop())
                line = self._read_line()
            with suppress(Exception):  # of another `output_type`, say, whose validators may raise anything
                return self._parse_row(json.loads(line), index, inputs)
        return None

    def append(self, row: Row[Any], key: bytes, *, sent: float, cost: float) -> None:
        """Write a row, or what one without answer or error has cost.

        Raises `OSError` if the disk is full, and leaves the file as it was.
        """
        line = json.dumps(self._dump_row(row, key, sent, cost), separators=(",", ":"), default=_to_json) + "\n"
        with self._lock:
            if not self._file.closed:
                self._write(line.encode())

    def is_sync_due(self, now: float) -> bool:
        """Return True once a second."""
        if now - self._synced < _SYNC_SECONDS:
            return False
        self._synced = now
        return True

    def sync(self) -> None:
        """Have what was written put on the disk."""
        with self._lock:
            if not self._file.closed:
                self._sync()

    def close(self) -> None:
        """Put all on the disk, and let others have the file. What comes later is not written."""
        with self._lock:
            if not self._file.closed:
                try:
                    self._sync()
                finally:
                    self._unlock_file()
                    self._file.close()

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._explain(error) from error

    def _write(self, line: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._file.truncate(end)
            raise self._explain(error) from error

    def _explain(self, error: OSError) -> OSError:
        problem = f"the journal cannot be written ({error.strerror}), and the job was stopped"
        advice = "make room and start it again: it goes on from what stands there"
        return OSError(error.errno, f"{problem}. What to do: {advice}", str(self.path))

    def _read_line(self) -> bytes:
        """Read a line from where the file stands. The file itself is unbuffered, which would read byte by byte."""
        pieces: list[bytes] = []
        while piece := self._file.read(65536):
            head, end, _ = piece.partition(b"\n")
            pieces.append(head)
            if end:
                break
        return b"".join(pieces)

    def _read(self) -> Past:
        cost, sent, place, number = 0.0, list[float](), 0, 0
        header = json.dumps({"cfai_journal": _VERSION, "model": self._model}).encode() + b"\n"
        with open(self.path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    if number == 1 and not header.startswith(line):
                        raise self._refuse(f"line 1 of {self.path} is none of its lines. Name another file")
                    self._file.truncate(place)  # a process was killed while it wrote this line
                    number -= 1
                    break
                fields = self._parse_line(line, number)
                if number > 1:
                    cost += fields["cost"]
                    sent += [fields["sent"]] * fields["attempts"]
                    if "answer" in fields:
                        self._done.setdefault(bytes.fromhex(fields["key"]), []).append(place)
                place += len(line)
        for places in self._done.values():
            places.reverse()
        if number == 0:
            self._write(header)
        return Past(cost, sent)

    def _parse_line(self, line: bytes, number: int) -> Mapping[str, Any]:
        """Return the fields of a line. Raises `ConfigurationError` for one that cfai has not written."""
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if number > 1:
            if not _is_row(fields):
                reason = f"line {number} of {self.path} is none of its lines"
                raise self._refuse(f"{reason}. Take it out, or name another file")
        elif not is_mapping(fields) or "cfai_journal" not in fields:
            raise self._refuse(f"line 1 of {self.path} is none of its lines. Name another file")
        elif fields["cfai_journal"] != _VERSION:
            raise self._refuse(f"{self.path} is of another version of cfai. Name another file")
        elif fields.get("model") != self._model:
            raise self._refuse(f"{self.path} is of {fields.get('model')}. Name another file")
        return cast("Mapping[str, Any]", fields)

    def _refuse(self, reason: str) -> ConfigurationError:
        must = f"`journal` must be a new file, or one that run_many wrote for {self._model}"
        return ConfigurationError(f"{must}: {reason}")

    def _dump_row(self, row: Row[Any], key: bytes, sent: float, cost: float) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "index": row.index,
            "key": key.hex(),
            "attempts": row.attempts,
            "sent": round(sent, 3),
            "cost": cost,
        }
        if row.error is not None:
            return {**fields, "error": {"cause": describe_cause(row.error), "message": str(row.error)}}
        return fields if row.answer is None else {**fields, "answer": _dump_answer(row.answer)}

    def _parse_row(self, fields: Mapping[str, Any], index: int, inputs: Any) -> Row[Any]:
        answer, output_format = _parse_answer(fields["answer"]), self._output_format
        if has_class(inputs):
            output_format = OutputFormat.of(inputs["response_format"])
        if output_format is not None:
            answer = types.StructuredOutput.of(answer, output_format.read(answer.text))
        output = answer if self._output_format is None else answer.output
        return Row(index, inputs, output, None, answer, 0, True)

    def forget(self) -> None:
        """Close the file in a child of a fork, where the lock is its parent's, and another thread may write here."""
        self._lock = threading.RLock()
        self._file.close()

    def _unlock_file(self) -> None:
        """Let others have the file at once, though a process that was started meanwhile may have it open too."""
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _lock_file(self) -> None:
        """Lock the file until it is closed, or the process ends, however that may come."""
        try:
            if sys.platform == "win32":
                import msvcrt

                self._file.seek(_LOCKED_BYTE)
                msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                must = "`journal` must be a file on a file system that can lock files"
                problem = f"that of {self.path} cannot ({error.strerror})"
                raise ConfigurationError(f"{must}: {problem}. Name one on a disk of this machine") from error
            advice = (
                "Wait for that job to end, or end it by `close()`, `await aclose()` or `with` if it is of this program"
            )
            raise ConfigurationError(
                f"`journal` must be a file that no other job writes: {self.path} is in use. {advice}"
            ) from error


_open_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _forget_journals() -> None:
    for journal in [*_open_journals]:
        journal.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_journals)


def make_key(model: str, inputs: Any) -> bytes:
    """Return what tells inputs from others: the same in every process.

    A path counts by its name; bytes, pictures, arrays, answers of cfai and open files count by their content. Raises
    `InputError` for a medium whose content cannot be told without taking it away.

    >>> make_key("m", {"a": 1, "b": 2}) == make_key("m", {"b": 2, "a": 1})
    True
    """
    refuse_streams(inputs, "where there is a journal", "pass a Path or bytes")
    try:
        sent = json.loads(json.dumps(inputs, default=_describe_value))  # the keys of its objects are strings
        text = json.dumps([model, sent], sort_keys=True)
    except InputError:  # a TypeError, too
        raise
    except Exception:  # a picture that is cut off raises what it likes
        return os.urandom(_KEY_SIZE)  # cannot be sent, as its row will say
    return hashlib.blake2b(text.encode(), digest_size=_KEY_SIZE).digest()


def _describe_value(value: Any) -> Any:
    """Return what stands for a value that JSON has not. Raises `InputError` for a medium of unknown content."""
    if isinstance(value, os.PathLike):
        return os.fspath(cast("os.PathLike[str]", value))
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, bytes | bytearray | memoryview) or hasattr(value, "__bytes__"):
        return _hash(bytes(cast("bytes", value)))
    if hasattr(value, "tobytes"):  # an array, a picture of Pillow
        kind = [str(getattr(value, name, "")) for name in ("dtype", "shape", "mode", "size")]
        palette = value.getpalette() if hasattr(value, "getpalette") else None
        return [kind, palette, _hash(value.tobytes())]
    if hasattr(value, "read"):
        return _hash_file(value)
    if hasattr(value, "model_dump") and any(is_medium(each) for each, _ in walk(value)):
        fields: dict[str, Any] = {**vars(value), **(getattr(value, "model_extra", None) or {})}
        return fields  # pydantic would read a file to its end
    try:
        return json_default(value)
    except TypeError:
        if is_medium(value):
            raise _make_medium_error(value) from None
        return type(value).__name__  # cannot be sent, as its row will say


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_file(file: Any) -> str:
    """Return the hash of what an open file has left to read, and leave it where it stood."""
    if isinstance(file, io.BytesIO) and not file.closed:
        return _hash(file.getvalue()[file.tell() :])
    digest = hashlib.sha256()
    try:
        if inspect.iscoroutinefunction(file.read):
            raise TypeError("it is asynchronous")
        for piece in StreamedFile(file, "a medium"):
            digest.update(piece)
    except (OSError, TypeError, ValueError) as error:  # of text, closed
        raise _make_medium_error(file) from error
    return digest.hexdigest()


def _make_medium_error(value: Any) -> InputError:
    must = "a medium among the inputs must be one whose bytes can be read, where there is a journal"
    return InputError(f"{must}, got {type(value).__name__}: pass a Path or bytes")


def _is_row(fields: Any) -> bool:
    """Return True for the fields of a line that tells of a row."""
    if not is_mapping(fields) or not is_mapping(fields.get("answer", {})) or not isinstance(fields.get("key"), str):
        return False
    figures = [fields.get(name) for name in ("sent", "cost", "attempts")]
    if not all(isinstance(each, int | float) and 0 <= each < math.inf for each in figures):
        return False
    return isinstance(figures[-1], int) and re.fullmatch("(?:[0-9a-f]{2})+", fields["key"]) is not None


def _to_json(value: Any) -> Any:
    try:
        return json_default(value)
    except TypeError:
        return str(value)


def _dump_answer(answer: Any) -> dict[str, Any]:
    """Return an answer as JSON. The bytes of an image or a sound become base64, text keeps what no UTF-8 can hold."""
    mode = "json" if isinstance(answer, types.Binary) else "python"
    fields = {"class": type(answer).__name__, "fields": answer.model_dump(mode=mode, exclude_unset=True)}
    meta = {name: getattr(answer.meta, name) for name in types.Meta.__slots__}
    del meta["fallback_errors"]  # exceptions
    if answer.meta.usage is not None:
        meta["usage"] = {name: getattr(answer.meta.usage, name) for name in types.Usage.__slots__}
    fields["meta"] = meta
    if isinstance(answer, types.TextOutput) and answer.reasoning:
        # That of some models stands in the text, and is found only while it comes.
        fields["summary"] = {"text": answer.text, "reasoning": answer.reasoning}
    return fields


def _parse_answer(fields: Mapping[str, Any]) -> Any:
    """Return the answer that a line has: of the class that it had, or of the one that its fields tell."""
    kind: Any = getattr(types, fields["class"], types.Output)
    if kind is types.StructuredOutput:  # the plain answer, whose text has the object
        kind = types.find_output_class(fields["fields"])
    answer: Any = kind.model_validate(fields["fields"])
    meta = fields["meta"]
    usage, meta["fallback_left_out"] = meta.pop("usage"), tuple(meta["fallback_left_out"])
    meta["_sum"] = meta["_sum"] and tuple(meta["_sum"])
    answer._meta = types.Meta(**meta, usage=None if usage is None else types.Usage(**usage))
    if "summary" in fields:
        summary = answer._summarize()
        summary.text, summary.reasoning = fields["summary"]["text"], fields["summary"]["reasoning"]
    return answer
