"""A fact on the conversion of documents: the order of its results, and how a document is refused."""

from __future__ import annotations

from typing import Any, cast

from cfai._json import is_mapping
from cfai._request import Medium, make_form
from cfai.doctor._finding import Finding, report_ok, report_warning
from cfai.doctor.conformance._probe import Probe, join_words, list_keys

_FILES = {"b.csv": "text/csv", "none.unknown": "application/octet-stream", "a.csv": "text/csv"}


def ask_markdown(probe: Probe) -> Finding:
    """Report in which order results come, and what stands for a document that cannot be converted."""
    files = [Medium(b"1,2\n", media_type, name, filename=name) for name, media_type in _FILES.items()]
    form = make_form([("files", file) for file in files])
    content: Any = form.content
    response = probe.ask("POST", "/tomarkdown", content=content, headers={"content-type": form.media_type})
    rows = response.require_success().get("result")
    results = [row for row in cast("list[Any]", rows) if is_mapping(row)] if isinstance(rows, list) else []
    names = [str(row.get("name")) for row in results]
    if not results:
        return report_warning("no list of results came")
    order = "in the order of the files" if names == [*_FILES] else f"as {join_words(names)}"
    form_of_error = [list_keys(row) for row in results if row.get("format") == "error"]
    bad = f"one that is refused has {join_words(form_of_error[0])}" if form_of_error else "none is refused"
    return report_ok(f"results come {order}; one has {join_words(list_keys(results[0]))}; {bad}")
