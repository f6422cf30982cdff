"""Runs the tests with httpx2 in the place of httpx, from the root of the checkout:

    python -m pytest -p tests.plugins.httpx2_alias

Elsewhere: `PYTHONPATH=path/to/tests/plugins pytest -p httpx2_alias`. It has to be named with `-p`: the alias only works
before anything imports httpx, and respx's own plugin does.
"""

from __future__ import annotations

import httpx2

httpx2.alias_httpx()


def pytest_report_header() -> str:
    return f"httpx: {httpx2.__name__} {httpx2.__version__}, by its alias"
