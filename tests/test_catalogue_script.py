"""The catalogue is remade from what a service lists. The emulator lists the catalogue itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

import cfai
from cfai.local import Emulator

PACKAGE = Path(cfai.__file__).parent
SCRIPTS = Path(__file__).parents[1] / ".ci"
NATIVE = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
CORRECTED = "@cf/google/gemma-4-26b-a4b-it"
WITHOUT_SCHEMA = ["@cf/swiss-ai/apertus-v1.5-8b", "@cf/utter-project/eurollm-9b-it"]
"""Models for which the emulator lists the schema of another."""


def make_copy(folder: Path) -> Path:
    """Copy the package, of which the script reads more than it writes."""
    return shutil.copytree(PACKAGE, folder / "cfai", ignore=shutil.ignore_patterns("__pycache__"))


def read(package: Path, name: str) -> Any:
    return json.loads((package / "models" / name).read_bytes())


def remake(package: Path) -> list[str]:
    """Run the script on a copy of the package, with the emulator as the service, and return what it prints."""
    with Emulator() as emulator:
        account = {
            "CLOUDFLARE_API_BASE_URL": emulator.base_url,
            "CLOUDFLARE_ACCOUNT_ID": emulator.account_id,
            "CLOUDFLARE_API_TOKEN": emulator.api_token,
        }
        command = [sys.executable, str(SCRIPTS / "catalogue.py"), "--package", str(package)]
        done = subprocess.run(
            command, env={**os.environ, **account}, capture_output=True, text=True, check=False, timeout=120
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_a_service_lists_as_it_is_known_changes_nothing(tmp_path: Path) -> None:
    package = make_copy(tmp_path)
    assert remake(package) == []
    for name in ("models/models.json", "_client_overloads.py"):
        assert (package / name).read_bytes() == (PACKAGE / name).read_bytes(), name
    before, after = read(PACKAGE, "schemas.json"), read(package, "schemas.json")
    assert [name for name in before if before[name] != after[name]] == WITHOUT_SCHEMA
    assert list(before) == list(after)


def test_what_a_service_lists_takes_the_place_of_what_was_listed_and_of_nothing_else(tmp_path: Path) -> None:
    package = make_copy(tmp_path)
    rows = {row["name"]: row for row in read(package, "models.json")}
    schemas = read(package, "schemas.json")
    known = json.loads(json.dumps(rows))
    rows[NATIVE]["context_length"]["value"] = 5
    rows[NATIVE]["price"][0] |= {"usd": 5, "source": "Workers AI model listing"}
    rows[NATIVE]["price"][1]["usd"] = 6
    rows[CORRECTED]["price"].append({"unit": "per image", "usd": 7, "source": "Workers AI pricing page"})
    rows[NATIVE]["capabilities"] = ["vision"]
    rows[CORRECTED]["context_length"] |= {"value": 6, "source": "measured"}
    rows["@cf/a/gone"] = {"name": "@cf/a/gone", "task": "Text Generation"}
    schemas[NATIVE]["input_params"]["temperature"]["maximum"] = 7
    whisper = "@cf/openai/whisper"
    del rows[whisper], schemas[whisper]
    (package / "models" / "models.json").write_text(json.dumps([*rows.values()]))
    (package / "models" / "schemas.json").write_text(json.dumps(schemas))

    notes = remake(package)
    remade, params = {row["name"]: row for row in read(package, "models.json")}, read(package, "schemas.json")
    limit = remade[NATIVE]["context_length"]
    assert (limit["value"], limit["source"]) == (24_000, "Workers AI model listing, context_window")
    assert limit["date"] > "2026-10"
    assert remade[NATIVE]["price"][0]["usd"] == known[NATIVE]["price"][0]["usd"]
    assert remade[NATIVE]["price"][0]["source"] == "Workers AI model listing"
    assert remade[NATIVE]["price"][1] == known[NATIVE]["price"][1] | {"usd": 6}
    assert remade[CORRECTED]["price"] == rows[CORRECTED]["price"]
    assert remade[NATIVE]["capabilities"] == sorted(known[NATIVE]["capabilities"])
    assert params[NATIVE]["input_params"]["temperature"]["maximum"] == 5
    assert remade[CORRECTED]["context_length"]["value"] == 6
    assert remade["@cf/a/gone"] == rows["@cf/a/gone"]
    assert remade[whisper]["task"] == "Automatic Speech Recognition"
    assert params[whisper]["input_params"]["audio"] == {"type": "array", "variant": "object", "required": True}
    assert list(remade) == sorted(remade)
    assert notes == [
        "@cf/google/gemma-4-26b-a4b-it: context_length is 6 (measured), and listed as 131,072 now",
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast: price is 6, and listed as 2.253 per M output tokens now",
        "@cf/openai/whisper is new: look at its window and its answers, and run the tests",
        "@cf/a/gone is no longer listed: if it is retired, say when, and name a successor",
    ]
    assert '"@cf/a/gone"' in (package / "_client_overloads.py").read_text(encoding="utf-8")


def test_a_schema_is_abridged_to_types_in_words_and_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = make_copy(tmp_path)
    monkeypatch.syspath_prepend(SCRIPTS)
    import catalogue  # pyright: ignore[reportMissingImports]  # a script

    role = {"type": "string", "enum": ["user"]}
    message = {"type": "object", "properties": {"role": role, "name": {"type": "string"}}, "required": ["role"]}
    temperature = {"type": ["number", "null"], "default": 0.6, "minimum": 0, "maximum": 5, "description": "Randomness."}
    texts = {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 100}
    schema = {
        "input": {
            "type": "object",
            "oneOf": [
                {
                    "title": "Prompt",
                    "properties": {"prompt": {"type": "string", "minLength": 1}, "temperature": temperature},
                    "required": ["prompt"],
                },
                {
                    "title": "Messages",
                    "properties": {"messages": {"type": "array", "items": message}, "temperature": temperature},
                    "required": ["messages"],
                },
                {"title": "Batch", "properties": {"requests": {"type": "array"}}, "required": ["requests"]},
                {"title": "Body", "type": "string", "format": "binary"},
            ],
        },
        "output": {"type": "object", "properties": {"text": {"oneOf": [{"type": "string"}, texts]}}},
    }
    listed = {
        "name": "@cf/a/b",
        "task": {"name": "Text Generation"},
        "properties": [
            {"property_id": "context_window", "value": "32000"},
            {"property_id": "price", "value": [{"unit": "per M input tokens", "price": 0.35, "currency": "USD"}]},
            {"property_id": "vision", "value": "true"},
            {"property_id": "info", "value": "https://a.example"},
        ],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        found = schema if request.url.path.endswith("/schema") else [listed]
        return httpx.Response(200, json={"result": found, "success": True})

    with httpx.Client(base_url="https://a.example/ai/", transport=httpx.MockTransport(answer)) as client:
        notes = catalogue.remake(package, client)
    assert notes[0].startswith("@cf/a/b is new")
    row = next(row for row in read(package, "models.json") if row["name"] == "@cf/a/b")
    assert list(row) == [
        "name",
        "task",
        "created_at",
        "context_length",
        "window",
        "capabilities",
        "price",
        "properties",
    ]
    assert (row["context_length"]["value"], row["window"], row["capabilities"]) == (32_000, "shared", ["vision"])
    assert row["price"][0]["usd"] == 0.35
    assert row["properties"] == {"info": "https://a.example"}
    range_ = {"default": 0.6, "minimum": 0, "maximum": 5}
    assert read(package, "schemas.json")["@cf/a/b"] == {
        "input_variants": ["Prompt", "Messages", "Batch", "Body"],
        "input_params": {
            "prompt": {"type": "string", "minLength": 1, "variant": "Prompt", "required": True},
            "temperature": {"type": "number|null", **range_},
            "messages": {"type": "array<object {role:string,name?:string}>", "variant": "Messages", "required": True},
            "requests": {"type": "array", "variant": "Batch", "required": True},
            "(body)": {"type": "string(binary)", "variant": "Body"},
        },
        "output": "object {text?:string|array<string>}",
    }
    inner = {"type": "object", "properties": {"text": {"oneOf": [{"type": "string", "minLength": 1}, texts]}}}
    assert catalogue.describe_inputs(inner) == {
        "text": {"type": "string|array<string>", "minLength": 1, "maxItems": 100}
    }
    assert "variant" not in str(catalogue.describe_inputs(inner))
