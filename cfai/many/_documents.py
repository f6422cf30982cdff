"""Thousands of documents to Markdown: the runner of such a job, and the plan that it is made by."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import replace
from typing import Any

from cfai._config import NOT_GIVEN, ClientConfig
from cfai._credentials import Secret, describe
from cfai._errors import ConfigurationError, ConversionError, InputError
from cfai._resources import AccountApi
from cfai._resources.markdown import (
    DOCUMENT,
    Conversion,
    aconvert,
    convert,
    identify_document,
    is_document,
    parse_conversion,
)
from cfai._transport import ClientPool
from cfai.many._work import JobOptions
from cfai.types import ConversionResult

_NAME = "toMarkdown"
"""What stands for the model, in the journal and beside the bar."""


class DocumentRunner(AccountApi):
    """A runner that a job calls for each of its documents, as it calls `Ai` for inputs."""

    def __init__(self, config: ClientConfig, pool: ClientPool, conversion: Conversion) -> None:
        super().__init__(config, pool)
        self._conversion = conversion

    def run(self, model: str, inputs: Any, **options: Any) -> ConversionResult:
        """Return the result of a document. Raises `ConversionError` if it was not converted."""
        api = AccountApi(self.config.with_overrides(**options), self._pool)
        return _require_text(convert(api, _check_document(inputs), self._conversion))

    async def arun(self, model: str, inputs: Any, **options: Any) -> ConversionResult:
        """Return the result of a document, awaited. Raises `ConversionError` if it was not converted."""
        api = AccountApi(self.config.with_overrides(**options), self._pool)
        return _require_text(await aconvert(api, _check_document(inputs), self._conversion))


def plan_documents(
    config: ClientConfig,
    pool: ClientPool,
    method: str,
    files: Any,
    settings: JobOptions,
    max_retries: Any,
    options: Secret,
) -> tuple[DocumentRunner, str, Any, JobOptions, Secret]:
    """Return what a job is made with that converts documents. Raises `ConfigurationError` for what cannot work."""
    conversion = parse_conversion(config, method, options)
    _check_several(files, (Iterable, AsyncIterable) if method == "ato_markdown_many" else (Iterable,))

    def identify(document: Any) -> Any:
        return [identify_document(document), conversion.options]

    call_options = {} if max_retries is NOT_GIVEN else {"max_retries": max_retries}
    runner = DocumentRunner(config, pool, conversion)
    return runner, _NAME, files, replace(settings, identify=identify), Secret(call_options)


def _check_several(files: Any, kinds: tuple[type, ...]) -> None:
    """Raise `ConfigurationError` for one document alone, of which an iterator gives letters, numbers or lines."""
    # A tuple is taken for several, as a list.
    if not isinstance(files, kinds) or (is_document(files) and not isinstance(files, tuple)):
        must = "`files` must be an iterable of documents, such as a list"
        raise ConfigurationError(f"{must}, got {describe(files)}: pass one alone to `to_markdown`, or in a list")


def _check_document(document: Any) -> Any:
    if is_document(document):
        return document
    raise InputError(f"a document must be {DOCUMENT}, got {describe(document)}")


def _require_text(result: ConversionResult) -> ConversionResult:
    if result.ok:
        return result
    meta = result.meta
    raise ConversionError(str(result), result=result, status_code=meta.status_code, request_id=meta.request_id)
