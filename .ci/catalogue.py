"""Remake the catalogue from what a service lists: `models.json`, `schemas.json`, and the overloads.

    CLOUDFLARE_ACCOUNT_ID=... CLOUDFLARE_API_TOKEN=... python .ci/catalogue.py

`CLOUDFLARE_API_BASE_URL` names another service. Facts that no listing has stay: retirements, successors, figures from
other sources. What a listing cannot decide is printed, to be looked at.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import overloads

from cfai.models import Model
from cfai.models.schemas import parse_types

LISTED = ("Workers AI model listing", "Workers AI model schema")
"""How the source of a figure begins that a service lists."""
PER_PAGE = 50
RULES = (
    "default",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "pattern",
)
"""What is kept of the schema of an input, beside its type."""

SEEING = (
    "@cf/google/gemma-3-12b-it",
    "@cf/meta/llama-3.2-11b-vision-instruct",
    "@cf/meta/llama-4-scout-17b-16e-instruct",
    "@cf/mistralai/mistral-small-3.1-24b-instruct",
)
"""Models that see, as their schemas and their documentation say, and of which the listing did not say it."""

Row = dict[str, Any]


# What the service says


def fetch_models(client: httpx.Client) -> Iterator[Row]:
    """Yield every listed model, page by page until a short one: `result_info` is not to be relied on."""
    page, size = 1, PER_PAGE
    while size == PER_PAGE:
        query = {"page": page, "per_page": PER_PAGE, "include_deprecated": "true"}
        listed = fetch(client, "models/search", query)
        yield from listed
        page, size = page + 1, len(listed)


def fetch(client: httpx.Client, path: str, query: Mapping[str, Any]) -> Any:
    response = client.get(path, params=query)
    response.raise_for_status()
    return response.json()["result"]


# models.json


def remake_model(old: Row, listed: Row, params: Mapping[str, Row], notes: list[str]) -> Row:
    """Return the row of a model: `old`, with what is listed of it now, its inputs among it."""
    values = {each["property_id"]: each["value"] for each in listed["properties"]}
    name, task, row = listed["name"], listed["task"]["name"], dict(old)
    row |= {"name": name, "task": task, "created_at": listed.get("created_at", old.get("created_at"))}
    window, longest = values.pop("context_window", None), values.pop("max_input_tokens", None)
    if task == "Text Embeddings" and longest is None:
        window, longest = None, window
    default = params.get("max_tokens", {}).get("default") if task == "Text Generation" else None
    for field, value, source in (
        ("context_length", window, f"{LISTED[0]}, context_window"),
        ("input_length", longest, f"{LISTED[0]}, max_input_tokens"),
        ("default_max_tokens", default, f"{LISTED[1]}, default of max_tokens"),
    ):
        if value is not None:
            row[field] = remake_limit(row.get(field), int(value), source, f"{name}: {field}", notes)
    if "context_length" in row:
        row.setdefault("window", "shared")
    prices = remake_prices(old.get("price", ()), values.pop("price", ()), f"{name}: price", notes)
    row["price"] = sorted(prices, key=lambda price: index_of(price["unit"], old.get("price", ())))
    capabilities = [key for key, value in values.items() if value == "true"]
    capabilities += ["vision"] if name in SEEING and "vision" not in capabilities else []
    if set(capabilities) != set(old.get("capabilities", ())):
        row["capabilities"] = sorted(capabilities)
    row["properties"] = {key: value for key, value in values.items() if key not in capabilities}
    order = [field.name for field in fields(Model)]
    return {key: row[key] for key in order if row.get(key) not in (None, [], {}) or key == "created_at"}


def remake_limit(old: Row | None, value: int, source: str, place: str, notes: list[str]) -> Row:
    """Return a limit: the old one, unless it is from the listing and that says another figure."""
    if old is not None and not old["source"].startswith(LISTED):
        if old["value"] != value and f"{value:,}" not in old["source"]:
            notes.append(f"{place} is {old['value']:,} ({old['source']}), and listed as {value:,} now")
        return old
    if old is not None and old["value"] == value:
        return old
    return {"value": value, "source": source, "date": today(), "certain_to_refuse": True, "certain_to_fit": False}


def remake_prices(old: Sequence[Row], listed: Sequence[Row], place: str, notes: list[str]) -> list[Row]:
    """Return prices: those of the pricing page, which are newer and not rounded, and else what is listed."""
    kept = [price for price in old if not price["source"].startswith(LISTED)]
    found: list[Row] = list(kept)
    for price in listed:
        digits = -int(Decimal(str(price["price"])).as_tuple().exponent)
        same = next((each for each in old if each["unit"] == price["unit"]), None)
        if same is not None and round(same["usd"], digits) == price["price"]:
            found += [] if same in kept else [same]
        elif kept and (same is None or same in kept):
            notes.append(f"{place} is {same and same['usd']}, and listed as {price['price']} {price['unit']} now")
        else:
            new = {"unit": price["unit"], "usd": price["price"], "neurons": None}
            found.append(new | {"source": LISTED[0], "date": today()})
    return found


def index_of(unit: str, prices: Sequence[Row]) -> int:
    return next((index for index, price in enumerate(prices) if price["unit"] == unit), len(prices))


def today() -> str:
    return str(datetime.now(UTC).date())


# schemas.json


def remake_schema(old: Row, listed: Row) -> Row:
    """Return the row of a schema: the old one, which says types in more words, if nothing else differs."""
    params = describe_inputs(listed["input"])
    if old and comparable(old["input_params"] or {}) == comparable(params):
        return old
    titles = [branch.get("title", "object") for branch in branches_of(listed["input"])]
    if listed["input"].get("additionalProperties") is False:
        titles[0] += " (additionalProperties false)"
    return {"input_variants": titles, "input_params": params, "output": old.get("output") or describe(listed["output"])}


def comparable(params: Mapping[str, Row]) -> dict[str, Any]:
    """Return what an abridged schema says, but for the words of its types, and what makes a batch or a raw body."""
    calls = {name: rules for name, rules in params.items() if name not in ("requests", "(body)")}
    has_variants = len({rules.get("variant") for rules in calls.values()} - {None}) > 1
    found: dict[str, Any] = {}
    for name, rules in calls.items():
        many = re.search(r"\(maxItems (\d+)\)", rules["type"])
        known = {rule: rules[rule] for rule in (*RULES, "required") if rule in rules}
        known |= {"maxItems": int(many[1])} if many else {}
        found[name] = (parse_types(rules["type"]), known, rules.get("variant") if has_variants else None)
    return found


def branches_of(schema: Row) -> list[Row]:
    return schema.get("oneOf") or schema.get("anyOf") or [schema]


def describe_inputs(schema: Row) -> dict[str, Row]:
    """Return the inputs of a JSON schema. Those that not every branch has are of the variant of their branch."""
    branches = branches_of(schema)
    calls = [branch for branch in branches if "requests" not in branch.get("properties", {"requests"})]
    found: dict[str, Row] = {}
    for branch in branches:
        named: dict[str, Row] = branch.get("properties") or schema.get("properties") or {"(body)": branch}
        for name, each in named.items():
            rules = found.setdefault(name, {"type": describe(each), **collect_rules(each)})
            if len(branches) > 1 and not all(name in call.get("properties", ()) for call in calls):
                rules["variant"] = branch.get("title", "object")
            if name in branch.get("required", ()):
                rules["required"] = True
    return found


def collect_rules(schema: Row) -> Row:
    """Return the rules for a value: its own, those of its alternatives, and how long the texts of a list must be."""
    items = schema.get("items", {})
    found: Row = {"minLength": items["minLength"]} if "minLength" in items else {}
    for each in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        found |= collect_rules(each)
    return found | {rule: schema[rule] for rule in RULES if rule in schema}


def describe(schema: Row | str) -> str:
    """Return the type of a JSON schema in words, such as `array<{role:string,content?:string|null}>`."""
    if not isinstance(schema, dict):
        return str(schema)  # words already: what the emulator lists is abridged
    alternatives = schema.get("oneOf") or schema.get("anyOf")
    if alternatives:
        return "|".join(map(describe, alternatives))
    kinds = schema.get("type", "any")
    if schema.get("format") == "binary":
        return f"{kinds}(binary)"
    words = {"array": f"array<{describe(schema['items'])}>" if schema.get("items") else "array"}
    if properties := schema.get("properties"):
        required = schema.get("required", ())
        parts = [f"{name}{'' if name in required else '?'}:{describe(each)}" for name, each in properties.items()]
        words["object"] = f"object {{{','.join(parts)}}}"
    return "|".join(words.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


# Both


def remake(package: Path, client: httpx.Client) -> list[str]:
    """Write the data of a package anew, and return what is to be looked at."""
    files = [package / "models" / "models.json", package / "models" / "schemas.json"]
    models: dict[str, Row] = {row["name"]: row for row in json.loads(files[0].read_bytes())}
    schemas: dict[str, Row] = json.loads(files[1].read_bytes())
    notes: list[str] = []
    live = {name for name, row in models.items() if "retired_on" not in row}
    for listed in fetch_models(client):
        name = listed["name"]
        if name not in models:
            notes.append(f"{name} is new: look at its window and its answers, and run the tests")
        live.discard(name)
        schemas[name] = remake_schema(schemas.get(name, {}), fetch(client, "models/schema", {"model": name}))
        models[name] = remake_model(models.get(name, {}), listed, schemas[name]["input_params"] or {}, notes)
    notes += [f"{name} is no longer listed: if it is retired, say when, and name a successor" for name in sorted(live)]
    rows = [json.dumps(models[name]) for name in sorted(models)]
    files[0].write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
    rows = [f"{json.dumps(name)}: {json.dumps(schemas[name])}" for name in sorted(schemas)]
    files[1].write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    overloads.main(["--package", str(package)])
    return notes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, default=Path(__file__).resolve().parents[1] / "cfai")
    options = parser.parse_args()
    base_url = os.environ.get("CLOUDFLARE_API_BASE_URL", "https://api.cloudflare.com/client/v4")
    headers = {"Authorization": f"Bearer {os.environ['CLOUDFLARE_API_TOKEN']}"}
    account = os.environ["CLOUDFLARE_ACCOUNT_ID"]
    with httpx.Client(base_url=f"{base_url}/accounts/{account}/ai/", headers=headers, timeout=60) as client:
        for note in remake(options.package, client):
            print(note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
