"""Lists that come in pages, each of which is fetched when it is iterated to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from cfai._errors import ConfigurationError
from cfai._resources.api import AccountApi, Operation

T = TypeVar("T")

Cursor = Any
"""What names a page: its number, an offset, or the service's own word."""


class Page(NamedTuple, Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    next: Cursor
    """What names the page after it, or `None` if it is the last."""


class Pages(Generic[T]):
    """The items of a list. Each page is fetched when it is come to; iterating anew asks anew."""

    def __init__(self, api: AccountApi, build: Callable[[Cursor], Operation[Page[T]]], first: Cursor = 1) -> None:
        self._api = api
        self._build = build
        self._first = first

    def __iter__(self) -> Iterator[T]:
        cursor, before = self._first, None
        while cursor is not None:
            page = self._api.call(self._build(cursor))
            if page.items == before:
                return  # a service that knows no pages gives the same for ever
            yield from page.items
            cursor, before = page.next, page.items

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: iterate over it>"


class AsyncPages(Generic[T]):
    """The items of a list, awaited. Each page is fetched when it is come to; iterating anew asks anew."""

    def __init__(self, api: AccountApi, build: Callable[[Cursor], Operation[Page[T]]], first: Cursor = 1) -> None:
        self._api = api
        self._build = build
        self._first = first

    def __aiter__(self) -> AsyncIterator[T]:
        return _AsyncPagesIterator(self._api, self._build, self._first)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: iterate over it with `async for`>"


class _AsyncPagesIterator(AsyncIterator[T]):
    """An iterator that holds nothing which would have to be closed, as a generator would."""

    def __init__(self, api: AccountApi, build: Callable[[Cursor], Operation[Page[T]]], first: Cursor) -> None:
        self._api = api
        self._build = build
        self._cursor = first
        self._page: Sequence[T] = ()
        self._position = 0

    async def __anext__(self) -> T:
        while self._position >= len(self._page):
            if self._cursor is None:
                raise StopAsyncIteration
            page = await self._api.acall(self._build(self._cursor))
            is_same = bool(page.items) and page.items == self._page
            self._page, self._cursor, self._position = ((), None, 0) if is_same else (page.items, page.next, 0)
        self._position += 1
        return self._page[self._position - 1]


def find_next_page(number: int, count: int, per_page: int) -> int | None:
    """Return the number of the page after `number`, which has `count` items, or `None`: a short one is the last.

    What the service reports of pages is not relied upon, since some listings report none.

    >>> find_next_page(1, 50, 50), find_next_page(2, 49, 50)
    (2, None)
    """
    return number + 1 if count >= per_page else None


def check_filters(filters: Mapping[str, Any], known: type) -> None:
    """Raise `ConfigurationError` for a filter that is not among those of the typed dict `known`."""
    if unknown := sorted(filters.keys() - known.__annotations__):
        raise ConfigurationError(f"there is no filter {unknown[0]!r}, known are {', '.join(known.__annotations__)}")
