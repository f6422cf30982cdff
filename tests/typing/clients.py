# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Clients of httpx and httpx2 that are passed in have the types that an `Ai` takes; others have not. Never run."""

import httpx
import httpx2

from cfai import Ai

Ai(http_client=httpx.Client(), async_http_client=httpx.AsyncClient())
Ai(http_client=httpx2.Client(), async_http_client=httpx2.AsyncClient())
Ai(http_client=None, async_http_client=None)

Ai(http_client=httpx.AsyncClient())  # pyright: ignore[reportArgumentType]
Ai(async_http_client=httpx.Client())  # pyright: ignore[reportArgumentType]
Ai(http_client="a client")  # pyright: ignore[reportArgumentType]
Ai(async_http_client=httpx2.Client())  # pyright: ignore[reportArgumentType]
