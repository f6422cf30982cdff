"""Lists that come in pages, each of which is fetched when it is iterated to."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

from pydantic import BaseModel

from cfai._credentials import describe
from cfai._errors import ConfigurationError, InferenceUpstreamError
from cfai._json import as_number, is_mapping
from cfai._request import ApiRequest
from cfai._resources.api import AccountApi, Operation, read_body, validate_rows
from cfai._response import ApiResponse

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_PER_PAGE = 50

Cursor = Any
"""What names a page: its number, an offset, or the service's own word."""


class Page(NamedTuple, Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    next: Cursor
    """What names the page after it, or `None` if it is the last."""


PagePlan: TypeAlias = tuple[Callable[[Cursor], Operation[Page[T]]], Cursor]
"""What asks for a page, and the first to ask for."""


class _List(Generic[T]):
    """A list, whose pages `build` asks for."""

    def __init__(self, api: AccountApi, build: Callable[[Cursor], Operation[Page[T]]], first: Cursor = 1) -> None:
        self._api = api
        self._build = build
        self._first = first


class Pages(_List[T]):
    """The items of a list. Each page is fetched when it is come to; iterating anew asks anew."""

    def __iter__(self) -> Iterator[T]:
        return _PagesIterator(self._api, self._build, self._first)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: iterate over it>"


class AsyncPages(_List[T]):
    """The items of a list, awaited. Each page is fetched when it is come to; iterating anew asks anew."""

    def __aiter__(self) -> AsyncIterator[T]:
        return _AsyncPagesIterator(self._api, self._build, self._first)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: iterate over it with `async for`>"


class _Position(Generic[T]):
    """The position of an iteration. A page that could not be fetched is asked for again by whoever iterates on."""

    def __init__(self, api: AccountApi, build: Callable[[Cursor], Operation[Page[T]]], first: Cursor) -> None:
        self._api = api
        self._build = build
        self._cursor = first
        self._repeats = _Repeats()
        self._items = deque[T]()

    def _turn_to(self, page: Page[T]) -> None:
        is_same = self._repeats.include(self._cursor, page.items)
        self._cursor = None if is_same else page.next
        self._items.extend(() if is_same else page.items)


class _PagesIterator(_Position[T], Iterator[T]):
    def __next__(self) -> T:
        while not self._items:
            if self._cursor is None:
                raise StopIteration
            self._turn_to(self._api.call(self._build(self._cursor)))
        return self._items.popleft()


class _AsyncPagesIterator(_Position[T], AsyncIterator[T]):
    async def __anext__(self) -> T:
        while not self._items:
            if self._cursor is None:
                raise StopAsyncIteration
            self._turn_to(await self._api.acall(self._build(self._cursor)))
        return self._items.popleft()


class _Repeats:
    """The pages that were given so far: a service that knows no pages gives the first for ever."""

    def __init__(self) -> None:
        self._first: Sequence[Any] | None = None
        self._words = set[str]()

    def include(self, cursor: Cursor, items: Sequence[Any]) -> bool:
        """Return True for a page that came before: of a number by its items, of the service's own word by that."""
        if isinstance(cursor, str):
            is_known = cursor in self._words
            self._words.add(cursor)
            return is_known
        is_known = bool(items) and items == self._first
        if self._first is None:
            self._first = items
        return is_known


def plan_pages(
    path: str,
    kind: type[M],
    filters: Mapping[str, Any],
    map_error: Callable[[InferenceUpstreamError], Exception],
    *,
    known: type | None = None,
    get_rows: Callable[[Any], Any] = lambda body: body,
) -> PagePlan[M]:
    """Plan a list whose pages have numbers. With a `page` among the filters it is that page alone.

    `known` is the typed dict of the filters that there are, `get_rows` what leaves only rows of an answer. Raises
    `ConfigurationError` for another filter, and for a page that cannot be.
    """
    _check_filters(filters, known)
    per_page = filters.get("per_page") or _PER_PAGE
    is_alone = filters.get("page") is not None

    def build(number: int) -> Operation[Page[M]]:
        def read(response: ApiResponse, request: ApiRequest) -> Page[M]:
            body = read_body(response, request)
            items = validate_rows(kind, get_rows(body), response, request)
            return Page(items, None if is_alone else _find_next_page(number, len(items), per_page, body))

        query = {**filters, "page": number, "per_page": per_page}
        return Operation(path=path, query=query, read=read, map_error=map_error)

    return build, filters.get("page") or 1


def _find_next_page(number: int, count: int, per_page: int, body: Any = None) -> int | None:
    """Return the number of the page after `number`, which has `count` items, or `None`: a short one is the last.

    It is not if `body`, the answer, reports that there are more: a service may give fewer a page than it is asked for.
    Some listings report nothing.

    >>> _find_next_page(1, 50, 50), _find_next_page(2, 49, 50)
    (2, None)
    >>> _find_next_page(1, 20, 50, {"result_info": {"per_page": 20, "total_count": 75}})
    2
    """
    if count >= per_page:
        return number + 1
    info = body.get("result_info") if is_mapping(body) else None
    total = info.get("total_count") if is_mapping(info) else None
    if not count or not isinstance(total, int):
        return None
    reported = cast("Mapping[str, Any]", info).get("per_page")
    size = reported if isinstance(reported, int) else per_page
    is_last = (number - 1) * size + count == total or number * count >= total
    return None if is_last else number + 1


def _check_filters(filters: Mapping[str, Any], known: type | None) -> None:
    """Raise `ConfigurationError` for a filter that is not in the typed dict `known`, and for a page that cannot be."""
    names = known.__annotations__ if known else filters
    if unknown := sorted(filters.keys() - names.keys()):
        raise ConfigurationError(f"there is no filter {unknown[0]!r}, known are {', '.join(names)}")
    for name in ("page", "per_page"):
        if filters.get(name) is not None:
            check_whole_number(name, filters[name], 1)


def check_whole_number(option: str, value: Any, least: int, most: float = inf) -> None:
    """Raise `ConfigurationError` for what is no whole number, or one out of range."""
    value = as_number(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        span = f"of {least} or more" if most == inf else f"from {least} to {most}"
        raise ConfigurationError(f"`{option}` must be a whole number {span}, got {describe(value)}")
