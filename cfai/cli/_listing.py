"""`cfai models sync`: the models that the service lists, beside those of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cfai import Ai
from cfai._json import as_sequence, is_mapping, loads
from cfai._request import ApiRequest
from cfai._transport import send
from cfai.cli._catalogue import write_synced_file
from cfai.cli._terminal import write
from cfai.models import Limit, Model, Price, catalogue

_PER_PAGE = 50
_MAX_PAGES = 100
_SOURCE = "Workers AI model listing"


def sync(ai: Ai) -> None:
    """Keep the models that the catalogue does not have, and print what differs. Raises what a call does."""
    known, listed = catalogue(), {model.name: model for model in _fetch_models(ai)}
    new = [model for model in listed.values() if model.name not in known]
    gone = [name for name, model in known.items() if model.retired_on is None and name not in listed]
    for model in new:
        write(f"new      {model.name} ({model.task})\n")
    for name in gone:
        write(f"gone     {name}: it is not listed any more\n")
    changed = 0
    for name in sorted(known.keys() & listed.keys()):
        for difference in _compare(known[name], listed[name]):
            write(f"changed  {name}: {difference}\n")
            changed += 1
    file = write_synced_file(new)
    write(f"{len(listed)} models are listed: {len(new)} new, {len(gone)} gone, {changed} changes. Kept in {file}\n")


def _compare(known: Model, listed: Model) -> Iterable[str]:
    for field in ("context_length", "input_length"):
        before, now = getattr(known, field), getattr(listed, field)
        # Figures from elsewhere correct the listing.
        if before and now and before.value != now.value and before.source.startswith(_SOURCE):
            yield f"{field} {before.value:,} is {now.value:,} now"


def _fetch_models(ai: Ai) -> Iterable[Model]:
    """Yield what the service lists, page by page until a short one: its total is not to be relied on."""
    for page in range(1, _MAX_PAGES):
        rows = as_sequence(_fetch_page(ai, page))
        yield from (_parse_row(row) for row in rows if is_mapping(row) and row.get("name"))
        if len(rows) < _PER_PAGE:
            return


def _fetch_page(ai: Ai, page: int) -> Any:
    config = ai._config  # pyright: ignore[reportPrivateUsage]  # a call that runs no model
    credentials = config.credentials
    request = ApiRequest(
        config=config,
        method="GET",
        url=f"{ai.base_url}/accounts/{credentials.account_id}/ai/models/search?page={page}&per_page={_PER_PAGE}",
        headers={"authorization": f"Bearer {credentials.token.value}"},
        body=b"",
    )
    response = send(ai._pool, request)  # pyright: ignore[reportPrivateUsage]
    answer = loads(response.content or b"")
    return answer.get("result") if is_mapping(answer) else None


def _parse_row(row: Mapping[str, Any]) -> Model:
    """Return a model as the service lists it, as far as its row can be read."""
    task = row.get("task")
    properties = {
        str(each.get("property_id")): each.get("value")
        for each in as_sequence(row.get("properties"))
        if is_mapping(each)
    }
    prices = [each for each in as_sequence(properties.get("price")) if is_mapping(each)]
    today = str(datetime.now(UTC).date())
    return Model(
        name=str(row["name"]),
        task=str(task.get("name")) if is_mapping(task) else "",
        created_at=str(row.get("created_at") or "") or None,
        context_length=_parse_limit(properties.get("context_window"), "context_window", today),
        input_length=_parse_limit(properties.get("max_input_tokens"), "max_input_tokens", today),
        price=tuple(
            Price(str(each.get("unit")), float(each.get("price") or 0), None, _SOURCE, today) for each in prices
        ),
        capabilities=frozenset(name for name, value in properties.items() if value == "true"),
    )


def _parse_limit(value: Any, name: str, today: str) -> Limit | None:
    digits = str(value or "")
    return Limit(int(digits), f"{_SOURCE}, {name}", today) if digits.isdecimal() else None
