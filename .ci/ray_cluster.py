"""Check what docs/scale.md says, on clusters on this machine: `python -m pytest .ci/ray_cluster.py`.

Needs the extras `ray` and `emulator`, and for the recipes `dask[dataframe,distributed]`, pyspark and Java 17. Each job
is a program of its own, as a user's would be, so that it can be killed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from cfai.local import Emulator, Fault

ROOT = Path(__file__).parents[1]
SMALL = "@cf/baai/bge-small-en-v1.5"
GLM = "@cf/zai-org/glm-4.7-flash"
LONG = 240.0
"""Seconds after which a test gives up: a cluster takes ten to start."""

START = """
import os, ray
from ray.data.checkpoint import CheckpointConfig
from cfai.integrations import ray as cfai_ray

ray.init(num_cpus=4, include_dashboard=False)
context = ray.data.DataContext.get_current()
context.enable_progress_bars = False
context.checkpoint_config = CheckpointConfig("id", os.path.abspath("done"), delete_checkpoint_on_success=False)
dataset = ray.data.read_parquet("rows")
"""


class Job:
    """A program that works on a dataset in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def write_rows(self, count: int, text: Callable[[int], str | None] = "text number {}".format) -> None:
        (self.folder / "rows").mkdir()
        for part in range(4):
            ids = [*range(part * count // 4, (part + 1) * count // 4)]
            table = pyarrow.table({"id": ids, "text": pyarrow.array(map(text, ids), pyarrow.string())})
            parquet.write_table(table, self.folder / "rows" / f"{part}.parquet")

    def start(self, code: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"log.{len(self._running)}").open("wb")
        command = [sys.executable, "-W", "ignore", "-c", START + dedent(code)]
        self._running.append(subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT))
        return self._running[-1]

    def run(self, code: str) -> None:
        assert self.start(code).wait(LONG) == 0, self.log

    @property
    def log(self) -> str:
        return "".join(path.read_text("utf-8", "replace")[-20_000:] for path in sorted(self.folder.glob("log.*")))

    def read(self) -> list[dict[str, Any]]:
        """Return the rows that were written, by their id."""
        return sorted(parquet.read_table(self.folder / "out").to_pylist(), key=lambda row: row["id"])

    def stop(self) -> None:
        for program in self._running:
            program.kill()
            program.wait()


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(keep_requests=10_000) as local:
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", local.account_id)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", local.api_token)
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", local.base_url)
        yield local


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path)
    yield job
    job.stop()


def wait_for(happened: Callable[[], Any]) -> Any:
    end = time.monotonic() + LONG
    while not (found := happened()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def times_of(local: Emulator) -> list[float]:
    return sorted(request.received_at for request in local.requests)


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= each < start + 60 for each in times) for start in times)


def find_workers(program: int) -> list[int]:
    """Return the processes that work for a program's `map_batches`."""
    found = subprocess.run(["pgrep", "-f", r"^ray::MapWorker\(MapBatches\(Worker"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split() if program in ancestors(int(pid))]


def ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:
            return found
        found.append(pid)
    return found


EMBED = f"""
dataset = cfai_ray.embed(dataset, "{SMALL}", "text", concurrency=4, requests_per_minute=600)
dataset.write_parquet("out")
"""


def check_embeddings(rows: list[dict[str, Any]], count: int, local: Emulator) -> None:
    assert [row["id"] for row in rows] == [*range(count)]
    assert [row["error"] for row in rows if row["error"]] == []
    with local.ai() as ai:
        some = rows[:: count // 50]
        vectors = ai.run(SMALL, {"text": [row["text"] for row in some]}).data
    for row, vector in zip(some, vectors, strict=True):
        assert row["embedding"] == pytest.approx(vector, rel=1e-6)
        assert row["cost"] > 0


def test_each_row_is_embedded_once_within_the_rate_and_the_token_is_in_no_log(local: Emulator, job: Job) -> None:
    job.write_rows(6000)
    job.run(
        EMBED.replace("concurrency=4", "concurrency=4, workers=4")
        + "print('session:', ray._private.worker._global_node.get_session_dir_path())"
    )
    assert len(local.requests) == 60
    # Sixty requests at six hundred a minute: a tenth of a second between two, but for what they were on their way.
    times = times_of(local)
    assert times[-1] - times[0] > 59 * 0.1 - 0.5
    check_embeddings(job.read(), 6000, local)
    (folder,) = re.findall(r"^session: (.+)$", job.log, re.MULTILINE)  # Ray's own words may come after it
    logs = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert logs
    assert [path for path in logs if local.api_token.encode() in path.read_bytes()] == []


def test_no_minute_has_more_requests_than_the_rate_of_all_workers(local: Emulator, job: Job) -> None:
    job.write_rows(400)
    job.run(
        f"""
        dataset = cfai_ray.run(dataset, "{GLM}", lambda row: {{"prompt": row["text"], "max_tokens": 5}}, workers=4,
                               requests_per_minute=240)
        dataset.write_parquet("out")
        """
    )
    assert [row["id"] for row in job.read()] == [*range(400)]
    assert 230 < most_in_a_minute(times_of(local)) <= 240


def test_a_worker_that_is_killed_loses_no_row(local: Emulator, job: Job) -> None:
    job.write_rows(12_000)
    program = job.start(EMBED)
    wait_for(lambda: len(local.requests) > 30)
    killed = find_workers(program.pid)
    assert len(killed) == 2
    os.kill(killed[0], signal.SIGKILL)
    assert program.wait(LONG) == 0, job.log
    check_embeddings(job.read(), 12_000, local)
    # What the worker had in hand is paid twice: four requests for each of its four threads.
    assert 120 <= len(local.requests) <= 120 + 16 + 1


def test_a_job_that_was_killed_goes_on_where_it_was(local: Emulator, job: Job) -> None:
    job.write_rows(12_000)
    program = job.start(EMBED)
    wait_for(lambda: len([*job.folder.glob("done/*.parquet")]) > 1)
    program.kill()
    program.wait()
    time.sleep(3)  # its cluster ends by itself
    sent = len(local.requests)
    assert sent < 120
    job.run(EMBED)
    check_embeddings(job.read(), 12_000, local)
    assert len(local.requests) < sent + 120
    job.run(EMBED)
    assert len(job.read()) == 12_000, "there was nothing left to do"


def test_every_row_has_an_answer_or_an_error_whatever_goes_wrong(local: Emulator, job: Job) -> None:
    too_many = Fault(status=429, code=3021, retry_after=1)
    faults = [500, 503, too_many, Fault(code=3040), Fault(hang_up=True), Fault(empty=True)]
    local.random_faults(0.3, seed=1, scenarios=faults)
    job.write_rows(400, lambda row: None if row % 100 == 7 else f"text number {row}")
    job.run(
        f"""
        dataset = cfai_ray.run(dataset, "{GLM}", lambda row: {{"prompt": row["text"][:100]}}, requests_per_minute=6000)
        dataset.write_parquet("out")
        """
    )
    rows = job.read()
    assert [row["id"] for row in rows] == [*range(400)]
    failed = [row for row in rows if row["error"]]
    assert all(row["answer"] is None for row in failed)
    answers = [row for row in rows if not row["error"]]
    assert all(f"“{row['text']}”" in row["answer"] for row in answers if row["answer"] or row["cost"])
    assert sum(row["answer"] == "" for row in answers) == sum(
        request.fault == str(faults[-1]) for request in local.requests
    )
    # What was sent on a new connection that was closed may have been billed, and is not sent again. All else is.
    assert {row["id"] for row in failed} >= {7, 107, 207, 307}
    assert {row["error"].partition(":")[0] for row in failed} <= {"TypeError", "APIConnectionError"}


def test_what_all_rows_would_meet_ends_the_job(local: Emulator, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "another-token-0123456789-0123456789")
    job.write_rows(400)
    assert job.start(EMBED).wait(LONG) != 0
    assert "AuthenticationError" in job.log
    assert not [*job.folder.glob("out/*.parquet")]


def test_two_jobs_of_a_cluster_share_one_rate(local: Emulator, job: Job) -> None:
    job.write_rows(4000)
    job.run(
        f"""
        import threading
        options = {{"requests_per_minute": 600, "concurrency": 2, "workers": 1}}
        context.checkpoint_config = None
        one, other = (cfai_ray.embed(dataset, model, "text", **options) for model in ("{SMALL}", "@cf/baai/bge-m3"))
        thread = threading.Thread(target=one.write_parquet, args=["out"])
        thread.start()
        other.write_parquet("other")
        thread.join()
        """
    )
    times = times_of(local)
    assert len(times) == 80
    assert times[-1] - times[0] > 79 * 0.1 - 0.5


def test_the_example_embeds_files_and_says_what_it_cost(local: Emulator, job: Job) -> None:
    job.write_rows(400, lambda row: None if row == 7 else f"text number {row}")
    command = [sys.executable, str(ROOT / "examples" / "ray_embeddings.py"), "rows", "text", "vectors"]
    done = subprocess.run(command, cwd=job.folder, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"400 rows, 1 failed, \$0\.0\d+\n", done.stdout)
    rows = parquet.read_table(job.folder / "vectors").to_pylist()
    assert sum(len(row["embedding"] or []) == 1024 for row in rows) == 399


def test_a_rate_that_is_refused_for_hours_ends_the_job(local: Emulator, job: Job) -> None:
    local.random_faults(1.0, scenarios=[Fault(status=429, code=3021, retry_after=86_400)])
    job.write_rows(400)
    assert job.start(EMBED).wait(LONG) != 0
    assert "RateLimitError" in job.log


BLOCKS = re.findall(
    r"^<!-- not run: .*? -->\n+```python\n(.*?)^```$",
    (ROOT / "docs" / "scale.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)
OUTPUTS = {"vectors": 400, "labels": 50, "dask-vectors": 400, "spark-vectors": 400}


@pytest.mark.parametrize(("code", "output"), zip(BLOCKS, OUTPUTS, strict=True), ids=OUTPUTS)
def test_a_block_of_the_page_runs(
    local: Emulator, job: Job, monkeypatch: pytest.MonkeyPatch, code: str, output: str
) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    job.write_rows(400)
    (job.folder / "rows").rename(job.folder / "texts")
    (job.folder / "program.py").write_text(code, "utf-8")
    done = subprocess.run([sys.executable, "program.py"], cwd=job.folder, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    rows = parquet.read_table(job.folder / output).to_pylist()
    assert len({row["id"] for row in rows}) == len(rows) == OUTPUTS[output]
    assert all(row.get("embedding") or row.get("answer") for row in rows)
