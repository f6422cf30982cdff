"""AI Search and AutoRAG: documents that are uploaded, cut into paragraphs, and found by the words that they share."""

from __future__ import annotations

import hashlib
import json
import operator
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from cfai._json import as_sequence
from cfai.local._json import as_object
from cfai.local.resources._resource import ResourceReply, ResourceRequest, format_time, refuse, reply_page
from cfai.local.wire import DONE_EVENT, ErrorResponse, build_envelope, encode_event, split_into_tokens

_INSTANCE_ID = r"[a-z0-9_]+(?:-[a-z0-9_]+)*"
_STATES = ("queued", "running", "completed", "error", "skipped", "outdated")
_RANGES = (
    ("retrieval", "max_num_results", 1, 50),
    ("retrieval", "match_threshold", 0, 1),
    ("retrieval", "context_expansion", 0, 3),
    ("reranking", "match_threshold", 0, 1),
)
_COUNTS = ("max_num_results", "context_expansion")
_FUSIONS = ("max", "rrf")
_MATCH_MODES = ("and", "or")
_CACHE_THRESHOLDS = ("super_strict_match", "close_enough", "flexible_friend", "anything_goes")
_CHOICES: Mapping[str, tuple[Any, ...]] = {
    "retrieval.retrieval_type": ("vector", "keyword", "hybrid"),
    "retrieval.fusion_method": _FUSIONS,
    "retrieval.keyword_match_mode": _MATCH_MODES,
    "retrieval.metadata_only": (True, False),
    "retrieval.return_on_failure": (True, False),
    "query_rewrite.enabled": (True, False),
    "reranking.enabled": (True, False),
    "cache.enabled": (True, False),
    "cache.cache_threshold": _CACHE_THRESHOLDS,
}
"""The values that an option may have, by its place. Numbers are no booleans."""
_CONFIG_CHOICES: Mapping[str, tuple[Any, ...]] = {
    "type": ("r2", "web-crawler"),
    "fusion_method": _FUSIONS,
    "cache_threshold": _CACHE_THRESHOLDS,
    "sync_interval": (900, 1800, 3600, 7200, 14400, 21600, 43200, 86400),
    "indexing_options.keyword_tokenizer": ("porter", "trigram"),
    "retrieval_options.keyword_match_mode": _MATCH_MODES,
}
_METADATA_TYPES = ("text", "number", "boolean", "datetime")
_MOST_METADATA = 2
_RESERVED_METADATA = ("ai-search", "task", "origin")
_DIRECTIONS = ("asc", "desc", "exists", "not_exists")
_MOST_BOOSTS = 3
_COMPARISONS: Mapping[str, Any] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": lambda value, among: value in among,  # pyright: ignore[reportUnknownLambdaType]
    "$nin": lambda value, among: value not in among,  # pyright: ignore[reportUnknownLambdaType]
}
_AUTORAG_COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte")
_MODEL = "emulated"


class Search:
    """The namespaces of an account, with their instances, items and jobs.

    Every request to an instance takes what is queued in it one step further: an item that was uploaded is queued, with
    the next request it runs, and with the one after that it is indexed and can be found.
    """

    def __init__(self) -> None:
        self._namespaces: dict[str, dict[str, Any]] = {}

    async def answer(self, request: ResourceRequest) -> ResourceReply:
        """Answer a request. Raises `ErrorResponse`."""
        if not self._namespaces:
            self._create_namespace("default", None, request.now)
        match (request.method, *request.path):
            case (_, "namespaces"):
                return self._answer_namespaces(request)
            case (_, "namespaces", name):
                return self._answer_namespace(request, name)
            case ("POST", "namespaces", name, "search"):
                return _reply(self._search_several(request, name))
            case ("POST", "namespaces", name, "chat", "completions"):
                return _complete(request, self._search_several(request, name))
            case (_, "namespaces", name, "instances"):
                return self._answer_instances(request, self._get_namespace(name))
            case (_, "namespaces", name, "instances", id, *rest):
                return self._answer_instance(request, self._get_namespace(name), id, rest)
            case ("GET", "rags"):
                return reply_page(request, map(_describe_rag, self._namespaces["default"]["instances"].values()))
            case ("POST", "rags", id, "search" | "ai-search" as action):
                return self._answer_rag(request, id, with_response=action == "ai-search")
            case _:
                raise ErrorResponse(7000)

    # Namespaces

    def _create_namespace(self, name: str, description: Any, now: float) -> dict[str, Any]:
        info = {"name": name, "description": description, "created_at": format_time(now)}
        self._namespaces[name] = {"info": info, "instances": {}}
        return info

    def _get_namespace(self, name: str) -> dict[str, Any]:
        if name not in self._namespaces:
            raise _not_found(f"namespace {name}")
        return self._namespaces[name]

    def _answer_namespaces(self, request: ResourceRequest) -> ResourceReply:
        if request.method == "GET":
            word = request.query.get("search", "")
            return reply_page(request, (each["info"] for name, each in self._namespaces.items() if word in name))
        body = _read_body(request, "POST")
        name = body.get("name")
        if not isinstance(name, str) or not name or name in self._namespaces:
            raise refuse("name: must be a new name")
        return _reply(self._create_namespace(name, body.get("description"), request.now))

    def _answer_namespace(self, request: ResourceRequest, name: str) -> ResourceReply:
        namespace = self._get_namespace(name)
        if request.method in ("PUT", "DELETE") and name == "default":
            raise refuse("the default namespace cannot be changed or deleted")
        if request.method == "DELETE":
            if namespace["instances"]:
                raise refuse("the namespace is not empty")
            del self._namespaces[name]
        elif request.method == "PUT":
            namespace["info"]["description"] = _read_body(request, "PUT").get("description")
        elif request.method != "GET":
            raise ErrorResponse(7001)
        return _reply(namespace["info"])

    # Instances

    def _answer_instances(self, request: ResourceRequest, namespace: dict[str, Any]) -> ResourceReply:
        instances: dict[str, Any] = namespace["instances"]
        if request.method == "GET":
            word = request.query.get("search", "")
            rows = [each["info"] for id, each in instances.items() if word in id]
            return reply_page(request, rows[::-1] if request.query.get("order_by_direction") == "desc" else rows)
        config = _read_body(request, "POST")
        id = config.get("id")
        if not isinstance(id, str) or len(id) > 32 or not re.fullmatch(_INSTANCE_ID, id):
            raise refuse("id: must match ^[a-z0-9_]+(?:-[a-z0-9_]+)*$ and have 1 to 32 characters")
        if id in instances:
            raise refuse(f"id: instance {id} is there already")
        _check_config(config)
        times = {"created_at": format_time(request.now), "modified_at": format_time(request.now)}
        state = {"namespace": namespace["info"]["name"], "status": "ready", "paused": False, "enable": True}
        instances[id] = {"info": {**config, **state, **times}, "items": {}, "jobs": {}}
        return _reply(instances[id]["info"])

    def _answer_instance(
        self, request: ResourceRequest, namespace: dict[str, Any], id: str, rest: list[str]
    ) -> ResourceReply:
        instance = namespace["instances"].get(id)
        if instance is None:
            raise _not_found(f"instance {id}")
        if request.method != "PATCH":  # what is to be cancelled, or begun anew, stays as it is until then
            _advance(instance, request.now)
        info = instance["info"]
        match (request.method, *rest):
            case ("GET",):
                return _reply(info)
            case ("PUT",):
                config = _read_body(request, "PUT")
                _check_config(config)
                info |= {**config, "id": id, "modified_at": format_time(request.now)}
                return _reply(info)
            case ("DELETE",):
                del namespace["instances"][id]
                return _reply(info)
            case ("GET", "stats"):
                states = [item["info"]["status"] for item in instance["items"].values()]
                return _reply(
                    {state: states.count(state) for state in _STATES} | {"last_activity": info["modified_at"]}
                )
            case ("POST", "search"):
                query, options = _read_search(request)
                return _reply(_search([instance], query, options))
            case ("POST", "chat", "completions"):
                query, options = _read_search(request)
                return _complete(request, _search([instance], query, options))
            case (_, "items", *path):
                return _answer_items(request, instance, path)
            case (_, "jobs", *path):
                return _answer_jobs(request, instance["jobs"], path)
            case _:
                raise ErrorResponse(7000)

    def _search_several(self, request: ResourceRequest, name: str) -> dict[str, Any]:
        """Return what is found in several instances, each chunk with the instance that it is of."""
        instances = self._get_namespace(name)["instances"]
        query, options = _read_search(request)
        ids = as_sequence(options.get("instance_ids"))
        if not 1 <= len(ids) <= 10 or not all(isinstance(id, str) for id in ids):
            raise refuse("ai_search_options.instance_ids: must name 1 to 10 instances")
        known = [instances[id] for id in ids if id in instances]
        for instance in known:
            _advance(instance, request.now)
        found = _search(known, query, options, names_instances=True)
        if errors := [{"instance_id": id, "message": "Instance not found"} for id in ids if id not in instances]:
            found["errors"] = errors
        return found

    # AutoRAG

    def _answer_rag(self, request: ResourceRequest, id: str, *, with_response: bool) -> ResourceReply:
        instance = self._namespaces["default"]["instances"].get(id)
        if instance is None:
            raise ErrorResponse(7002, "autorag_not_found", status=404)
        _advance(instance, request.now)
        body = _read_body(request, "POST")
        query = body.get("query")
        if not isinstance(query, str) or not query:
            raise refuse("query: must be a string that is not empty")
        # The older names of the same options.
        retrieval = {
            "max_num_results": body.get("max_num_results", 10),
            "match_threshold": as_object(body.get("ranking_options")).get("score_threshold", 0),
        }
        _check_options({"retrieval": retrieval})
        fits = _build_filter(body.get("filters"))
        found = _search([instance], query, {"retrieval": retrieval}, fits=fits)["chunks"]
        result: dict[str, Any] = {
            "object": "vector_store.search_results.page",
            "search_query": query,
            "data": [_build_match(chunk) for chunk in found],
            "has_more": False,
            "next_page": None,
        }
        if not with_response:
            return _reply(result)
        answer = _write_answer(query, found)
        if not body.get("stream"):
            return _reply(result | {"response": answer})
        pieces = [encode_event({"response": piece}) for piece in split_into_tokens(answer)]
        return ResourceReply(content=b"".join([*pieces, DONE_EVENT]), content_type="text/event-stream")


# Items and jobs


def _answer_items(request: ResourceRequest, instance: dict[str, Any], path: list[str]) -> ResourceReply:
    items: dict[str, Any] = instance["items"]
    if not path:
        return (
            reply_page(request, _filter_items(request, items))
            if request.method == "GET"
            else _upload(request, instance)
        )
    id, *rest = path
    if id not in items:
        raise _not_found(f"item {id}")
    item = items[id]
    match (request.method, *rest):
        case ("GET",):
            return _reply(item["info"])
        case ("DELETE",):
            del items[id]
            return _reply({"key": item["info"]["key"]})
        case ("PATCH",):
            if (body := _read_body(request, "PATCH")).get("next_action") != "INDEX":
                raise refuse("next_action: must be INDEX")
            _begin_indexing(item, request.now, waits=body.get("wait_for_completion") is True)
            return _reply(item["info"])
        case ("GET", "download"):
            headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(item['info']['key'], safe='')}"}
            return ResourceReply(content=item["content"], content_type=item["content_type"], headers=headers)
        case ("GET", "chunks"):
            limit, offset = request.read_number("limit", 20, 1, 100), request.read_number("offset", 0, 0)
            rows = item["chunks"][offset:][:limit]
            info = {"count": len(rows), "total": len(item["chunks"]), "limit": limit, "offset": offset}
            return _reply(rows, info)
        case ("GET", "logs"):
            limit, start = request.read_number("limit", 50, 1, 100), request.read_number("cursor", 0, 0)
            rows = item["logs"][start:][:limit]
            is_cut = start + limit < len(item["logs"])
            cursor = str(start + limit) if is_cut else None
            return _reply(rows, {"count": len(rows), "per_page": limit, "cursor": cursor, "truncated": is_cut})
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
    _check_filters(filters)
    rows = [row for row in rows if query.get("search", "") in row["key"] and _fits(filters, _get_attributes(row))]
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
    return _reply(info)


def _begin_indexing(item: dict[str, Any], now: float, *, waits: bool) -> None:
    item["info"] |= {"status": "queued", "next_action": "INDEX"}
    _log(item, "queued", now)
    if waits:
        _index(item, now)


def _advance(instance: dict[str, Any], now: float) -> None:
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


def _answer_jobs(request: ResourceRequest, jobs: dict[str, Any], path: list[str]) -> ResourceReply:
    if not path:
        if request.method == "GET":
            return reply_page(request, jobs.values())
        description = _read_body(request, "POST").get("description")
        times = {"started_at": None, "ended_at": None, "last_seen_at": format_time(request.now)}
        id = str(uuid.uuid4())
        job = {"id": id, "source": "user", "description": description, **times, "end_reason": None}
        jobs[id] = job
        return _reply(job)
    id, *rest = path
    if id not in jobs:
        raise _not_found(f"job {id}")
    job = jobs[id]
    match (request.method, *rest):
        case ("GET",):
            return _reply(job)
        case ("PATCH",):
            if _read_body(request, "PATCH").get("action") != "cancel":
                raise refuse("action: must be cancel")
            if job["ended_at"] is None:
                job |= {"ended_at": format_time(request.now), "end_reason": "cancelled"}
            return _reply(job)
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


# Searching


def _read_search(request: ResourceRequest) -> tuple[str, Mapping[str, Any]]:
    """Return the question and the options of a search. Raises `ErrorResponse`."""
    body = _read_body(request, "POST")
    _check_options(body.get("ai_search_options"))
    options = as_object(body.get("ai_search_options"))
    query, messages = body.get("query"), as_sequence(body.get("messages"))
    questions = [_get_text(each) for each in messages if as_object(each).get("role") == "user"]
    if (query is None) == (not any(questions)) or not isinstance(query, str | None) or query == "":
        raise refuse("exactly one of query and messages must be there, and not empty")
    return query or [each for each in questions if each][-1], options


def _get_text(message: Any) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return " ".join(str(part["text"]) for part in as_sequence(content) if as_object(part).get("text"))


def _search(
    instances: Iterable[dict[str, Any]],
    query: str,
    options: Mapping[str, Any],
    *,
    names_instances: bool = False,
    fits: Callable[[Mapping[str, Any]], bool] | None = None,
) -> dict[str, Any]:
    """Return the chunks that share words with a question, those first that share most."""
    retrieval, found = as_object(options.get("retrieval")), list[dict[str, Any]]()
    fits = fits or partial(_fits, as_object(retrieval.get("filters")))
    limit = int(retrieval.get("max_num_results") or 10)
    for instance in instances:
        thresholds = (retrieval.get("match_threshold"), instance["info"].get("score_threshold"), 0.4)
        threshold = next(each for each in thresholds if each is not None)
        for item in instance["items"].values():
            if not fits(_get_attributes(item["info"])):
                continue
            info = item["info"]
            modified = int(1000 * datetime.fromisoformat(info["created_at"]).timestamp())
            about = {"key": info["key"], "timestamp": modified, "metadata": info["metadata"]}
            for chunk in item["chunks"]:
                score = _score(query, chunk["text"])
                if score and score >= threshold:
                    text = "" if retrieval.get("metadata_only") else chunk["text"]
                    entry = {"id": chunk["id"], "type": "text", "score": score, "text": text, "item": about}
                    entry["scoring_details"] = {"keyword_score": score}
                    found.append(entry | ({"instance_id": instance["info"]["id"]} if names_instances else {}))
    found.sort(key=lambda chunk: -chunk["score"])
    return {"search_query": query, "query_kind": "text", "chunks": found[:limit]}


def _score(query: str, text: str) -> float:
    """Return the share of a question's words that a text has.

    >>> _score("Where is New York?", "New York is in the north-east.")
    0.75
    """
    query_words, text_words = ({*re.findall(r"\w+", each.lower())} for each in (query, text))
    return round(len(query_words & text_words) / len(query_words), 4) if query_words else 0.0


def _fits(filters: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Return True if metadata fits the filters of Vectorize."""
    for field, wanted in filters.items():
        for name, value in as_object(wanted).items() if isinstance(wanted, dict) else [("$eq", wanted)]:
            try:
                if field not in attributes or not _COMPARISONS[name](attributes[field], value):
                    return False
            except TypeError:
                return False
    return True


def _check_filters(filters: Any) -> None:
    """Raise `ErrorResponse` for what is no filter of Vectorize."""
    if not isinstance(filters, dict | None):
        raise refuse("filters: must be an object")
    for wanted in as_object(filters).values():
        if unknown := next((name for name in as_object(wanted) if name not in _COMPARISONS), None):
            raise refuse(f"filters: there is no {unknown}")


def _build_filter(filters: Any) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells whether metadata fits the filters of AutoRAG. Raises `ErrorResponse` for what is none."""
    kind = as_object(filters).get("type")
    combine = any if kind == "or" else all
    comparisons = as_sequence(filters.get("filters")) if kind in ("and", "or") else [filters]
    if not comparisons:
        raise refuse("filters: must have one comparison or more")
    converted: list[Mapping[str, Any]] = []
    for each in map(as_object, comparisons if filters else ()):
        if each.get("type") not in _AUTORAG_COMPARISONS or not isinstance(each.get("key"), str):
            raise refuse(f"filters: must have a key, and a type of {', '.join(_AUTORAG_COMPARISONS)}")
        converted.append({each["key"]: {f"${each['type']}": each.get("value")}})
    return lambda attributes: combine(_fits(each, attributes) for each in converted)


def _get_attributes(info: Mapping[str, Any]) -> dict[str, Any]:
    folder, _, name = info["key"].rpartition("/")
    return {"folder": f"{folder}/" if folder else "", "filename": name, **info["metadata"]}


def _write_answer(query: str, chunks: list[dict[str, Any]]) -> str:
    keys = ", ".join(dict.fromkeys(chunk["item"]["key"] for chunk in chunks))
    found = f"What was found is in {keys}." if keys else "Nothing was found."
    return f"This is an emulated answer to “{query[:100]}”: no model has read it. {found}"


def _complete(request: ResourceRequest, found: dict[str, Any]) -> ResourceReply:
    """Return a chat completion, which has no envelope, or its events: the chunks first."""
    body = request.json
    if not body.get("messages"):
        raise refuse("messages: must be there")
    answer = _write_answer(found["search_query"], found["chunks"])
    head = {"id": f"chatcmpl-{uuid.uuid4()}", "created": int(request.now), "model": body.get("model") or _MODEL}
    others = {"errors": found["errors"]} if "errors" in found else {}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        whole = {**head, "object": "chat.completion", "choices": [choice], "chunks": found["chunks"]}
        return ResourceReply(whole | others)
    events = [b"event: chunks\n" + encode_event(found["chunks"])]
    for piece in (*split_into_tokens(answer), None):
        end: dict[str, Any] = {"delta": {}, "finish_reason": "stop"}
        choice = end if piece is None else {"delta": {"content": piece}, "finish_reason": None}
        events.append(encode_event({**head, "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}))
    return ResourceReply(content=b"".join([*events, DONE_EVENT]), content_type="text/event-stream")


def _describe_rag(instance: Mapping[str, Any]) -> dict[str, Any]:
    info = instance["info"]
    source = {"type": info.get("type", "r2"), "source": info.get("source", "")}
    state = {"enable": True, "paused": False, "status": info["status"]}
    return {"id": info["id"], **source, **state, "vectorize_name": f"ai-search-{info['id']}"}


def _build_match(chunk: Mapping[str, Any]) -> dict[str, Any]:
    item = chunk["item"]
    return {
        "file_id": chunk["id"],
        "filename": item["key"],
        "score": chunk["score"],
        "attributes": {
            "folder": _get_attributes(item)["folder"],
            "modified_date": item["timestamp"],
            **item["metadata"],
        },
        "content": [{"id": chunk["id"], "type": "text", "text": chunk["text"]}],
    }


# Requests and replies


def _read_body(request: ResourceRequest, method: str) -> dict[str, Any]:
    if request.method != method:
        raise ErrorResponse(7001)
    body = request.json
    if not isinstance(body, dict):
        raise refuse("the body must be an object")
    return body  # pyright: ignore[reportUnknownVariableType]


def _check_options(options: Any) -> None:
    if not isinstance(options, dict | None):
        raise refuse("ai_search_options: must be an object")
    options = as_object(options)
    for part in ("retrieval", "query_rewrite", "reranking", "cache"):
        if not isinstance(options.get(part), dict | None):
            raise refuse(f"{part}: must be an object")
    for part, name, least, most in _RANGES:
        _check_number(as_object(options.get(part)).get(name), f"{part}.{name}", least, most)
    _check_choices(options, _CHOICES)
    _check_filters(as_object(options.get("retrieval")).get("filters"))
    metadata = options.get("custom_metadata")
    names = [*as_object(metadata)]
    is_reserved = any(name in _RESERVED_METADATA or name.startswith("cf.") for name in names)
    if not isinstance(metadata, dict | None) or len(names) > _MOST_METADATA or is_reserved:
        raise refuse(f"custom_metadata: must have {_MOST_METADATA} entries at most, under names that are not reserved")
    boosts = as_object(options.get("retrieval")).get("boost_by")
    if boosts is not None and not (isinstance(boosts, list) and len(as_sequence(boosts)) <= _MOST_BOOSTS):
        raise refuse(f"retrieval.boost_by: must be a list of {_MOST_BOOSTS} at most")
    for boost in map(as_object, as_sequence(boosts)):
        if not isinstance(boost.get("field"), str) or boost.get("direction") not in (None, *_DIRECTIONS):
            raise refuse(f"retrieval.boost_by: must have a field, and a direction of {', '.join(_DIRECTIONS)}")


def _check_config(config: Mapping[str, Any]) -> None:
    _check_number(config.get("max_num_results"), "max_num_results", 1, 50)
    _check_number(config.get("score_threshold"), "score_threshold", 0, 1)
    _check_number(config.get("cache_ttl"), "cache_ttl", 600, 518_400)
    _check_choices(config, _CONFIG_CHOICES)
    for field in map(as_object, as_sequence(config.get("custom_metadata"))):
        if not isinstance(field.get("field_name"), str) or field.get("data_type") not in _METADATA_TYPES:
            raise refuse(f"custom_metadata: must have field_name, and data_type of {', '.join(_METADATA_TYPES)}")


def _check_choices(body: Mapping[str, Any], choices: Mapping[str, tuple[Any, ...]]) -> None:
    for place, values in choices.items():
        part, _, name = place.rpartition(".")
        value = (as_object(body.get(part)) if part else body).get(name)
        if value is not None and not any(value == each and type(value) is type(each) for each in values):
            raise refuse(f"{place}: must be one of {', '.join(map(str, values))}")


def _check_number(value: Any, name: str, least: float, most: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise refuse(f"{name}: must be from {least} to {most}")
    if name.rpartition(".")[2] in _COUNTS and value % 1:
        raise refuse(f"{name}: must be an integer")


def _not_found(what: str) -> ErrorResponse:
    return ErrorResponse(7002, f"Not Found: {what}", status=404)


def _reply(result: Any, result_info: Mapping[str, Any] | None = None) -> ResourceReply:
    return ResourceReply(build_envelope(result) | ({} if result_info is None else {"result_info": result_info}))
