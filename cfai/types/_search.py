"""AI Search: what is asked, instances and what is in them, and what is found. AutoRAG is its older name.

Fields: https://developers.cloudflare.com/api/resources/aisearch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Required, TypedDict

from pydantic import BeforeValidator, Field

from cfai._repr import short_repr
from cfai.types._output import AS_LIST, Fields, Output, TextField
from cfai.types._text import Choice, TextOutput

ItemStatus = Literal["queued", "running", "completed", "error", "skipped", "outdated"]

# What is asked


class SearchRetrieval(TypedDict, total=False):
    """How an instance is searched."""

    retrieval_type: Literal["vector", "keyword", "hybrid"]
    """By meaning, by words, or by both. By default what the instance has."""
    fusion_method: Literal["max", "rrf"]
    """How the two are joined."""
    keyword_match_mode: Literal["and", "or"]
    """Whether all words have to be there, or one of them."""
    match_threshold: float
    """The least score of a chunk, from 0 to 1; by default 0.4."""
    max_num_results: int
    """How many chunks are given at most, from 1 to 50; by default 10."""
    filters: Mapping[str, Any]
    """By metadata, as Vectorize has them: `{"folder": "docs/"}` or `{"year": {"$gte": 2024}}`."""
    context_expansion: int
    """How many neighbors of a chunk come with it, from 0 to 3."""
    metadata_only: bool
    """True for chunks without their text."""
    return_on_failure: bool
    """False for an error where nothing could be searched; by default nothing is found then."""
    boost_by: Sequence[Mapping[str, Any]]
    """At most three fields of metadata that raise a score: `{"field": "year", "direction": "desc"}`."""


class SearchQueryRewrite(TypedDict, total=False):
    """The rewriting of a question by a model, before it is looked for."""

    enabled: bool
    """True if it is rewritten."""
    model: str
    """The model that rewrites it."""
    rewrite_prompt: str
    """The instructions for that model."""


class SearchReranking(TypedDict, total=False):
    """The ordering anew of what was found, by a model."""

    enabled: bool
    """True if it is ordered anew."""
    model: str
    """The model that scores it."""
    match_threshold: float
    """The least score of that model's, from 0 to 1."""


class SearchCache(TypedDict, total=False):
    """The giving again of an earlier answer to a like question."""

    enabled: bool
    """True if earlier answers count."""
    cache_threshold: Literal["super_strict_match", "close_enough", "flexible_friend", "anything_goes"]
    """How alike the two questions have to be, the strictest first."""


class SearchOptions(TypedDict, total=False):
    """The options of one search, in place of the instance's own."""

    retrieval: SearchRetrieval
    """How it is searched."""
    query_rewrite: SearchQueryRewrite
    """Whether the question is rewritten first."""
    reranking: SearchReranking
    """Whether what was found is ordered anew."""
    cache: SearchCache
    """Whether earlier answers count."""
    custom_metadata: Mapping[str, Any]
    """At most two entries for the logs of the gateway."""
    instance_ids: Sequence[str]
    """Of a namespace: the instances to search, from 1 to 10."""


class SearchParams(TypedDict, total=False):
    """A search: either `query` or `messages`."""

    query: str
    """What is looked for."""
    messages: Sequence[Mapping[str, Any]]
    """A conversation, with a message of the user in it."""
    ai_search_options: SearchOptions
    """How it is searched."""


class SearchChatParams(TypedDict, total=False):
    """A question that is answered from what is found. Other fields of chat completions may stand beside these."""

    messages: Required[Sequence[Mapping[str, Any]]]
    """The conversation."""
    model: str
    """The model that answers; by default the instance's."""
    stream: Literal[False]
    """The whole answer at once."""
    ai_search_options: SearchOptions
    """How it is searched."""


class SearchChatStreamParams(TypedDict, total=False):
    """A question whose answer comes token by token."""

    messages: Required[Sequence[Mapping[str, Any]]]
    """The conversation."""
    stream: Required[Literal[True]]
    """Token by token."""
    model: str
    """The model that answers; by default the instance's."""
    ai_search_options: SearchOptions
    """How it is searched."""


class SearchInstanceFilters(TypedDict, total=False):
    """Which instances of a namespace are listed."""

    search: str
    """A part of the id."""
    order_by: Literal["created_at"]
    """What they are ordered by."""
    order_by_direction: Literal["asc", "desc"]
    """`desc` has the newest first."""
    page: int
    """This page alone, from 1."""
    per_page: int
    """How many a page has, by default 50."""


class SearchItemFilters(TypedDict, total=False):
    """Which items of an instance are listed."""

    search: str
    """A part of the key."""
    key: str
    """The whole key."""
    item_id: str
    """The id."""
    status: ItemStatus
    """How far they are indexed."""
    source: str
    """`builtin`, or the type and the name of a source, such as `web-crawler:https://example.com`."""
    sort_by: Literal["status", "modified_at"]
    """What they are ordered by."""
    metadata_filter: Mapping[str, Any] | str
    """By metadata, as `SearchRetrieval.filters`; sent as JSON."""
    page: int
    """This page alone, from 1."""
    per_page: int
    """How many a page has, by default 50."""


class SearchInstanceConfig(TypedDict, total=False):
    """The configuration of an instance. The service takes more than is named here, and so does cfai."""

    id: str
    """1 to 32 characters: small letters, digits and `_`, with single hyphens between them."""
    type: Literal["r2", "web-crawler"]
    """Where documents come from; without it they are uploaded."""
    source: str
    """The bucket, or the address."""
    source_params: Mapping[str, Any]
    """The part of the source that is taken, such as `prefix`, `include_items` and `exclude_items`."""
    token_id: str
    """The token that reads the source."""
    ai_gateway_id: str
    """The gateway that the models are called through."""
    ai_search_model: str
    """The model that answers."""
    embedding_model: str
    """The model that chunks are embedded with."""
    index_method: Mapping[str, bool]
    """By meaning, by words, or both: `{"vector": True, "keyword": True}`."""
    rewrite_query: bool
    """True to have questions rewritten."""
    reranking: bool
    """True to have results ordered anew."""
    chunk_size: int
    """The tokens of a chunk."""
    chunk_overlap: int
    """How much of one is in the next, in percent."""
    score_threshold: float
    """The least score of a chunk, from 0 to 1."""
    max_num_results: int
    """How many chunks are given, from 1 to 50."""
    cache: bool
    """True if earlier answers count."""
    custom_metadata: Sequence[Mapping[str, Any]]
    """The fields of metadata that can be filtered by: `{"field_name": "year", "data_type": "number"}`."""
    sync_interval: int
    """Seconds between two looks at the source."""
    metadata: Mapping[str, Any]
    """Anything of your own."""


# What is found

_AS_OBJECT = BeforeValidator(lambda value: {} if value is None else value)


class SearchedItem(Fields):
    """The item that a chunk is of."""

    key: str | None = None
    """The name of its file."""
    timestamp: int | float | str | None = None
    """When it was changed: in milliseconds since 1970, in some of Cloudflare's pages in seconds."""
    metadata: dict[str, Any] | None = None
    """What it was given."""


class SearchChunk(Fields):
    """A piece of an item that was found."""

    id: str | None = None
    """The service's own id for it."""
    type: str | None = None
    """Such as `text`."""
    score: float | None = None
    """How well it fits, from 0 to 1."""
    text: TextField = ""
    """The text."""
    item: Annotated[SearchedItem, _AS_OBJECT] = Field(default_factory=SearchedItem)
    """The item that it is of."""
    scoring_details: dict[str, Any] | None = None
    """What the score is made of, such as `vector_score` and `keyword_rank`."""
    instance_id: str | None = None
    """Of a search in a namespace: the instance that has it."""


class SearchFailure(Fields):
    """An instance of a namespace that could not be searched."""

    instance_id: str | None = None
    """The id of the instance."""
    message: str | None = None
    """Why it could not be searched."""


class SearchResults(Output):
    """The chunks that a search found, the best first."""

    search_query: str | None = None
    """What was looked for in the end."""
    query_kind: str | None = None
    """`text`, `image` or `multimodal`."""
    chunks: Annotated[list[SearchChunk], AS_LIST] = Field(default_factory=list[SearchChunk])
    """What was found."""
    errors: list[SearchFailure] | None = None
    """The instances of a namespace that failed, while others were searched."""


class SearchCompletion(TextOutput):
    """An answer from what was found: `str(answer)` is its text."""

    choices: Annotated[list[Choice], AS_LIST] = Field(default_factory=list[Choice])
    """The answers: one."""
    chunks: Annotated[list[SearchChunk], AS_LIST] = Field(default_factory=list[SearchChunk])
    """What it was answered from."""
    errors: list[SearchFailure] | None = None
    """The instances of a namespace that failed, while others were searched."""


# Instances and what is in them


class SearchInstanceInfo(Output):
    """An instance, with its configuration: its other fields are those of `SearchInstanceConfig`."""

    id: str = ""
    """Its id."""
    namespace: str | None = None
    """The namespace that it is in."""
    type: str | None = None
    """`r2` or `web-crawler`; `None` for one whose documents are uploaded."""
    source: str | None = None
    """The bucket, or the address."""
    status: str | None = None
    """Such as `ready`."""
    paused: bool | None = None
    """True if its source is not looked at."""
    created_at: str | None = None
    """When it was made."""
    modified_at: str | None = None
    """When it was changed."""


class SearchStats(Output):
    """How many items of an instance are in which state."""

    queued: int | None = None
    """Those that wait."""
    running: int | None = None
    """Those that are being indexed."""
    completed: int | None = None
    """Those that can be found."""
    error: int | None = None
    """Those that failed."""
    skipped: int | None = None
    """Those that were left out."""
    outdated: int | None = None
    """Those that changed since."""
    last_activity: str | None = None
    """When something was done."""
    engine: dict[str, Any] | None = None
    """What is stored: `vectorize` with `vectorsCount` and `dimensions`, `r2` with sizes in bytes."""


class SearchItemInfo(Output):
    """An item of an instance: a document, and how far it is indexed."""

    id: str = ""
    """The id that `items.get` takes."""
    key: str | None = None
    """The name of its file."""
    status: str | None = None
    """`queued`, `running`, `completed`, `error`, `skipped` or `outdated`."""
    next_action: str | None = None
    """`INDEX` or `DELETE`, if one of them waits."""
    error: str | None = None
    """Why it could not be indexed."""
    checksum: str | None = None
    """The checksum of its content."""
    namespace: str | None = None
    """The namespace of its instance."""
    chunks_count: int | None = None
    """How many chunks it has."""
    file_size: int | None = None
    """Its size in bytes."""
    source_id: str | None = None
    """`builtin` if it was uploaded, else the type and the name of its source."""
    last_seen_at: str | None = None
    """When its source was last looked at."""
    created_at: str | None = None
    """When it came."""
    metadata: dict[str, Any] | None = None
    """What it was given."""


class SearchItemChunk(Fields):
    """A chunk of an item, as it is indexed."""

    id: str | None = None
    """The service's own id for it."""
    text: TextField = ""
    """The text."""
    start_byte: int | None = None
    """Where it begins in the item's text."""
    end_byte: int | None = None
    """Where it ends."""
    item: Annotated[SearchedItem, _AS_OBJECT] = Field(default_factory=SearchedItem)
    """The item that it is of."""


class SearchItemLog(Fields):
    """A line of what was done with an item. Some fields are named as in JavaScript."""

    timestamp: str | None = None
    """When it was done, as the service writes it."""
    action: str | None = None
    """The service's word for what was done."""
    message: str | None = None
    """A sentence about it."""
    fileKey: str | None = None
    """The key of the item."""
    chunkCount: int | None = None
    """How many chunks there were."""
    processingTimeMs: float | None = None
    """How long it took, in milliseconds."""
    errorType: str | None = None
    """The kind of the error, if there was one."""


@dataclass(frozen=True, slots=True)
class SearchItemContent:
    """The file that an item is of."""

    __repr__ = short_repr

    content_type: str
    """As the service declares it."""
    filename: str
    """As the service declares it; do not write to a path that it names without a look at it."""
    size: int
    """Its size in bytes."""
    content: bytes = field(default=b"", repr=False)
    """The bytes; empty if they were written to a file."""
    path: Path | None = None
    """The file that they were written to."""


class SearchJobInfo(Output):
    """A job: one look at the source of an instance."""

    id: str = ""
    """The id that `jobs.get` takes."""
    source: str | None = None
    """Who began it: `user` or `schedule`."""
    description: str | None = None
    """What it was called."""
    started_at: str | None = None
    """When it began."""
    ended_at: str | None = None
    """When it ended."""
    end_reason: str | None = None
    """Why it ended."""
    last_seen_at: str | None = None
    """When it last gave a sign."""


class SearchJobLog(Fields):
    """A line of what a job did."""

    id: int | str | None = None
    """Its number."""
    message: str | None = None
    """A sentence."""
    message_type: int | str | None = None
    """The service's own number for its kind."""
    created_at: int | float | str | None = None
    """When, as the service has it."""


# AutoRAG


class _AutoRAGParams(TypedDict, total=False):
    query: Required[str]
    """What is looked for."""
    rewrite_query: bool
    """True to have a model rewrite it first."""
    max_num_results: int
    """How many are given at most, from 1 to 50; by default 10."""
    ranking_options: Mapping[str, Any]
    """`score_threshold`, the least score from 0 to 1, and `ranker`."""
    reranking: Mapping[str, Any]
    """`enabled` and `model`, to order what was found anew."""
    filters: Mapping[str, Any]
    """`{"type": "eq", "key": "folder", "value": "docs/"}`, or several in `{"type": "and", "filters": […]}`."""
    model: str
    """Of `ai_search`: the model that answers."""
    system_prompt: str
    """Of `ai_search`: what it is told."""


class AutoRAGParams(_AutoRAGParams, total=False):
    """A search by AutoRAG, with its older names."""

    stream: Literal[False]
    """Of `ai_search`: the whole answer at once."""


class AutoRAGStreamParams(_AutoRAGParams, total=False):
    """A question to `ai_search` whose answer comes token by token."""

    stream: Required[Literal[True]]
    """Token by token."""


class AutoRAGText(Fields):
    """A text of a file."""

    id: str | None = None
    """The service's own id for it."""
    type: str | None = None
    """Such as `text`."""
    text: TextField = ""
    """The text."""


class AutoRAGMatch(Fields):
    """A file in which something was found."""

    file_id: str | None = None
    """The service's own id for it."""
    filename: str | None = None
    """Its name."""
    score: float | None = None
    """How well it fits, from 0 to 1."""
    attributes: dict[str, Any] | None = None
    """Such as `folder`, and `modified_date` in milliseconds since 1970."""
    content: Annotated[list[AutoRAGText], AS_LIST] = Field(default_factory=list[AutoRAGText])
    """What was found in it."""


class AutoRAGResults(Output):
    """The results of AutoRAG, and with `ai_search` the answer of a model."""

    search_query: str | None = None
    """What was looked for in the end."""
    response: str | None = None
    """Of `ai_search`: the answer."""
    data: Annotated[list[AutoRAGMatch], AS_LIST] = Field(default_factory=list[AutoRAGMatch])
    """What was found, the best first."""
    has_more: bool | None = None
    """True if there is another page."""
    next_page: str | None = None
    """What names it."""


class AutoRAGInfo(Fields):
    """An AutoRAG, as it is listed."""

    id: str = ""
    """Its name."""
    type: str | None = None
    """Such as `r2`."""
    source: str | None = None
    """The bucket."""
    status: str | None = None
    """Such as `ready`."""
    enable: bool | None = None
    """True if it can be asked."""
    paused: bool | None = None
    """True if its source is not looked at."""
    vectorize_name: str | None = None
    """The index that it has."""
