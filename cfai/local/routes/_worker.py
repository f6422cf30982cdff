"""The binding of a Worker, `env.AI`: inputs and options in one body, and the bare result as an answer.

As `src/cloudflare/internal/ai-api.ts` of cloudflare/workerd sends and reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cfai.local._json import as_object
from cfai.local.routes._route import Route, RoutedCall, rejects_if_busy
from cfai.local.server import RawRequest
from cfai.local.wire import EDGE_CODES, ErrorResponse, make_input_error

BINDING_HOST = "workers-binding.ai"
"""The host that a binding asks for; it exists inside of workerd only."""

BINDING_MODEL = "cf-consn-model-id"
"""The header that names the model."""


class _Worker(Route):
    has_envelope = False

    def parse(self, request: RawRequest, model: str | None, gateway: str | None, body: Any) -> RoutedCall:
        # An option of the binding puts words with a colon before the name.
        name = request.headers.get(BINDING_MODEL, "").rpartition(":")[2]
        if isinstance(body, bytes):
            try:
                own = json.loads(request.parameters.get("userInputs", "{}"))
            except ValueError as error:
                raise make_input_error("'userInputs' is not JSON") from error
            return RoutedCall(name, body, _to_strings(as_object(own)))
        sent = as_object(body)
        if "inputs" not in sent:
            raise make_input_error("required properties at '/' are 'inputs'")
        options = as_object(sent.get("options"))
        chosen = as_object(options.get("gateway")).get("id")
        return RoutedCall(name, sent["inputs"], _to_strings(options), chosen or gateway, rejects_if_busy(sent))

    def build_error(self, refusal: ErrorResponse, request_id: str) -> dict[str, Any]:
        """Return what the binding makes `InferenceUpstreamError: <code>: <description>` of."""
        if refusal.code in EDGE_CODES or refusal.code is None:
            return refusal.to_body(request_id)
        # Seen are this name for most codes, and that of workerd's own test for one.
        name = "InvalidInput" if refusal.code == 1001 else "InferenceUpstreamError"
        message = f"{name}: {refusal.message}"
        return {"internalCode": refusal.code, "message": message, "name": name, "description": refusal.message}


WORKER = _Worker()


def _to_strings(values: Mapping[str, Any]) -> dict[str, str]:
    """Return options as the query of the REST API has them."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
