"""Find what is wrong with inputs, by the schema that the model's listing has: before anything is sent.

Certain is only what the service is sure to refuse. An input that the schema does not have may be newer than it is, and
most models ignore what they do not know: that is good for a warning. Media are left to whoever encodes them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from cfai._config import CheckMode
from cfai._errors import InputError, LimitError
from cfai._json import as_sequence, is_mapping
from cfai._limits.messages import format_warning, make_count_error, make_input_error
from cfai._limits.window import MAX_TOKENS_FIELDS
from cfai._warnings import InputWarning, LimitWarning
from cfai.models import Limit, Model, catalogue
from cfai.models.schemas import FLUX_2_FORM, Schema, get_schema

_COMMON_INPUTS = frozenset({"external_reference", "options", "request_id", "requests", "stream"})
_MEDIA_INPUTS = frozenset({"(body)", "audio", "image", "image_b64", "mask", "multipart"})

# What the documentation, or Cloudflare's own clients, have beside the schemas.
_TEXT_INPUTS = frozenset({"response_format", "tool_choice", *MAX_TOKENS_FIELDS})
_REASONING_INPUTS = frozenset({"chat_template_kwargs", "reasoning_effort"})
_CHAT_INPUTS = frozenset({"service_tier"})
_MORE_INPUTS = {
    "@cf/black-forest-labs/flux-1-schnell": {"seed"},
    "@cf/leonardo/phoenix-1.0": {"steps"},
    "@cf/llava-hf/llava-1.5-7b-hf": {"messages"},
    "@cf/openai/whisper": {"source_lang", "target_lang"},
    "@cf/openai/whisper-tiny-en": {"source_lang", "target_lang"},
    "@cf/openai/whisper-large-v3-turbo": {
        "beam_size",
        "compression_ratio_threshold",
        "condition_on_previous_text",
        "hallucination_silence_threshold",
        "log_prob_threshold",
        "no_speech_threshold",
    },
}
_CHAT_MODEL = "@cf/zai-org/glm-4.7-flash"
"""A model whose inputs are those of chat completions, which gpt-oss takes beside its own."""

_HANGING_INPUTS = {"top_k": "@cf/zai-org/glm"}
"""Inputs that are not always ignored where the schema has none such, by how the names of these models begin."""

_OTHER_NAMES = {"prompt": "question", "voice": "speaker", "max_new_tokens": "max_tokens", "max_length": "max_tokens"}
"""The names that other services have for inputs."""

_LIKENESS, _LEAST_LETTERS = 0.8, 4
"""How alike two names must be for one to be taken for the other, of 1; how long one must be that is cut short."""

_REQUIRED_INPUTS = {"@cf/qwen/qwen3-embedding-0.6b": [["text"], ["queries"], ["documents"]]}
"""The inputs of which one must be there, where the schema does not say it."""

_UNSURE_INPUTS = {"@cf/black-forest-labs/flux-1-schnell": {"width", "height"}}
"""Inputs that a model refuses by its schema, and ignores by what else is known of it."""

_UNSURE_RANGES = frozenset({"frequency_penalty", "presence_penalty"})
"""Inputs of which the listing gives one range, and the documentation another."""

_OUTDATED_LENGTH = 131_072
"""The most characters of a prompt in older schemas. The service has counted tokens since February 2025."""
_LARGEST_NUMBER = 10**308
"""What is larger cannot be sent, which is told elsewhere, and may have too many digits to be shown."""

_NUMBER_TYPES = frozenset({"integer", "number", "null"})
_LENGTH_RULES = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_VALUE_RULES = _LENGTH_RULES | {"enum", "maximum", "minimum", "normalized", "pattern"}
_IMAGE_PARTS = ("image_url", "input_image", "image")
_SPEAKERS = ("user", "system", "developer", "tool")
"""The roles whose messages always say something; the model's own may have tool calls instead."""


class InputProblem(NamedTuple):
    """An input that the model refuses or ignores."""

    error: InputError | LimitError
    """A `LimitError` if there are too many of something."""
    certain: bool = True
    """True if the service is sure to refuse it."""
    limit: Limit | None = None
    """The limit that a count is over."""


class _Rules(NamedTuple):
    """The rules for the inputs of one model."""

    schema: Schema
    known: frozenset[str]
    """The inputs that it takes, those that its schema lacks too."""
    checked: Mapping[str, Mapping[str, Any]]
    """The rules for the values of inputs that have such."""
    required: list[list[str]]
    """The inputs that must be there: those of one of these lists."""
    is_blind: bool
    """True if it is sure to see no image."""
    streams_json: bool
    """False if JSON mode and a stream exclude each other."""
    takes_lora: bool
    """True if it runs fine-tunes."""


def find_input_problems(entry: Model, inputs: Mapping[str, Any]) -> list[InputProblem]:
    """Return what is wrong with inputs, or with one of the `requests` of a batch; nothing without a schema."""
    rules = _get_rules(entry.name)
    if rules is None or "request_id" in inputs or (rules.schema is FLUX_2_FORM and "multipart" in inputs):
        return []  # a form that the caller made is not looked into
    if "requests" not in inputs:
        return list(_find_problems(entry.name, rules, inputs, ""))
    batch = enumerate(as_sequence(inputs["requests"]))
    requests = ((f"requests[{index}].", request) for index, request in batch if is_mapping(request))
    found = (list(_find_problems(entry.name, rules, request, place)) for place, request in requests)
    # Of the first that has some: the others are likely to have the same.
    return next(filter(None, found), list[InputProblem]())


def list_input_warnings(entry: Model, inputs: Mapping[str, Any], mode: CheckMode) -> list[tuple[str, type[Warning]]]:
    """Return warnings of what is wrong with inputs, each with its category. Raises what `mode` does not let pass."""
    warnings: list[tuple[str, type[Warning]]] = []
    for error, is_certain, limit in find_input_problems(entry, inputs) if mode != "off" else ():
        if mode == "strict" or (mode == "enforce" and is_certain):
            raise error
        warnings.append((format_warning(error), LimitWarning if limit else InputWarning))
    return warnings


@cache
def list_plain_inputs(model: str) -> frozenset[str]:
    """Return the inputs beside which a prompt is right whatever their values are; none if a prompt is not enough."""
    rules = _get_rules(model)
    if rules is None or ["prompt"] not in rules.required or len(rules.checked.get("prompt", ())) > 1:
        return frozenset()
    return rules.known - rules.checked.keys() - {"lora", "messages", "requests", "response_format"} | {"prompt"}


def list_inputs(model: str) -> frozenset[str] | None:
    """Return the inputs that a model takes, those that its schema lacks too; `None` if nothing is known of it."""
    rules = _get_rules(model)
    return None if rules is None else rules.known


def is_blind(model: str) -> bool:
    """Return True if a model is sure to see no image."""
    rules = _get_rules(model)
    return rules is not None and rules.is_blind


@cache
def _get_rules(model: str) -> _Rules | None:
    schema = get_schema(model)
    if schema is None:
        return None
    known = {*schema.parameters, *_COMMON_INPUTS, *_MORE_INPUTS.get(model, ())}
    known -= {"stream"} if schema.is_closed else set()
    if "multipart" in schema.parameters:
        schema = FLUX_2_FORM
        known |= {*schema.parameters, "(body)"}
    entry, parameters = catalogue()[model], schema.parameters
    if entry.task == "Text Generation" and "messages" in parameters:
        known |= _TEXT_INPUTS | (_REASONING_INPUTS if "reasoning" in entry.capabilities else set())
        known |= _CHAT_INPUTS if "by role" in parameters["messages"].type else set()
        if entry.answers == "by input" and (chat := get_schema(_CHAT_MODEL)):
            known |= chat.parameters.keys()
    checked: dict[str, Mapping[str, Any]] = {}
    required: dict[str | None, list[str]] = {None: []}
    for name, parameter in parameters.items():
        rules = {rule: value for rule, value in parameter.rules.items() if rule in _VALUE_RULES}
        if rules.get("maxLength") == _OUTDATED_LENGTH:
            del rules["maxLength"]
        if parameter.type == "array<{text:string}>":
            rules["texts"] = True
        if parameter.kinds and parameter.kinds <= _NUMBER_TYPES:
            rules["numbers"] = True
        if rules and name not in _MEDIA_INPUTS:
            checked[name] = rules
        # Not every row of the listing says that a medium must be there, by itself or as the body.
        is_required = parameter.rules.get("required") or ("(body)" in parameters and name == schema.raw_input)
        if is_required and "default" not in parameter.rules:
            required.setdefault(parameter.rules.get("variant"), []).append(name)
    common = required.pop(None)
    groups = _REQUIRED_INPUTS.get(model) or [common + names for names in required.values()] or [common]
    return _Rules(
        schema,
        frozenset(known),
        checked,
        groups,
        _is_blind(entry, schema),
        entry.answers != "native",
        "lora" in entry.capabilities,
    )


def _is_blind(entry: Model, schema: Schema) -> bool:
    """Return True if a model is sure to see no image.

    Where its own schema has images it may see them, even if the listing does not give it the capability. The schema of
    chat completions has them for every model.
    """
    messages = schema.parameters["messages"].type if "messages" in schema.parameters else ""
    has_images = "image" in schema.parameters or ("image_url" in messages and "by role" not in messages)
    return "vision" not in entry.capabilities and not has_images


def _find_problems(model: str, rules: _Rules, inputs: Mapping[str, Any], place: str) -> Iterator[InputProblem]:
    """Yield the problems of one request, which is no batch, at `place`."""
    lacking = [[name for name in names if inputs.get(name) is None] for names in rules.required]
    if all(lacking):
        yield _describe_missing(model, rules, lacking, inputs, place)
    if inputs.get("prompt") is not None and inputs.get("messages") is not None:
        yield _refuse(model, f"`{place}prompt` and `{place}messages` exclude each other, got both. Take one out")
    wanted = inputs.get("response_format")
    wants_json = is_mapping(wanted) and wanted.get("type") in ("json_object", "json_schema")
    if wants_json and inputs.get("stream") and not rules.streams_json:
        must = f"`{place}response_format` must not ask for JSON with a stream (code 5023) from {model}"
        yield _refuse(model, f"{must}, got both. Leave out `{place}stream`, or take a chat model")
    if inputs.get("lora") and not rules.takes_lora:
        must = f"`{place}lora` must be left out, since {model} takes no fine-tune (code 5005), got one"
        yield _refuse(model, f"{must}. Choose one of models.list(capability='lora', live=True)")
    is_of_responses_api = inputs.get("input") is not None  # of which the schemas have little
    for name, value in inputs.items():
        if name in rules.checked:
            yield from _find_value_problems(model, f"`{place}{name}`", value, rules.checked[name])
        elif name in ("image", "images") and rules.is_blind and value is not None:
            yield _refuse_image(model, f"{place}{name}", "must be left out")
        elif not (name in rules.known or value is None or is_of_responses_api):
            yield _describe_unknown(model, rules.schema, str(name), place)
    messages = inputs.get("messages")
    if messages is not None and not isinstance(messages, list | tuple):
        yield _refuse(model, f"`{place}messages` must be a list, got {type(messages).__name__}. Put it into one")
    for index, message in enumerate(as_sequence(messages)):
        yield from _find_message_problems(model, message, f"`{place}messages[{index}]`")
    for name in ("messages", "input") if rules.is_blind else ():
        for index, message in enumerate(as_sequence(inputs.get(name))):
            if is_mapping(message) and any(map(_is_image, as_sequence(message.get("content")))):
                yield _refuse_image(model, f"{place}{name}[{index}]", "must have no image")


def _refuse_image(model: str, field: str, must: str) -> InputProblem:
    advice = "Choose one of models.list(capability='vision', live=True)"
    return _refuse(model, f"`{field}` {must}, since {model} cannot see, got one. {advice}")


def _find_message_problems(model: str, message: Any, field: str) -> Iterator[InputProblem]:
    """Yield what a message lacks."""
    if not is_mapping(message):
        must = f"{field} must be an object with `role` and `content`"
        yield _refuse(model, f"{must}, got {type(message).__name__}. Wrap it in one")
    elif message.get("role") is None or (message["role"] in _SPEAKERS and "content" not in message):
        lacking = "a `role`, such as 'user'" if message.get("role") is None else "`content`"
        yield _refuse(model, f"{field} must have {lacking}, got {_join(message) or 'nothing'}. Add it")


def _is_image(part: Any) -> bool:
    return is_mapping(part) and part.get("type") in _IMAGE_PARTS


def _describe_missing(
    model: str, rules: _Rules, lacking: list[list[str]], inputs: Mapping[str, Any], place: str
) -> InputProblem:
    """Return the problem of inputs that have none of the groups of which one must be there."""
    names = [name for group in lacking for name in group]
    must = f"{_join(names, place, 'or' if len(lacking) > 1 else 'and')} must be given for {model}"
    inputs = {name: value for name, value in inputs.items() if name != "(body)" and value is not None}
    near = (_find_near(str(name), names) for name in inputs if name not in rules.known)
    advice = next((f": did you mean `{name}`? Correct it" for name in near if name), ". Add what is missing")
    return _refuse(model, f"{must}, got {_join(inputs, place) or 'no inputs'}{advice}")


def _describe_unknown(model: str, schema: Schema, name: str, place: str) -> InputProblem:
    subject = f"`{place}{name[:40]}` is no input of {model}"
    if model.startswith(_HANGING_INPUTS.get(name, " ")):
        return _doubt(model, f"{subject}, which ignores it at best, and may hang. Leave it out")
    near = _find_near(_OTHER_NAMES.get(name, name), schema.parameters)
    advice = f": did you mean `{near}`? Correct it" if near else ". Leave it out"
    if schema.is_closed and name not in _UNSURE_INPUTS.get(model, ()):
        return _refuse(model, f"{subject}, which refuses what it does not know{advice}")
    return _doubt(model, f"{subject} by its schema, and likely to be ignored{advice}")


def _find_value_problems(model: str, field: str, value: Any, rules: Mapping[str, Any]) -> Iterator[InputProblem]:
    """Yield what the schema has against a value: its range, its length, or that it is none of those allowed."""
    if isinstance(value, str):
        # `max` is made into a number; digits in a string are right in a form.
        if rules.get("numbers") and not re.fullmatch(r"max|[-+]?[\d.]+(e[-+]?\d+)?", value, re.IGNORECASE):
            yield _refuse(model, f"{field} must be a number for {model}, got {value[:40]!r}. Correct it")
        if "enum" in rules and value not in (*rules["enum"], *rules.get("normalized", ())):
            near = _find_near(value, rules["enum"])
            must = f"{field} must be one of {', '.join(map(repr, rules['enum']))} for {model}, got {value[:40]!r}"
            yield _refuse(model, f"{must}{f': did you mean {near!r}?' if near else '.'} Correct it")
        if not re.search(rules.get("pattern", ""), value):
            yield _refuse(model, f"{field} must match {rules['pattern']} for {model}, got {value[:40]!r}. Correct it")
        if rules.get("minLength") and not value:
            yield _refuse(model, f"{field} must not be empty for {model}. Fill it")
        if len(value) > rules.get("maxLength", len(value)):
            must = f"{field} must have at most {rules['maxLength']:,} characters for {model}"
            yield _refuse(model, f"{must}, got {len(value):,}. Shorten it")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        lowest, highest = rules.get("minimum", value), rules.get("maximum", value)
        if not lowest <= value <= highest and abs(value) < _LARGEST_NUMBER:
            bound, advice = (f"at least {lowest:,}", "Raise") if value < lowest else (f"at most {highest:,}", "Lower")
            problem = _refuse(model, f"{field} must be {bound} for {model}, got {value:,}. {advice} it")
            yield problem._replace(certain=field.strip("`").rpartition(".")[2] not in _UNSURE_RANGES)
    elif isinstance(value, list | tuple):
        items = as_sequence(value)
        if len(items) > rules.get("maxItems", len(items)):
            limit = Limit(rules["maxItems"], "Workers AI model schema, maxItems", "2025-02/2026-10")
            yield InputProblem(make_count_error(model, field, len(items), limit), limit=limit)
        if len(items) < rules.get("minItems", 0):
            yield _refuse(
                model, f"{field} must have {rules['minItems']} items or more for {model}, got none. Leave it out"
            )
        odd = [index for index, item in enumerate(items) if not (is_mapping(item) and "text" in item)]
        if rules.get("texts") and odd:
            must = f"{field[:-1]}[{odd[0]}]` must be an object with `text` for {model}"
            yield _refuse(model, f"{must}, got {type(items[odd[0]]).__name__}. Wrap the text in one")
        if rules.get("minLength") and "" in items:
            yield _refuse(model, f"{field[:-1]}[{items.index('')}]` must not be empty for {model}. Take it out")
    elif is_mapping(value) and not rules.get("minProperties", 0) <= len(value) <= rules.get(
        "maxProperties", len(value)
    ):
        sizes = f"{rules['minProperties']} to {rules['maxProperties']}"
        advice = "Split it" if value else "Fill it"
        yield _refuse(model, f"{field} must have {sizes} entries for {model}, got {len(value)}. {advice}")


def _find_near(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was meant: written in another way, cut short, or misspelt. A guess would mislead."""
    folded = {_fold(each): each for each in names}
    typed = _fold(name)
    longer = [each for fold, each in folded.items() if len(typed) >= _LEAST_LETTERS and fold.startswith(typed)]
    if typed in folded or len(longer) == 1:
        return folded.get(typed) or longer[0]
    return next((folded[fold] for fold in difflib.get_close_matches(typed, folded, cutoff=_LIKENESS)), None)


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _join(names: Iterable[str], place: str = "", word: str = "and") -> str:
    """Return names of inputs as a sentence has them."""
    quoted = [f"`{place}{str(name)[:40]}`" for name in names]
    return f" {word} ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))


def _refuse(model: str, message: str) -> InputProblem:
    return InputProblem(make_input_error(model, message))


def _doubt(model: str, message: str) -> InputProblem:
    return InputProblem(make_input_error(model, message), certain=False)
