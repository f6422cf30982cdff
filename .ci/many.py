"""Thousands of calls by `run_many`, killed again and again and started anew: `python .ci/many.py --calls 5000`.

Two of a hundred requests go wrong by chance, and the emulator counts requests by the minute. At the end every input
has one answer or one final error, no minute had more requests than it may have, and the journal is whole. `--seed N`
repeats the faults and the kills as far as processes let it.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from cfai import Ai
from cfai.local import Emulator

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
TASK = "Text Generation"
BEFORE = (500, 502, 503, "out-of-capacity", "bad-input", "upstream-rejected", "inference-timeout", "html-error")
AT_THE_END = ("connection-closed", "connection-reset", "short-body", "empty-body", "truncated-json")
FAULTS = (*BEFORE, *AT_THE_END)
"""What hits one call. Of the others some hit all, such as a wrong token, and stop the job."""
MINUTE = 60.0


def run_child(base_url: str, journal: str, calls: int, rate: float) -> None:
    """Give the rows of the whole job; the report at the end."""
    with Emulator() as local:
        account = {"account_id": local.account_id, "api_token": local.api_token}
    inputs = ({"prompt": f"Number {number}?", "max_tokens": 20} for number in range(calls))
    with Ai(base_url=base_url, **account) as ai:
        job = ai.run_many(MODEL, inputs, concurrency=40, requests_per_minute=rate, journal=journal)
        for row in job:
            print(row.index, flush=True)
        print(job.report(), file=sys.stderr)


def run_until_killed(command: list[str], rows: float) -> tuple[int, str]:
    """Start the job, and kill it after so many rows. Returns how many it gave, and its report if it came to its end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        given = 0
        for given, _ in enumerate(child.stdout, 1):
            if given >= rows:
                child.kill()
                return given, ""
        report = child.stderr.read()
    if child.returncode:
        raise SystemExit(report)
    return given, report


def check_journal(path: Path, calls: int) -> Counter[str]:
    """Return how many inputs have an answer, or which error. Raises `AssertionError` if one has none, or two."""
    head, *lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert head == {"cfai_journal": 1, "model": MODEL}
    last: dict[int, Any] = {}
    for line in lines:
        assert "answer" not in last.get(line["index"], {}), f"{line['index']} was sent again behind its answer"
        last[line["index"]] = line
    assert sorted(last) == list(range(calls)), f"{calls - len(last)} inputs have no line"
    return Counter(line["error"]["cause"] if "error" in line else "answers" for line in last.values())


def find_fullest_minute(times: list[float]) -> int:
    """Return the largest number of requests in any minute."""
    start = most = 0
    for end, last in enumerate(times):
        while times[start] <= last - MINUTE:
            start += 1
        most = max(most, end - start + 1)
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=2400, help="requests a minute")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=2, metavar=("URL", "JOURNAL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(*options.child, options.calls, options.rate)
        return
    chance, started = random.Random(options.seed), time.monotonic()
    local = Emulator(rate_limits={TASK: options.rate}, keep_requests=10 * options.calls)
    with tempfile.TemporaryDirectory() as folder, local:
        journal = Path(folder, "journal.jsonl")
        local.random_faults(0.02, seed=options.seed, scenarios=FAULTS)
        command = [sys.executable, __file__, "--calls", f"{options.calls}", "--rate", f"{options.rate}"]
        command += ["--child", local.base_url, f"{journal}"]
        for kill in range(options.kills):
            # Rows that are in the journal come at once: the kill is to come behind them.
            rows = options.calls * (kill + chance.random()) / options.kills
            given, report = run_until_killed(command, max(1.0, rows))
            print(report or f"killed after {given:,} rows, {time.monotonic() - started:.0f} s")
        given, report = run_until_killed(command, float("inf"))
        print(report)
        assert given == options.calls, f"{given} rows of {options.calls}"
        counts = check_journal(journal, options.calls)
    requests = local.requests
    fullest = find_fullest_minute([request.received_at for request in requests])
    faults = Counter(request.fault for request in requests if request.fault != "ok")
    answered = Counter(request.inputs["prompt"] for request in requests if request.fault == "ok")
    again = sum(count - 1 for count in answered.values())
    print(f"inputs by outcome: {dict(counts)}")
    print(f"requests: {len(requests):,}, of which {sum(faults.values()):,} went wrong: {dict(faults)}")
    print(f"answered again, since they were under way at a kill: {again}")
    print(f"fullest minute: {fullest:,} of {options.rate:,}; {time.monotonic() - started:.0f} s in all")
    assert fullest <= options.rate, "more requests than a minute may have"
    assert again <= 40 * options.kills, "more was sent again than can have been under way"
    assert counts["answers"] > 0.98 * options.calls


if __name__ == "__main__":
    main()
