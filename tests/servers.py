"""The programs of docs/deployment.md, in a folder, and servers that run them in processes of their own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PAGE = Path(__file__).parents[1] / "docs" / "deployment.md"
LONG = 20.0
"""Seconds after which a test gives up."""


def write_programs(folder: Path) -> None:
    """Write every block of the page that begins with the name of a file into a file of that name."""
    for name, code in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```\n", PAGE.read_text("utf-8"), re.DOTALL | re.M):
        (folder / name).write_text(code, "utf-8")


@dataclass
class Site:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    log: Path
    http: httpx.Client

    def stream(self, path: str) -> AbstractContextManager[httpx.Response]:
        """Ask as a page does."""
        return self.http.stream("GET", path, params={"prompt": "Hello"})

    def read(self, path: str) -> tuple[bytes, bool]:
        """Return a body, and True if it came to its proper end."""
        with self.stream(path) as response:
            return read_all(response)

    def leave(self, path: str) -> None:
        """Close the connection after the first piece of a body."""
        with self.stream(path) as response:
            next(response.iter_raw())


def read_all(response: httpx.Response) -> tuple[bytes, bool]:
    """Return the body of a response, and True if it came to its proper end."""
    body = b""
    try:
        for piece in response.iter_raw():
            body += piece
    except httpx.TransportError:
        return body, False
    return body, True


@contextmanager
def run_module(folder: Path, *command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a module of Python's with arguments, and tell it to stop at the end of the block.

    What it writes goes into the file `log`, which a test that fails shows.
    """
    log = folder / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=os.environ | {"CFAI_LOG": "info", "HOME": str(folder)},
            stdout=written,
            stderr=written,
            text=True,
            **options,
        )
    try:
        yield process
    except BaseException as error:
        error.add_note(log.read_text())
        raise
    finally:
        process.terminate()
        try:
            process.wait(LONG)
        finally:
            process.kill()


@contextmanager
def run_server(folder: Path, *command: str) -> Iterator[Site]:
    """Run a server on a socket whose descriptor stands for `FD` in its arguments."""
    # A client that comes before the server is ready waits in the listener's queue.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        command = tuple(each.replace("FD", str(descriptor)) for each in command)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            run_module(folder, *command, pass_fds=[descriptor]) as process,
            httpx.Client(base_url=url, timeout=LONG, trust_env=False) as http,
        ):
            yield Site(process, folder / "log", http)
