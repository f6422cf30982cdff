"""AutoRAG: the older name of AI Search, with the names that it had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from cfai._errors import (
    AutoRAGInternalError,
    AutoRAGNameNotSetError,
    AutoRAGNotFoundError,
    AutoRAGUnauthorizedError,
    InferenceUpstreamError,
)
from cfai._json import is_mapping
from cfai._resources.api import AccountApi, Operation, build_path, read_as, rename
from cfai._resources.pages import AsyncPages, PagePlan, Pages, plan_pages
from cfai._resources.search_operations import Ranges, check_mapping, check_query, check_ranges
from cfai._resources.search_stream import AsyncSearchStream, SearchStream, aread_stream, read_stream
from cfai._streaming import AsyncCall
from cfai.types import AutoRAGInfo, AutoRAGParams, AutoRAGResults, AutoRAGStreamParams

_RANGES: Ranges = {"max_num_results": (1, 50), "ranking_options.score_threshold": (0, 1)}
_PATH = build_path("autorag", "rags")
_NO_ACCESS = "You don't have access to this AutoRAG"


class AutoRAG:
    """An AutoRAG: `ai.autorag(name)`. New code asks `ai.search()`, which is what it became."""

    def __init__(self, api: AccountApi, name: str | None) -> None:
        self._api = api
        self.name = name
        """Its name, or `None` for the list of all."""

    def list(self) -> Pages[AutoRAGInfo]:
        """List all of the account. Each page is fetched when it is come to. It needs no name."""
        return Pages(self._api, *_plan_list())

    def alist(self) -> AsyncPages[AutoRAGInfo]:
        """List all of the account, for `async for`."""
        return AsyncPages(self._api, *_plan_list())

    def search(self, params: AutoRAGParams | Mapping[str, Any]) -> AutoRAGResults:
        """Return what fits a `query`.

        Raises `AutoRAGNameNotSetError` and `InputError` before anything is sent, then `AutoRAGNotFoundError`,
        `AutoRAGUnauthorizedError` and `AutoRAGInternalError`.
        """
        return self._api.call(self._build("search", params, read_as(AutoRAGResults)))

    async def asearch(self, params: AutoRAGParams | Mapping[str, Any]) -> AutoRAGResults:
        """Return what fits a `query`, awaited."""
        return await self._api.acall(self._build("search", params, read_as(AutoRAGResults)))

    @overload
    def ai_search(self, params: AutoRAGStreamParams) -> SearchStream: ...
    @overload
    def ai_search(self, params: AutoRAGParams) -> AutoRAGResults: ...
    @overload
    def ai_search(self, params: Mapping[str, Any]) -> Any: ...
    def ai_search(self, params: Any) -> Any:
        """Answer a `query` from what fits: an `AutoRAGResults` with a `.response`, or with `"stream": True` a stream.

        The `SearchStream` is of text alone: what was found is not in it. Raises as `search` does.
        """
        return self._api.call(self._ask(params, read_stream))

    @overload
    def aai_search(self, params: AutoRAGStreamParams) -> AsyncCall[AsyncSearchStream]: ...
    @overload
    def aai_search(self, params: AutoRAGParams) -> AsyncCall[AutoRAGResults]: ...
    @overload
    def aai_search(self, params: Mapping[str, Any]) -> AsyncCall[Any]: ...
    def aai_search(self, params: Any) -> AsyncCall[Any]:
        """Answer a `query` from what fits, awaited; a stream is an `AsyncSearchStream`."""
        operation = self._ask(params, aread_stream)
        return AsyncCall(self._api.acall(operation), wants_stream=operation.wants_stream)

    def __repr__(self) -> str:
        return f"<AutoRAG {self.name or 'without a name'}>"

    def _ask(self, params: Any, read_stream: Any) -> Operation[Any]:
        streams = is_mapping(params) and bool(params.get("stream"))
        return self._build("ai-search", params, read_stream if streams else read_as(AutoRAGResults), streams=streams)

    def _build(self, action: str, params: Any, read: Any, *, streams: bool = False) -> Operation[Any]:
        if not self.name:
            raise AutoRAGNameNotSetError("AutoRAG name not defined: pass it, as in ai.autorag('my-rag')")
        check_mapping(params, "{'query': 'How do I …?'}")
        check_query(params)
        check_ranges(params, _RANGES)
        path = _PATH + build_path(self.name, action)
        return Operation(method="POST", path=path, json=params, read=read, map_error=_map_error, wants_stream=streams)


def _plan_list() -> PagePlan[AutoRAGInfo]:
    # UNCERTAIN: the form of this list, which no reference has; all of its fields may be missing.
    return plan_pages(_PATH, AutoRAGInfo, {}, lambda error: rename(error, {None: AutoRAGInternalError}))


def _map_error(error: InferenceUpstreamError) -> Exception:
    kinds = {
        401: AutoRAGUnauthorizedError,
        403: AutoRAGUnauthorizedError,  # over REST a bad token may show as this
        404: AutoRAGNotFoundError,
        None: AutoRAGInternalError,
    }
    return rename(error, kinds, {401: _NO_ACCESS, 403: _NO_ACCESS, 404: "AutoRAG not found"})
