"""Calls of the rest of the binding, made alike sync and async."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

import anyio
import httpx
import pytest

from cfai import Ai
from cfai._resources import AsyncPages, Pages
from cfai.local import Emulator
from tests.conftest import ACCOUNT, TOKEN
from tests.resources.sessions import Go


class Invoke(Protocol):
    """What calls a method by its synchronous name: it, or on an event loop the one with an `a` before it."""

    def __call__(self, owner: Any, name: str, /, *args: Any, **options: Any) -> Any: ...


@pytest.fixture(params=["sync", "asyncio", "trio"])
def invoke(request: pytest.FixtureRequest) -> Invoke:
    """Return what calls a method, and gives the items of pages as a list."""

    def invoke_sync(owner: Any, name: str, /, *args: Any, **options: Any) -> Any:
        result = getattr(owner, name)(*args, **options)
        return list(result) if isinstance(result, Pages) else result

    def invoke_async(owner: Any, name: str, /, *args: Any, **options: Any) -> Any:
        async def main() -> Any:
            result = getattr(owner, f"a{name}")(*args, **options)
            return [item async for item in result] if isinstance(result, AsyncPages) else await result

        return anyio.run(main, backend=request.param)

    return invoke_sync if request.param == "sync" else invoke_async


def list_requests(route: Any) -> list[httpx.Request]:
    """Return the requests that a mocked route has had."""
    return [call.request for call in route.calls]


@pytest.fixture
def remote() -> Ai:
    """A client of Cloudflare, whose answers a test mocks."""
    return Ai(account_id=ACCOUNT, api_token=TOKEN, max_retries=0)


@pytest.fixture
def local() -> Iterator[Emulator]:
    """An emulator for one test, since it remembers."""
    with Emulator(tokens_per_second=None) as local:
        yield local


@pytest.fixture
def ai(local: Emulator) -> Iterator[Ai]:
    with local.ai(max_retries=0) as ai:
        yield ai


@pytest.fixture(params=["asyncio", "trio"])
def go(request: pytest.FixtureRequest) -> Go:
    """Run an asynchronous function to its end, on either kind of event loop, and give up on one that hangs."""

    def run(function: Callable[[], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            with anyio.fail_after(20):
                return await function()

        return anyio.run(main, backend=request.param)

    return run
