"""A program: llama.cpp's server for one file, which ends when its standard input does.

llama.cpp holds Python's interpreter while it loads, so it has one of its own. This one imports nothing of cfai, which
would make it start later. Its argument is JSON; it prints a line of JSON: the `url` of the server, or an `error`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

_SMALL_SIZE = 1 << 30
"""Bytes of a file that fits the memory of any machine."""


def main() -> None:
    """Serve the model of the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that has started this one
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints is no answer
    try:
        server = _start_server(**json.loads(sys.argv[1]))
    except Exception as error:  # the library raises nothing narrower
        answer = {"error": str(error)}
    else:
        answer = {"url": server.listening_address}
    print(json.dumps(answer), file=answers, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)  # the library would end its threads one by one


def _start_server(
    *,
    file: str,
    context: int,
    embeds: bool,
    threads: int | None,
    temperature: float | None,
    repeat_penalty: float | None,
) -> Any:
    """Return a server of llama.cpp on a free port of this machine: it either writes or embeds."""
    library: Any = import_module("xllamacpp")
    params = library.CommonParams()
    params.model.path = file
    params.n_ctx = context
    params.n_parallel = 1
    params.port = 0
    params.use_jinja = True
    params.warmup = False
    params.verbosity = -1
    if os.stat(file).st_size < _SMALL_SIZE:
        params.fit_params = False  # it fits, and to find that out takes a quarter of the time of loading
    if threads is not None:
        params.cpuparams.n_threads = threads
    if temperature is not None:
        params.sampling.temp = temperature
    if repeat_penalty is not None:
        params.sampling.penalty_repeat = repeat_penalty
    if embeds:
        params.embedding = True
        params.pooling_type = library.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return library.Server(params)


if __name__ == "__main__":
    main()
