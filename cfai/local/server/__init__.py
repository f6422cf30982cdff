"""A server on this machine, in a thread of its own: what the emulator, the recorder and the player have in common."""

from cfai.local.server._access import CREDENTIAL_HEADERS, AccessRules, is_loopback
from cfai.local.server._application import MAX_OPEN_SECONDS, AnsweredRequest, Application, Connection, RawRequest
from cfai.local.server._server import LOCAL_ACCOUNT_ID, LOCAL_API_TOKEN, LocalServer, listen
from cfai.local.server._websocket import WebSocketConnection

__all__ = [
    "CREDENTIAL_HEADERS",
    "LOCAL_ACCOUNT_ID",
    "LOCAL_API_TOKEN",
    "MAX_OPEN_SECONDS",
    "AccessRules",
    "AnsweredRequest",
    "Application",
    "Connection",
    "LocalServer",
    "RawRequest",
    "WebSocketConnection",
    "is_loopback",
    "listen",
]
