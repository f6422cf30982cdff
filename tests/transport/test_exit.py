"""A program that ends without closing its clients ends without a sound, with all warnings on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cfai.local import Emulator
from tests.conftest import row

HEAD = """
import asyncio, logging, os, sys, threading
from cfai import Ai
from cfai.local import Emulator

logging.getLogger("asyncio").setLevel("ERROR")  # its debug mode tells of slow steps
model = "@cf/zai-org/glm-4.7-flash"
whole = {"prompt": "Hi"}
streamed = {"prompt": "Hi", "stream": True}
ai = Ai()

async def main():
    global stream
    await ai.arun(model, whole)
    stream = await ai.arun(model, streamed)
    await anext(stream)
    async for _ in ai.arun(model, streamed):
        break
    ai.run(model, whole)

def read_on():
    while True:
        for _ in ai.run(model, streamed):
            pass

def call_on():
    while True:
        ai.run(model, whole)

"""

PROGRAMS = {
    "calls": "ai.run(model, whole); other = Ai(); other.run(model, whole)",
    "streams": "half = ai.run(model, streamed); next(half); unread = ai.run(model, streamed)",
    "a raw response": "response = ai.run(model, streamed, return_raw_response=True)",
    "an error": "try: next(ai.run(model, streamed)) / 1\nexcept TypeError as error: kept = error",
    "sys.exit": "stream = ai.run(model, streamed); next(stream); sys.exit()",
    "a daemon that reads": "threading.Thread(target=read_on, daemon=True).start(); ai.run(model, whole)",
    "daemons": "for _ in range(4): threading.Thread(target=call_on, daemon=True).start()\nai.run(model, whole)",
    "a fork": "ai.run(model, whole)\nif os.fork() == 0: sys.exit()\nos.wait()",
    "asyncio.run": "asyncio.run(main())",
    "a loop without run": "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()",
    "trio": "import trio; trio.run(main)",
    "a server of its own": "local = Emulator().start(); ai = local.ai(); next(ai.run(model, streamed))",
}


def end(environment: Mapping[str, str], program: str) -> tuple[int, str]:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", HEAD + program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_a_program_ends_without_a_sound_though_it_closes_nothing() -> None:
    # The emulator is another process's: that of a program ends with it, under whatever reads on.
    with Emulator() as local, ThreadPoolExecutor(2) as threads:
        environment = {
            **os.environ,
            "CLOUDFLARE_API_BASE_URL": local.base_url,
            "CLOUDFLARE_ACCOUNT_ID": local.account_id,
            "CLOUDFLARE_API_TOKEN": local.api_token,
        }
        ends = threads.map(partial(end, environment), PROGRAMS.values())
        for name, ended in zip(PROGRAMS, ends, strict=True):
            with row(name):
                assert ended == (0, "")
