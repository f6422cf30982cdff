"""A function as a tool: what a model is told of it, what is refused, and what its arguments become."""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel, Field, WithJsonSchema

from cfai import ConfigurationError
from cfai.tools._tool import make_tool, make_tools
from cfai.types import ToolCall
from tests.conftest import row
from tests.tools.calling import WEATHER, get_weather


class Unit(Enum):
    C = "C"
    F = "F"


class Place(BaseModel):
    name: str
    zip_code: int | None = None
    other: str | None


class Tree(BaseModel):
    branches: list[Tree]


@dataclass
class Point:
    x: float


def parameters(function: Any) -> dict[str, Any]:
    return dict(make_tool(function).parameters)


def property_of(hint: Any, *default: Any) -> dict[str, Any]:
    """Return the schema of a parameter with a type hint."""

    def call(value: Any) -> None: ...

    call.__annotations__["value"] = hint
    call.__defaults__ = default
    found = parameters(call)
    assert found["required"] == ([] if default else ["value"])
    return found["properties"]["value"]


def test_a_model_is_told_name_purpose_and_parameters() -> None:
    assert make_tool(get_weather).describe() == WEATHER


def test_every_property_has_one_type_and_a_description() -> None:
    place = {
        "properties": {
            "name": {"type": "string", "description": "name"},
            "zip_code": {"type": "integer", "description": "zip code"},
            "other": {"type": "string", "description": "other (null if there is none)"},
        },
        "required": ["name", "other"],
        "type": "object",
    }
    for hint, expected in (
        (str, {"type": "string"}),
        (int | None, {"type": "integer", "description": "value (null if there is none)"}),
        (int | float, {"type": "number", "anyOf": [{"type": "integer"}, {"type": "number"}]}),
        (int | str, {"type": "string", "anyOf": [{"type": "integer"}, {"type": "string"}],
                     "description": "value (integer or string)"}),
        (int | list[int] | None, {"type": "integer",
                                  "anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}],
                                  "description": "value (null if there is none) (integer or array)"}),
        (list[int] | Place, {"type": "array", "anyOf": [{"type": "array", "items": {"type": "integer"}}, place],
                             "description": "value (array or object)"}),
        (list[int], {"items": {"type": "integer"}, "type": "array"}),
        (dict[str, int], {"additionalProperties": {"type": "integer"}, "type": "object"}),
        (tuple[int, str], {"maxItems": 2, "minItems": 2, "prefixItems": [{"type": "integer"}, {"type": "string"}],
                           "type": "array"}),
        (Literal["a", "b"], {"enum": ["a", "b"], "type": "string"}),
        (Literal["a", 1], {"type": "string", "enum": ["a", 1], "description": 'value ("a" or 1)'}),
        (Literal[1, True], {"type": "integer", "enum": [1, True], "description": "value (1 or true)"}),
        (Literal["a", None], {"type": "string", "enum": ["a", None]}),
        (Annotated[str | None, WithJsonSchema({"type": ["null", "string"]})], {"type": "string"}),
        (Unit, {"enum": ["C", "F"], "type": "string"}),
        (date, {"format": "date", "type": "string"}),
        (Any, {"type": "string"}),
        (Place, place),
        (list[Place], {"items": place, "type": "array"}),
        (Place | None, place | {"description": "value (null if there is none)"}),
        (Annotated[int, Field(description="how many", gt=0)],
         {"exclusiveMinimum": 0, "type": "integer", "description": "how many"}),
    ):  # fmt: skip
        with row(hint):
            assert property_of(hint) == {"description": "value"} | expected
    point = property_of(Point)
    point.pop("additionalProperties", None)  # which newer versions of pydantic say
    assert point == {
        "properties": {"x": {"type": "number", "description": "x"}},
        "required": ["x"],
        "type": "object",
        "description": "value",
    }
    for hint, default, expected in (
        (str, "x", {"default": "x", "type": "string"}),
        (int | None, None, {"type": "integer"}),
        (Unit, Unit.F, {"default": "F", "enum": ["C", "F"], "type": "string"}),
        (int, object(), {"type": "integer"}),
        (Place | None, None, place),
    ):
        with row((hint, default)):
            assert property_of(hint, default) == {"description": "value"} | expected


def test_docstrings_of_every_style_are_read() -> None:
    for docstring, expected in (
        ("Get it.\n\ncity: its English name\nunit: C or\n    F\n", ("Get it.", "its English name", "C or F")),
        ("Get it.\ncity: its name", ("Get it.", "its name", "unit")),
        ("city: its name", ("call", "its name", "unit")),
        ("Get it,\nnow.\n\nMore: of it.\n\nArgs:\n    city: its name\n        in English\n    unit (str): C or F\n",
         ("Get it, now.", "its name in English", "C or F")),
        ("Get it.\nArgs:\n    city: its name\nReturns:\n    the unit", ("Get it.", "its name", "unit")),
        ("Get it.\n\nParameters\n----------\ncity, unit : str\n    a text\n\nReturns\n-------\nint\n",
         ("Get it.", "a text", "a text")),
        ("Get it.\nParameters\n----------\ncity : str\n    its name\n", ("Get it.", "its name", "unit")),
        ("Get it.\n\n:param city: its name\n    in English\n:param str unit: C\n:returns: x",
         ("Get it.", "its name in English", "C")),
        ("Get it.\n:param city: its name", ("Get it.", "its name", "unit")),
        ("Args:\n    city: its name\n", ("call", "its name", "unit")),
        ("Get it.\n\nNote: the city must be in Norway.", ("Get it.", "city", "unit")),
        (None, ("call", "city", "unit")),
        ("", ("call", "city", "unit")),
    ):  # fmt: skip

        def call(city: str, unit: str) -> None: ...

        call.__doc__ = docstring
        with row(docstring):
            tool = make_tool(call)
            properties = tool.parameters["properties"]
            described = (tool.description, properties["city"]["description"], properties["unit"]["description"])
            assert described == expected


def test_a_hint_with_a_description_wins_over_the_docstring() -> None:
    def call(city: Annotated[str, Field(description="from the hint")]) -> None:
        """Get it.

        city: from the docstring
        """

    assert parameters(call)["properties"]["city"]["description"] == "from the hint"


def test_griffe_is_imported_only_for_a_docstring_that_speaks_of_a_parameter() -> None:
    code = """
import sys
sys.modules["griffe"] = None
from cfai.tools._docstring import read_docstring
print(read_docstring("Get it.\\n\\nIt is not here.", ["city"]))
read_docstring("Get it.\\n\\nThe city is.", ["city"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "('Get it.', {})\n"
    assert 'pip install "cfai-sdk[tools]"' in done.stderr


class Weather:
    """Knows the weather."""

    def of(self, city: str) -> str:
        """The weather in a city."""
        return city

    async def __call__(self, city: str) -> str:
        return city


class Documented:
    def __call__(self, city: str) -> str:
        """Called."""
        return city


def test_whatever_can_be_called_by_names_is_a_tool() -> None:
    unit_fixed = functools.partial(get_weather, unit="F")

    @functools.wraps(get_weather)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        return get_weather(*arguments, **options)

    for function, name, description, names, is_async in (
        (Weather().of, "of", "The weather in a city.", ["city"], False),
        (Weather(), "Weather", "Knows the weather.", ["city"], True),
        (Documented(), "Documented", "Called.", ["city"], False),
        (unit_fixed, "get_weather", "The weather of today in a city.", ["city"], False),
        (functools.partial(unit_fixed, "Oslo"), "get_weather", "The weather of today in a city.", [], False),
        (functools.partial(Weather()), "Weather", "Knows the weather.", ["city"], True),
        (wrapper, "get_weather", "The weather of today in a city.", ["city", "unit"], False),
        ({"function": lambda: 1, "name": "one"}, "one", "one", [], False),
        ({"function": get_weather, "description": "D"}, "get_weather", "D", ["city", "unit"], False),
        ({"function": lambda **fields: fields, "name": "a", "parameters": {"type": "object", "properties": {"b": {}}}},
         "a", "a", ["b"], False),
    ):  # fmt: skip
        with row(name):
            tool = make_tool(function)
            assert (tool.name, tool.description, tool.is_async) == (name, description, is_async)
            assert list(tool.parameters["properties"]) == names


def test_what_a_partial_has_set_no_model_sets_anew() -> None:
    tool = make_tool(functools.partial(get_weather, unit="F"))
    with pytest.raises(ValueError, match="unit: Extra inputs are not permitted"):
        tool.parse(ToolCall("get_weather", '{"city": "Oslo", "unit": "C"}'))


def starred(*cities: str) -> None: ...
def keywords(**cities: str) -> None: ...
def positional(city: str, /) -> None: ...
def untyped(city) -> None: ...  # pyright: ignore
def unknown(city: Nowhere) -> None: ...  # noqa: F821  # pyright: ignore
def with_function(city: str, then: functools.partial) -> None: ...  # pyright: ignore
def with_tree(city: str, tree: Tree) -> None: ...
async def yielding(city: str):
    yield city


# A name that only a type checker knows stands for one behind `if TYPE_CHECKING`.
def checked(city: str) -> Nowhere: ...  # noqa: F821  # pyright: ignore


class Checked:
    def find(self, city: str) -> Nowhere: ...  # noqa: F821  # pyright: ignore


def test_a_result_may_be_of_a_type_that_only_a_type_checker_imports() -> None:
    for function in (checked, Checked().find, functools.partial(checked), functools.lru_cache(checked)):
        with row(function):
            assert parameters(function)["properties"] == {"city": {"type": "string", "description": "city"}}


def test_what_no_model_could_call_is_refused_by_name() -> None:
    for tool, message in (
        (lambda city: city, "'<lambda>' is no name for a tool"),
        (5, "a tool must be a function, got int"),
        (Unit, "got the class Unit"),
        (starred, r"tool starred must take its parameters by name, but not so '\*cities'"),
        (keywords, r"tool keywords must take its parameters by name, but not so '\*\*cities'"),
        (positional, "tool positional must take its parameters by name, but not so 'city'"),
        (untyped, "parameter 'city' of the tool untyped must have a type hint"),
        (unknown, "type hints of the tool unknown cannot be read: name 'Nowhere' is not defined"),
        (with_function, "parameter 'then' of the tool with_function is of type functools.partial, which has no JSON"),
        (with_tree, "parameter 'tree' of the tool with_tree is of type .*Tree, which holds itself"),
        (yielding, "tool yielding must return its result, but yields"),
        (print, "tool print must take"),
        (iter, "tool iter has no signature"),
        ({"type": "function", "function": {"name": "x"}}, "got 'type', 'function'"),
        ({"name": "x"}, "got 'name'"),
        ({}, "got an empty dict"),
        ({"function": get_weather, "type": "function"}, "a tool has no 'type'"),
        ({"function": get_weather, "parameters": {"city": "str"}}, "must be a JSON schema"),
        ({"function": get_weather, "name": 5}, "`name` of a tool must be a string, got int"),
        ({"function": get_weather, "name": "get weather"}, "'get weather' is no name"),
        ({"function": get_weather, "name": "a" * 65}, "is no name"),
    ):
        with row(message), pytest.raises(ConfigurationError, match=message):
            make_tool(tool)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="two tools are named 'get_weather'"):
        make_tools([get_weather, functools.partial(get_weather, unit="F")])
    for tools in (get_weather, {"get_weather": get_weather}, None):
        with row(tools), pytest.raises(ConfigurationError, match="must be a list of functions"):
            make_tools(tools)  # pyright: ignore[reportArgumentType]


def kinds(copy: int, when: date, places: list[Place], schema: Unit = Unit.C, names: list[str] = []) -> None: ...  # noqa: B006


def test_arguments_become_what_the_type_hints_say() -> None:
    tool = make_tool(kinds)
    sent = '{"copy": "5", "when": "2026-01-02", "places": [{"name": "7", "other": null}], "schema": "F"}'
    assert tool.parse(ToolCall("kinds", sent)) == {
        "copy": 5,
        "when": date(2026, 1, 2),
        "places": [Place(name="7", other=None)],
        "schema": Unit.F,
    }
    assert make_tool(get_weather).parse(ToolCall("get_weather", '{"city": 90210}')) == {"city": "90210"}


def test_what_does_not_fit_is_told_in_words_that_a_model_understands() -> None:
    tool = make_tool(get_weather)
    for arguments, message in (
        ("{}", "the arguments do not fit: city: Field required"),
        ("", "the arguments do not fit: city: Field required"),
        ("null", "the arguments do not fit: city: Field required"),
        ('{"city": ["Oslo"], "x": 1}',
         "the arguments do not fit: city: Input should be a valid string; x: Extra inputs are not permitted"),
        ('{"city": "Os', "the arguments of 'get_weather' are no JSON: '{\"city\": \"Os'"),
        ('["Oslo"]', 'the arguments must be a JSON object, got ["Oslo"]'),
    ):  # fmt: skip
        with row(arguments), pytest.raises(ValueError) as raised:  # noqa: PT011
            tool.parse(ToolCall("get_weather", arguments))
        assert str(raised.value) == message


def test_arguments_of_a_schema_of_ones_own_are_passed_on_unchecked() -> None:
    tool = make_tool({"function": lambda **fields: fields, "name": "f", "parameters": {"type": "object"}})
    assert tool.parse(ToolCall("f", '{"a": [1]}')) == {"a": [1]}
    with pytest.raises(ValueError, match="must be a JSON object"):
        tool.parse(ToolCall("f", "[1]"))


def test_a_default_is_the_functions_own_object() -> None:
    marker = object()

    def call(value: Annotated[Any, Field(default=3)], other: Any = marker) -> None: ...

    assert make_tool(call).parse(ToolCall("call", "{}")) == {"value": 3}


def test_null_stands_for_the_default_of_a_parameter_that_cannot_be_null() -> None:
    marker = object()

    def book(
        city: str,
        days: int = 2,
        other: int | None = 3,
        room: Annotated[int, Field(default=7)] = Field(8),
        # Defaults that linters warn of, and people write.
        floor: int = marker,  # type: ignore[assignment]  # pyright: ignore
        names: list[int] = [],  # noqa: B006
    ) -> None: ...

    parse = make_tool(book).parse
    sent = '{"city": "Oslo", "days": null, "other": null, "room": null, "floor": null, "names": null}'
    expected = {"city": "Oslo", "days": 2, "other": None, "room": 8, "floor": marker, "names": []}
    assert parse(ToolCall("book", sent)) == expected
    for arguments, message in (
        ('{"city": null}', "city: Input should be a valid string"),
        ('{"city": "Oslo", "days": "x"}', "days: Input should be a valid integer"),
        ('{"city": "Oslo", "names": [null]}', "names.0: Input should be a valid integer"),
    ):
        with row(arguments), pytest.raises(ValueError, match=message):
            parse(ToolCall("book", arguments))


def test_a_default_that_no_json_holds_is_left_out() -> None:
    assert property_of(float, float("inf")) == {"type": "number", "description": "value"}


def test_a_default_that_is_a_field_is_read_as_pydantic_does() -> None:
    def book(city: str = Field(description="the town"), days: int = Field(2, gt=1)) -> None: ...

    assert parameters(book) == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "the town"},
            "days": {"type": "integer", "exclusiveMinimum": 1, "default": 2, "description": "days"},
        },
        "required": ["city"],
    }
    parse = make_tool(book).parse
    assert parse(ToolCall("book", '{"city": "Oslo"}')) == {"city": "Oslo", "days": 2}
    for arguments, message in (("{}", "city: Field required"), ('{"city": "a", "days": 1}', "days: .* greater than 1")):
        with row(arguments), pytest.raises(ValueError, match=message):
            parse(ToolCall("book", arguments))


def test_the_reason_why_a_type_has_no_schema_is_pydantics_own() -> None:
    class Stop(TypedDict):
        city: str

    def travel(stop: Stop) -> None: ...

    travel.__annotations__["stop"] = Stop
    if sys.version_info >= (3, 12):  # from then on pydantic takes it
        assert make_tool(travel).parse(ToolCall("travel", '{"stop": {"city": "Oslo"}}')) == {"stop": {"city": "Oslo"}}
        return
    with pytest.raises(ConfigurationError, match=r"has no JSON schema \(Please use `typing_extensions.TypedDict`"):
        make_tool(travel)


def test_parameters_may_be_described_in_a_list() -> None:
    def book(city: str, days: int) -> None:
        """Book a room.

        - city: the town,
          in English
        * days: how many
        """

    told = parameters(book)["properties"]
    assert (make_tool(book).description, told["city"]["description"], told["days"]["description"]) == (
        "Book a room.",
        "the town, in English",
        "how many",
    )
