"""Recordings on disk, in the files that `cfai.local.recording` plays back."""

from __future__ import annotations

from pathlib import Path

from cfai.local.recording import Exchange, get_last_number, save_exchange


class Recordings:
    """Writes exchanges into a folder, which is made if it is not there. Raises `OSError` where that fails.

    ```python
    for finding in conform(keeper=Recordings("recordings")):
        print(finding)
    ```

    `cfai dev --replay recordings` answers as the service did.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._last = get_last_number(self._folder)

    def keep(self, exchange: Exchange) -> Path:
        """Write one as the next file of the folder; the path of it. Raises `OSError`."""
        self._last += 1
        return save_exchange(exchange, self._folder, self._last)
