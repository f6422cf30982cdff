"""Streams of a loop with tools: the tokens of each answer as they come, and the calls of tools between the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

from cfai._credentials import Secret
from cfai._errors import StreamTruncatedError
from cfai._streaming import AsyncEventStream, EventStream, aencode_stream, encode_stream
from cfai.tools._calls import arun_calls, run_calls
from cfai.tools._conversation import Conversation
from cfai.types import Meta, Runner, Step, Token, ToolsOutput, Usage, add_up

_LEFT = "the stream was left before its end"
_INTERRUPTED = (
    "it was interrupted or cancelled between two answers, where tools run, and does not go on: ask a new question"
)


class _ToolsState:
    """The answer that is read, and all that neither waits nor closes."""

    _stream: Any

    def __init__(self, runner: Runner, conversation: Conversation, options: Secret) -> None:
        self._runner = runner
        self._model = conversation.model
        self._conversation = conversation
        self._options = options
        self._is_over = False
        """True once the last answer has come, or the stream was left or broke."""
        self._output: ToolsOutput | None = None
        self._error: Exception | None = None

    @property
    def text(self) -> str:
        """The text so far of the answer that is read; at the end that of the last one, as in `result()`."""
        return self._stream.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far of the answer that is read."""
        return self._stream.reasoning

    @property
    def meta(self) -> Meta:
        """The facts of the call whose answer is read."""
        return self._stream.meta

    @property
    def steps(self) -> list[Step]:
        """The calls of the model that have come to their end, each with the calls of tools that it asked for."""
        return self._conversation.steps

    @property
    def usage(self) -> Usage | None:
        """Tokens of the answers that have come to their end; `None` if the service did not say them of each."""
        return add_up(step.usage for step in self.steps)

    def _describe_growth(self) -> tuple[str, str]:
        """Return the text and the reasoning so far of the answer that is read, for a notebook."""
        return self.text, self.reasoning

    def __repr__(self) -> str:
        state = "is over" if self._is_over else "is to be read: iterate it, or take its result"
        return f"<{type(self).__name__} of {self._model[:100]}, {len(self.steps)} steps, {state}>"

    def _leave(self, reason: Exception | str = _LEFT) -> None:
        """Read no further. Whoever does all the same is told why there is nothing more."""
        if not self._is_over:
            self._is_over = True
            is_error = isinstance(reason, Exception)
            self._error = reason if is_error else StreamTruncatedError(reason, partial=self.text, model=self._model)

    def _finish(self, calls: Any) -> bool:
        """Note the end, if no more tools are asked for."""
        if not calls:
            self._output, self._is_over = self._conversation.build_output(), True
        return self._is_over

    def result(self) -> ToolsOutput:
        """Return the output of a stream that has been read to its end."""
        with self._conversation.keeping_steps():
            if self._output is None:
                raise self._error or StreamTruncatedError("the stream has not been read to its end", model=self._model)
        return self._output

    def _raise_error(self) -> None:
        if self._error is not None:
            with self._conversation.keeping_steps():
                raise self._error


class ToolsStream(_ToolsState):
    """The answers of a model that calls tools, piece by piece. Iterate it once; leave early with `with`.

    ```python
    with ai.run_with_tools(model, {"prompt": "…", "stream": True}, tools=[get_weather]) as stream:
        for token in stream:
            print(token, end="", flush=True)
    ```

    The tokens of every answer come, those that ask for tools too. The tools are run where an answer ends, before the
    next token. What breaks it is raised as by a `Stream`, and `.steps` has what was done by then.
    """

    def _call(self) -> None:
        """Have the model answer."""
        self._stream = self._runner.run(self._model, self._conversation.build_inputs(), **self._options.value)

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        while not self._is_over:
            with self._conversation.keeping_steps():
                token = next(self._stream, None)
                if token is not None:
                    return token
                self._go_on()
        self._raise_error()
        raise StopIteration

    def _go_on(self) -> None:
        """Run the tools that an answer asks for, and have the model answer again; or end."""
        try:
            calls = self._conversation.add_answer(self._stream.result())
            if not self._finish(calls):
                with self._conversation.collecting_results(calls) as results:
                    run_calls(self._conversation.tools, results)
                if not self._is_over:  # a tool may have left it
                    self._call()
        except Exception as error:
            self._leave(error)
            raise
        except BaseException:
            self._leave(_INTERRUPTED)
            raise

    def result(self) -> ToolsOutput:
        """Return the last answer, as the same call without streaming gives it; reads the rest. Raises what broke it."""
        for _ in self:
            pass
        return super().result()

    def to_event_stream(self, *, ping: float | None = None) -> EventStream:
        """Return the stream as `text/event-stream` bytes for a browser, as `Stream.to_event_stream` does."""
        return encode_stream(self, self.close, self.close, ping)

    def close(self) -> None:
        """Leave the stream: the model stops, and no more tools are run."""
        self._leave()
        self._stream.close()

    def _ipython_display_(self) -> None:
        """Read it, and show it while it comes, where it is the value of a cell."""
        from cfai._display import show_stream

        show_stream(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncToolsStream(_ToolsState):
    """The answers of a model that calls tools, piece by piece. Iterate it once; leave early with `async with`.

    ```python
    async with ai.arun_with_tools(model, {"prompt": "…", "stream": True}, tools=[get_weather]) as stream:
        async for token in stream:
            print(token, end="", flush=True)
    ```

    The tokens of every answer come, those that ask for tools too. The tools are run where an answer ends, before the
    next token. What breaks it is raised as by an `AsyncStream`, and `.steps` has what was done by then.

    A wait for a token that is cancelled loses nothing: ask again. Only between two answers it cancels the tools that
    run, or the next call of the model, and that is the end of the stream: whoever asks again gets a
    `StreamTruncatedError`, since a call that was cancelled may be billed, and is not made twice.
    """

    async def _call(self) -> None:
        """Have the model answer."""
        inputs = await abuild_inputs(self._conversation)
        self._stream = await self._runner.arun(self._model, inputs, **self._options.value)

    def __aiter__(self) -> AsyncIterator[Token]:
        return self

    async def __anext__(self) -> Token:
        while not self._is_over:
            with self._conversation.keeping_steps():
                token = await anext(self._stream, None)
                if token is not None:
                    return token
                await self._go_on()
        self._raise_error()
        raise StopAsyncIteration

    async def _go_on(self) -> None:
        """Run the tools that an answer asks for, and have the model answer again; or end."""
        try:
            calls = self._conversation.add_answer(self._stream.result())
            if not self._finish(calls):
                with self._conversation.collecting_results(calls) as results:
                    await arun_calls(self._conversation.tools, results)
                if not self._is_over:  # a tool may have left it
                    await self._call()
        except Exception as error:
            self._leave(error)
            raise
        except BaseException:
            self._leave(_INTERRUPTED)
            raise

    async def aresult(self) -> ToolsOutput:
        """Return the last answer, as the same call without streaming gives it; reads the rest. Raises what broke it."""
        async for _ in self:
            pass
        return self.result()

    def ato_event_stream(self, *, ping: float | None = None) -> AsyncEventStream:
        """Return the stream as `text/event-stream` bytes for a browser, as `AsyncStream.ato_event_stream` does."""
        return aencode_stream(self, self.aclose, ping)

    async def aclose(self) -> None:
        """Leave the stream: the model stops, and no more tools are run."""
        self._leave()
        await self._stream.aclose()

    def _ipython_display_(self) -> None:
        """Read it beside the cells that run meanwhile, and show it while it comes, where it is the value of a cell."""
        from cfai._display import ashow_stream

        ashow_stream(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def open_stream(runner: Runner, conversation: Conversation, options: Secret) -> ToolsStream:
    """Return the stream of a conversation once its first call is answered."""
    stream = ToolsStream(runner, conversation, options)
    stream._call()  # pyright: ignore[reportPrivateUsage]
    return stream


async def aopen_stream(runner: Runner, conversation: Conversation, options: Secret) -> AsyncToolsStream:
    """Return the stream of a conversation once its first call is answered."""
    stream = AsyncToolsStream(runner, conversation, options)
    await stream._call()  # pyright: ignore[reportPrivateUsage]
    return stream


async def abuild_inputs(conversation: Conversation) -> dict[str, Any]:
    """Return the inputs of the next call. What takes long is done in a thread, beside the event loop."""
    if conversation.is_slow_to_build:
        from cfai._threads import run_in_thread  # not sooner: it imports asyncio

        return await run_in_thread(conversation.build_inputs)
    return conversation.build_inputs()
