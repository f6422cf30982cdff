"""Recordings on disk: a JSON file for each exchange, in the order in which they were made."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from cfai.doctor._exchanges import Exchange

FORMAT = 1


class Recordings:
    """Writes exchanges into a folder, which is made if it is not there. Raises `OSError` where that fails.

    ```python
    for finding in conform(keeper=Recordings("recordings")):
        print(finding)
    ```
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.name.partition("-")[0]) for path in self._folder.glob("[0-9]*-*.json")]
        self._last = max(numbers, default=0)

    def keep(self, exchange: Exchange) -> Path:
        """Write one as the next file of the folder; the path of it."""
        self._last += 1
        name = re.sub(r"[^0-9A-Za-z.]+", "-", exchange.path.rpartition("/ai/")[2]).strip("-.")[:80]
        path = self._folder / f"{self._last:04d}-{name}.json"
        path.write_text(json.dumps(as_json(exchange), ensure_ascii=False, indent=2) + "\n", "utf-8", newline="\n")
        return path


def as_json(exchange: Exchange) -> dict[str, Any]:
    """An exchange as it stands in its file; a chunk is a text or, where it is none, an object with `base64`."""
    return {
        "format": FORMAT,
        "request": {
            "method": exchange.method,
            "path": exchange.path,
            "query": exchange.query,
            "content_type": exchange.content_type,
            "body": _body(exchange.sent),
        },
        "response": {
            "status": exchange.status,
            "headers": exchange.headers,
            "chunks": [_chunk(chunk) for chunk in exchange.chunks if chunk],
        },
    }


def _body(body: bytes) -> dict[str, Any] | None:
    """A request's body, as far as it is compared: the digest of what is neither JSON nor text."""
    if not body:
        return None
    try:
        return {"json": json.loads(body)}
    except ValueError:
        return {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}


def _chunk(chunk: bytes) -> str | dict[str, str]:
    try:
        return chunk.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(chunk).decode()}
