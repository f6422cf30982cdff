"""The rest of the binding beside `run`, a module a surface. Each is thin: requests, and how their answers are read."""

from cfai._resources.api import AccountApi
from cfai._resources.pages import AsyncPages, Pages

__all__ = ["AccountApi", "AsyncPages", "Pages"]
