"""AI Search: namespaces, and the instances in them, which are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack, overload

from cfai._request import ApiRequest
from cfai._resources.api import AccountApi, Operation, build_path, read_as, read_nothing
from cfai._resources.pages import AsyncPages, PagePlan, Pages
from cfai._resources.search_items import AiSearchItems
from cfai._resources.search_jobs import AiSearchJobs
from cfai._resources.search_operations import (
    build_operation,
    check_chat,
    check_config,
    check_instance_id,
    check_search,
    list_pages,
)
from cfai._resources.search_stream import AsyncSearchStream, SearchStream, aread_stream, read_stream
from cfai._response import ApiResponse
from cfai._streaming import AsyncCall
from cfai.types import (
    SearchChatParams,
    SearchChatStreamParams,
    SearchCompletion,
    SearchInstanceConfig,
    SearchInstanceFilters,
    SearchInstanceInfo,
    SearchParams,
    SearchResults,
    SearchStats,
)


class _Searchable:
    """An object that can be asked: an instance, or several of a namespace."""

    _api: AccountApi
    _path: str
    _has_several: bool

    def search(self, params: SearchParams | Mapping[str, Any]) -> SearchResults:
        """Return the chunks that fit a `query`, or the last of `messages`.

        ```python
        results = instance.search({"query": "How do I …?", "ai_search_options": {"retrieval": {"max_num_results": 3}}})
        for chunk in results.chunks:
            print(chunk.score, chunk.item.key, chunk.text)
        ```

        Of a namespace, `ai_search_options` names the `instance_ids`; those that failed are in `.errors`. Fields that
        cfai does not know are sent as they are. Raises `InputError` for what is sure to be refused, and
        `AiSearchNotFoundError` where there is no such instance.
        """
        return self._api.call(self._search(params))

    async def asearch(self, params: SearchParams | Mapping[str, Any]) -> SearchResults:
        """Return the chunks that fit a `query`, or the last of `messages`, awaited."""
        return await self._api.acall(self._search(params))

    @overload
    def chat_completions(self, params: SearchChatStreamParams) -> SearchStream: ...
    @overload
    def chat_completions(self, params: SearchChatParams) -> SearchCompletion: ...
    @overload
    def chat_completions(self, params: Mapping[str, Any]) -> Any: ...
    def chat_completions(self, params: Any) -> Any:
        """Answer the last of `messages` from what is found: a `SearchCompletion`, or with `"stream": True` a stream.

        Both have the `.chunks` that the answer is made from. Of a namespace, `ai_search_options` names the
        `instance_ids`; those that failed are in `.errors`. Other fields of chat completions, such as `temperature`,
        may stand beside `messages`. Raises as `search` does.
        """
        return self._api.call(self._complete(params, read_stream))

    @overload
    def achat_completions(self, params: SearchChatStreamParams) -> AsyncCall[AsyncSearchStream]: ...
    @overload
    def achat_completions(self, params: SearchChatParams) -> AsyncCall[SearchCompletion]: ...
    @overload
    def achat_completions(self, params: Mapping[str, Any]) -> AsyncCall[Any]: ...
    def achat_completions(self, params: Any) -> AsyncCall[Any]:
        """Answer the last of `messages` from what is found, awaited; a stream is an `AsyncSearchStream`.

        `async with instance.achat_completions(...) as stream` works too.
        """
        operation = self._complete(params, aread_stream)
        return AsyncCall(self._api.acall(operation), wants_stream=operation.wants_stream)

    def _search(self, params: Any) -> Operation[SearchResults]:
        body = check_search(params, several=self._has_several)
        return build_operation(f"{self._path}/search", read_as(SearchResults), method="POST", json=body)

    def _complete(self, params: Any, read_stream: Any) -> Operation[Any]:
        body = check_chat(params, several=self._has_several)
        streams = bool(body.get("stream"))
        read: Any = read_stream if streams else read_as(SearchCompletion)
        return build_operation(f"{self._path}/chat/completions", read, method="POST", json=body, wants_stream=streams)


class AiSearchNamespace(_Searchable):
    """A namespace of AI Search: `ai.search()`. Its instances are made, listed, and searched together.

    All raise `AiSearchNotFoundError` for what is not there, `AiSearchInternalError`, and for another 4xx the errors of
    `run`.
    """

    _has_several = True

    def __init__(self, api: AccountApi, name: str) -> None:
        self._api = api
        self._path = build_path("ai-search", "namespaces", name)
        self.name = name
        """Its name; every account has `default`."""

    def get(self, id: str) -> AiSearchInstance:
        """Return an instance by its id. Nothing is sent. Raises `ConfigurationError` for what can be no id."""
        return AiSearchInstance(self._api, f"{self._path}/instances", id)

    def list(self, **filters: Unpack[SearchInstanceFilters]) -> Pages[SearchInstanceInfo]:
        """List the instances that fit filters. Each page is fetched when it is come to.

        Raises `ConfigurationError` for a filter that there is not.
        """
        return Pages(self._api, *self._list(filters))

    def alist(self, **filters: Unpack[SearchInstanceFilters]) -> AsyncPages[SearchInstanceInfo]:
        """List the instances that fit filters, for `async for`."""
        return AsyncPages(self._api, *self._list(filters))

    def create(self, config: SearchInstanceConfig | Mapping[str, Any]) -> AiSearchInstance:
        """Make an instance, and return it. Only its `id` has to be there: `namespace.create({"id": "my-docs"})`."""
        return self._api.call(self._create(config))

    async def acreate(self, config: SearchInstanceConfig | Mapping[str, Any]) -> AiSearchInstance:
        """Make an instance, awaited, and return it."""
        return await self._api.acall(self._create(config))

    def delete(self, id: str) -> None:
        """Delete an instance, with all that is in it."""
        self._api.call(self._delete(id))

    async def adelete(self, id: str) -> None:
        """Delete an instance, awaited, with all that is in it."""
        await self._api.acall(self._delete(id))

    def __repr__(self) -> str:
        return f"<AiSearchNamespace {self.name}>"

    def _list(self, filters: Mapping[str, Any]) -> PagePlan[SearchInstanceInfo]:
        return list_pages(f"{self._path}/instances", SearchInstanceInfo, filters, SearchInstanceFilters)

    def _create(self, config: Any) -> Operation[AiSearchInstance]:
        body = check_config(config)
        instance = self.get(body.get("id"))  # pyright: ignore[reportArgumentType]  # which checks it

        def read(response: ApiResponse, request: ApiRequest) -> AiSearchInstance:
            read_nothing(response, request)
            return instance

        return build_operation(f"{self._path}/instances", read, method="POST", json=body, makes_something=True)

    def _delete(self, id: str) -> Operation[None]:
        path = f"{self._path}/instances{build_path(check_instance_id(id))}"
        return build_operation(path, read_nothing, method="DELETE")


class AiSearchInstance(_Searchable):
    """An instance of AI Search, an index of documents: `ai.search().get(id)`.

    All raise `AiSearchNotFoundError` for what is not there, `AiSearchInternalError`, and for another 4xx the errors of
    `run`.
    """

    _has_several = False

    def __init__(self, api: AccountApi, instances_path: str, id: str) -> None:
        self._api = api
        self._path = instances_path + build_path(check_instance_id(id))
        self.id = id
        """Its id."""

    @property
    def items(self) -> AiSearchItems:
        """The documents in it."""
        return AiSearchItems(self._api, self._path)

    @property
    def jobs(self) -> AiSearchJobs:
        """The looks at its source."""
        return AiSearchJobs(self._api, self._path)

    def info(self) -> SearchInstanceInfo:
        """Return the instance's configuration and state."""
        return self._api.call(self._info())

    async def ainfo(self) -> SearchInstanceInfo:
        """Return the instance's configuration and state, awaited."""
        return await self._api.acall(self._info())

    def update(self, config: SearchInstanceConfig | Mapping[str, Any]) -> SearchInstanceInfo:
        """Change the instance's configuration, and return it.

        `public_endpoint_params` are replaced as a whole. That other keys stay as they are if they are left out is
        likely, but Cloudflare's pages do not say so.
        """
        return self._api.call(self._update(config))

    async def aupdate(self, config: SearchInstanceConfig | Mapping[str, Any]) -> SearchInstanceInfo:
        """Change the instance's configuration, awaited, and return it."""
        return await self._api.acall(self._update(config))

    def stats(self) -> SearchStats:
        """Return how many of the instance's items are in which state."""
        return self._api.call(self._stats())

    async def astats(self) -> SearchStats:
        """Return how many of the instance's items are in which state, awaited."""
        return await self._api.acall(self._stats())

    def __repr__(self) -> str:
        return f"<AiSearchInstance {self.id}>"

    def _info(self) -> Operation[SearchInstanceInfo]:
        return build_operation(self._path, read_as(SearchInstanceInfo))

    def _update(self, config: Any) -> Operation[SearchInstanceInfo]:
        # UNCERTAIN: whether keys that are left out stay as they are; nothing is added to what the caller passes.
        return build_operation(self._path, read_as(SearchInstanceInfo), method="PUT", json=check_config(config))

    def _stats(self) -> Operation[SearchStats]:
        return build_operation(f"{self._path}/stats", read_as(SearchStats))
