"""Documents to Markdown: a text that says of each what came, marked as emulated."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from cfai._json import is_mapping
from cfai._resources.markdown import FORMATS
from cfai.local._json import as_object
from cfai.local.resources._resource import FormPart, ResourceReply, ResourceRequest, refuse, reply
from cfai.local.wire import ErrorResponse
from cfai.types import find_media_type

_PDF = "application/pdf"


class Markdown:
    """The conversion of documents. It reads no format: a text tells of each its name, type and size."""

    async def answer(self, request: ResourceRequest) -> ResourceReply:
        """Answer a request. Raises `ErrorResponse`."""
        match request.method, request.path:
            case "GET", ("supported",):
                rows = [{"extension": suffix, "mimeType": media_type} for suffix, media_type in FORMATS.items()]
                return reply(rows)
            case "POST", ():
                parts = request.form
                files = [part for part in parts if part.name == "files" and part.filename]
                options = _parse_options([part.content for part in parts if part.name == "conversionOptions"])
                if not files:
                    raise refuse("No files were provided")
                return reply([_convert(file, options) for file in files])
            case _:
                raise ErrorResponse(7000)


def _parse_options(fields: list[bytes]) -> Mapping[str, Any]:
    try:
        options: Any = json.loads(fields[-1]) if fields else {}
    except ValueError:
        options = None
    if not is_mapping(options):
        raise refuse("Invalid conversionOptions")
    return options


def _convert(file: FormPart, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a file, or its error."""
    name = file.filename or ""
    media_type = find_media_type(file.content) or FORMATS.get(PurePath(name).suffix.lower(), file.media_type)
    result = {"id": str(uuid.uuid4()), "name": name, "mimeType": media_type}
    if media_type not in FORMATS.values():
        return {**result, "format": "error", "error": f"Unsupported file type: {media_type}"}
    if not file.content or (media_type == _PDF and not file.content.startswith(b"%PDF")):
        return {**result, "format": "error", "error": "The file is damaged or empty"}
    lines = [f"This is an emulated conversion of {len(file.content):,} bytes."]
    if as_object(options.get("output")).get("format") == "text":
        text = "\n".join([name, *lines])
        return {**result, "format": "text", "tokens": len(text) // 4, "data": text}
    if media_type == _PDF and as_object(options.get("pdf")).get("metadata") is not False:
        lines = ["## Metadata", "- PDFFormatVersion=1.7", "", "## Contents", *lines]
    text = "\n".join([f"# {name}", "", *lines])
    return {**result, "format": "markdown", "tokens": len(text) // 4, "data": text}
