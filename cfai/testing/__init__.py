"""Fixtures for tests of code that uses Workers AI: an emulator that says what it was sent.

With pytest it comes as the fixture `workers_ai`, and a client at it as `ai`. Needs the extra
`emulator`.
"""

from cfai.testing._mark import build_server
from cfai.testing._workers_ai import WorkersAI

WorkersAI.__module__ = __name__

__all__ = ["WorkersAI", "build_server"]
