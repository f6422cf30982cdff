"""`ai.models` and `ai.model_schema`, over the emulator."""

from __future__ import annotations

import pytest

from cfai import Ai, ConfigurationError, NotFoundError
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


def test_a_schema_has_inputs_and_output(ai: Ai, invoke: Invoke) -> None:
    schema = invoke(ai, "model_schema", GLM)
    assert schema.input["type"] == "object"
    assert schema.output
    assert schema.meta.request_id


def test_bad_names_are_refused_with_what_to_do(ai: Ai, invoke: Invoke) -> None:
    with pytest.raises(ConfigurationError, match="there is no filter 'serach', known are search, task"):
        invoke(ai, "models", serach="llama")
    with pytest.raises(ConfigurationError, match="is no model name"):
        invoke(ai, "model_schema", "../x")
    with pytest.raises(NotFoundError, match="5007"):
        invoke(ai, "model_schema", "@cf/none/such")
