"""A server on this machine, in a thread of its own: what the emulator, the recorder and the player have in common."""

from cfai.local.server._access import CREDENTIAL_HEADERS, AccessRules, is_loopback
from cfai.local.server._application import MAX_OPEN_SECONDS, Application, Connection, RawRequest
from cfai.local.server._server import ACCOUNT, TOKEN, LocalServer, listen, serve_in_foreground

__all__ = [
    "ACCOUNT",
    "CREDENTIAL_HEADERS",
    "MAX_OPEN_SECONDS",
    "TOKEN",
    "AccessRules",
    "Application",
    "Connection",
    "LocalServer",
    "RawRequest",
    "is_loopback",
    "listen",
    "serve_in_foreground",
]
