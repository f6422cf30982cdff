"""The emulator as the caller sees it: a server in a thread of its own, there while it is needed."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from cfai.local.emulator._app import EmulatorApp, EmulatorConfig, RecordedRequest
from cfai.local.emulator._run import Engine
from cfai.local.emulator._text import TextKind
from cfai.local.faults import Fault, Faults, Script
from cfai.local.quotas import Allowance
from cfai.local.server import LOCAL_ACCOUNT_ID, LOCAL_API_TOKEN, LocalServer, listen


class Emulator(LocalServer):
    """A Workers AI on this machine, for development and tests. No model runs in it.

    ```python
    with Emulator() as local:
        ai = local.ai()
        print(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "where is new york?"}))
    ```

    It also works with `async with`, under asyncio and trio. Its answers are the same for the same question, say that
    they are emulated, and have as many words as a question asks for (`write 500 words`). A tool is called if it is
    forced or if the question names it. Pictures and sounds are always the same ones, and say the same of themselves;
    those that are sent have to begin like some. Embeddings are near each other for texts with the same words. Where
    wsproto is installed it holds realtime sessions, and hears a word in each half second.

    - `api_token`, `account_id`: what callers must send; any will do.
    - `tokens_per_second`: how fast it answers; `None` is as fast as it can.
    - `lenient_paths`: accept `%2F` in paths, for clients with that bug.
    - `retired`: whether retired models still answer (`"serve"`) or get 410 / 5028 (`"refuse"`).
    - `allow_remote`: needed to listen on anything but loopback; then any `Host` header is answered.
    - `keep_requests`: how many requests to keep for `requests`, with all that was sent.
    - `text`: `"readable"` for sentences, or `"hostile"` for what programs lose or break on its way: tokens of digits,
      emojis cut in two, text from right to left, marks of the stream's own, control characters.
    - `engine`: what runs models in earnest for text and embeddings, such as `LlamaCpp` or `OpenAIUpstream`. Everything
      else stays emulated. It is closed with the emulator.

    Nothing is limited unless you say so:

    - `rate_limits`: `True` for the published requests per minute of each task, or a mapping of tasks or models to other
      numbers for them; more get 429 / 3021.
    - `daily_neurons`: what may be used up in a day that begins at 00:00 UTC; then calls get 429 / 4006. The service
      gives 10,000 for free.
    - `concurrency`: how many calls a model answers at a time. The others wait in line, or get 429 / 3040 at once with
      `rejectIfBusy`.
    - `workers_paid`: whether the account may call models that require Workers Paid; else they get 403 / 5035.
    - `clock`: seconds since 1970, for these limits and for what is listed.

    Raises `ValueError` for a host that needs `allow_remote` and for limits that are none. Starting raises `OSError` if
    the port is taken and `ImportError` if the extra is not installed.
    """

    display_name = "the emulator"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        api_token: str = LOCAL_API_TOKEN,
        account_id: str = LOCAL_ACCOUNT_ID,
        tokens_per_second: float | None = None,
        lenient_paths: bool = False,
        retired: Literal["serve", "refuse"] = "serve",
        allow_remote: bool = False,
        keep_requests: int = 1000,
        text: TextKind = "readable",
        engine: Engine | None = None,
        rate_limits: bool | Mapping[str, int] = False,
        daily_neurons: float | None = None,
        concurrency: int | None = None,
        workers_paid: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(host, port, api_token=api_token, account_id=account_id, allow_remote=allow_remote)
        if text not in get_args(TextKind):
            raise ValueError(f"text must be {' or '.join(map(repr, get_args(TextKind)))}, got {text!r}")
        if engine is not None and text != "readable":
            raise ValueError(f"text={text!r} is for emulated answers: it means nothing with an engine")
        allowance = Allowance(
            rate_limits=rate_limits,
            daily_neurons=daily_neurons,
            concurrency=concurrency,
            workers_paid=workers_paid,
            clock=clock,
        )
        self._script = Script()
        self._changed = threading.Condition()
        self._requests: deque[RecordedRequest] = deque(maxlen=keep_requests)
        self._disconnects = 0
        notes = (self._note_request, self._note_disconnect)
        self._config = EmulatorConfig(
            tokens_per_second, lenient_paths, retired, engine, text, allowance, self._script, *notes
        )
        self._stalled: socket.socket | None = None

    @property
    def stalled_tls_url(self) -> str:
        """A base URL where connections are taken, and no TLS handshake is ever answered."""
        if self._stalled is None:
            self._stalled = listen(self._host, 0)
        return f"https://{self._url_host}:{self._stalled.getsockname()[1]}/client/v4"

    def stop(self) -> None:
        """Stop serving, answers under way included. Does nothing if it is not running."""
        super().stop()
        stalled, self._stalled = self._stalled, None
        if stalled is not None:
            stalled.close()

    @property
    def openai_url(self) -> str:
        """The base URL for a client of OpenAI's API, with `api_token` as its key."""
        return f"{self.base_url}/accounts/{self.account_id}/ai/v1"

    @property
    def binding_url(self) -> str:
        """The `remoteProxyConnectionString` of `env.AI` for miniflare."""
        return f"{self._origin}/?token={self.api_token}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last requests that asked for a model with the right token, oldest first, up to `keep_requests`."""
        with self._changed:
            return list(self._requests)

    @property
    def faults(self) -> list[Fault]:
        """The faults that were scripted and that no request has met yet."""
        return self._script.pending

    @property
    def disconnects(self) -> int:
        """The number of clients that left before the end of their answer, which stopped being generated then."""
        return self._disconnects

    def wait_for_disconnects(self, count: int = 1, timeout: float = 5.0) -> bool:
        """Return True if `disconnects` reaches `count` within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._disconnects >= count, timeout)

    def script(self, *faults: Faults) -> None:
        """Let the requests to come go wrong, one fault each; `"ok"` is one that goes well.

        A fault is the name of a scenario, an HTTP status, a `Fault`, or a list of them. A text may change what a
        scenario has, as the header does: `"rate-limited,retry-after=2"`. Raises `ValueError` for an unknown name.
        """
        self._script.add(*faults)

    def random_faults(self, rate: float = 0.2, *, seed: int = 0, scenarios: Faults | None = None) -> None:
        """Let this share of the requests go wrong by chance, once the script is used up, until `reset`.

        The same seed draws the same for the same order of requests; `requests` says what each one met. Chance chooses
        among `scenarios`, by default all that let nobody wait; those of streams happen to streams alone. Raises
        `ValueError` for a share that is not from 0 to 1 and for an unknown name.
        """
        self._script.draw(rate, seed, scenarios)

    def reset(self) -> None:
        """Forget the faults that no request has met, those of chance too."""
        self._script.clear()

    def _make_application(self) -> EmulatorApp:
        return EmulatorApp(self.display_name, self._access, self._config)

    def _note_request(self, request: RecordedRequest) -> None:
        with self._changed:
            self._requests.append(request)

    def _note_disconnect(self) -> None:
        with self._changed:
            self._disconnects += 1
            self._changed.notify_all()
