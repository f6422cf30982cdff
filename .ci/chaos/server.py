"""The server: plays the plan of each call on a raw socket, and counts how often a call was sent.

    python -m chaos.server SEED

It prints its port, and when standard input is closed a report as JSON.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import threading
import time
from collections import Counter
from contextlib import suppress

from chaos.plan import Plan, Step, make_plan, make_refusal

HOLD = 10.0
"""Seconds that a silent connection is kept open."""


class Server:
    """The server, and what it saw."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.requests: Counter[int] = Counter()
        self.whole: Counter[int] = Counter()
        """The requests whose body came to its end: before that no model runs."""
        self.problems: list[str] = []
        self.open = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.open += 1
        connection.settimeout(60)
        try:
            with connection, suppress(OSError):
                while received := receive_head(connection):
                    if not self._answer(connection, received):
                        return
        finally:
            with self._lock:
                self.open -= 1

    def _answer(self, connection: socket.socket, received: bytes) -> bool:
        """Play the plan of one request; return True if another may follow on the connection."""
        head, _, body = received.partition(b"\r\n\r\n")
        number = int((re.search(rb"(?im)^x-chaos: (\d+)\r?$", head) or [b"", b"-1"])[1])
        length = int((re.search(rb"(?im)^content-length: (\d+)\r?$", head) or [b"", b"0"])[1])
        if number < 0:
            self.problems.append(f"a request without a number: {head[:500]!r}")
            return False
        plan = make_plan(self.seed, number)
        with self._lock:
            self.requests[number] += 1
            count = self.requests[number]
        steps = make_refusal(plan) if count <= plan.refusals else plan.steps
        left = length - len(body)
        for step in steps:
            if step == "read":
                if read_rest(connection, left):
                    with self._lock:
                        self.whole[number] += 1
                left = 0
            elif not take_step(connection, step):
                return False
        read_rest(connection, left)
        return True

    def report(self) -> dict[str, object]:
        """Return what was seen, and what must not be."""
        end = time.monotonic() + 2 * HOLD
        while self.open and time.monotonic() < end:
            time.sleep(0.05)
        problems = [*self.problems]
        for number, count in sorted(self.whole.items()):
            plan = make_plan(self.seed, number)
            if count > 1 + min(plan.refusals, 2) and may_be_billed(plan):
                problems.append(f"{plan} was sent {count} times")
        if self.open:
            problems.append(f"{self.open} connections are still open")
        return {"requests": self.requests, "problems": problems}


def may_be_billed(plan: Plan) -> bool:
    """Return True if a caller must take it that the model has run.

    A connection that is used again and dies at once, without a byte, was closed before the request came, for all that
    anybody knows. A model that gave an empty result is asked again without a stream.
    """
    has_byte = any(isinstance(step, bytes) and step for step in plan.steps)
    if "reset" in plan.steps:
        return False  # it takes back what was sent and not read yet
    return plan.steps[0] == "read" and (has_byte or "hold" in plan.steps) and plan.behaviour != "no answer"


def receive_head(connection: socket.socket) -> bytes:
    """Receive a request as far as the end of its head; nothing if the client left."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece
    return received


def read_rest(connection: socket.socket, left: int) -> bool:
    """Read the rest of a body, and return True if it came whole."""
    while left > 0 and (piece := connection.recv(min(left, 65536))):
        left -= len(piece)
    return left <= 0


def take_step(connection: socket.socket, step: Step) -> bool:
    """Send or wait; return False at an end."""
    if isinstance(step, bytes):
        connection.sendall(step)
    elif isinstance(step, float):
        time.sleep(step)
    elif step == "hold":
        connection.settimeout(HOLD)
        while connection.recv(65536):
            pass
        return False
    else:
        if step == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    return True


if __name__ == "__main__":
    server = Server(int(sys.argv[1]))
    print(server.port, flush=True)
    sys.stdin.read()
    print(json.dumps(server.report()))
