"""AI Search and AutoRAG: documents that are uploaded, cut into paragraphs, and found by the words that they share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from cfai._json import as_sequence
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
from cfai.local.resources._search_filters import build_filter, fits_filters, get_attributes
from cfai.local.resources._search_items import advance, answer_items, answer_jobs
from cfai.local.resources._search_options import check_config, check_options
from cfai.local.wire import DONE_EVENT, ErrorResponse, encode_event, split_into_tokens

_INSTANCE_ID = r"[a-z0-9_]+(?:-[a-z0-9_]+)*"
_STATES = ("queued", "running", "completed", "error", "skipped", "outdated")
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
                return reply(self._search_several(request, name))
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
            raise not_found(f"namespace {name}")
        return self._namespaces[name]

    def _answer_namespaces(self, request: ResourceRequest) -> ResourceReply:
        if request.method == "GET":
            word = request.query.get("search", "")
            return reply_page(request, (each["info"] for name, each in self._namespaces.items() if word in name))
        body = read_object(request, "POST")
        name = body.get("name")
        if not isinstance(name, str) or not name or name in self._namespaces:
            raise refuse("name: must be a new name")
        return reply(self._create_namespace(name, body.get("description"), request.now))

    def _answer_namespace(self, request: ResourceRequest, name: str) -> ResourceReply:
        namespace = self._get_namespace(name)
        if request.method in ("PUT", "DELETE") and name == "default":
            raise refuse("the default namespace cannot be changed or deleted")
        if request.method == "DELETE":
            if namespace["instances"]:
                raise refuse("the namespace is not empty")
            del self._namespaces[name]
        elif request.method == "PUT":
            namespace["info"]["description"] = read_object(request, "PUT").get("description")
        elif request.method != "GET":
            raise ErrorResponse(7001)
        return reply(namespace["info"])

    # Instances

    def _answer_instances(self, request: ResourceRequest, namespace: dict[str, Any]) -> ResourceReply:
        instances: dict[str, Any] = namespace["instances"]
        if request.method == "GET":
            word = request.query.get("search", "")
            rows = [each["info"] for id, each in instances.items() if word in id]
            return reply_page(request, rows[::-1] if request.query.get("order_by_direction") == "desc" else rows)
        config = read_object(request, "POST")
        id = config.get("id")
        if not isinstance(id, str) or len(id) > 32 or not re.fullmatch(_INSTANCE_ID, id):
            raise refuse("id: must match ^[a-z0-9_]+(?:-[a-z0-9_]+)*$ and have 1 to 32 characters")
        if id in instances:
            raise refuse(f"id: instance {id} is there already")
        check_config(config)
        times = {"created_at": format_time(request.now), "modified_at": format_time(request.now)}
        state = {"namespace": namespace["info"]["name"], "status": "ready", "paused": False, "enable": True}
        instances[id] = {"info": {**config, **state, **times}, "items": {}, "jobs": {}}
        return reply(instances[id]["info"])

    def _answer_instance(
        self, request: ResourceRequest, namespace: dict[str, Any], id: str, rest: list[str]
    ) -> ResourceReply:
        instance = namespace["instances"].get(id)
        if instance is None:
            raise not_found(f"instance {id}")
        if request.method != "PATCH":  # what is to be cancelled, or begun anew, stays as it is until then
            advance(instance, request.now)
        info = instance["info"]
        match (request.method, *rest):
            case ("GET",):
                return reply(info)
            case ("PUT",):
                config = read_object(request, "PUT")
                check_config(config)
                info |= {**config, "id": id, "modified_at": format_time(request.now)}
                return reply(info)
            case ("DELETE",):
                del namespace["instances"][id]
                return reply(info)
            case ("GET", "stats"):
                states = [item["info"]["status"] for item in instance["items"].values()]
                return reply({state: states.count(state) for state in _STATES} | {"last_activity": info["modified_at"]})
            case ("POST", "search"):
                query, options = _read_search(request)
                return reply(_search([instance], query, options))
            case ("POST", "chat", "completions"):
                query, options = _read_search(request)
                return _complete(request, _search([instance], query, options))
            case (_, "items", *path):
                return answer_items(request, instance, path)
            case (_, "jobs", *path):
                return answer_jobs(request, instance["jobs"], path)
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
            advance(instance, request.now)
        found = _search(known, query, options, names_instances=True)
        if errors := [{"instance_id": id, "message": "Instance not found"} for id in ids if id not in instances]:
            found["errors"] = errors
        return found

    # AutoRAG

    def _answer_rag(self, request: ResourceRequest, id: str, *, with_response: bool) -> ResourceReply:
        instance = self._namespaces["default"]["instances"].get(id)
        if instance is None:
            raise ErrorResponse(7002, "autorag_not_found", status=404)
        advance(instance, request.now)
        body = read_object(request, "POST")
        query = body.get("query")
        if not isinstance(query, str) or not query:
            raise refuse("query: must be a string that is not empty")
        # The older names of the same options.
        retrieval = {
            "max_num_results": body.get("max_num_results", 10),
            "match_threshold": as_object(body.get("ranking_options")).get("score_threshold", 0),
        }
        check_options({"retrieval": retrieval})
        fits = build_filter(body.get("filters"))
        found = _search([instance], query, {"retrieval": retrieval}, fits=fits)["chunks"]
        result: dict[str, Any] = {
            "object": "vector_store.search_results.page",
            "search_query": query,
            "data": [_build_match(chunk) for chunk in found],
            "has_more": False,
            "next_page": None,
        }
        if not with_response:
            return reply(result)
        answer = _write_answer(query, found)
        if not body.get("stream"):
            return reply(result | {"response": answer})
        pieces = [encode_event({"response": piece}) for piece in split_into_tokens(answer)]
        return ResourceReply(content=b"".join([*pieces, DONE_EVENT]), content_type="text/event-stream")


# Searching


def _read_search(request: ResourceRequest) -> tuple[str, Mapping[str, Any]]:
    """Return the question and the options of a search. Raises `ErrorResponse`."""
    body = read_object(request, "POST")
    check_options(body.get("ai_search_options"))
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
    fits = fits or partial(fits_filters, as_object(retrieval.get("filters")))
    limit = int(retrieval.get("max_num_results") or 10)
    for instance in instances:
        thresholds = (retrieval.get("match_threshold"), instance["info"].get("score_threshold"), 0.4)
        threshold = next(each for each in thresholds if each is not None)
        for item in instance["items"].values():
            if not fits(get_attributes(item["info"])):
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
            "folder": get_attributes(item)["folder"],
            "modified_date": item["timestamp"],
            **item["metadata"],
        },
        "content": [{"id": chunk["id"], "type": "text", "text": chunk["text"]}],
    }
