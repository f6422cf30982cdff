"""The items of an instance of AI Search, which are indexed request by request, and its jobs."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from cfai.local._json import as_object
from cfai.local.resources._resource import (
    ResourceReply,
    ResourceRequest,
    format_time,
    not_found,
    read_object,
    refuse,
    reply,
    reply_page,
)
from cfai.local.resources._search_filters import check_filters, fits_filters, get_attributes
from cfai.local.wire import ErrorResponse


def answer_items(request: ResourceRequest, instance: dict[str, Any], path: list[str]) -> ResourceReply:
    """Answer a request for the items of an instance. Raises `ErrorResponse`."""
    items: dict[str, Any] = instance["items"]
    if not path:
        return (
            reply_page(request, _filter_items(request, items))
            if request.method == "GET"
            else _upload(request, instance)
        )
    id, *rest = path
    if id not in items:
        raise not_found(f"item {id}")
    item = items[id]
    match (request.method, *rest):
        case ("GET",):
            return reply(item["info"])
        case ("DELETE",):
            del items[id]
            return reply({"key": item["info"]["key"]})
        case ("PATCH",):
            if (body := read_object(request, "PATCH")).get("next_action") != "INDEX":
                raise refuse("next_action: must be INDEX")
            _begin_indexing(item, request.now, waits=body.get("wait_for_completion") is True)
            return reply(item["info"])
        case ("GET", "download"):
            headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(item['info']['key'], safe='')}"}
            return ResourceReply(content=item["content"], content_type=item["content_type"], headers=headers)
        case ("GET", "chunks"):
            limit, offset = request.read_number("limit", 20, 1, 100), request.read_number("offset", 0, 0)
            rows = item["chunks"][offset:][:limit]
            info = {"count": len(rows), "total": len(item["chunks"]), "limit": limit, "offset": offset}
            return reply(rows, info)
        case ("GET", "logs"):
            limit, start = request.read_number("limit", 50, 1, 100), request.read_number("cursor", 0, 0)
            rows = item["logs"][start:][:limit]
            is_cut = start + limit < len(item["logs"])
            cursor = str(start + limit) if is_cut else None
            return reply(rows, {"count": len(rows), "per_page": limit, "cursor": cursor, "truncated": is_cut})
        case _:
            raise ErrorResponse(7000)


def _filter_items(request: ResourceRequest, items: Mapping[str, Any]) -> list[dict[str, Any]]:
    query, rows = request.query, [item["info"] for item in items.values()]
    for name, field in (("status", "status"), ("source", "source_id"), ("item_id", "id"), ("key", "key")):
        if name in query:
            rows = [row for row in rows if row[field] == query[name]]
    try:
        filters = json.loads(query.get("metadata_filter", "{}"))
    except ValueError:
        raise refuse("metadata_filter: must be JSON") from None
    check_filters(filters)
    filters = as_object(filters)
    rows = [row for row in rows if query.get("search", "") in row["key"] and fits_filters(filters, get_attributes(row))]
    if (order := query.get("sort_by")) not in (None, "status", "modified_at"):
        raise refuse("sort_by: must be status or modified_at")
    return sorted(rows, key=lambda row: row["status"]) if order == "status" else rows


def _upload(request: ResourceRequest, instance: dict[str, Any]) -> ResourceReply:
    if request.method != "POST":
        raise ErrorResponse(7001)
    parts = {part.name: part for part in request.form}
    file = parts.get("file")
    if file is None or not file.filename or len(file.filename) > 128:
        raise refuse("file: must be a file whose name has 1 to 128 characters")
    try:
        metadata: Any = json.loads(parts["metadata"].content) if "metadata" in parts else {}
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise refuse("metadata: must be a JSON object")
    items: dict[str, Any] = instance["items"]
    # A file of the same name takes the other's place.
    same = next((id for id, item in items.items() if item["info"]["key"] == file.filename), None)
    id = same or str(uuid.uuid4())
    info: dict[str, Any] = {
        "id": id,
        "key": file.filename,
        "status": "queued",
        "next_action": "INDEX",
        "checksum": hashlib.sha256(file.content).hexdigest(),
        "namespace": instance["info"]["namespace"],
        "chunks_count": 0,
        "file_size": len(file.content),
        "source_id": "builtin",
        "created_at": format_time(request.now),
        "last_seen_at": format_time(request.now),
        "metadata": metadata,
    }
    items[id] = {"info": info, "content": file.content, "content_type": file.media_type, "chunks": [], "logs": []}
    waits = "wait_for_completion" in parts and parts["wait_for_completion"].content == b"true"
    _begin_indexing(items[id], request.now, waits=waits)
    return reply(info)


def _begin_indexing(item: dict[str, Any], now: float, *, waits: bool) -> None:
    item["info"] |= {"status": "queued", "next_action": "INDEX"}
    _log(item, "queued", now)
    if waits:
        _index(item, now)


def advance(instance: dict[str, Any], now: float) -> None:
    """Take everything in an instance that is not done one step further."""
    for item in instance["items"].values():
        if item["info"]["status"] == "running":
            _index(item, now)
        elif item["info"]["status"] == "queued":
            item["info"]["status"] = "running"
    for job in instance["jobs"].values():
        if job["started_at"] is None:
            job["started_at"] = format_time(now)
        elif job["ended_at"] is None:
            job |= {"ended_at": format_time(now), "end_reason": "completed"}


def _index(item: dict[str, Any], now: float) -> None:
    info = item["info"]
    item["chunks"] = list(_cut(info["key"], item["content"]))
    info |= {"status": "completed", "next_action": None, "chunks_count": len(item["chunks"])}
    _log(item, "indexed", now, chunkCount=len(item["chunks"]), processingTimeMs=0)


def _log(item: dict[str, Any], action: str, now: float, **facts: Any) -> None:
    key = item["info"]["key"]
    entry = {
        "timestamp": format_time(now),
        "action": action,
        "message": f"{key} was {action}",
        "fileKey": key,
    }
    item["logs"].append({**entry, **facts})


def _cut(key: str, content: bytes) -> Iterable[dict[str, Any]]:
    """Yield the paragraphs of a text. What is none has one chunk, which says so."""
    try:
        content.decode()
    except ValueError:
        content = f"This is the emulated text of {key}: no model has read it.".encode()
    for paragraph in re.finditer(rb"\S(?:.|\n(?!\s*\n))*", content):
        text = paragraph[0].rstrip()
        place = {"start_byte": paragraph.start(), "end_byte": paragraph.start() + len(text)}
        yield {"id": str(uuid.uuid4()), "text": text.decode(), **place, "item": {"key": key}}


def answer_jobs(request: ResourceRequest, jobs: dict[str, Any], path: list[str]) -> ResourceReply:
    """Answer a request for the jobs of an instance. Raises `ErrorResponse`."""
    if not path:
        if request.method == "GET":
            return reply_page(request, jobs.values())
        description = read_object(request, "POST").get("description")
        times = {"started_at": None, "ended_at": None, "last_seen_at": format_time(request.now)}
        id = str(uuid.uuid4())
        job = {"id": id, "source": "user", "description": description, **times, "end_reason": None}
        jobs[id] = job
        return reply(job)
    id, *rest = path
    if id not in jobs:
        raise not_found(f"job {id}")
    job = jobs[id]
    match (request.method, *rest):
        case ("GET",):
            return reply(job)
        case ("PATCH",):
            if read_object(request, "PATCH").get("action") != "cancel":
                raise refuse("action: must be cancel")
            if job["ended_at"] is None:
                job |= {"ended_at": format_time(request.now), "end_reason": "cancelled"}
            return reply(job)
        case ("GET", "logs"):
            rows = [("started_at", "began"), ("ended_at", "ended")]
            logs = [
                {"id": number, "message": f"The emulated job {what}", "message_type": 0, "created_at": int(request.now)}
                for number, (time, what) in enumerate(rows)
                if job[time]
            ]
            return reply_page(request, logs)
        case _:
            raise ErrorResponse(7000)
