"""Fine-tunes: LoRA adapters, listed, made, and uploaded from the folder that training left."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

from cfai import models
from cfai._credentials import describe
from cfai._display import Progress
from cfai._errors import CfaiError, ConfigurationError, InputError
from cfai._json import is_mapping
from cfai._request import ApiRequest, make_form, open_medium, quote_model
from cfai._resources.api import (
    AccountApi,
    Operation,
    build_path,
    read_as,
    read_nothing,
    read_result,
    validate_list,
)
from cfai._resources.pages import AsyncPages, Page, PagePlan, Pages, check_whole_number
from cfai._response import ApiResponse
from cfai._threads import run_in_thread
from cfai.types import Finetune

FinetuneList: TypeAlias = list[Finetune]

CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
ASSETS = (CONFIG, _WEIGHTS)
"""The files of an adapter. The service takes no other names."""
# UNCERTAIN: whether an adapter of Qwen is taken. The page on LoRA names the others, the list two models of it as well.
MODEL_TYPES = ("mistral", "gemma", "llama", "qwen2")
MAX_RANK = 32
# UNCERTAIN: how large an adapter may be. The changelog of April 2025 says 300 MB, the page on LoRA 500.
MAX_ASSET_BYTES = 500_000_000
_PER_PAGE = 50
_MEGABYTE = 1_000_000
_SAFETENSORS_HEAD = 9


class Finetunes:
    """The fine-tunes of the account, and those for all: `ai.finetunes`.

    ```python
    ai.finetunes.upload("adapter", model="@cf/mistral/mistral-7b-instruct-v0.2-lora", name="tickets")
    ai.run("@cf/mistral/mistral-7b-instruct-v0.2-lora", {"prompt": "Hello", "lora": "tickets"})
    ```

    Every method has a twin with an `a` before its name, to be awaited. All raise `InferenceUpstreamError` and
    `APIConnectionError` as `run` does.
    """

    def __init__(self, api: AccountApi) -> None:
        self._api = api

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: list, create, upload>"

    def list(self) -> FinetuneList:
        """List the fine-tunes of the account."""
        return self._api.call(_list_own())

    async def alist(self) -> FinetuneList:
        """List the fine-tunes of the account, awaited."""
        return await self._api.acall(_list_own())

    def public(self, *, order_by: str | None = None, offset: int = 0, limit: int | None = None) -> Pages[Finetune]:
        """List the fine-tunes that every account may run. Each page is fetched when it is come to.

        `limit` asks for so many alone, behind the first `offset`.
        """
        return Pages(self._api, *_list_public(order_by, offset, limit))

    def apublic(
        self, *, order_by: str | None = None, offset: int = 0, limit: int | None = None
    ) -> AsyncPages[Finetune]:
        """List the fine-tunes that every account may run, for `async for`."""
        return AsyncPages(self._api, *_list_public(order_by, offset, limit))

    def create(self, *, model: str, name: str, description: str | None = None, public: bool | None = None) -> Finetune:
        """Make a fine-tune of a model, still without its files: `upload_asset` sends them.

        Raises `ConfigurationError` for a model that takes no LoRA, and for a name that is none.
        """
        return self._api.call(_create(model, name, description, public))

    async def acreate(
        self, *, model: str, name: str, description: str | None = None, public: bool | None = None
    ) -> Finetune:
        """Make a fine-tune of a model, awaited."""
        return await self._api.acall(_create(model, name, description, public))

    def upload_asset(
        self, finetune: str | Finetune, path: str | os.PathLike[str], *, progress: bool | None = None
    ) -> None:
        """Upload one of the two files of a fine-tune, which is named by its id or name. It cannot be replaced later.

        It is read from disk while it is sent. `progress` is as in `upload`. Raises `InputError` for a file of another
        name than `adapter_config.json` and `adapter_model.safetensors`, and for one that the service does not take:
        too large, empty, a configuration without `model_type` or of a rank above 32.
        """
        operation, bar = _upload(finetune, path, progress)
        with bar:
            self._api.call(operation)

    async def aupload_asset(
        self, finetune: str | Finetune, path: str | os.PathLike[str], *, progress: bool | None = None
    ) -> None:
        """Upload one of the two files of a fine-tune, awaited."""
        operation, bar = await run_in_thread(_upload, finetune, path, progress)  # it looks at the disk
        with bar:
            await self._api.acall(operation)

    def upload(
        self,
        folder: str | os.PathLike[str],
        *,
        model: str,
        name: str,
        description: str | None = None,
        public: bool | None = None,
        progress: bool | None = None,
    ) -> Finetune:
        """Make a fine-tune of a model, and upload both its files from a folder. Return its record.

        Everything that can be checked is, before anything is sent. `progress` shows a bar; `None` shows it for what
        takes long. Where an upload fails, the fine-tune is there already: the note on the error says how to go on.

        Raises `InputError` for files as `upload_asset` does, and `ConfigurationError` as `create` does.
        """
        create = _create(model, name, description, public)
        paths = _check_folder(folder, model)
        finetune = self._api.call(create)
        for path in paths:
            try:
                self.upload_asset(finetune.id or name, path, progress=progress)
            except CfaiError as error:
                error.add_note(_explain_unfinished(finetune.id or name, path))
                raise
        return finetune

    async def aupload(
        self,
        folder: str | os.PathLike[str],
        *,
        model: str,
        name: str,
        description: str | None = None,
        public: bool | None = None,
        progress: bool | None = None,
    ) -> Finetune:
        """Make a fine-tune of a model, and upload both its files from a folder, awaited."""
        create = _create(model, name, description, public)
        paths = await run_in_thread(_check_folder, folder, model)
        finetune = await self._api.acall(create)
        for path in paths:
            try:
                await self.aupload_asset(finetune.id or name, path, progress=progress)
            except CfaiError as error:
                error.add_note(_explain_unfinished(finetune.id or name, path))
                raise
        return finetune


# Requests


def _list_own() -> Operation[FinetuneList]:
    return Operation(path="/ai/finetunes", read=_read_list)


def _list_public(order_by: str | None, first: int, limit: int | None) -> PagePlan[Finetune]:
    """Plan the list of public fine-tunes, whose pages are named by their offset. Raises `ConfigurationError`."""
    check_whole_number("offset", first, 0)
    if limit is not None:
        check_whole_number("limit", limit, 1)

    def build(offset: int) -> Operation[Page[Finetune]]:
        def read(response: ApiResponse, request: ApiRequest) -> Page[Finetune]:
            items = _read_list(response, request)
            # The largest `limit` is not documented: a page is the last if it is empty, and not if it is short.
            return Page(items, offset + len(items) if items and limit is None else None)

        query = {"limit": limit or _PER_PAGE, "offset": offset, "orderBy": order_by}
        return Operation(path="/ai/finetunes/public", query=query, read=read)

    return build, first


def _read_list(response: ApiResponse, request: ApiRequest) -> FinetuneList:
    """Read a list, which the service's own pages show as a list in a list, and its clients as a single record."""
    value = read_result(response, request)
    if value in (None, {}) and (response.content or b"").strip():  # no list, or an object without a field
        return []
    rows: list[Any] = []
    for each in cast("list[Any]", value) if isinstance(value, list) else [value]:
        rows += cast("list[Any]", each) if isinstance(each, list) else [each]
    return validate_list(Finetune, rows, response, request)


def _create(model: str, name: str, description: str | None, public: bool | None) -> Operation[Finetune]:
    quote_model(model)
    entry = models.catalogue().get(model)
    if entry is not None and "lora" not in entry.capabilities:
        known = ", ".join(each.name for each in models.list(capability="lora", live=True))
        raise ConfigurationError(f"`model` must be one that takes a LoRA, got {model}. Choose one of {known}")
    if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise ConfigurationError(f"`name` must be a string, and not empty, got {describe(name)}")
    record = {"model": model, "name": name, "description": description, "public": public}
    fields = {field: value for field, value in record.items() if value is not None}
    return Operation(method="POST", path="/ai/finetunes", json=fields, read=read_as(Finetune), makes_something=True)


def _upload(
    finetune: str | Finetune, path: str | os.PathLike[str], progress: bool | None
) -> tuple[Operation[None], Progress]:
    """Return the operation that uploads a file, and the bar that it moves."""
    path = _check_asset(path)
    key = (finetune.id or finetune.name) if isinstance(finetune, Finetune) else finetune
    medium = open_medium(path, str(path))
    form = make_form([("file_name", path.name), ("file", replace(medium, filename=path.name))])
    bar = Progress(f"{path.name}, MB", (form.size or 0) // _MEGABYTE, shown=progress)
    content: Any = form.content
    return Operation(
        method="POST",
        path=build_path("ai", "finetunes", key, "finetune-assets"),
        body=_WatchedBody(content, bar),
        headers={"content-type": form.media_type, "content-length": str(form.size)},
        read=read_nothing,
        makes_something=True,
    ), bar


def _explain_unfinished(key: str, path: Path) -> str:
    key = "<its id in ai.finetunes.list()>" if "/" in key else key  # no path can hold such a name
    call = f"ai.finetunes.upload_asset({key!r}, {str(path)!r})"
    there = "if that says that it was uploaded already, it is there"
    return f"The fine-tune was made, and may lack this file: go on with {call}; {there}"


class _WatchedBody:
    """A body that tells a bar how much of it was read."""

    def __init__(self, pieces: Iterable[bytes], bar: Progress) -> None:
        self._pieces = pieces
        self._bar = bar

    def __iter__(self) -> Iterator[bytes]:
        done = 0
        for piece in self._pieces:
            yield piece
            done += len(piece)
            self._bar.update(done // _MEGABYTE)


# Files


def _check_folder(folder: str | os.PathLike[str], model: str) -> list[Path]:
    """Return the two files of a folder, checked for the model. Raises `InputError`."""
    paths = [_to_path(folder) / name for name in ASSETS]
    if lacking := [path.name for path in paths if not path.is_file()]:
        must = f"the folder of a fine-tune must have {CONFIG} and {_WEIGHTS}"
        raise InputError(f"{must}, and {os.fspath(folder)} lacks {' and '.join(lacking)}")
    checked = [_check_asset(path) for path in paths]
    model_type = json.loads(paths[0].read_bytes())["model_type"]
    families = [each for each in MODEL_TYPES if each in model]
    if families and model_type not in families:
        must = f'{paths[0]} must have the "model_type" of the family of {model}, {" or ".join(families)}'
        raise InputError(f"{must}, got {model_type!r}: an adapter runs on the model that it was trained for alone")
    return checked


def _check_asset(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that the service takes for a fine-tune. Raises `InputError`."""
    path = _to_path(path)
    if path.name not in ASSETS:
        raise InputError(f"the file of a fine-tune must be named {CONFIG} or {_WEIGHTS}, got {path.name!r}: rename it")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(size if path.name == CONFIG and size <= _MEGABYTE else _SAFETENSORS_HEAD)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not size or size > MAX_ASSET_BYTES:
        hint = "lower the rank of the adapter" if size else "copy it again"
        raise InputError(f"{path} must have 1 to {MAX_ASSET_BYTES:,} bytes, got {size:,}: {hint}")
    if path.name == CONFIG and size > _MEGABYTE:
        raise InputError(f"{path} must have {_MEGABYTE:,} bytes at most, got {size:,}: leave only PEFT's own fields")
    if path.name == CONFIG:
        _check_config(path, head)
    elif head[8:] != b"{":  # behind the eight bytes that say how long the JSON is which begins there
        raise InputError(f"{path} must be a safetensors file: fetch it by `git lfs pull` if it is a pointer to one")
    return path


def _to_path(value: Any) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"a fine-tune must be uploaded from the disk, by a path, got {describe(value)}")
    return Path(cast("str", value))


def _check_config(path: Path, content: bytes) -> None:
    """Raise `InputError` for a configuration that the service does not take."""
    try:
        config: Any = json.loads(content)
    except (ValueError, RecursionError):
        config = "no JSON"
    if not is_mapping(config):
        got = config if isinstance(config, str) else describe(config)
        raise InputError(f"{path} must be the configuration that PEFT wrote, a JSON object, got {got}: save it anew")
    if config.get("model_type") not in MODEL_TYPES:
        got = describe(config.get("model_type"))
        must = f'{path} must have a "model_type" of {", ".join(MODEL_TYPES)}'
        raise InputError(f"{must}, got {got}: add the one of the base model, which PEFT does not write")
    rank = config.get("r")
    if not isinstance(rank, int) or not 1 <= rank <= MAX_RANK:
        raise InputError(f'{path} must have a rank "r" of 1 to {MAX_RANK}, got {describe(rank)}: train it with one')
