"""Thoughts in the text of a model: all up to `</think>`, whose opening tag stands in the prompt."""

from __future__ import annotations

_START = "<think>"
_END = "</think>"


class ThoughtSplitter:
    """Splits texts into thoughts and answers, piece by piece. Made anew for each answer of the service."""

    __slots__ = ("_is_answering", "_is_open", "_pending")

    def __init__(self) -> None:
        self._pending: dict[int, str] = {}
        """By choice: the end of what came, which may be the beginning of a tag."""
        self._is_open: dict[int, bool] = {}
        """By choice, from its first thought on: true if the tag stood before it."""
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
            thoughts = self._take_start(choice, thoughts)
            self._is_answering[choice] = False
            return thoughts, self._trim(choice, answer)
        held = next((size for size in range(len(_END) - 1, 0, -1) if text.endswith(_END[:size])), 0)
        if choice not in self._is_open and _START[:-1].startswith(text.lstrip()):
            held = len(text)
        self._pending[choice] = text[len(text) - held :]
        return self._take_start(choice, text[: len(text) - held]), ""

    def is_open(self, choice: int) -> bool:
        """Return True if the thoughts of a choice began with their tag."""
        return self._is_open.get(choice, False)

    def flush(self) -> dict[int, str]:
        """Return by choice what was held back, where the thoughts never ended."""
        pending, self._pending = self._pending, {}
        self._is_answering |= dict.fromkeys(pending, True)
        return pending

    def _take_start(self, choice: int, thoughts: str) -> str:
        """Return the first piece of thoughts without their tag, any other as it is."""
        if not thoughts or choice in self._is_open:
            return thoughts
        stripped = thoughts.lstrip()
        self._is_open[choice] = stripped.startswith(_START)
        return stripped.removeprefix(_START) if self._is_open[choice] else thoughts

    def _trim(self, choice: int, text: str) -> str:
        """Return a piece of an answer, without the blank lines between it and the thoughts."""
        if not self._is_answering[choice]:
            text = text.lstrip()
            self._is_answering[choice] = bool(text)
        return text
