"""The options of a search and the configuration of an instance, as far as the service checks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfai._json import as_sequence
from cfai.local._json import as_object
from cfai.local.resources._resource import refuse
from cfai.local.resources._search_filters import check_filters

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


def check_options(options: Any) -> None:
    """Raise `ErrorResponse` for what is no `ai_search_options`."""
    if not isinstance(options, dict | None):
        raise refuse("ai_search_options: must be an object")
    options = as_object(options)
    for part in ("retrieval", "query_rewrite", "reranking", "cache"):
        if not isinstance(options.get(part), dict | None):
            raise refuse(f"{part}: must be an object")
    for part, name, least, most in _RANGES:
        _check_number(as_object(options.get(part)).get(name), f"{part}.{name}", least, most)
    _check_choices(options, _CHOICES)
    check_filters(as_object(options.get("retrieval")).get("filters"))
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


def check_config(config: Mapping[str, Any]) -> None:
    """Raise `ErrorResponse` for a configuration that an instance cannot have."""
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
