"""The folder for what can be fetched again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cfai._errors import ConfigurationError


def find_cache_folder() -> Path:
    """Return cfai's folder for what can be fetched again. Raises `ConfigurationError` for a user without a home."""
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "cfai"
    if sys.platform == "win32" and (folder := os.environ.get("LOCALAPPDATA")):
        return Path(folder) / "cfai"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise ConfigurationError("there is no home folder to keep a model in: set XDG_CACHE_HOME") from error
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "cfai"
