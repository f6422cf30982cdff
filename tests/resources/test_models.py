"""`ai.models` and `ai.model_schema`, over the emulator."""

from __future__ import annotations

from typing import Any

import pytest
import respx

from cfai import Ai, AiInternalError, AuthenticationError, BadRequestError, ConfigurationError, NotFoundError
from tests.conftest import row
from tests.resources.conftest import Invoke

GLM = "@cf/zai-org/glm-4.7-flash"


def test_models_are_listed_by_every_filter(ai: Ai, invoke: Invoke) -> None:
    everything = invoke(ai, "models")
    assert len(everything) > 50
    assert [model.name for model in invoke(ai, "models", per_page=7)] == [model.name for model in everything]
    assert len(invoke(ai, "models", per_page=7, page=2)) == 7
    for model in invoke(ai, "models", task="Text Embeddings", author="baai", search="bge"):
        assert (model.task.name, model.name.split("/")[1]) == ("Text Embeddings", "baai")
    assert invoke(ai, "models", source=2) == []
    assert len(invoke(ai, "models", hide_experimental=True)) < len(everything)
    [glm] = invoke(ai, "models", search="glm-4.7-flash")
    assert int(glm.properties["context_window"]) > 100_000
    assert glm.properties["price"][0]["currency"] == "USD"
    [glm] = invoke(ai, "models", search="glm-4.7-flash", format="openrouter")
    assert (glm.id, glm.name, glm["context_length"] > 100_000) == (GLM, "glm-4.7-flash", True)


@respx.mock
def test_a_list_for_openrouter_is_read_in_each_shape_that_it_may_have(remote: Ai, invoke: Invoke) -> None:
    rows = [{"id": GLM, "name": "GLM", "created": 1, "pricing": {"prompt": "0.1"}}]
    bodies: list[Any] = [{"data": rows}, {"success": True, "result": {"data": rows}}, {"result": rows}, rows]
    for body in bodies:
        route = respx.get(url__startswith="https://api.cloudflare.com/").respond(json=body)
        with row(body):
            [model] = invoke(remote, "models", format="openrouter")
            assert (model.id, model["pricing"]) == (GLM, {"prompt": "0.1"})
            assert route.calls.last.request.url.params["format"] == "openrouter"


def test_a_schema_has_inputs_and_output(ai: Ai, invoke: Invoke) -> None:
    schema = invoke(ai, "model_schema", GLM)
    assert schema.input["type"] == "object"
    assert schema.output
    assert schema.meta.request_id


@respx.mock
def test_errors_of_the_list_have_the_name_of_the_binding(remote: Ai, invoke: Invoke) -> None:
    refusal = {"success": False, "errors": [{"code": 7003, "message": "Bad task"}]}
    rows: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"status_code": 400, "json": refusal}, BadRequestError, "Bad task"),
        ({"json": refusal | {"errors": [{"code": 10000, "message": "No"}]}}, AuthenticationError, "check the token"),
        ({"status_code": 502, "html": "<p>Bad</p>"}, AiInternalError, "502"),
    ]
    for response, kind, said in rows:
        respx.get(url__startswith="https://api.cloudflare.com/").respond(**response)
        with row(response), pytest.raises(kind, match=said) as caught:
            invoke(remote, "models")
        assert getattr(caught.value, "name", "") == "AiInternalError"


def test_bad_names_are_refused_with_what_to_do(ai: Ai, invoke: Invoke) -> None:
    with pytest.raises(ConfigurationError, match="there is no filter 'serach', known are search, task"):
        invoke(ai, "models", serach="llama")
    with pytest.raises(ConfigurationError, match="is no model name"):
        invoke(ai, "model_schema", "../x")
    with pytest.raises(NotFoundError, match="5007"):
        invoke(ai, "model_schema", "@cf/none/such")
