"""Tell PyInstaller where its hook for cfai is: an entry point in `pyproject.toml` names this."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the folders with hooks."""
    return [str(Path(__file__).parent)]
