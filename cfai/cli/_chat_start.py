"""A chat, from the arguments of `cfai chat` to its first question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cfai import Ai, Chat, ConfigurationError
from cfai._config import CheckMode
from cfai._json import as_sequence, is_mapping
from cfai.cli._call import LocalOptions
from cfai.cli._chat_input import open_reader
from cfai.cli._chat_session import COMMANDS, ChatSession
from cfai.cli._client import choose_engine, open_client
from cfai.cli._errors import refuse_arguments, report_errors
from cfai.cli._inputs import parse_inputs
from cfai.cli._model import get_default_model, resolve_model
from cfai.cli._prompt import check_argument


@dataclass(frozen=True, slots=True)
class Start:
    """The arguments of `cfai chat`, as they were given."""

    model: str | None
    system: str | None
    files: Sequence[Path]
    resumed: Path | None
    inputs: Sequence[str]
    max_tokens: int | None
    checks: CheckMode


def start_chat(start: Start, machine: LocalOptions) -> None:
    """Talk until the user ends it, with the client that the options ask for."""
    with refuse_arguments():
        saved, saved_model = (b"", "") if start.resumed is None else _read_saved(start.resumed)
        model = _resolve_model(start.model) if start.model is not None else saved_model or get_default_model()
        inputs = parse_inputs(model, start.inputs)
        if start.max_tokens is not None:
            inputs["max_tokens"] = start.max_tokens
        system = None if start.system is None else check_argument(start.system, "--system")
    with report_errors(command="cfai chat"):
        engine = choose_engine(model, **asdict(machine))
        reader = open_reader(COMMANDS, _list_questions(saved))
        with open_client(engine, is_local=machine.local or machine.emulated) as ai:
            with refuse_arguments():
                if start.resumed is None:
                    chat = ai.chat(model, checks=start.checks)
                else:
                    chat = _resume(ai, start.resumed, saved, model=model, checks=start.checks)
                chat.inputs |= inputs
                session = ChatSession(ai, chat, checks=start.checks, is_billed=engine is None)
                if system is not None:
                    session.set_system(system)
                for file in start.files:
                    session.attach(file)
                if start.resumed is not None:
                    session.check_pictures(model)
                    session.follow(start.resumed)
            session.talk(reader)


def _resolve_model(name: str) -> str:
    """Return the whole name of a model. Raises `ConfigurationError`, which says of a question where it is asked."""
    if len(name.split()) > 1:
        raise ConfigurationError(f"{name!r} must be a model: start cfai chat and ask it there, or use cfai run")
    return resolve_model(name, for_chat=True)


def _read_saved(file: Path) -> tuple[bytes, str]:
    """Return a saved conversation, and its model. Raises `OSError`, and `ConfigurationError` for anything else."""
    saved = file.read_bytes()
    try:
        return saved, str(json.loads(saved)["model"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ConfigurationError(f"{file} holds no conversation that /save wrote") from error


def _list_questions(saved: bytes) -> list[str]:
    """Return the questions of a saved conversation; without those that hold a picture."""
    messages = as_sequence(json.loads(saved or "{}").get("messages"))
    asked = [each.get("content") for each in messages if is_mapping(each) and each.get("role") == "user"]
    return [content for content in asked if isinstance(content, str)]


def _resume(ai: Ai, file: Path, saved: bytes, **options: Any) -> Chat:
    """Return the conversation of a file. Raises `ConfigurationError`, which names the file."""
    try:
        return Chat.from_json(ai, saved, **options)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from error
