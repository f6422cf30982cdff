"""Values of JavaScript, as Pyodide shows them to Python: proxies with attributes, promises, and nothing of a dict.

They stand in for the modules `js` and `pyodide.ffi`, with what a Worker's code uses of them.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any


class JsException(Exception):
    """An error that JavaScript threw: a proxy, which no set can hold."""

    __hash__ = None

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class JsNull:
    """`null`, which is not `None`: that stands for `undefined`."""

    def __bool__(self) -> bool:
        return False


null = JsNull()


class JsObject:
    """An object: a property that it lacks is `undefined`."""

    def __init__(self, **properties: Any) -> None:
        vars(self).update(properties)

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class JsArray:
    """An array, which can be unpacked."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = list(items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    @property
    def length(self) -> int:
        return len(self.items)


class JsMap:
    """What `to_js` makes of a dict, unless it is told to make an object: its keys are no properties."""


class Uint8Array:
    """Bytes, which are copied to Python when that is asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def to_bytes(self) -> bytes:
        return self.content


class Promise:
    """Something to await, once or often; it begins by itself."""

    def __init__(self, value: Awaitable[Any]) -> None:
        self._value = value

    def __await__(self) -> Any:
        return self._value.__await__()


class ReadableStream:
    """Bytes that are read once, by whoever has its reader. A piece may be an error, or something to await."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self.pieces = deque(pieces)
        self.is_locked = False
        self.is_cancelled = False
        self.error: Exception | None = None

    def getReader(self) -> Reader:
        if self.is_locked:
            raise JsException("TypeError", "This ReadableStream is currently locked to a reader.")
        self.is_locked = True
        return Reader(self)

    async def __aiter__(self) -> AsyncIterator[Uint8Array]:
        reader = self.getReader()
        while not (piece := await reader.read()).done:
            yield piece.value


class Reader:
    """What reads a stream."""

    def __init__(self, stream: ReadableStream) -> None:
        self._stream = stream

    def read(self) -> Promise:
        return Promise(self._read())

    async def _read(self) -> JsObject:
        pieces = self._stream.pieces
        if self._stream.error:
            raise self._stream.error
        if not pieces or self._stream.is_cancelled:
            return JsObject(done=True, value=None)
        piece = pieces.popleft()
        if isinstance(piece, Exception):
            self._stream.error = piece  # by which it is broken for good: it cannot be cancelled either
            raise piece
        if not isinstance(piece, bytes):
            await piece
            return await self._read()
        return JsObject(done=False, value=Uint8Array(piece))

    def cancel(self) -> Promise:
        self._stream.is_cancelled = True
        return Promise(self._read())


class Headers:
    """Headers of an answer."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def entries(self) -> Iterator[JsArray]:
        return (JsArray([name.lower(), value]) for name, value in self._headers.items())


class Response:
    """An answer. Its status says whether it is `ok`, and its body may be `null`."""

    def __init__(self, body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.body = ReadableStream([body.content]) if isinstance(body, Uint8Array) else body
        self.status = status
        self.headers = Headers(headers or {})

    @classmethod
    def new(cls, body: Uint8Array) -> Response:
        return cls(body)


class Blob:
    """Bytes of a type, made of the pieces in an array."""

    def __init__(self, pieces: JsArray, options: JsObject) -> None:
        self.content = b"".join(piece.to_bytes() for piece in pieces)
        self.type = options.type

    @classmethod
    def new(cls, pieces: JsArray, options: JsObject) -> Blob:
        return cls(pieces, options)


class AbortController:
    """What ends a request from outside."""

    def __init__(self) -> None:
        self.signal = JsObject(aborted=False)

    @classmethod
    def new(cls) -> AbortController:
        return cls()

    def abort(self) -> None:
        self.signal.aborted = True


class Object:
    @staticmethod
    def fromEntries(entries: Any) -> JsObject:
        return JsObject(**dict(entries))

    @staticmethod
    def assign(target: JsObject, source: JsObject) -> JsObject:
        assert isinstance(target, JsObject)
        assert isinstance(source, JsObject)
        vars(target).update(vars(source))
        return target


class JSON:
    @staticmethod
    def parse(text: str) -> Any:
        return _to_javascript(json.loads(text))

    @staticmethod
    def stringify(value: Any) -> str | None:
        return None if value is None else json.dumps(to_python(value))


def to_js(value: Any, *, dict_converter: Callable[[Any], Any] = lambda _: JsMap()) -> Any:
    if isinstance(value, dict):
        return dict_converter([(name, to_js(each, dict_converter=dict_converter)) for name, each in value.items()])
    if isinstance(value, list | tuple):
        return JsArray(to_js(each, dict_converter=dict_converter) for each in value)
    return Uint8Array(value) if isinstance(value, bytes) else value


def to_python(value: Any) -> Any:
    """Return what JSON has of a value: a property that is `undefined` is left out."""
    if isinstance(value, JsObject):
        return {name: to_python(each) for name, each in vars(value).items() if each is not None}
    if isinstance(value, JsArray):
        return [to_python(each) for each in value]
    if isinstance(value, Blob):
        return (value.type, value.content)
    assert value is null or isinstance(value, str | int | float), f"{type(value).__name__} in JSON"
    return None if value is null else value


def _to_javascript(value: Any) -> Any:
    if isinstance(value, dict):
        return JsObject(**{name: _to_javascript(each) for name, each in value.items()})
    if isinstance(value, list):
        return JsArray(map(_to_javascript, value))
    return null if value is None else value


def make_modules() -> dict[str, ModuleType]:
    """Return the modules that Pyodide has, by name."""
    modules = {name: ModuleType(name) for name in ("js", "pyodide", "pyodide.ffi")}
    own = (AbortController, Blob, JSON, Object, Response)
    vars(modules["js"]).update({each.__name__: each for each in own})
    vars(modules["pyodide.ffi"]).update(JsException=JsException, to_js=to_js)
    return modules
