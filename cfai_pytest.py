"""The pytest plugin: the fixtures `workers_ai` and `ai`, and the mark `workers_ai`.

Every pytest run loads this module where cfai is installed, so it stands beside the package rather than in it, and
imports nothing of it before a test asks for a fixture.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cfai import Ai
    from cfai.testing import WorkersAI

NAME = "workers_ai"
"""The name of the mark, and of the fixture that it brings along."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line(
        "markers",
        f'{NAME}(faults=[503, "ok"], **options): what the requests of this test meet, one after the other, '
        "and the options of the `cfai.local.Emulator` that it talks to.",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give a marked test the fixture even if it does not name it.

    It comes before what the test does name, and after what it has without naming it: that may clear the environment.
    """
    if not isinstance(item, pytest.Function) or item.get_closest_marker(NAME) is None or NAME in item.fixturenames:
        return
    requested = {*inspect.signature(item.obj).parameters}
    requested.update(*(mark.args for mark in item.iter_markers("usefixtures")))
    names = item.fixturenames
    place = next((place for place, name in enumerate(names) if name in requested), len(names))
    # A new list: that of a parametrised test is shared by all its cases, and perhaps only one of them is marked.
    item.fixturenames = [*names[:place], NAME, *names[place:]]


@pytest.fixture
def workers_ai(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkersAI]:
    """A Workers AI on this machine, this test's own, that an `Ai()` without arguments calls."""
    from cfai.testing import build_server

    try:
        workers_ai = build_server(request.node.iter_markers(NAME))
        workers_ai.start()
    except (ImportError, ValueError) as error:
        # One line, without what led to it.
        raise pytest.fail.Exception(f"{error}", pytrace=False) from None
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", workers_ai.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", workers_ai.account_id)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", workers_ai.api_token)
    yield workers_ai
    workers_ai.stop()


@pytest.fixture
def ai(workers_ai: WorkersAI) -> Iterator[Ai]:
    """A client at `workers_ai`, for `run` and `arun`. It tries again as any `Ai` does, without the waits."""
    from cfai import Retry

    with workers_ai.ai(max_retries=Retry(base=0)) as ai:
        yield ai
