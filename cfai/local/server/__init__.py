"""A server on this machine, in a thread of its own: what the emulator, the recorder and the player have in common."""

from cfai.local.server._foreground import serve_in_foreground
from cfai.local.server._server import ACCOUNT, TOKEN, AccessRules, LocalServer

__all__ = ["ACCOUNT", "TOKEN", "AccessRules", "LocalServer", "serve_in_foreground"]
