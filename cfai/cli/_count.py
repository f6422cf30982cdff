"""The tokens of files, and whether they fit a model together."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cfai import ConfigurationError, InputError, TokenCount, count_tokens
from cfai._limits import CheckResult, check_call
from cfai.cli._catalogue import known_models
from cfai.cli._errors import refuse_arguments
from cfai.cli._model import get_default_model, resolve_model
from cfai.cli._terminal import write

_EMBEDDINGS = "Text Embeddings"


def count_files(model: str, files: Sequence[str], *, exact: bool, as_json: bool) -> bool:
    """Print the tokens of files, and return True if they fit the model together."""
    with refuse_arguments():
        name, paths = _resolve(model, files)
        texts = {path: _read(path) for path in paths}
        counts = {path: count_tokens(text, model=name, exact=exact or None) for path, text in texts.items()}
        result = check_call(name, _build_inputs(name, [*texts.values()]))
    total = result.tokens or sum(counts.values(), start=count_tokens("", model=name))
    if as_json:
        write(json.dumps(_to_dict(name, counts, total, result), indent=2) + "\n")
        return bool(result)
    width = max(map(len, counts), default=0)
    for path, count in counts.items():
        write(f"{path:{width}}  {_format(count)}\n")
    write(f"{_judge(name, total, result)}\n")
    return bool(result)


def _resolve(model: str, files: Sequence[str]) -> tuple[str, list[str]]:
    """Return the whole name of the model, and the files. A file in the place of the model is one for the default."""
    paths = list(files)
    if not model.startswith("@") and Path(model).is_file():
        paths.insert(0, model)
        # `cfai tokens FILE MODEL`
        last = paths[-1]
        is_model = len(paths) > 1 and not Path(last).exists() and last != "-"
        return resolve_model(paths.pop()) if is_model else get_default_model(), paths
    name = resolve_model(model)
    if name not in known_models():
        raise ConfigurationError(f"there is no model {name!r}: cfai models lists them")
    if not paths and (sys.stdin is None or sys.stdin.isatty()):
        raise InputError("there is nothing to count: give files behind the model, or text by standard input")
    return name, paths or ["-"]


def _read(path: str) -> str:
    content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be text in UTF-8, and is not at byte {error.start}") from error


def _build_inputs(model: str, texts: list[str]) -> dict[str, Any]:
    if known_models()[model].task == _EMBEDDINGS:
        return {"text": texts}
    return {"prompt": "\n\n".join(texts)}


def _format(count: TokenCount) -> str:
    about = f"{count.estimate:,} tokens"
    return about if count.lower == count.upper else f"{about} ({count.lower:,} to {count.upper:,})"


def _judge(model: str, total: TokenCount, result: CheckResult) -> str:
    """Return the verdict of all files together in a line."""
    if result.limit is None:
        return f"{_format(total)} together; no limit of {model} is known"
    limit = result.limit.value
    share = f"{_format(total)} of {limit:,}, {total.estimate / limit:.1%}: {result.verdict}"
    if result.error is not None:
        return f"{share}. Shorten them, or take another model: cfai models"
    return share + (f", with up to {result.max_tokens:,} left for the answer" if result.max_tokens else "")


def _to_dict(model: str, counts: dict[str, TokenCount], total: TokenCount, result: CheckResult) -> dict[str, Any]:
    def describe(count: TokenCount) -> dict[str, Any]:
        return {"tokens": count.estimate, "lower": count.lower, "upper": count.upper, "method": count.method}

    return {
        "model": model,
        "files": [{"file": path, **describe(count)} for path, count in counts.items()],
        "total": describe(total),
        "limit": result.limit and result.limit.value,
        "verdict": result.verdict,
        "max_tokens": result.max_tokens,
    }
