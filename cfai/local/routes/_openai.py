"""OpenAI's API: the same models, asked and answered as its clients expect, with no envelope."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cfai._json import as_sequence
from cfai.local._json import as_object
from cfai.local._models import is_text_model
from cfai.local.routes._route import Route, RoutedCall, rejects_if_busy
from cfai.local.server import RawRequest
from cfai.local.wire import ErrorResponse, make_input_error
from cfai.models import Model

_COMPAT_PREFIX = "workers-ai/"


class _OpenAI(Route):
    """A route of OpenAI's API: the body names the model."""

    has_envelope = False
    required = ""
    """The field that a body must have besides the model."""

    def parse(self, request: RawRequest, model: str | None, gateway: str | None, body: Any) -> RoutedCall:
        fields = as_object(body)
        if not isinstance(fields.get("model"), str) or self.required not in fields:
            raise make_input_error(f"required properties at '/' are 'model,{self.required}'")
        inputs = {name: value for name, value in fields.items() if name != "model"}
        name = fields["model"].removeprefix(_COMPAT_PREFIX)
        own, rejects = self.build_inputs(inputs), rejects_if_busy(fields)
        return RoutedCall(self, request, name, own, request.parameters, gateway, rejects, inputs)

    def build_inputs(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the model's inputs."""
        return fields


class _Chat(_OpenAI):
    """`chat/completions`: every text model answers with chat completions, whatever its own dialect."""

    required = "messages"

    def accept(self, model: Model) -> Model | None:
        return replace(model, answers="chat") if is_text_model(model) else None

    def includes_usage(self, call: RoutedCall) -> bool:
        return as_object(call.route_fields.get("stream_options")).get("include_usage") is not False


class _RoutedChat(_Chat):
    """`chat/completions` of the API's host, which knows the dynamic routes of gateways."""

    takes_dynamic_routes = True


class _CompatChat(_RoutedChat):
    """`chat/completions` of a gateway, for all providers: theirs is the one token, the gateway's the other."""

    takes_gateway_token = True


class _Embeddings(_OpenAI):
    """`embeddings`."""

    required = "input"

    def accept(self, model: Model) -> Model | None:
        return model if model.task == "Text Embeddings" else None

    def build_inputs(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("encoding_format", "float") not in ("float", "base64"):
            raise make_input_error("'/encoding_format' must be one of 'float,base64'")
        for index, text in enumerate(as_sequence(fields["input"])):
            if not isinstance(text, str):
                raise make_input_error(f"Type mismatch of '/input/{index}', not in 'string'")
        # An empty list of texts gets an answer from no model.
        return {"text": fields["input"]} if fields["input"] else {}

    def build_body(self, result: Any, call: RoutedCall, prompt_tokens: int) -> Any:
        rows: list[dict[str, Any]] = []
        for index, vector in enumerate(result["data"]):
            if call.route_fields.get("encoding_format") == "base64":
                # Numbers of 32 bits, the lowest byte first: what OpenAI's client asks for by itself.
                vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            rows.append({"object": "embedding", "index": index, "embedding": vector})
        usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
        return {"object": "list", "data": rows, "model": call.model, "usage": usage}


class _Responses(_OpenAI):
    """`responses`."""

    required = "input"

    def accept(self, model: Model) -> Model | None:
        return model if model.answers == "by input" else None

    def build_error(self, refusal: ErrorResponse, request_id: str) -> dict[str, Any]:
        """Return OpenAI's form, which was seen on this route; on the other ones it is the envelope of the REST API."""
        if not refusal.is_of_model:
            return refusal.to_body(request_id)
        codes = {400: "invalid_prompt", 429: "rate_limit_exceeded"}
        code = codes.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request")
        return {"error": {"code": code, "message": refusal.to_entry(request_id)["message"]}}


OPENAI_ROUTES: Mapping[str, Route] = {
    "chat/completions": _RoutedChat(),
    "embeddings": _Embeddings(),
    "responses": _Responses(),
}
"""The routes of the API's host, by what stands behind `/v1/`."""

WORKERS_AI_ROUTES: Mapping[str, Route] = {**OPENAI_ROUTES, "chat/completions": _Chat()}
"""Those of a gateway to Workers AI."""

COMPAT_ROUTES: Mapping[str, Route] = {**OPENAI_ROUTES, "chat/completions": _CompatChat()}
"""Those of a gateway to all providers, by what stands behind `/compat/`."""
