"""Thoughts in the text of a model: all up to `</think>`, whose opening tag stands in the prompt."""

from __future__ import annotations

_START = "<think>"
_END = "</think>"


class ThoughtSplitter:
    """Splits texts into thoughts and answers, piece by piece. Made anew for each answer of the service."""

    __slots__ = ("_is_answering", "_pending")

    def __init__(self) -> None:
        self._pending: dict[int, str] = {}
        """By choice: the end of what came, which may be the beginning of a tag."""
        self._is_answering: dict[int, bool] = {}
        """By choice: true from the first word of the answer on, false between it and the thoughts."""

    def split(self, choice: int, text: str) -> tuple[str, str]:
        """Return what a piece of text has of thoughts, and of the answer.

        >>> splitter = ThoughtSplitter()
        >>> splitter.split(0, "Two and two.</th"), splitter.split(0, "ink>\\n\\nIt is 4."), splitter.split(0, "\\n")
        (('Two and two.', ''), ('', 'It is 4.'), ('', '\\n'))
        """
        if choice in self._is_answering:
            return "", self._trim(choice, text)
        text = self._pending.pop(choice, "") + text
        thoughts, end, answer = text.partition(_END)
        if end:
            self._is_answering[choice] = False
            return thoughts.removeprefix(_START), self._trim(choice, answer)
        held = next((size for size in range(len(_END) - 1, 0, -1) if text.endswith(_END[:size])), 0)
        if _START.startswith(text):
            held = len(text)
        self._pending[choice] = text[len(text) - held :]
        return text[: len(text) - held].removeprefix(_START), ""

    def flush(self) -> dict[int, str]:
        """Return by choice what was held back, where the thoughts never ended: so they were none, or all there is."""
        pending, self._pending = self._pending, {}
        self._is_answering |= dict.fromkeys(pending, True)
        return pending

    def _trim(self, choice: int, text: str) -> str:
        """Return a piece of an answer, without the blank lines between it and the thoughts."""
        if not self._is_answering[choice]:
            text = text.lstrip()
            self._is_answering[choice] = bool(text)
        return text
