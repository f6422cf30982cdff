"""Items of AI Search: documents of an instance, uploaded, looked at, and downloaded."""

from __future__ import annotations

import mimetypes
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.message import Message
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, TypeVar, Unpack

import anyio

from cfai._config import check_seconds
from cfai._credentials import check_flag, describe
from cfai._errors import ConfigurationError, InputError
from cfai._json import find_unsendable, is_mapping
from cfai._request import ApiRequest, Medium, StreamedFile, is_medium, make_form, open_medium
from cfai._resources.api import (
    AccountApi,
    Operation,
    build_path,
    encode_json,
    read_as,
    read_body,
    read_nothing,
    validate_rows,
)
from cfai._resources.file_stream import AsyncFileStream, FileStream
from cfai._resources.pages import AsyncPages, Page, PagePlan, Pages, check_whole_number
from cfai._resources.search_operations import build_operation, list_pages, map_error
from cfai._response import ApiResponse, build_response_error, parse_body
from cfai._threads import run_in_thread
from cfai.types import (
    SearchItemChunk,
    SearchItemContent,
    SearchItemFilters,
    SearchItemInfo,
    SearchItemLog,
    find_target,
)

T = TypeVar("T")

_MAX_NAME = 128
_MAX_PATH = 250
_MAX_PER_PAGE = 100
_MAX_ERROR_BYTES = 64 * 1024
_PENDING = ("queued", "running")


class AiSearchItems:
    """The items of an instance: `instance.items`. All raise as the methods of the instance do."""

    def __init__(self, api: AccountApi, instance_path: str) -> None:
        self._api = api
        self._path = f"{instance_path}/items"

    def list(self, **filters: Unpack[SearchItemFilters]) -> Pages[SearchItemInfo]:
        """List the items that fit filters. Each page is fetched when it is come to.

        Raises `ConfigurationError` for a filter that there is not.
        """
        return Pages(self._api, *list_pages(self._path, SearchItemInfo, filters, SearchItemFilters))

    def alist(self, **filters: Unpack[SearchItemFilters]) -> AsyncPages[SearchItemInfo]:
        """List the items that fit filters, for `async for`."""
        return AsyncPages(self._api, *list_pages(self._path, SearchItemInfo, filters, SearchItemFilters))

    def get(self, item_id: str) -> AiSearchItem:
        """Return an item by its id. Nothing is sent."""
        return AiSearchItem(self._api, self._path, item_id)

    def upload(
        self,
        name: str,
        content: Any,
        *,
        metadata: Mapping[str, Any] | None = None,
        wait_for_completion: bool = False,
    ) -> SearchItemInfo:
        """Upload a document under a name; one of the same name is replaced.

        - `content`: a `Path` or an open file, which is read from disk while it is sent, bytes, or the text itself.
        - `metadata`: what the document can be filtered by.
        - `wait_for_completion`: True to have the service answer once it is indexed, for 40 seconds at most.

        Raises `InputError` for what cannot be read, and for a name that has more than 128 characters.
        """
        return self._api.call(self._upload(name, content, metadata, wait_for_completion))

    async def aupload(
        self,
        name: str,
        content: Any,
        *,
        metadata: Mapping[str, Any] | None = None,
        wait_for_completion: bool = False,
    ) -> SearchItemInfo:
        """Upload a document under a name, awaited."""
        build = partial(self._upload, name, content, metadata, wait_for_completion)
        return await self._api.acall(await run_in_thread(build))  # it looks into files

    def upload_and_poll(
        self,
        name: str,
        content: Any,
        *,
        metadata: Mapping[str, Any] | None = None,
        poll_interval: float = 1.0,
        timeout: float | None = 30.0,
    ) -> SearchItemInfo:
        """Upload a document, and ask every `poll_interval` seconds whether it is indexed, for `timeout` seconds.

        `timeout=None` asks as long as it takes. Returns the last that was heard of it: look at its `status`.
        """
        seconds = _check_polling(poll_interval, timeout)
        info, end = self.upload(name, content, metadata=metadata), time.monotonic() + seconds
        while info.id and info.status in _PENDING and time.monotonic() + poll_interval <= end:
            time.sleep(poll_interval)
            info = self.get(info.id).info()
        return info

    async def aupload_and_poll(
        self,
        name: str,
        content: Any,
        *,
        metadata: Mapping[str, Any] | None = None,
        poll_interval: float = 1.0,
        timeout: float | None = 30.0,  # noqa: ASYNC109  # of the polling: no call is cut
    ) -> SearchItemInfo:
        """Upload a document, awaited, and ask whether it is indexed."""
        seconds = _check_polling(poll_interval, timeout)
        info, end = await self.aupload(name, content, metadata=metadata), time.monotonic() + seconds
        while info.id and info.status in _PENDING and time.monotonic() + poll_interval <= end:
            await anyio.sleep(poll_interval)
            info = await self.get(info.id).ainfo()
        return info

    def delete(self, item_id: str) -> None:
        """Delete an item."""
        self._api.call(self._delete(item_id))

    async def adelete(self, item_id: str) -> None:
        """Delete an item, awaited."""
        await self._api.acall(self._delete(item_id))

    def __repr__(self) -> str:
        return f"<AiSearchItems of {self._path}>"

    def _upload(
        self, name: str, content: Any, metadata: Mapping[str, Any] | None, wait_for_completion: bool
    ) -> Operation[SearchItemInfo]:
        check_flag("wait_for_completion", wait_for_completion)
        parts: list[tuple[str, str | Medium]] = [("file", _open_document(name, content))]
        if metadata is not None:
            if not is_mapping(metadata):
                raise InputError(f"`metadata` must be a dict, got {describe(metadata)}")
            parts.append(("metadata", encode_json(metadata, "metadata").decode()))
        if wait_for_completion:
            parts.append(("wait_for_completion", "true"))
        form = make_form(parts)
        return build_operation(
            self._path,
            read_as(SearchItemInfo),
            method="POST",
            body=form.content,
            headers={"content-type": form.media_type, "content-length": str(form.size)},
        )

    def _delete(self, item_id: str) -> Operation[None]:
        return build_operation(self._path + build_path(item_id), read_nothing, method="DELETE")


class AiSearchItem:
    """One item: `instance.items.get(id)`. All raise as the methods of its instance do."""

    def __init__(self, api: AccountApi, items_path: str, id: str) -> None:
        self._api = api
        self._path = items_path + build_path(id)
        self.id = id
        """The service's own id for it."""

    def info(self) -> SearchItemInfo:
        """Return how far the item is indexed."""
        return self._api.call(self._info())

    async def ainfo(self) -> SearchItemInfo:
        """Return how far the item is indexed, awaited."""
        return await self._api.acall(self._info())

    def sync(self, *, wait_for_completion: bool = False) -> SearchItemInfo:
        """Have the item indexed anew, and return how far that is."""
        return self._api.call(self._sync(wait_for_completion))

    async def async_(self, *, wait_for_completion: bool = False) -> SearchItemInfo:
        """Have the item indexed anew, awaited, and return how far that is. `a` and `sync` make a keyword of Python."""
        return await self._api.acall(self._sync(wait_for_completion))

    def download(self, *, to: str | os.PathLike[str] | None = None, overwrite: bool = False) -> SearchItemContent:
        """Return the item's file, or write it `to` one while it comes: then `.path` is that, and `.content` empty.

        The rules for the path are those of `Audio.save`. If the download breaks off, no file is left.
        """
        if to is None:
            return self._api.call(self._download(_read_content))
        with self._api.call(self._download(FileStream, wants_file=True)) as stream:
            target = find_target(to, _get_media_type(stream.response), overwrite=overwrite)
            part = _name_part(target)
            try:
                with part.open("xb") as file:
                    size = sum(file.write(piece) for piece in stream)
                _check_document(_read_head(part), stream.response, stream.request)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        return _describe_file(stream.response, size, path=target)

    async def adownload(
        self, *, to: str | os.PathLike[str] | None = None, overwrite: bool = False
    ) -> SearchItemContent:
        """Return the item's file, awaited, or write it `to` one while it comes."""
        if to is None:
            return await self._api.acall(self._download(_read_content))
        async with await self._api.acall(self._download(AsyncFileStream, wants_file=True)) as stream:
            find = partial(find_target, to, _get_media_type(stream.response), overwrite=overwrite)
            target = await run_in_thread(find)
            part, size = _name_part(target), 0
            try:
                with part.open("xb") as file:
                    async for piece in stream:
                        size += await run_in_thread(file.write, piece)
                _check_document(_read_head(part), stream.response, stream.request)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        return _describe_file(stream.response, size, path=target)

    def chunks(self, *, limit: int = 20, offset: int = 0) -> Pages[SearchItemChunk]:
        """List the chunks from the `offset`th on, `limit` a page, from 1 to 100.

        Each page is fetched when it is come to.
        """
        return Pages(self._api, *self._list_chunks(limit, offset))

    def achunks(self, *, limit: int = 20, offset: int = 0) -> AsyncPages[SearchItemChunk]:
        """List the chunks, for `async for`."""
        return AsyncPages(self._api, *self._list_chunks(limit, offset))

    def logs(self, *, limit: int = 50, cursor: str = "") -> Pages[SearchItemLog]:
        """List what was done with the item, from `cursor` on, `limit` a page, from 1 to 100.

        Each page is fetched when it is come to.
        """
        return Pages(self._api, *self._list_logs(limit, cursor))

    def alogs(self, *, limit: int = 50, cursor: str = "") -> AsyncPages[SearchItemLog]:
        """List what was done with the item, for `async for`."""
        return AsyncPages(self._api, *self._list_logs(limit, cursor))

    def __repr__(self) -> str:
        return f"<AiSearchItem {self._path}>"

    def _info(self) -> Operation[SearchItemInfo]:
        return build_operation(self._path, read_as(SearchItemInfo))

    def _sync(self, wait_for_completion: bool) -> Operation[SearchItemInfo]:
        check_flag("wait_for_completion", wait_for_completion)
        body: dict[str, Any] = {"next_action": "INDEX"}
        if wait_for_completion:
            body["wait_for_completion"] = True
        return build_operation(self._path, read_as(SearchItemInfo), method="PATCH", json=body)

    def _download(self, read: Callable[[ApiResponse, ApiRequest], T], *, wants_file: bool = False) -> Operation[T]:
        headers = {"accept": "application/octet-stream"}
        return build_operation(f"{self._path}/download", read, headers=headers, wants_file=wants_file)

    def _list_chunks(self, limit: int, offset: int) -> PagePlan[SearchItemChunk]:
        check_whole_number("limit", limit, 1, _MAX_PER_PAGE)
        check_whole_number("offset", offset, 0)
        return partial(self._build_chunks, limit), offset

    def _list_logs(self, limit: int, cursor: str) -> PagePlan[SearchItemLog]:
        check_whole_number("limit", limit, 1, _MAX_PER_PAGE)
        return partial(self._build_logs, limit), cursor

    def _build_chunks(self, limit: int, offset: int) -> Operation[Page[SearchItemChunk]]:
        def read(response: ApiResponse, request: ApiRequest) -> Page[SearchItemChunk]:
            body = read_body(response, request)
            items = validate_rows(SearchItemChunk, body, response, request)
            info = body.get("result_info") if is_mapping(body) else None
            total, end = info.get("total") if is_mapping(info) else None, offset + len(items)
            has_more = end != total if len(items) >= limit else isinstance(total, int) and end < total
            return Page(items, end if items and has_more else None)

        return build_operation(f"{self._path}/chunks", read, query={"limit": limit, "offset": offset})

    def _build_logs(self, limit: int, cursor: str) -> Operation[Page[SearchItemLog]]:
        def read(response: ApiResponse, request: ApiRequest) -> Page[SearchItemLog]:
            body = read_body(response, request)
            items = validate_rows(SearchItemLog, body, response, request)
            info = body.get("result_info") if is_mapping(body) else None
            return Page(items, (info.get("cursor") or None) if items and is_mapping(info) else None)

        return build_operation(f"{self._path}/logs", read, query={"limit": limit, "cursor": cursor or None})


def _open_document(name: Any, content: Any) -> Medium:
    """Return a document as it is sent. Raises `InputError` for what cannot be."""
    if not isinstance(name, str) or not 1 <= len(name) <= _MAX_NAME:
        got = f"{len(name)} characters" if isinstance(name, str) else describe(name)
        raise InputError(f"`name` must have 1 to {_MAX_NAME} characters, got {got}")
    if problem := find_unsendable(name, "`name`") or find_unsendable(
        content if isinstance(content, str) else "", "`content`"
    ):
        raise InputError(problem)
    if isinstance(content, str):
        if len(content) <= _MAX_PATH and os.path.exists(content):
            raise InputError("`content` is the text itself: pass Path('…') for a file of this name")
        content = content.encode()
    elif not is_medium(content):
        raise InputError(f"`content` must be text, bytes, a Path or a file opened with 'rb', got {describe(content)}")
    document = open_medium(content, "content")
    if not isinstance(document.content, StreamedFile):
        document = replace(document, content=document.read())
    return replace(document, filename=name, media_type=mimetypes.guess_type(name)[0] or document.media_type)


def _check_polling(poll_interval: Any, timeout: float | None) -> float:
    """Return for how many seconds is asked at most. Raises `ConfigurationError`."""
    if poll_interval is None:
        raise ConfigurationError("`poll_interval` must be a positive number of seconds, got None")
    check_seconds("poll_interval", poll_interval)
    check_seconds("timeout", timeout)
    return inf if timeout is None else timeout


def _read_content(response: ApiResponse, request: ApiRequest) -> SearchItemContent:
    content = response.content or b""
    _check_document(content, response, request)
    return _describe_file(response, len(content), content=content)


def _name_part(target: Path) -> Path:
    """Return the path of a file beside the target, which nobody has: it is written to until it is whole."""
    return target.with_name(f".{uuid.uuid4().hex}.part")


def _read_head(path: Path) -> bytes:
    """Return a file that is as short as an error, and of another its beginning, which is no JSON."""
    with path.open("rb") as file:
        return file.read(_MAX_ERROR_BYTES)


def _check_document(content: bytes, response: ApiResponse, request: ApiRequest) -> None:
    """Raise what a 2xx reports in the place of a document, which would have the name of a file."""
    if response.kind != "json" or "content-disposition" in response.headers:
        return
    body = parse_body(content)
    if is_mapping(body) and body.get("success") is False and isinstance(body.get("errors"), list):
        raise map_error(build_response_error(response, request, content, time.time()))


def _describe_file(
    response: ApiResponse, size: int, *, content: bytes = b"", path: Path | None = None
) -> SearchItemContent:
    """Return what the headers of a download say about it, and where its bytes are."""
    headers, message = response.headers, Message()
    message["content-disposition"] = headers.get("content-disposition", "")
    return SearchItemContent(
        content_type=headers.get("content-type", "application/octet-stream"),
        filename=message.get_filename() or "",
        size=size,
        content=content,
        path=path,
    )


def _get_media_type(response: ApiResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip()
