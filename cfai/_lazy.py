"""Load at first use: the modules of names that a package exports, data files, and packages that an extra brings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, names: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package that exports `names`, listed by the module that has them."""
    modules = {name: f"{package}.{module}" for module, exports in names.items() for name in exports}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(modules[name])
        value = module if modules[name] == f"{package}.{name}" else getattr(module, name)
        setattr(sys.modules[package], name, value)  # looked up once
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *modules})


@contextmanager
def explain_missing(call: str, *, extra: str) -> Generator[None]:
    """Say of a package that is not installed which call needs it, and which extra brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f'{call} needs {error.name}, which is not installed: pip install "cfai-sdk[{extra}]"'
        raise ModuleNotFoundError(message, name=error.name) from error


def read_data(package: str, name: str) -> bytes:
    """Return the content of a data file of a package, out of a zip file too."""
    import pkgutil  # not `importlib.resources`: its locks would be held over a fork

    data = pkgutil.get_data(package, name)
    if data is None:
        raise FileNotFoundError(f"{package} has no file {name}")
    return data
