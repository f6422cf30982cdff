"""Documents to Markdown: one request for any number of them, as a form that is read from disk while it is sent."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from cfai._config import ClientConfig
from cfai._credentials import Secret, describe
from cfai._errors import AiInternalError, ConfigurationError, InputError
from cfai._json import is_mapping
from cfai._request import (
    ApiRequest,
    Medium,
    find_header_flaw,
    is_medium,
    make_form,
    open_medium,
    parse_gateway,
    parse_headers,
)
from cfai._resources.api import (
    AccountApi,
    Operation,
    encode_json,
    make_unreadable_error,
    read_list_of,
    read_result,
    rename_as_internal,
    validate_list,
)
from cfai._response import ApiResponse
from cfai._threads import run_in_thread
from cfai.types import ConversionResult, MarkdownFormat, MarkdownOptions

FORMATS = {
    ".pdf": "application/pdf",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".htm": "text/html",
    ".xml": "application/xml",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    ".xlsb": "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    ".xls": "application/vnd.ms-excel",
    ".et": "application/vnd.ms-excel",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".csv": "text/csv",
    ".numbers": "application/vnd.apple.numbers",
}
"""The documented formats, of which Python knows only some. Others are sent as well: the service has the last word."""

_SUFFIXES = {media_type: suffix for suffix, media_type in reversed(FORMATS.items())}
_WEB = ("http://", "https://")
_LONGEST_PATH = 4096
_ANSWERED = frozenset({"data", "error", "format"})
"""What a result has one of: an object without these is of something else, such as a proxy."""
_NAMED = "(name, bytes)"
DOCUMENT = f"a path, bytes, an open file or {_NAMED}"

_LANGUAGES = ("en", "es", "fr", "it", "pt", "de")
_IMAGES = {"convert": bool, "maxConvertedImages": int, "descriptionLanguage": _LANGUAGES}
_OPTIONS: Mapping[str, Any] = {
    "output": {"format": ("markdown", "text")},
    "image": {"descriptionLanguage": _LANGUAGES},
    "html": {"images": {**_IMAGES, "convertOGImage": bool}, "hostname": str, "cssSelector": str},
    "docx": {"images": _IMAGES},
    "pdf": {"images": _IMAGES, "metadata": bool},
}
"""What may stand in `conversionOptions`: a type, one of some words, or options in turn."""
_BINDING_NAMES = {
    "convert_og_image": "convertOGImage",
    "css_selector": "cssSelector",
    "description_language": "descriptionLanguage",
    "max_converted_images": "maxConvertedImages",
}
_TYPE_NAMES = {bool: "True or False", int: "a whole number of 0 or more", str: "a string"}
_OPTION_NAMES: Mapping[str, str] = {"conversionOptions": "conversion_options", "extraHeaders": "extra_headers"}


@dataclass(frozen=True, slots=True)
class Conversion:
    """How documents are converted, checked."""

    options: Mapping[str, Any]
    """The options as they are sent."""
    headers: Secret
    gateway: Secret
    """The gateway to go through, as it was passed."""


def parse_conversion(config: ClientConfig, method: str, options: Secret) -> Conversion:
    """Return the options of a method, which may have the binding's names. Raises `ConfigurationError`."""
    if double := next((name for name in _OPTION_NAMES if {name, _OPTION_NAMES[name]} <= options.value.keys()), None):
        got = f"`{_OPTION_NAMES[double]}` and `{double}`"
        raise ConfigurationError(f"an option must be passed under one of its two names, got {got}: leave out one")
    names = {_OPTION_NAMES.get(name, name): name for name in options.value}
    gateway = Secret(options.value.get("gateway"))
    if "gateway" in names and not config.credentials.is_binding:
        # UNCERTAIN: whether the REST form takes one. Nothing documents it, and to drop it would go past the gateway.
        must = "`gateway` must be left out: over REST, documents are converted without one"
        raise ConfigurationError(f"{must}. Take it out, or convert them in a Worker, with `Ai.from_binding`")
    if gateway.value is not None:
        parse_gateway(gateway)
    if unknown := next((names[name] for name in names if name not in MarkdownOptions.__annotations__), None):
        hint = f"its options are {', '.join(MarkdownOptions.__annotations__)}"
        raise TypeError(f"Ai.{method}() got an unexpected keyword argument {unknown!r}: {hint}")
    wanted = options.value[names["conversion_options"]] if "conversion_options" in names else None
    headers = Secret(options.value[names["extra_headers"]] if "extra_headers" in names else None)
    encoded = {} if wanted is None else _encode_options(wanted, _OPTIONS, "conversion_options")
    return Conversion(encoded, parse_headers("extra_headers", headers), gateway)


def _encode_options(options: Any, known: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return options as they are sent. Raises `ConfigurationError` for one that there is not, or that cannot be."""
    if not is_mapping(options):
        raise ConfigurationError(f"`{place}` must be a dict of {', '.join(known)}, got {describe(options)}")
    encoded: dict[str, Any] = {}
    for name, value in options.items():
        sent = _BINDING_NAMES.get(name, name)
        rule = known.get(sent)
        if rule is None:
            raise ConfigurationError(f"`{place}` has no option {name!r}, known are {', '.join(known)}")
        if value is None:
            continue
        if isinstance(rule, Mapping):
            value = _encode_options(value, cast("Mapping[str, Any]", rule), f"{place}.{name}")
        elif isinstance(rule, tuple):
            words = cast("tuple[str, ...]", rule)
            if value not in words:
                must = f"`{place}.{name}` must be one of {', '.join(map(repr, words))}"
                raise ConfigurationError(f"{must}, got {describe(value)}")
        elif type(value) is not rule or (rule is int and value < 0):
            raise ConfigurationError(f"`{place}.{name}` must be {_TYPE_NAMES[rule]}, got {describe(value)}")
        encoded[sent] = value
    return encoded


# Documents


def is_document(files: Any) -> bool:
    """Return True for one document, False for several."""
    return (
        isinstance(files, str | bytes | bytearray | memoryview | os.PathLike | tuple)
        or is_mapping(files)
        or hasattr(files, "read")
        or hasattr(files, "__bytes__")
    )


def open_document(document: Any, place: str) -> Medium:
    """Return a document with its name and type. A file is not read yet. Raises `InputError`."""
    name, content, declared = _split(document, place)
    medium = open_medium(content, place)
    if medium.size is None:  # what can be read only once, whose length a form has to know
        whole = medium.read()
        medium = replace(medium, content=whole, size=len(whole))
    if not name:
        if medium.media_type not in _SUFFIXES:
            raise InputError(f"{place} must have a name, which tells its format: pass {_NAMED}, such as ('a.docx', …)")
        name = f"document{_SUFFIXES[medium.media_type]}"
    media_type = declared or FORMATS.get(Path(name).suffix.lower(), medium.media_type)
    if flaw := find_header_flaw(media_type):
        raise InputError(f"{place}: its media type cannot be sent: {flaw}")
    # A name of the disk may hold bytes that are no text.
    return replace(medium, media_type=media_type, filename=name.encode("utf-8", "replace").decode())


def _split(document: Any, place: str) -> tuple[str, Any, str]:
    """Return the name, the content and the declared type of a document, as far as it says. Raises `InputError`."""
    if isinstance(document, str):
        if document.startswith(_WEB):
            must = f"{place} must be a file or bytes: over REST the service fetches no address"
            raise InputError(f"{must}. Download it, and pass {_NAMED}, got {describe(document)}")
        if len(document) > _LONGEST_PATH or ("\n" in document and not os.path.exists(document)):
            must = f"{place} must be the path of a file if it is a string, got a text"
            raise InputError(f"{must} of {len(document):,} characters: pass it as ('a.html', text.encode())")
        document = Path(document)
    if isinstance(document, os.PathLike):
        path = Path(os.fsdecode(cast("os.PathLike[Any]", document)))
        return path.name, path, ""
    if isinstance(document, tuple):
        pair = cast("tuple[Any, ...]", document)
        if len(pair) != 2:
            raise InputError(f"{place} must be {_NAMED} if it is a tuple, got {len(pair)}: pass several as a list")
        return _check_name(pair[0], place), _check_content(pair[1], place), ""
    if is_mapping(document):
        if not {"name", "blob"} <= document.keys() <= {"name", "blob", "mime_type", "mimeType"}:
            got = ", ".join(map(repr, document))
            raise InputError(f"{place} must be {{'name': …, 'blob': …}} if it is a dict, got the keys {got}")
        declared = document.get("mime_type") or document.get("mimeType") or ""
        return _check_name(document["name"], place), _check_content(document["blob"], place), declared
    if not is_medium(document):
        raise InputError(f"{place} must be {DOCUMENT}, got {describe(document)}")
    # Of an open file without a name it is a number.
    name = getattr(document, "name", "") if hasattr(document, "read") else ""
    return os.path.basename(name) if isinstance(name, str) else "", document, ""


def _check_name(name: Any, place: str) -> str:
    if not isinstance(name, str) or not name:
        raise InputError(f"{place} must have a string for its name, got {describe(name)}")
    return name


def _check_content(content: Any, place: str) -> Any:
    must = f"{place} must have bytes, a Path or an open file beside its name"
    if isinstance(content, str):
        raise InputError(f"{must}, got a string: encode it if it is text, or pass several paths as a list")
    if not is_medium(content):
        raise InputError(f"{must}, got {describe(content)}")
    return content


def identify_document(document: Any) -> Any:
    """Return what tells a document from others: of a file on disk its path, size and time, and not its bytes."""
    if is_mapping(document):
        return {**document, "blob": _identify_content(document.get("blob"))}
    if isinstance(document, tuple):
        return [_identify_content(each) for each in cast("tuple[Any, ...]", document)]
    return _identify_content(Path(document) if isinstance(document, str) else document)


def _identify_content(content: Any) -> Any:
    if isinstance(content, os.PathLike):
        path = Path(os.fsdecode(cast("os.PathLike[Any]", content)))
        with suppress(OSError):  # its row will say why it cannot be read
            if path.is_file():
                facts = path.stat()
                return [str(path), facts.st_size, facts.st_mtime_ns]
    return cast("Any", content)


# Requests


def convert(api: AccountApi, files: Any, conversion: Conversion) -> Any:
    """Return the result of a document, or the list of those of several."""
    documents, is_one = _list_documents(files)
    return api.call(_prepare(documents, is_one, conversion)) if documents else []


async def aconvert(api: AccountApi, files: Any, conversion: Conversion) -> Any:
    """Return the result of a document, or the list of those of several, awaited."""
    documents, is_one = _list_documents(files)
    if not documents:
        return []
    return await api.acall(await run_in_thread(_prepare, documents, is_one, conversion))  # it looks at the disk


def list_formats() -> Operation[list[MarkdownFormat]]:
    """Return the operation that asks for the formats that can be converted."""
    return Operation(path="/ai/tomarkdown/supported", read=read_list_of(MarkdownFormat), map_error=rename_as_internal)


def _list_documents(files: Any) -> tuple[list[Any], bool]:
    """Return documents as a list, and whether there is one alone. Of an empty list there is nothing to ask."""
    if is_document(files):
        return [files], True
    if not isinstance(files, Iterable):
        raise InputError(f"files must be {DOCUMENT}, or a list of these, got {describe(files)}")
    return list(cast("Iterable[Any]", files)), False


def _prepare(files: list[Any], is_one: bool, conversion: Conversion) -> Operation[Any]:
    """Return the operation that converts documents. Raises `InputError` for what is none."""
    documents = [
        open_document(document, "files" if is_one else f"files[{index}]") for index, document in enumerate(files)
    ]
    parts: list[tuple[str, str | Medium]] = [("files", document) for document in documents]
    if conversion.options:
        parts.append(("conversionOptions", encode_json(conversion.options).decode()))
    if conversion.gateway.value is not None:  # of the binding, which is sent no form
        parts.append(("gateway", encode_json(conversion.gateway.value).decode()))
    form = make_form(parts)
    headers = {"content-type": form.media_type, "content-length": str(form.size)}
    return Operation(
        method="POST",
        path="/ai/tomarkdown",
        body=form.content,
        parts=parts,
        headers={**conversion.headers.value, **headers},
        read=partial(_read, [document.filename for document in documents], is_one),
        map_error=rename_as_internal,
    )


def _read(names: list[str], is_one: bool, response: ApiResponse, request: ApiRequest) -> Any:
    """Return the results in the order of the documents. Raises `AiInternalError` if there is none."""
    value = read_result(response, request)
    if is_mapping(value):
        value = [value]
    results = validate_list(ConversionResult, [] if value is None else value, response, request)
    if not results:
        meta = response.meta
        failed = "AiInternalError: Internal Error Converting files into Markdown"
        raise AiInternalError(
            f"{failed} (status {meta.status_code}, request id {meta.request_id})",
            status_code=meta.status_code,
            request_id=meta.request_id,
        )
    if any(_ANSWERED.isdisjoint(result) for result in results):
        raise make_unreadable_error("a result has neither a text nor an error", response, request)
    ordered = _order(names, results)
    if ordered is None:
        problem = f"{len(results)} results for {len(names)} documents, with other names"
        raise make_unreadable_error(problem, response, request)
    return ordered[0] if is_one else ordered


def _order(names: list[str], results: list[ConversionResult]) -> list[ConversionResult] | None:
    """Return results in the order of the names; `None` if it cannot be told which is whose.

    UNCERTAIN: whether they come in the order of the files, so each goes by its name first. A name that more results
    have than documents tells nothing, such as one that lost its folder. One that is lacking is an error in its place.
    """
    left, sent, answered = list(results), Counter(names), Counter(result.name for result in results)
    found: list[ConversionResult | None] = []
    for name in names:
        is_telling = answered[name] <= sent[name]
        match = next((result for result in left if is_telling and result.name == name), None)
        found.append(match)
        if match is not None:
            left = [result for result in left if result is not match]
    if left and len(results) != len(names):
        return None
    ordered: list[ConversionResult] = []
    for name, match in zip(names, found, strict=True):
        if match is None:
            lacking = ConversionResult(name=name, format="error", error="the service gave no result for it")
            match = left.pop(0) if left else lacking
        ordered.append(match)
    return ordered
