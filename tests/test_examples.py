"""Every example runs against the emulator, and the page does in a browser what it should."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from cfai import PermissionDeniedError
from cfai.local import Emulator, Fault
from cfai.testing import WorkersAI
from tests.conftest import row
from tests.pages import LONG, find_node, serve_example

EXAMPLES = Path(__file__).parents[1] / "examples"
MODEL = "@cf/zai-org/glm-4.7-flash"
Run = Callable[..., tuple[str, str]]

BROWSER = """
const { page, prompt, events } = JSON.parse(require("fs").readFileSync(0));
const form = { elements: { prompt: { value: prompt } }, addEventListener: (_, listener) => (form.submit = listener) };
const answer = new Proxy({ textContent: "" }, {
  set(target, name, value) {
    if (name !== "textContent") throw new Error(`${name} is set, not textContent`);
    target[name] = value;
    return true;
  },
});
const document = { querySelector: (selector) => ({ form, "#answer": answer })[selector] };
const sources = [];
class EventSource {
  constructor(url) { this.url = url; this.open = true; this.listeners = {}; sources.push(this); }
  addEventListener(kind, listener) { this.listeners[kind] = listener; }
  close() { this.open = false; }
}
const [, script] = page.match(/<script>([^]*)<\\/script>/);
new Function("document", "EventSource", script)(document, EventSource);
form.submit({ preventDefault() {} });
for (const { kind, data } of events) if (sources[0].open) sources[0].listeners[kind]({ data });
console.log(JSON.stringify({ shown: answer.textContent, open: sources[0].open, url: sources[0].url }));
"""
"""As much of a browser as the page needs: it asks, and is given events."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs an example as a program; what it wrote to its two outputs."""

    def run(name: str, *arguments: str, typed: str = "") -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


@pytest.fixture
def site(local: Emulator) -> Iterator[httpx.Client]:
    """The FastAPI example, served."""
    with serve_example(EXAMPLES / "fastapi_sse.py") as client:
        yield client


def answer_of(local: Emulator, inputs: dict[str, Any]) -> str:
    """Return what the emulator answers without streaming."""
    with local.ai() as ai:
        return ai.run(MODEL, inputs).text


def events_of(site: httpx.Client, prompt: str) -> list[ServerSentEvent]:
    """Return what a browser is sent."""
    with connect_sse(site, "GET", "/answer", params={"prompt": prompt}) as source:
        return list(source.iter_sse())


def run_page(site: httpx.Client, prompt: str, events: Iterable[ServerSentEvent | None]) -> dict[str, Any]:
    """Return what the page makes of events; `None` stands for a connection that was lost."""
    sent = [{"kind": event.event, "data": event.data} if event else {"kind": "error"} for event in events]
    asked = json.dumps({"page": site.get("/").text, "prompt": prompt, "events": sent})
    browser = subprocess.run([find_node(), "-e", BROWSER], input=asked.encode(), capture_output=True, timeout=LONG)
    assert browser.returncode == 0, browser.stderr
    page = json.loads(browser.stdout)
    assert page["open"] is not bool(sent), "it closes when all has come"
    return page


@pytest.mark.usefixtures("local")
def test_the_cost_of_several_models_is_printed_with_what_all_of_it_came_to(run: Run) -> None:
    printed, complaints = run("cost.py", "Where", "is", "Oslo?")
    lines = printed.splitlines()
    assert complaints == ""
    assert len(lines) == 3 + 5
    for line in lines[:3]:
        cost, most = map(float, re.findall(r"\$([\d.]+)", line))
        assert 0 < cost < most
    assert lines[-1].split()[:2] == ["all", "3"]


@pytest.mark.parametrize("name", ["stream.py", "stream_async.py"])
def test_a_stream_is_printed_as_the_answer_and_its_tokens_are_counted(local: Emulator, run: Run, name: str) -> None:
    others = {
        "batch.py",
        "chat.py",
        "cost.py",
        "documents.py",
        "fastapi_sse.py",
        "finetune.py",
        "gateway.py",
        "many.py",
        "models.py",
    }
    others |= {"realtime.py", "search.py", "stream.py", "stream_async.py", "structured.py"}
    elsewhere = {"ray_embeddings.py"}  # by .ci/ray_cluster.py: it needs Ray
    found = {path.name for path in EXAMPLES.glob("*.py")}
    assert found == others | elsewhere | TASKS.keys(), "each is tested here, or where it is said"
    run(name)
    assert local.requests[0].inputs == {"prompt": "Where is New York?", "stream": True}
    out, err = run(name, "Where", "is", "Oslo?")
    with local.ai() as ai:
        answer = ai.run(MODEL, {"prompt": "Where is Oslo?"})
    assert answer.usage is not None
    assert (out, err) == (f"{answer.text}\n", f"{answer.usage.completion_tokens} tokens\n")


def test_the_models_of_a_search_are_listed_with_their_fields(local: Emulator, run: Run) -> None:
    out, _ = run("models.py", "flux-1-schnell")
    assert out == "@cf/black-forest-labs/flux-1-schnell (Text-to-Image): prompt, steps\n"
    out, _ = run("models.py")
    assert f"{MODEL} (Text Generation): " in out
    assert "messages" in out


def test_the_next_provider_answers_and_the_log_of_it_is_patched(local: Emulator, run: Run) -> None:
    for arguments in ([], ["Where", "is", "Oslo?"]):
        out, err = run("gateway.py", *arguments)
        assert out.startswith(f"step 1: This is an emulated answer to “{' '.join(arguments) or 'Where is New York?'}”")
        assert re.fullmatch(rf"{MODEL}, \d+ ms, \d+ tokens\n", err)
    with local.ai() as ai:
        assert [log["feedback"] for log in ai.gateway("default").list_logs(success=True)] == [1, 1]


def test_a_chat_sends_the_whole_conversation_every_time_until_an_empty_line(local: Emulator, run: Run) -> None:
    out, _ = run("chat.py", typed="hello\nand then?\n")
    first, second = (request.inputs["messages"] for request in local.requests)
    assert [message["role"] for message in second] == ["system", "user", "assistant", "user"]
    assert second[:2] == first
    answers = [answer_of(local, {"messages": messages}) for messages in (first, second)]
    assert (second[2]["content"], second[3]["content"]) == (answers[0], "and then?")
    assert out == f"> {answers[0]}\n> {answers[1]}\n> "
    before = len(local.requests)
    run("chat.py", typed="hello\n\nand then?\n")
    assert len(local.requests) == before + 1


def test_a_city_is_shown_while_it_grows(local: Emulator, run: Run) -> None:
    out, err = run("structured.py", "Oslo")
    assert out == "emulated, emulated: 1\n"
    partials = err.splitlines()
    assert (partials[0], partials[-1]) == (
        "{}",
        "{'name': 'emulated', 'country': 'emulated', 'population': 1, 'sights': ['emulated']}",
    )
    assert local.requests[-1].inputs["prompt"] == "Describe Oslo."


def test_a_wave_file_is_written_down_word_by_word(
    local: Emulator, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(3 * 16_000))
    pause = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _: pause(0))
    out, err = run("realtime.py", str(path))
    words = ["This", "transcript", "is", "emulated", "by", "cfai."]
    lines = [" ".join(words[:count]) for count in range(1, 7)]
    assert (out, err) == ("".join(f"\r{line}" for line in [*lines, lines[-1]]) + "\n", "")
    assert local.requests[-1].query == {"encoding": "linear16", "sample_rate": "8000"}
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
    with pytest.raises(AssertionError, match="must have one channel"):
        run("realtime.py", str(path))


def test_many_calls_have_a_row_each_and_a_second_start_sends_nothing(local: Emulator, run: Run, tmp_path: Path) -> None:
    reviews = tmp_path / "reviews.txt"
    reviews.write_text("A lovely day.\nIt broke.\n", "utf-8")
    first, report = run("many.py", str(reviews))
    assert [line.split()[0] for line in first.splitlines()] == ["0", "1"]
    assert report.startswith("done       2\n")
    assert len(local.requests) == 2
    again, report = run("many.py", str(reviews))
    assert again == first
    assert report.startswith("done       2 (2 of them from the journal)\n")
    assert len(local.requests) == 2


def test_a_batch_is_waited_for_once_more_at_a_second_start(local: Emulator, run: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("A lovely day.\nIt broke.\n", "utf-8")
    for _ in range(2):
        out, cost = run("batch.py", str(notes))
        assert out == "A lovely day. [1, 384]\nIt broke. [1, 384]\n"
        assert cost.startswith("$0.0000")
    assert ["requests" in request.inputs for request in local.requests].count(True) == 1


def test_documents_become_files_of_markdown_and_a_second_start_sends_those_that_failed(
    local: Emulator, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("tea,2\n", "utf-8")
    Path("b.exe").write_text("MZ", "utf-8")
    Path("a.html").write_text("<p>tea", "utf-8")  # beside one of the same name but for its suffix
    first, complaints = run("documents.py", "a.csv", "a.html", "b.exe")
    assert first == "a.csv -> a.csv.md\na.html -> a.html.md\n"
    for name in ("a.csv", "a.html"):
        assert Path(f"{name}.md").read_text("utf-8").startswith(f"# {name}\n")
    assert complaints.startswith("b.exe: b.exe was not converted: Unsupported file type")
    assert run("documents.py", "a.csv", "a.html", "b.exe")[0] == first
    assert len(local.requests) == 4


def test_a_fine_tune_is_uploaded_once_and_run(local: Emulator, run: Run, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"model_type": "mistral", "r": 8}', "utf-8")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    for requests in (5, 2):
        before = len(local.requests)
        assert run("finetune.py", str(tmp_path), "tickets")[0].startswith("This is an emulated answer")
        assert len(local.requests) - before == requests
    assert local.requests[-1].inputs["lora"] == "tickets"


def test_a_document_is_searched_and_its_instance_made_once(local: Emulator, run: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("The key is under the mat.\n\nThe cat sleeps.", "utf-8")
    for _ in range(2):
        out, _err = run("search.py", str(notes), "Where", "is", "the", "key?")
        assert "emulated answer to “Where is the key?”" in out
        assert out.splitlines()[-1] == "notes.md: The key is under the mat."
    with local.ai() as ai:
        assert [instance.id for instance in ai.search().list()] == ["examples"]
        assert [item.key for item in ai.search().get("examples").items.list()] == ["notes.md"]


TASKS = {
    "tools.py": [
        ([], "@cf/zai-org/glm-4.7-flash", "'role': 'tool'", '-> {"city":"emulated","temperature":7'),
        (["Where", "is", "Oslo?"], "@cf/zai-org/glm-4.7-flash", "its English name", "answer to “Where is Oslo?”"),
    ],
    "vision.py": [
        ([], "@cf/google/gemma-4-26b-a4b-it", "data:image/jpeg;base64,", "answer to “What is in this picture?”"),
        (["photo.jpg", "Is it", "dark?"], "@cf/google/gemma-4-26b-a4b-it", "Is it dark?", "answer to “Is it dark?”"),
    ],
    "speech_to_text.py": [
        ([], "@cf/deepgram/nova-3", "punctuate", "is emulated by cfai.\n  0.00 s  This\n  0.50 s  transcript\n"),
        (["speech.mp3"], "@cf/deepgram/nova-3", "smart_format", "is emulated by cfai.\n"),
    ],
    "text_to_speech.py": [
        ([], "@cf/deepgram/aura-2-en", "The river is high today.", "speech.mp3\n"),
        (["Hello", "hello.mp3"], "@cf/deepgram/aura-2-en", "Hello", "hello.mp3\n"),
    ],
    "image.py": [
        ([], "@cf/black-forest-labs/flux-1-schnell", "a lighthouse at dusk", "image.jpg\n"),
        (["a cat", "cat"], "@cf/black-forest-labs/flux-1-schnell", "a cat", "cat.jpg\n"),
    ],
    "image_edit.py": [
        ([], "@cf/black-forest-labs/flux-2-klein-4b", "make it winter", "edited.jpg\n"),
        (["with rain", "photo.jpg", "new"], "@cf/black-forest-labs/flux-2-klein-4b", "with rain", "new.jpg\n"),
    ],
    "embeddings.py": [
        ([], "@cf/baai/bge-m3", "How do I open the door?", "  The door opens with the key under the mat.\n"),
        (["sand", "and", "rivers"], "@cf/baai/bge-m3", "sand and rivers", "  Rivers carry sand to the sea.\n"),
    ],
    "rerank.py": [
        ([], "@cf/baai/bge-reranker-base", "How do I open the door?", "  The door opens with the key"),
        (["tax", "forms"], "@cf/baai/bge-reranker-base", "tax forms", "  Tax forms are due in March.\n"),
    ],
    "classification.py": [
        ([], "@cf/huggingface/distilbert-sst-2-int8", "What a lovely day.", "0.98  POSITIVE\n0.02  NEGATIVE\n"),
        (["photo.jpg"], "@cf/microsoft/resnet-50", "[255, 216, 255, ", "1.00  EMULATED\n"),
    ],
    "translation.py": [
        ([], "@cf/meta/m2m100-1.2b", "'fr'", "translation of “Where is the river?”"),
        (["de", "Good", "day"], "@cf/meta/m2m100-1.2b", "'de'", "translation of “Good day”"),
    ],
}
"""By example: arguments, the model that is called, a part of what it is sent, and one of what is printed."""


@pytest.mark.parametrize("name", TASKS)
def test_an_example_of_a_task_calls_its_model_and_prints_or_saves_what_comes(
    workers_ai: WorkersAI, run: Run, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("photo.jpg", "speech.mp3"):
        shutil.copy(EXAMPLES / file, tmp_path)
    for arguments, model, part, expected in TASKS[name]:
        with row((name, arguments)):
            out, err = run(name, *arguments)
            request = workers_ai.requests[-1]
            assert (err, request.model) == ("", model)
            assert part in f"{request.inputs} {request.query}"
            assert expected in out
            assert not expected.endswith((".jpg\n", ".mp3\n")) or Path(out.strip()).stat().st_size > 10_000


@pytest.mark.parametrize("name", ["embeddings.py", "rerank.py"])
def test_an_example_that_compares_texts_prints_the_nearest_first(workers_ai: WorkersAI, run: Run, name: str) -> None:
    for question, nearest in (("open the door with a key", "The door opens"), ("tax forms in March", "Tax forms")):
        with row(question):
            lines = run(name, question)[0].splitlines()
            scores = [float(line.split()[0]) for line in lines]
            assert len(lines) == 3
            assert nearest in lines[0]
            assert scores == sorted(scores, reverse=True)


def test_an_example_runs_with_the_environment_that_the_emulator_prints() -> None:
    command = [sys.executable, "-m", "cfai.cli", "dev", "--port", "0", "--tokens-per-second", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as emulator:
        try:
            assert emulator.stdout is not None
            lines = [emulator.stdout.readline().strip() for _ in range(3)]
            exports = dict(line.removeprefix("export ").split("=", 1) for line in lines)
            told = subprocess.run(
                [sys.executable, EXAMPLES / "stream.py"],
                env={**os.environ, **exports, "PYTHONIOENCODING": "utf-8"},
                capture_output=True,
                timeout=LONG,
                check=True,
            )
        finally:
            emulator.terminate()
    assert told.stdout.startswith("This is an emulated answer to “Where is New York?”".encode())


def test_the_page_never_writes_html_and_no_proxy_keeps_its_events(local: Emulator, site: httpx.Client) -> None:
    response = site.get("/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "new EventSource(" in response.text
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "setHTML", "srcdoc"):
        assert way not in response.text
    with connect_sse(site, "GET", "/answer", params={"prompt": "hello"}) as source:
        *events, last = source.iter_sse()
    headers = source.response.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert (headers["cache-control"], headers["x-accel-buffering"], last.data) == ("no-cache", "no", "[DONE]")
    assert "".join(event.json()["response"] for event in events) == answer_of(local, {"prompt": "hello"})


def test_the_page_asks_what_was_typed_and_shows_the_answer_as_text(local: Emulator, site: httpx.Client) -> None:
    prompt = "<img src=x onerror=alert(1)> & where is 7? a&b=c # Straße?"
    site.get(run_page(site, prompt, [])["url"])
    assert local.requests[0].inputs["prompt"] == prompt
    text = run_page(site, prompt, events_of(site, prompt))["shown"]
    assert text == answer_of(local, {"prompt": prompt})
    assert "<img src=x" in text


def test_the_page_shows_what_breaks_or_forbids_a_stream(local: Emulator, site: httpx.Client) -> None:
    local.script(Fault(error_after=60, code=3040, message="no room at all"))
    *tokens, error, last = events_of(site, "hello")
    assert (error.event, error.json()["code"], last.data) == ("error", 3040, "[DONE]")
    text = "".join(token.json()["response"] for token in tokens)
    assert answer_of(local, {"prompt": "hello"}).startswith(text)
    assert run_page(site, "hello", [*tokens, error, last])["shown"] == f"{text}\n{error.json()['user_message']}"
    assert error.json()["user_message"] == "The answer broke off. Please ask again."
    local.script(Fault(code=5035))
    events = events_of(site, "hello")
    assert [event.event for event in events] == ["error", "message"]
    assert run_page(site, "hello", events)["shown"] == f"\n{PermissionDeniedError('').user_message}"
    assert run_page(site, "hello", [None])["shown"] == "\nThe connection was lost."


@pytest.mark.parametrize(
    ("fault", "prompt"),
    [(Fault(silence_after=40), "hello"), (Fault(slow_first=LONG), "hello"), (None, "write 90000 words")],
    ids=["waiting in the middle", "waiting at once", "writing"],
)
def test_a_reader_who_leaves_ends_a_call(local: Emulator, site: httpx.Client, fault: Fault | None, prompt: str) -> None:
    if fault is not None:
        local.script(fault)
    with site.stream("GET", "/answer", params={"prompt": prompt}) as response:
        if fault is None or fault.silence_after:
            next(response.iter_raw())
    assert local.wait_for_disconnects(1, timeout=LONG)
