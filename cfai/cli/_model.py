"""The model of a command: its whole name, a short one, or the default."""

from __future__ import annotations

import os
import re

from cfai import ConfigurationError, models
from cfai.cli._attach import takes_messages
from cfai.cli._catalogue import known_models

DEFAULT_MODEL = "@cf/zai-org/glm-4.7-flash"
"""The model of a command that names none, unless the environment variable `CFAI_MODEL` does."""

_MOST_LISTED = 12
_OTHER_AUTHOR = re.compile(r"[A-Za-z][\w-]+/[\w.-]{3,}")
"""The name of a model of somebody else that the service calls: `author/model`. Words such as `and/or` are shorter."""


def get_default_model() -> str:
    """Return the model of a command that names none. Raises `ConfigurationError` if `CFAI_MODEL` names no model."""
    try:
        return resolve_model(os.environ.get("CFAI_MODEL") or DEFAULT_MODEL)
    except ConfigurationError as error:
        raise ConfigurationError(f"CFAI_MODEL: {error}") from error


def resolve_model(name: str, *, for_chat: bool = False) -> str:
    """Return the whole name of a model that is called by its whole name, or by a part of it that no other one has.

    A whole name passes as it is, also one that the catalogue does not know. Of several those are meant that hold a
    conversation, if it is `for_chat`. Raises `ConfigurationError`, which lists the models that a short name may mean.
    """
    if name.startswith("@"):
        return name
    found = find_models(name)
    if len(found) > 1 and for_chat:
        found = [each for each in found if takes_messages(each)]
        if not found:
            raise ConfigurationError(
                f"no model {name!r} can hold a conversation: Tab behind /model lists those that can"
            )
    if not found and _OTHER_AUTHOR.fullmatch(name):
        return name
    if len(found) == 1:
        return found[0]
    if found:
        more = f", and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
        names = "\n".join(f"  {each}" for each in found[:_MOST_LISTED])
        raise ConfigurationError(f"{name!r} may be one of {len(found)} models: name one of them{more}\n{names}")
    near = models.suggest(name)
    hint = f": did you mean {' or '.join(near)}?" if near else ": cfai models lists them"
    raise ConfigurationError(f"there is no model {name!r}{hint}")


def resolve_arguments(model: str | None, prompt: str | None) -> tuple[str, str | None]:
    """Return the whole name of the model and the prompt of `cfai run MODEL PROMPT`.

    One argument alone is a model if it can be one, else a prompt for the default model; a prompt before the model is
    seen. Raises `ConfigurationError` for a model that cannot be told.
    """
    if model is None:
        return get_default_model(), None
    if prompt is None and not _may_be_model(model):
        return get_default_model(), model
    if prompt is not None and not _may_be_model(model) and (prompt.startswith("@cf/") or find_models(prompt)):
        return resolve_model(prompt), model
    return resolve_model(model), prompt


def _may_be_model(argument: str) -> bool:
    """Return True for the name of a model, and for what looks like one with a typing error."""
    if argument == "-" or len(argument.split()) != 1:
        return False
    is_of_author = _OTHER_AUTHOR.fullmatch(argument) and not os.path.exists(argument)
    if argument.startswith("@") or is_of_author or find_models(argument):
        return True
    return any(each in argument for each in "-0123456789") and bool(models.suggest(argument))


def find_models(name: str) -> list[str]:
    """Return the live models that a short name may mean: the one whose last part it is, else all that have its words.

    A retired one is meant only by all of its last part; one that speaks through a WebSocket alone by no short name.
    """
    known = [model for model in known_models().values() if not model.is_realtime_only]
    short = name.lower()
    for is_live in (True, False):
        same = [each.name for each in known if (not each.retired_on) is is_live and _last_part(each.name) == short]
        if same:
            return same
    words = re.compile(rf"(?<![^/.-]){re.escape(short)}(?![^/.-])")
    return [each.name for each in known if not each.retired_on and words.search(each.name.lower())]


def _last_part(name: str) -> str:
    return name.rpartition("/")[2].lower()
