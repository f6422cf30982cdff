"""Streams whose answer is to be an object, which can be watched as it grows."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import from_json

from cfai._streaming import AsyncStream, Stream
from cfai.structured._format import BRACKET, THOUGHTS, THOUGHTS_END, OutputFormat, Piece, find_end
from cfai.structured._misfit import find_misfit, make_error, was_cut
from cfai.types import StructuredOutput, TextOutput, Token

if TYPE_CHECKING:
    from cfai._request import ApiRequest

T = TypeVar("T")

_decoder = json.JSONDecoder()


class _GrowingValue:
    """The value of JSON that is still being written: of the last object that began."""

    def __init__(self, output_format: OutputFormat, text: str) -> None:
        self._format = output_format
        self._pieces = [text]
        self._length = len(text)
        self._due = 0
        """The length at which the text is read again."""
        self._start = 0
        """Where what is over ends."""
        self._last: Any = None

    def add(self, piece: str) -> list[Any]:
        """Return the value, in a list, if it has changed."""
        if not piece:
            return []
        self._pieces.append(piece)
        self._length += len(piece)
        if self._length < self._due:
            return []
        # Each reading begins anew, so that a long text is read less often: its whole costs a multiple of its length.
        self._due = self._length + self._length // 128
        return self._look(is_over=False)

    def finish(self) -> list[Any]:
        """Return the whole value, in a list, if it differs from the last."""
        values = self._look(is_over=True)
        if values or self._last is not None:
            return values
        # What is neither an object nor a list is known when it is over.
        found = self._format.find(self._pieces[0])
        return [] if found is None else [from_json(found)]

    def _look(self, *, is_over: bool) -> list[Any]:
        text = "".join(self._pieces)
        self._pieces = [text]
        if (thoughts := text.rfind(THOUGHTS_END, self._start)) >= 0:
            self._start = thoughts + len(THOUGHTS_END)
        elif text.startswith(THOUGHTS) and not self._start:
            return []
        value: Any = None
        while (begin := re.compile(BRACKET).search(text, self._start)) is not None:
            start = begin.end() - 1
            may_be = self._format.may_be(Piece(text[start], begin[1] is not None))
            growing = self._read(text[start:]) if may_be else None
            if growing is not None and growing != self._last and not is_over:
                value = growing
                break
            try:  # it does not change: perhaps it is whole, with words behind it
                stop = _decoder.raw_decode(text, start)[1]
            except (ValueError, RecursionError):
                stop = find_end(text, start) if growing is None else None
            value = value if growing is None else growing
            if stop is None:
                break
            self._start = stop
        if value is None or value == self._last:
            return []
        self._last = value
        return [value]

    def _read(self, text: str) -> Any:
        try:
            return self._format.unwrap(from_json(text, allow_partial="trailing-strings"))
        except ValueError:
            return None


class StructuredStream(Stream[Token], Generic[T]):
    """A stream whose answer is to be an object of the type `T`: tokens like any, `partials()`, and a `result()`."""

    _output_format: OutputFormat

    def partials(self) -> Iterator[Any]:
        """Yield the object as it grows, in plain dicts and lists, each time that it has changed.

        Nothing is validated: fields may be missing, and texts and numbers cut. Of a text of more than some kilobytes
        not every change is shown.

        ```python
        for partial in stream.partials():
            print(partial)
        ```
        """
        growing = _GrowingValue(self._output_format, self.text)
        for token in self:
            yield from growing.add(token.text)
        yield from growing.finish()

    def result(self) -> StructuredOutput[T]:
        """Return the whole answer with its object; reads the rest. Raises `OutputValidationError` if it does not fit.

        A stream is not asked for again: what was shown cannot be taken back.
        """
        return _build_output(self._output_format, self._call, super().result())


class AsyncStructuredStream(AsyncStream[Token], Generic[T]):
    """A stream whose answer is to be an object of the type `T`: tokens like any, `apartials()`, and an `aresult()`."""

    _output_format: OutputFormat

    def apartials(self) -> AsyncIterator[Any]:
        """Yield the object as it grows, in plain dicts and lists, each time that it has changed.

        Nothing is validated: fields may be missing, and texts and numbers cut. Of a text of more than some kilobytes
        not every change is shown.

        ```python
        async for partial in stream.apartials():
            print(partial)
        ```
        """
        return _AsyncPartials(self, _GrowingValue(self._output_format, self.text))

    def result(self) -> StructuredOutput[T]:
        """Return the output of a stream that has been read to its end."""
        return _build_output(self._output_format, self._call, super().result())

    async def aresult(self) -> StructuredOutput[T]:
        """Return the whole answer with its object; reads the rest. Raises `OutputValidationError` if it does not fit.

        A stream is not asked for again: what was shown cannot be taken back.
        """
        return cast("StructuredOutput[T]", await super().aresult())


class _AsyncPartials:
    """The partial objects of an asynchronous stream. No generator: one that is left early makes noise at its end."""

    def __init__(self, stream: AsyncStream[Token], growing: _GrowingValue) -> None:
        self._stream = stream
        self._growing = growing
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        values: list[Any] = []
        while not values:
            if self._is_over:
                raise StopAsyncIteration
            try:
                token = await anext(self._stream)
            except StopAsyncIteration:
                self._is_over = True
                values = self._growing.finish()
            else:
                values = self._growing.add(token.text)
        return values[0]


def _build_output(output_format: OutputFormat, call: ApiRequest, answer: TextOutput) -> StructuredOutput[Any]:
    is_cut = was_cut(call.model, call.inputs, answer)
    try:
        return StructuredOutput.of(answer, output_format.read(answer.text, is_cut=is_cut))
    except ValidationError as error:
        misfit = find_misfit(answer, error, is_cut=is_cut)
    ending = f"What to do: {misfit.advice or 'call it without `stream`, which asks again'}"
    raise make_error(output_format, call.model, answer, misfit, ending)
