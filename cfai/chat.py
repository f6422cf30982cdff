"""Conversations: what was said is kept, and sent again with every question. `Ai.chat` makes one.

A question and its answer enter the history together, once the answer is there. What fails leaves nothing behind, unless
tools have run: what they did is done, and the history says so.
"""

# The streams keep their turns in the conversation that they belong to.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import threading
import uuid
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, Self, cast, overload

from cfai._config import LimitPolicy
from cfai._credentials import Secret, describe
from cfai._errors import APIResponseValidationError, CfaiError, ConfigurationError, InputError
from cfai._json import find_unsendable, is_mapping, join_surrogates, to_builtins
from cfai._limits import find_first_turn, is_slow_to_count, requested_output
from cfai._request import encode_image, encode_message, inputs_to_builtins, is_medium, quote_model, walk
from cfai._streaming import AsyncEventStream, EventStream, aencode_stream, encode_stream
from cfai._warnings import LimitWarning, warn
from cfai.models.schemas import get_schema
from cfai.tokens import messages_to_builtins
from cfai.tools import (
    Conversation,
    ToolFunction,
    arun_conversation,
    check_answers,
    check_max_rounds,
    check_model,
    make_tools,
    run_conversation,
)
from cfai.types import Meta, Runner, Step, TextOutput, Token, ToolsOutput, Usage

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # the one with defaults

    AnswerT = TypeVar("AnswerT", bound=TextOutput, covariant=True, default=TextOutput)
else:
    from typing import TypeVar

    AnswerT = TypeVar("AnswerT", bound=TextOutput, covariant=True)

_DEFAULT_POLICY = LimitPolicy()
_VERSION = 1
"""The version of what `to_json` writes."""
_OWN_INPUTS = ("messages", "prompt", "input", "tools", "stream")
"""The inputs that a conversation sets itself."""


class _ChatMaker(Protocol):
    """Whoever makes conversations, such as an `Ai`."""

    @property
    def chat(self) -> Callable[..., Chat[Any]]: ...


@dataclass(eq=False)
class _Turn:
    """A question on its way."""

    model: str
    inputs: dict[str, Any]
    """The inputs of the call, with the whole history and the question last."""
    begin: int
    """Where among the messages the turns begin that are sent."""
    first: Any = None
    """The message that they begin with."""
    fitted: Any = None
    """The model that they fit, and the output that they leave room for."""
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The messages of the call, without tools."""
    dropped: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The messages that are not sent any more."""
    tools: Conversation | None = None
    """The calls of the model, where it has tools."""
    pieces: list[str] = field(default_factory=list[str])
    """The text so far of the answer that is streamed."""
    meta: Meta | None = None
    """The facts of its call."""
    ended: int = 0
    """How many calls of the model had ended before it."""

    @property
    def question(self) -> dict[str, Any]:
        return self.inputs["messages"][-1]

    @property
    def steps(self) -> list[Step]:
        """The calls of the model that have ended, where it has tools."""
        return [] if self.tools is None else self.tools.steps

    def add_token(self, token: Token, meta: Meta) -> None:
        """Note a piece of the answer."""
        if len(self.steps) > self.ended:
            self.ended = len(self.steps)
            self.pieces.clear()
        self.meta = meta
        if not token.choice:
            self.pieces.append(token.text)


class Chat(Generic[AnswerT]):
    """A conversation with a model. `Ai.chat` makes one; sync and async code use the same.

    ```python
    chat = ai.chat("@cf/zai-org/glm-4.7-flash", system="Be brief.")
    print(chat.send("Where is New York?"))
    Path("chat.json").write_text(chat.to_json())
    ```

    It holds one turn at a time: a question that comes while another is being answered is refused with a
    `ConfigurationError`. What a question raises leaves the history as it was, so that it can be sent again; but if
    tools have run by then, the question stays with what they gave.
    """

    def __init__(
        self,
        runner: Runner,
        model: str,
        *,
        system: str | None = None,
        tools: Iterable[ToolFunction] | None = None,
        messages: Iterable[Any] = (),
        max_rounds: int = 8,
        inputs: Mapping[str, Any] | None = None,
        limit_policy: LimitPolicy = _DEFAULT_POLICY,
        **options: Any,
    ) -> None:
        """Check what is given, and keep it. `runner` runs the models, such as an `Ai`; `Ai.chat` says the rest."""
        self._options = Secret(options)
        del options  # a traceback shows the variables of this frame
        if system is not None and not isinstance(system, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"`system` must be a string, got {describe(system)}")
        check_max_rounds(max_rounds)
        quote_model(model)
        self.model = model
        """The model that answers. It may be another one for the next question."""
        self.inputs: dict[str, Any] = _check_inputs(inputs or {})
        """The other inputs of each call, such as `temperature`."""
        self.max_rounds = max_rounds
        """How often tools are called at most before an answer has to come."""
        self.session_affinity: str = self._options.value.pop("session_affinity", None) or uuid.uuid4().hex
        """What all calls of this conversation share, so that they reach the same instance and its prompt cache."""
        self.dropped: list[dict[str, Any]] = []
        """The oldest messages that do not fit the model any more, and were not sent with the last question."""
        self.usage = Usage()
        """The tokens of all calls since this object was made, as far as the service said: also of those that a question
        took which failed later, in the middle of its tools, or by an answer that did not fit its `response_format`."""
        self.cost: float | None = None
        """What they cost in US dollars, as far as that is known; `None` if it is known of none."""
        self._runner = runner
        self._tools = None if tools is None else make_tools(tools)
        self._limit_policy = limit_policy
        self._check_model()
        self._messages = _to_plain(model, messages)
        if system:
            if self._messages and self._messages[0].get("role") in ("system", "developer"):
                raise ConfigurationError("`messages` begins with a system message: leave out either it or `system`")
            self._messages.insert(0, {"role": "system", "content": system})
        self._first: dict[str, Any] | None = None
        """The message that the turns began with that were sent last."""
        self._fitted: Any = None
        """The model that those fitted, and the output that they left room for."""
        self._has_warned = False
        self._claimed = threading.Lock()
        """Held while a question is being answered, and while a piece of a stream is being read."""
        self._open: dict[_Turn, weakref.ref[ChatStream[Any] | AsyncChatStream[Any]]] = {}
        """The turn whose answer is being streamed, if there is one. Whoever takes it out settles it."""

    @overload
    @classmethod
    def from_json(cls, ai: _ChatMaker, text: str | bytes, *, tools: None = None, **options: Any) -> Chat: ...
    @overload
    @classmethod
    def from_json(
        cls, ai: _ChatMaker, text: str | bytes, *, tools: Iterable[ToolFunction], **options: Any
    ) -> Chat[ToolsOutput]: ...
    @classmethod
    def from_json(
        cls, ai: _ChatMaker, text: str | bytes, *, tools: Iterable[ToolFunction] | None = None, **options: Any
    ) -> Chat[Any]:
        """Return the conversation that `to_json` wrote, to be continued with an `Ai`.

        Tools and a class under `response_format` are code, and options may be secret: none is in the text, so they are
        passed anew. What is in it, such as `max_rounds`, may be passed to be another; `inputs` are put over those that
        are in it. Raises `ConfigurationError` for what is no conversation, or one of a later version of cfai.
        """
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        saved = _read_json(text)
        inputs: dict[str, Any] = {**saved["inputs"], **(hidden.value.pop("inputs", None) or {})}
        hidden.value = {**saved, **hidden.value, "inputs": inputs}
        return ai.chat(tools=tools, **hidden.value)

    def to_json(self) -> str:
        """Return the conversation as JSON text, in ASCII: the model, its inputs and all messages, images included.

        No credentials, options, tools or class under `response_format` are in it. Raises `InputError` if a message or
        an input cannot be JSON.
        """
        inputs = _check_inputs(self.inputs)
        if isinstance(inputs.get("response_format"), type):
            del inputs["response_format"]
        if problem := find_unsendable(inputs, "inputs"):
            raise InputError(problem)
        saved = {
            "version": _VERSION,
            "model": self.model,
            "session_affinity": self.session_affinity,
            "max_rounds": self.max_rounds,
            "inputs": inputs,
            "messages": _to_plain(self.model, self.messages),
        }
        return json.dumps(saved)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The whole history as plain messages, the system message first. It may be edited between questions.

        The answer of a stream is in it once the stream was read to its end, or left: then as far as it came.
        """
        for turn, stream in [*self._open.items()]:
            if stream() is None:  # a loop over it was left, and nobody has it any more
                self._keep_partial(turn)
        return self._messages

    @messages.setter
    def messages(self, messages: Iterable[Any]) -> None:
        self._messages = _to_plain(self.model, messages)

    def send(self, text: str, images: Any = None) -> AnswerT:
        """Ask, and return the answer. Both are in the history then.

        `images` is one image or several, each a `Path`, bytes, an open file, a URL, an image of Pillow or an array, as
        in messages. With tools the answer is that of `run_with_tools`. Raises what `run` does; an error after tools
        have run has them in its `.steps`.
        """
        with self._claim():
            self._leave_open_stream()
            turn = self._prepare(text, images)
            with self._keeping_rounds(turn):
                answer = self._run(turn)
            return self._keep(turn, answer)

    async def asend(self, text: str, images: Any = None) -> AnswerT:
        """Ask as `send` does, awaited."""
        with self._claim():
            await self._aleave_open_stream()
            turn = await self._aprepare(text, images)
            with self._keeping_rounds(turn):
                answer = await self._arun(turn)
            return self._keep(turn, answer)

    def stream(self, text: str, images: Any = None) -> ChatStream[AnswerT]:
        """Ask, and return the answer as a stream of tokens: iterate it, and leave it early by `with`.

        Once it ends, question and answer are in the history. If it is left, or breaks, so is what had come: the tools
        that have run, and the part of the answer after them. If nothing had, the question is not either. A stream that
        is still open is left when the next question comes.
        """
        with self._claim():
            self._leave_open_stream()
            turn = self._prepare(text, images)
            stream = self._run(turn, stream=True)
            if not hasattr(stream, "result"):
                raise self._make_no_text_error(stream)
            return ChatStream(self, turn, stream)

    def astream(self, text: str, images: Any = None) -> AsyncChatStream[AnswerT]:
        """Ask as `stream` does, for `async for` and `async with`: these send the question."""
        return AsyncChatStream(self, text, images)

    def __repr__(self) -> str:
        if not hasattr(self, "_messages"):
            return "Chat()"  # in the traceback of its own constructor
        return f"Chat({self.model!r}, {len(self._messages)} messages)"

    def __getstate__(self) -> NoReturn:
        """Refuse to be copied or pickled: it has functions, and options that may be secret."""
        raise ConfigurationError("a Chat cannot be copied or pickled: pass on its to_json(), for `Chat.from_json`")

    # A turn: prepared, run, and kept

    @contextmanager
    def _claim(self) -> Generator[None]:
        """Hold the conversation for one question, or for one piece of its answer."""
        if not self._claimed.acquire(blocking=False):
            raise ConfigurationError(
                "this conversation is answering another question: wait for the answer, or make a second conversation"
            )
        try:
            yield
        finally:
            self._claimed.release()

    def _prepare(self, text: str, images: Any) -> _Turn:
        """Return the turn of a question: the whole history, and where the turns begin that fit the model."""
        self._check_model()
        question = {"role": "user", "content": _make_content(self.model, text, images)}
        history = self.messages
        history[:] = _to_plain(self.model, history)  # the user may have added objects, and images
        inputs = {**_check_inputs(self.inputs), "messages": [*history, question]}
        begin, fitted = 0, (self.model, requested_output(inputs))
        if fitted == self._fitted:  # another model, or fewer `max_tokens`, may have room for more
            begin = next((place for place, each in enumerate(history) if each is self._first), 0)
        turn = _Turn(self.model, inputs, begin, fitted=fitted)
        if self._tools is None:
            turn.sent = self._fit(turn, inputs)
        return turn

    async def _aprepare(self, text: str, images: Any) -> _Turn:
        """Return the turn of a question. What takes long is done in a thread, beside the event loop."""
        if images is None and not is_slow_to_count({"messages": [*self._messages, {"content": text}]}):
            return self._prepare(text, images)
        from cfai._threads import run_in_thread  # not sooner: it imports asyncio

        return await run_in_thread(self._prepare, text, images)

    def _check_model(self) -> None:
        """Raise `InputError` for a model that is sure to hold no conversation, or to call no tools."""
        if self._limit_policy.mode in ("off", "warn"):
            return
        if self._tools is not None:
            check_model(self.model)
        check_answers(self.model)
        schema = get_schema(self.model)
        if schema is not None and "messages" not in schema.parameters:
            advice = "it takes no `messages`: choose one of models.list(task='text-generation')"
            raise InputError(f"{self.model} cannot hold a conversation, {advice}", model=self.model)

    def _fit(self, turn: _Turn, inputs: Mapping[str, Any]) -> list[Any]:
        """Return the messages that are sent: those of `inputs`, without the oldest turns if not all fit."""
        messages = inputs["messages"]
        head, turn.begin = find_first_turn(turn.model, inputs, self._limit_policy, turn.begin)
        turn.first, turn.dropped = messages[turn.begin], messages[head : turn.begin]
        return messages[:head] + messages[turn.begin :]

    def _fit_round(self, turn: _Turn, inputs: Mapping[str, Any]) -> list[Any]:
        """Return the messages that are sent in one round of tools: their results may be long."""
        messages = self._fit(turn, inputs)
        self._warn_of_dropped(turn)
        return messages

    def _run(self, turn: _Turn, **more: Any) -> Any:
        if (tools := self._open_tools(turn, more)) is not None:
            return run_conversation(self._runner, tools, self._get_options())
        return self._runner.run(turn.model, self._build_inputs(turn, more), **self._get_options().value)

    async def _arun(self, turn: _Turn, **more: Any) -> Any:
        if (tools := self._open_tools(turn, more)) is not None:
            return await arun_conversation(self._runner, tools, self._get_options())
        return await self._runner.arun(turn.model, self._build_inputs(turn, more), **self._get_options().value)

    def _get_options(self) -> Secret:
        return Secret({"session_affinity": self.session_affinity, **self._options.value})

    def _open_tools(self, turn: _Turn, more: Mapping[str, Any]) -> Conversation | None:
        """Return the calls of the model that a question leads to, if it has tools."""
        if self._tools is not None:
            fit = partial(self._fit_round, turn)
            turn.tools = Conversation(turn.model, {**turn.inputs, **more}, self._tools, self.max_rounds, fit)
        return turn.tools

    def _build_inputs(self, turn: _Turn, more: Mapping[str, Any]) -> dict[str, Any]:
        self._warn_of_dropped(turn)
        return {**turn.inputs, "messages": turn.sent, **more}

    def _warn_of_dropped(self, turn: _Turn) -> None:
        if turn.dropped and not self._has_warned:
            self._has_warned = True
            message = f"the oldest turns of this conversation do not fit {turn.model} any more, and are not sent"
            warn(f"{message}: `chat.dropped` has them", LimitWarning)

    @contextmanager
    def _keeping_rounds(self, turn: _Turn) -> Generator[None]:
        """Keep what came of a question that fails: the tools that have run."""
        try:
            with self._counting_unfit(turn):
                yield
        except BaseException:
            self._settle(turn)
            raise

    @contextmanager
    def _counting_unfit(self, turn: _Turn) -> Generator[None]:
        """Take back a question whose answer does not fit its type, and add up what it took."""
        try:
            yield
        except CfaiError as error:
            if error.meta is not None:
                self._open.pop(turn, None)
                self._add_up(error.meta.usage, error.meta.cost)
            raise

    def _keep(self, turn: _Turn, answer: Any) -> Any:
        """Put a question and its answer into the history, and return the answer."""
        if not isinstance(answer, TextOutput):
            raise self._make_no_text_error(answer)
        self._settle(turn, answer)
        return answer

    def _settle(self, turn: _Turn, answer: TextOutput | None = None) -> None:
        """Put a question and what came of it into the history; nothing if nothing came. Add up what it took."""
        if turn.tools is None:
            answers = [] if answer is None else [answer]
            added = [each.message for each in answers]
        else:
            answers = [step.answer for step in turn.steps]
            added = turn.tools.ended_messages[len(turn.inputs["messages"]) :]
        for each in answers:
            self._add_up(each.usage, each.meta.cost)
        if len(answers) == turn.ended and turn.meta is not None:  # a stream in the middle of an answer
            self._add_up(turn.meta.usage, turn.meta.cost)
            if text := "".join(turn.pieces):
                added.append({"role": "assistant", "content": text})
        if added:
            # A copy, and without halves of surrogate pairs, which models do send and the service does not take.
            text = json.dumps([to_builtins(message) for message in added], ensure_ascii=False)
            self._messages += [turn.question, *json.loads(join_surrogates(text))]
            self._first, self._fitted, self.dropped = turn.first, turn.fitted, turn.dropped

    def _add_up(self, usage: Usage | None, cost: float | None) -> None:
        if usage is not None:
            neurons = [each for each in (self.usage.neurons, usage.neurons) if each is not None]
            self.usage = replace(self.usage + usage, neurons=sum(neurons) if neurons else None)
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost

    def _make_no_text_error(self, answer: Any) -> APIResponseValidationError:
        must = f"{self.model} must answer with text to hold a conversation"
        return APIResponseValidationError(f"{must}, got {type(answer).__name__}", model=self.model)

    def _keep_partial(self, turn: _Turn) -> None:
        """Settle a stream that was left, or broke, unless that is done."""
        if self._open.pop(turn, None) is not None:
            self._settle(turn)

    def _keep_partial_unless_read(self, turn: _Turn) -> None:
        """Settle a stream that was left. One that is left while it is read, by a tool say, its reader settles."""
        if not self._claimed.locked():
            self._keep_partial(turn)

    def _leave_open_stream(self) -> None:
        """Settle a stream that was not read to its end: the conversation goes on without the rest."""
        for turn, stream in [*self._open.items()]:
            if isinstance(opened := stream(), ChatStream):
                opened.close()
            self._keep_partial(turn)

    async def _aleave_open_stream(self) -> None:
        for turn, stream in [*self._open.items()]:
            if isinstance(opened := stream(), AsyncChatStream):
                await opened.aclose()
            elif opened is not None:
                opened.close()
            self._keep_partial(turn)


class _StreamState:
    """The state of an answer that is streamed."""

    _turn: Any = None
    """Its question, once that was sent."""
    _stream: Any = None

    @property
    def text(self) -> str:
        """The text so far; with tools that of the current answer, at the end that of the last, as in the result."""
        return self._stream.text if self._turn else ""

    @property
    def reasoning(self) -> str:
        """The reasoning so far, as `text`."""
        return self._stream.reasoning if self._turn else ""

    @property
    def meta(self) -> Meta:
        """The facts of the call whose answer is read."""
        return self._stream.meta if self._turn else Meta()

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, with tools those of all that have ended; `None` before the service says them."""
        return self._stream.usage if self._turn else None

    @property
    def steps(self) -> list[Step]:
        """With tools, the calls of the model that have ended, each with the tools that it had called."""
        return self._turn.steps if self._turn else []


class ChatStream(_StreamState, Generic[AnswerT]):
    """The answer to `chat.stream`, token by token. Iterate it once; leave early with `with`.

    Iterating raises what that of a `Stream` does: `StreamError`, and `StreamTruncatedError` if the answer breaks off.
    """

    def __init__(self, chat: Chat[Any], turn: _Turn, stream: Any) -> None:
        self._chat = chat
        self._turn = turn
        self._stream = stream
        self._tokens: Iterator[Token] = iter(stream)
        turn.meta = stream.meta
        chat._open[turn] = weakref.ref(self)

    def result(self) -> AnswerT:
        """Return the answer that `send` gives; reads the rest. Raises if the stream broke, or was left."""
        for _ in self:
            pass
        return self._stream.result()

    def to_event_stream(self, *, ping: float | None = None) -> EventStream:
        """Return the stream as `text/event-stream` bytes for a browser, as `Stream.to_event_stream` does."""
        return encode_stream(self, self.close, getattr(self._stream, "__del__", self.close), ping)

    def close(self) -> None:
        """Leave the stream, which stops the model. What came stays in the history."""
        try:
            self._stream.close()
        finally:
            self._chat._keep_partial_unless_read(self._turn)

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        with self._chat._claim():
            token = self._read()
        if token is None:
            raise StopIteration
        return token

    def _read(self) -> Token | None:
        chat, turn = self._chat, self._turn
        try:
            token = next(self._tokens, None)
        except BaseException:
            chat._keep_partial(turn)
            raise
        if token is None:
            if chat._open.pop(turn, None) is not None:
                with chat._counting_unfit(turn):
                    chat._keep(turn, self._stream.result())
        else:
            turn.add_token(token, self._stream.meta)
        return token

    def __repr__(self) -> str:
        return f"<ChatStream of {self._chat.model[:100]}: iterate it, or take .result()>"

    def _describe_growth(self) -> tuple[str, str]:
        """Return the text and the reasoning so far, for a notebook."""
        return self.text, self._stream.reasoning

    def _ipython_display_(self) -> None:
        """Read it, and show it while it comes, where it is the value of a cell."""
        from cfai._display import show_stream

        show_stream(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncChatStream(_StreamState, Generic[AnswerT]):
    """The answer to `chat.astream`, token by token. Iterate it once, with `async for`; leave early with `async with`.

    Nothing is sent before either begins, or it is awaited, which gives the stream itself. Iterating raises what that of
    an `AsyncStream` does. A wait for a token that is cancelled loses nothing: ask again. Only if it is cancelled before
    the answer has begun, or while tools are running, that is the end of the stream: a call may have been billed, and is
    not made twice; of the tools, the history says that they were interrupted.
    """

    def __init__(self, chat: Chat[Any], text: str, images: Any) -> None:
        self._chat = chat
        self._text = text
        self._images = images
        self._is_spent = False
        """True once the question was sent, or is not to be any more."""

    async def _start(self) -> _Turn:
        """Send the question, unless it was sent, and return its turn."""
        if self._turn is None:
            chat = self._chat
            if self._is_spent:
                raise ConfigurationError(
                    "this stream was left, failed or was cancelled before its answer began: call `astream` again, and "
                    "to wait for each token with a timeout, await the stream first"
                )
            with chat._claim():
                await chat._aleave_open_stream()
                turn = await chat._aprepare(self._text, self._images)
                self._is_spent = True
                self._stream = await chat._arun(turn, stream=True)
                if not hasattr(self._stream, "aresult"):
                    raise chat._make_no_text_error(self._stream)
                self._tokens: AsyncIterator[Token] = aiter(self._stream)
                self._turn = turn
                turn.meta = self._stream.meta
                chat._open[turn] = weakref.ref(self)
        return self._turn

    async def aresult(self) -> AnswerT:
        """Return the answer that `asend` gives; reads the rest. Raises if the stream broke, or was left."""
        async for _ in self:
            pass
        return await self._stream.aresult()

    def ato_event_stream(self, *, ping: float | None = None) -> AsyncEventStream:
        """Return the stream as `text/event-stream` bytes for a browser, as `AsyncStream.ato_event_stream` does."""
        return aencode_stream(self, self.aclose, ping)

    async def aclose(self) -> None:
        """Leave the stream, which stops the model. What came stays in the history."""
        self._is_spent = True
        if self._turn is not None:
            try:
                await self._stream.aclose()
            finally:
                self._chat._keep_partial_unless_read(self._turn)

    def __aiter__(self) -> AsyncIterator[Token]:
        return self

    async def __anext__(self) -> Token:
        turn = await self._start()
        with self._chat._claim():
            token = await self._read(turn)
        if token is None:
            raise StopAsyncIteration
        return token

    async def _read(self, turn: _Turn) -> Token | None:
        chat = self._chat
        try:
            token = await anext(self._tokens, None)
        except ConfigurationError:
            raise  # it was asked on another event loop, and can be read on
        except (Exception, KeyboardInterrupt, SystemExit):
            chat._keep_partial(turn)
            raise
        except BaseException:  # cancelled
            if turn.tools is not None and self._stream._is_over:
                chat._keep_partial(turn)
            raise
        if token is None:
            if turn in chat._open:
                with chat._counting_unfit(turn):
                    answer = await self._stream.aresult()
                if chat._open.pop(turn, None) is not None:
                    chat._keep(turn, answer)
        else:
            turn.add_token(token, self._stream.meta)
        return token

    def __repr__(self) -> str:
        return f"<AsyncChatStream of {self._chat.model[:100]}: `async for token in …`, or await .aresult()>"

    def _describe_growth(self) -> tuple[str, str]:
        """Return the text and the reasoning so far, for a notebook."""
        return self.text, self._stream.reasoning if self._turn else ""

    def _ipython_display_(self) -> None:
        """Read it beside the cells that run meanwhile, and show it while it comes, where it is the value of a cell."""
        from cfai._display import ashow_stream

        ashow_stream(self)

    def __await__(self) -> Generator[Any, Any, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _check_inputs(inputs: Any) -> dict[str, Any]:
    """Return the other inputs of a conversation's calls. Raises `ConfigurationError` for those that it sets itself."""
    parsed = inputs_to_builtins(inputs)
    if own := [name for name in _OWN_INPUTS if name in parsed]:
        must = f"`inputs` of a conversation must be others than {', '.join(_OWN_INPUTS)}"
        raise ConfigurationError(f"{must}, got {own[0]}: a conversation sets these itself")
    return parsed


def _make_content(model: str, text: Any, images: Any) -> Any:
    """Return a question as the content of a message, with all bytes of its images."""
    if not isinstance(text, str):
        raise InputError(f"`text` must be a string, got {type(text).__name__}: images go into `images`")
    if problem := find_unsendable(text, "text"):
        raise InputError(problem)
    listed: list[Any] = [] if images is None else [images]
    if isinstance(images, Iterable) and not (isinstance(images, str) or is_medium(images)):
        listed = list(cast("Iterable[Any]", images))
    if not text and not listed:
        raise InputError("`text` must not be empty")
    if not listed:
        return text
    parts = [encode_image(model, image, f"images[{number}]") for number, image in enumerate(listed)]
    return [{"type": "text", "text": text}, *parts] if text else parts


def _to_plain(model: str, messages: Any) -> list[Any]:
    """Return messages as they are sent, those that are so already as they are. Raises `InputError`."""
    if isinstance(messages, Iterable) and not isinstance(messages, str | bytes | Mapping):
        messages = [
            encode_message(model, message, f"messages[{number}]", is_chat=True)
            if any(is_medium(each) for each, _ in walk(message))
            else message
            for number, message in enumerate(cast("Iterable[Any]", messages))
        ]
    return [*messages_to_builtins(messages)]


_FIELDS: Mapping[str, type] = {
    "model": str,
    "session_affinity": str,
    "max_rounds": int,
    "inputs": dict,
    "messages": list,
}
"""What `to_json` writes beside the version, and what it must be."""


def _read_json(text: Any) -> dict[str, Any]:
    """Return the fields of a conversation that `to_json` wrote. Raises `ConfigurationError`."""
    if not isinstance(text, str | bytes | bytearray):
        raise ConfigurationError(f"`text` must be the text that `to_json` returned, got {type(text).__name__}")
    saved: Any = None
    with suppress(ValueError, RecursionError):
        saved = json.loads(text)
    version: Any = saved.get("version") if is_mapping(saved) else None
    if not isinstance(version, int) or version < 1:
        raise ConfigurationError("`text` must be what `to_json` returned, got something else, or a part of it")
    if version > _VERSION:
        must = f"`text` must be a conversation of version {_VERSION}, got one of version {version}"
        raise ConfigurationError(f"{must}, which a later cfai wrote: upgrade it")
    fields: dict[str, Any] = {name: saved.get(name) for name in _FIELDS}
    for name, kind in _FIELDS.items():
        if not isinstance(fields[name], kind):
            must = f"`{name}` of a conversation must be a {kind.__name__}, as `to_json` writes it"
            raise ConfigurationError(f"{must}, got {type(fields[name]).__name__}")
    return fields
