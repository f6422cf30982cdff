"""Read and write the files of exchanges: JSON to be read, changed and compared by people."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from cfai.local._json import loads_strictly
from cfai.local.recording._exchange import ACCOUNT_PATH, Exchange, ExchangeRequest, parse_float

_MAX_SIZE = 512 * 1024 * 1024
"""Bytes that a file has at most."""

_CONNECTION_HEADERS = ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
"""Headers that belong to a connection, not to an answer."""

_HEADER_NAME = r"[0-9A-Za-z!#$%&'*+.^_`|~-]+"
_HEADER_VALUE = r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?"
_NUMBERS = re.compile(r"\[\n\s+(-?[\d.eE+-]+(?:,\n\s+-?[\d.eE+-]+)*)\n\s+\]")


class RecordingWriter:
    """Writes exchanges into a folder, which is made if it is not there. Raises `OSError` where that fails.

    Nobody but the user can read the files, nor look into a folder that is made: prompts and answers stand in them.

    ```python
    from cfai.doctor import conform
    from cfai.local import RecordingWriter

    for finding in conform(sink=RecordingWriter("recordings")):
        print(finding)
    ```

    `cfai dev --replay recordings` answers as the service did.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise FileExistsError(f"{self._folder} is a file: recordings are kept in a folder") from error
        self._last_number = max(map(_get_number, self._folder.glob("*.json")), default=0)

    def add(self, exchange: Exchange) -> Path:
        """Write an exchange as the next file of the folder; the path of it. Raises `OSError`."""
        return self.write(exchange, self.reserve_number())

    def reserve_number(self) -> int:
        """Return the number of the next file, which `write` takes when the exchange is over."""
        self._last_number += 1
        return self._last_number

    def write(self, exchange: Exchange, number: int) -> Path:
        """Write a file, at once and whole; the path of it. Raises `OSError`."""
        text = _format_json(_to_members(exchange))
        path = _reserve_path(self._folder, number, _build_slug(exchange.request))
        unfinished: Path | None = None
        try:
            descriptor, name = mkstemp(prefix=f".{path.name}.", dir=self._folder)
            unfinished = Path(name)
            with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            unfinished.replace(path)
        except OSError:
            for each in (unfinished, path):
                if each is not None:
                    each.unlink(missing_ok=True)
            raise
        return path


def load_exchange(path: Path) -> Exchange:
    """Read a file. Raises `ValueError` for one that is no recording, and says what is wrong with it."""
    try:
        exchange = Exchange.model_validate(loads_strictly(_read(path), parse_float))
        _check_playable(exchange)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = ".".join(map(str, first["loc"]))
        problem = f"{location}: {first['msg']}" if location else f"{first['msg']}"
        raise ValueError(f"{path} is no recording: {problem}") from error
    except RecursionError as error:
        raise ValueError(f"{path} is no recording: it is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no recording: {error}") from error
    return exchange


def _read(path: Path) -> bytes:
    """Return what is in a file. Raises `ValueError` for what is none, and might never end, and for one too large."""
    if not path.is_file():
        raise ValueError("it must be a file, or a link to one")
    size = path.stat().st_size
    if not 0 < size <= _MAX_SIZE:
        raise ValueError(f"it must have from 1 to {_MAX_SIZE:,} bytes, and has {size:,}")
    return path.read_bytes()


def list_recordings(folder: Path) -> list[Path]:
    """Return the recordings in a folder, in their order."""
    return [path for number, path in sorted((_get_number(path), path) for path in folder.glob("*.json")) if number]


def _reserve_path(folder: Path, number: int, slug: str) -> Path:
    """Make an empty file that is nobody else's, and return its path: another recorder may write into the folder."""
    while True:
        path = folder / f"{number:04d}-{slug}.json"
        try:
            path.touch(0o600, exist_ok=False)
            return path
        except FileExistsError:
            number += 1


def _get_number(path: Path) -> int:
    """Return the number of a recording by its name; 0 for any other file."""
    match = re.match(r"(\d+)-", path.name)
    return int(match[1]) if match else 0


def _check_playable(exchange: Exchange) -> None:
    """Raise `ValueError` for what cannot be compared with requests, or sent as an answer."""
    try:
        to_jsonable_python(exchange.request.body)
    except ValueError as error:
        # Comparing goes as deep as the value does.
        raise ValueError("request.body: it is nested too deeply") from error
    response = exchange.response
    for name, value in response.headers.items():
        pattern = r"[0-9]{1,18}" if name.lower() == "content-length" else _HEADER_VALUE
        if not re.fullmatch(_HEADER_NAME, name) or not re.fullmatch(pattern, value):
            raise ValueError(f"response.headers.{name}: {value!r} cannot be sent")
        if name.lower() in _CONNECTION_HEADERS:
            raise ValueError(f"response.headers.{name}: it belongs to a connection; take it out")
    if any(response.decode_chunks()) and (response.status in (204, 304) or exchange.request.method == "HEAD"):
        raise ValueError(f"response.chunks: status {response.status} to {exchange.request.method} has no body")


def _to_members(exchange: Exchange) -> dict[str, Any]:
    """Return the members of a file: all but those that are empty."""
    request, answer = exchange.request, exchange.response
    response = answer.model_dump(mode="json")
    if answer.cut is None:
        del response["cut"]
    return {
        "format": exchange.format,
        "request": {name: value for name, value in request if value},
        "response": response,
    }


def _format_json(value: Any) -> str:
    """Return JSON with a line for each member, but for lists of numbers."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2)
        text.encode()
    except UnicodeEncodeError:
        # Half a character: JSON can write it, UTF-8 cannot.
        text = json.dumps(value, indent=2)
    return _NUMBERS.sub(lambda match: "[" + re.sub(r"\s+", " ", match[1]) + "]", text) + "\n"


def _build_slug(request: ExchangeRequest) -> str:
    name = request.model or request.path.partition(ACCOUNT_PATH)[2]
    return re.sub(r"[^0-9A-Za-z.]+", "-", name).strip("-.")[:80] or "request"
