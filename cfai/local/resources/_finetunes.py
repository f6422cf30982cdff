"""LoRA fine-tunes: the account's records with their files, and those for all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from cfai._json import is_mapping
from cfai._resources.finetunes import ASSETS, CONFIG, MAX_RANK, MODEL_TYPES
from cfai.local._json import as_object
from cfai.local.resources._resource import FormPart, ResourceReply, ResourceRequest, format_time, refuse, reply
from cfai.local.wire import ErrorResponse
from cfai.models import catalogue

_FILES = {*ASSETS}
_PUBLIC_MODEL = "@cf/mistral/mistral-7b-instruct-v0.2-lora"
_PUBLIC = {
    "cf-public-cnn-summarization": "Sums up news",
    "cf-public-jigsaw-classification": "Tells insults from other comments",
    "cf-public-magicoder": "Writes code",
}


class Finetunes:
    """The fine-tunes of an account, which has none at first."""

    def __init__(self) -> None:
        self._own: dict[str, dict[str, Any]] = {}
        """The records of the account, by id."""
        self._files: dict[str, set[str]] = {}
        """The names of the files that were uploaded, by id."""
        self._public = [
            _make_record(_PUBLIC_MODEL, name, description, True, 0.0) for name, description in _PUBLIC.items()
        ]

    async def answer(self, request: ResourceRequest) -> ResourceReply:
        """Answer a request. Raises `ErrorResponse`."""
        match request.method, request.path:
            case "GET", ():
                result: Any = [[*self._own.values()]]  # a list in a list, as the service's page shows it
            case "POST", ():
                result = self._create(as_object(request.json), request.now)
            case "GET", ("public",):
                first, most = request.read_number("offset", 0, 0), request.read_number("limit", 50, 0)
                result = self._public[first : first + most]
            case "POST", (key, "finetune-assets"):
                self._add_file(key, {part.name: part for part in request.form})
                result = None
            case _:
                raise ErrorResponse(7000)
        return reply(result)

    def check(self, model: str, lora: Any) -> None:
        """Raise `ErrorResponse` unless a model runs a fine-tune, which is named by its id or name."""
        record = self._find(lora) or next((each for each in self._public if lora in (each["id"], each["name"])), None)
        # UNCERTAIN: how a fine-tune of another model is refused. It is taken for one that is not there.
        if record is None or record["model"] != model:
            raise ErrorResponse(3037, f"AiError: Finetune {lora} not found")
        if not record["public"] and self._files[record["id"]] != _FILES:
            raise ErrorResponse(3039)

    def _find(self, key: Any) -> dict[str, Any] | None:
        return next((each for each in self._own.values() if key in (each["id"], each["name"])), None)

    def _create(self, body: Mapping[str, Any], now: float) -> dict[str, Any]:
        model, name = body.get("model"), body.get("name")
        entry = catalogue().get(str(model))
        if entry is None or "lora" not in entry.capabilities:
            raise refuse(f"Model {model} does not support fine-tunes")
        if not isinstance(name, str) or not name or self._find(name):
            raise refuse(f"Invalid or taken name: {name}")
        description, public = body.get("description"), body.get("public")
        if not isinstance(description, str | None) or not isinstance(public, bool | None):
            raise refuse("description must be a string, and public a boolean")
        record = _make_record(entry.name, name, description, bool(public), now)
        self._own[record["id"]] = record
        self._files[record["id"]] = set()
        return record

    def _add_file(self, key: str, parts: dict[str, FormPart]) -> None:
        record = self._find(key)
        if record is None:
            raise ErrorResponse(7002, f"Finetune {key} not found", status=404)
        if not {"file", "file_name"} <= parts.keys():
            raise refuse("file and file_name are required")
        name, files = parts["file_name"].content.decode("utf-8", "replace"), self._files[record["id"]]
        if name not in _FILES or not parts["file"].content:
            raise refuse(f"Invalid file {name}")
        if name in files:
            raise refuse(f"{name} was uploaded already")
        if name == CONFIG and not _is_config(parts["file"].content):
            raise refuse(f"Invalid {name}: model_type must be {', '.join(MODEL_TYPES)}, and r {MAX_RANK} at most")
        files.add(name)


def _is_config(content: bytes) -> bool:
    """Return True for a configuration of a kind of model and a rank that the service runs."""
    try:
        config: Any = json.loads(content)
    except ValueError:
        config = None
    return is_mapping(config) and config.get("model_type") in MODEL_TYPES and config.get("r") in range(1, MAX_RANK + 1)


def _make_record(model: str, name: str, description: Any, public: bool, now: float) -> dict[str, Any]:
    at = format_time(now)
    record = {"id": str(uuid.uuid4()), "model": model, "name": name, "description": description, "public": public}
    return {**record, "created_at": at, "modified_at": at}
