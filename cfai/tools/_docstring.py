"""Read docstrings: what a function does, and what each of its parameters is.

griffe reads them, the library that mkdocstrings and pydantic-ai build on: well kept, without dependencies of its own,
and the one that knows Google's, NumPy's and Sphinx's style with what people make of them. It is imported only for a
docstring that speaks of a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from inspect import cleandoc
from textwrap import indent

from cfai._lazy import explain_missing

_SPHINX = r"^:(?:param|parameter|arg|argument|key|keyword)\b"
_NUMPY = r"^(?:Other )?Parameters *\n-{3,}"
_GOOGLE = r"^(?:Args|Arguments|Params|Parameters|Keyword Args|Keyword Arguments|Other Parameters) *: *$"
_SECTION = rf"{_SPHINX}|{_NUMPY}|{_GOOGLE}|^:\w+|^(?:Returns?|Raises|Yields?|Examples?|Notes?) *: *$"


def read_docstring(docstring: str | None, parameters: Collection[str]) -> tuple[str, dict[str, str]]:
    r"""Return the first paragraph of a docstring, and by its name what it says of each of the `parameters`.

    >>> read_docstring("The weather in a city.\n\ncity: its English name", ["city", "unit"])
    ('The weather in a city.', {'city': 'its English name'})
    """
    text = cleandoc(docstring or "")
    names = "|".join(map(re.escape, parameters)) or "(?!)"
    plain = rf"^(?:[-*] +)?(?:{names})(?: *\([^()\n]*\))? *:(?= )"
    if not re.search(rf"{_SPHINX}|{_NUMPY}", text, re.MULTILINE):
        text = _add_headings(text, plain).strip()
    # Some leave out the empty line before the first section, which the parsers want.
    text = re.sub(rf"(?<=[^\n])\n(?={_SECTION})", "\n\n", text, count=1, flags=re.MULTILINE)
    first, _, rest = text.partition("\n\n")
    if re.match(_SECTION, first, re.MULTILINE):
        first, rest = "", text
    found = _parse_parameters(f"_\n\n{rest}") if re.search(rf"\b(?:{names})\b", rest) else {}
    described = {name: _join_lines(found[name]) for name in parameters if found.get(name, "").strip()}
    return _join_lines(first), described


def _add_headings(text: str, plain: str) -> str:
    """Put Google's heading over lines such as `city: its English name`, which have none in no style, but are common.

    They may be a list: `- city: its English name`.
    """
    block = rf"{plain}.*(?:\n(?:{plain.removeprefix('^')}.*|[ \t]+\S.*))*"

    def add_heading(found: re.Match[str]) -> str:
        lines = re.sub(r"^[-*] +", "", found[0], flags=re.MULTILINE)
        return f"\nArgs:\n{indent(lines, '    ')}\n"

    return re.sub(block, add_heading, text, flags=re.MULTILINE)


def _parse_parameters(text: str) -> dict[str, str]:
    with explain_missing("to read what a docstring says of parameters", extra="tools"):
        import griffe
    docstring = griffe.Docstring(text)
    if re.search(_SPHINX, text, re.MULTILINE):
        sections = griffe.parse_sphinx(docstring, warnings=False)
    elif re.search(_NUMPY, text, re.MULTILINE):
        sections = griffe.parse_numpy(docstring, warnings=False)
    else:
        sections = griffe.parse_google(docstring, warnings=False)
    return {
        # NumPy's style puts several into one line: `x, y : int`; `*names` have stars.
        name: parameter.description
        for section in sections
        if isinstance(section, griffe.DocstringSectionParameters | griffe.DocstringSectionOtherParameters)
        for parameter in section.value
        for name in parameter.name.replace("*", "").split(", ")
    }


def _join_lines(text: str) -> str:
    return " ".join(text.split())
