"""Routes to a model: the REST API, by the path and by the body, and the binding of a Worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cfai.local._json import as_object
from cfai.local.server import RawRequest
from cfai.local.wire import ErrorResponse, build_envelope, make_input_error
from cfai.models import Model

BINDING_HOST = "workers-binding.ai"
"""The host that a binding asks for; it exists inside of workerd only."""

BINDING_MODEL = "cf-consn-model-id"
"""The header that names the model."""

_PROXY_PREFIX = "mf-header-"

DYNAMIC_MODEL = "@cf/zai-org/glm-4.7-flash"
"""The model that answers for dynamic routes."""


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """A model, and what it is to do."""

    route: Route
    request: RawRequest
    model: str
    inputs: Any
    """The JSON of the inputs, or the bytes of audio, an image or a form."""

    query: Mapping[str, str]
    """The parameters that the REST API takes in the query."""

    gateway: str | None = None
    reject_if_busy: bool = False
    route_fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The fields of the body that the route itself has to know."""

    @property
    def served_by(self) -> str:
        """The name of the model that answers. Every dynamic route leads to the same one here."""
        is_dynamic = self.route.takes_dynamic_routes and self.gateway and self.model.startswith("dynamic/")
        return DYNAMIC_MODEL if is_dynamic else self.model


class Route:
    """The REST API: inputs as the body, and an envelope around the result."""

    method: str | None = "POST"
    """`None` where the surface looks at it."""
    has_envelope = True
    takes_dynamic_routes = False
    """True if a model may be a route of a gateway, such as `dynamic/support`."""
    takes_gateway_token = False
    """True if the token may stand in the gateway's own header alone."""
    takes_streams = False
    """True if media may stand in the JSON as `{"body": …, "contentType": …}`."""

    def parse(self, request: RawRequest, model: str | None, gateway: str | None, body: Any) -> RoutedCall:
        """Return what a request asks for. `model` is the one in its path. Raises `ErrorResponse`."""
        return RoutedCall(self, request, model or "", body, request.parameters, gateway, rejects_if_busy(body))

    def accept(self, model: Model) -> Model | None:
        """Return the model as it answers here, or `None` if it does not."""
        return model

    def build_body(self, result: Any, call: RoutedCall, prompt_tokens: int) -> Any:
        """Return the body of an answer that does not stream."""
        return build_envelope(result) if self.has_envelope else result

    def includes_usage(self, call: RoutedCall) -> bool | None:
        """Return True if the chunks of a stream report usage; `None` if they are as the model has them."""
        return None

    def build_error(self, refusal: ErrorResponse, request_id: str) -> dict[str, Any]:
        """Return the body of a refusal."""
        return refusal.to_body(request_id)


class _Unified(Route):
    """The REST API where the body names the model."""

    def parse(self, request: RawRequest, model: str | None, gateway: str | None, body: Any) -> RoutedCall:
        named = as_object(body)
        if not isinstance(named.get("model"), str) or "input" not in named:
            raise make_input_error("required properties at '/' are 'model,input'")
        if named["model"].startswith("@") and not gateway:
            raise ErrorResponse(3003, "Incomplete request: cf-aig-gateway-id is missing")
        # UNCERTAIN: where `options` stands on this route.
        inputs = named["input"]
        rejects = rejects_if_busy(named) or rejects_if_busy(inputs)
        return RoutedCall(self, request, named["model"], inputs, request.parameters, gateway, rejects)


class _Worker(Route):
    """The binding of a Worker, `env.AI`: inputs and options in one body, and the bare result as an answer.

    As `src/cloudflare/internal/ai-api.ts` of cloudflare/workerd sends and reads it.
    """

    has_envelope = False
    takes_streams = True

    def parse(self, request: RawRequest, model: str | None, gateway: str | None, body: Any) -> RoutedCall:
        # An option of the binding puts words with a colon before the name.
        name = request.headers.get(BINDING_MODEL, "").rpartition(":")[2]
        if isinstance(body, bytes):
            try:
                own = json.loads(request.parameters.get("userInputs", "{}"))
            except ValueError as error:
                raise make_input_error("'userInputs' is not JSON") from error
            return RoutedCall(self, request, name, body, _to_strings(as_object(own)))
        sent = as_object(body)
        if "inputs" not in sent:
            raise make_input_error("required properties at '/' are 'inputs'")
        options = as_object(sent.get("options"))
        gateway = as_object(options.get("gateway")).get("id") or gateway
        return RoutedCall(self, request, name, sent["inputs"], _to_strings(options), gateway, rejects_if_busy(sent))

    def build_error(self, refusal: ErrorResponse, request_id: str) -> dict[str, Any]:
        """Return what the binding makes `InferenceUpstreamError: <code>: <description>` of."""
        if refusal.code is None or not refusal.is_of_model:
            return refusal.to_body(request_id)
        # Seen are this name for most codes, and that of workerd's own test for one.
        name = "InvalidInput" if refusal.code == 1001 else "InferenceUpstreamError"
        message = f"{name}: {refusal.message}"
        return {"internalCode": refusal.code, "message": message, "name": name, "description": refusal.message}


class ResourceRoute(Route):
    """A path that runs no model: `prefix` names the surface, `path` what is behind it."""

    method = None

    def __init__(self, account: str, prefix: tuple[str, ...], path: tuple[str, ...]) -> None:
        self.account = account
        self.prefix = prefix
        self.path = path


REST = Route()
UNIFIED = _Unified()
WORKER = _Worker()


def rejects_if_busy(holder: Any) -> bool:
    """Return True if `options.rejectIfBusy` is set in a body."""
    return as_object(as_object(holder).get("options")).get("rejectIfBusy") is True


def _to_strings(values: Mapping[str, Any]) -> dict[str, str]:
    """Return options as the query of the REST API has them."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def unwrap_request(request: RawRequest) -> RawRequest:
    """Return the request that was meant: miniflare sends a Worker's as headers of another one, to its own address.

    A `token` in the query of that address is the request's credential. Raises `ErrorResponse` for what is no URL.
    """
    headers = request.headers
    if "mf-url" not in headers:
        return request
    try:
        meant = urlsplit(headers["mf-url"])
    except ValueError as error:
        raise ErrorResponse(7000) from error
    own = {name.removeprefix(_PROXY_PREFIX): value for name, value in headers.items() if name.startswith(_PROXY_PREFIX)}
    if token := parse_qs(request.query).get("token"):
        own.setdefault("authorization", f"Bearer {token[-1]}")
    return replace(request, path=meant.path, query=meant.query, headers={**own, "host": headers.get("host", "")})
