"""The whole path with a model that really runs: `python -m pytest .ci/real_model.py`, with the extra `llama` and a
network. The small model's words are its own; what is looked at is what stands around.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import cfai.local
from cfai import Ai, InferenceUpstreamError
from cfai.local import Emulator, LlamaCpp
from cfai.local.engines import fetch_model, load_small_model

GLM = "@cf/zai-org/glm-4.7-flash"
FAMILIES = [
    GLM,
    "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    "@cf/mistral/mistral-7b-instruct-v0.1",
    "@cf/openai/gpt-oss-20b",
    "@cf/qwen/qwen3-30b-a3b-fp8",
    "@cf/moonshotai/kimi-k2.6",
    "@cf/zai-org/glm-5.3-flash",
]
CITY = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}


@pytest.fixture(scope="module")
def file() -> Path:
    return fetch_model()


@pytest.fixture(scope="module")
def ai(file: Path) -> Iterator[Ai]:
    with Emulator(engine=LlamaCpp(file)) as local, local.ai() as ai:
        yield ai


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
@pytest.mark.parametrize("model", FAMILIES)
def test_a_model_answers_in_every_family(ai: Ai, model: str) -> None:
    inputs = {"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0, "seed": 1}
    whole = ai.run(model, inputs)
    stream = ai.run(model, inputs | {"stream": True})
    texts = [token.text for token in stream if token.text]
    streamed = stream.result()
    assert "".join(texts) == streamed.text == whole.text
    assert whole.text
    assert "emulated" not in whole.text
    assert len(texts) > 2
    for usage in (whole.usage, streamed.usage):
        assert usage.completion_tokens == 8
        assert usage.total_tokens == usage.prompt_tokens + 8
    assert streamed.finish_reason in ("length", None)


def test_it_streams_asynchronously_and_stops_when_it_is_left(ai: Ai) -> None:
    async def main() -> str:
        async with await ai.arun(GLM, {"prompt": "Count: 1 2 3", "max_tokens": 2000, "stream": True}) as stream:
            async for token in stream:
                if token.text:
                    return token.text
        return ""

    assert anyio.run(main)
    assert ai.run(GLM, {"prompt": "Hello", "max_tokens": 1}).text  # the one slot of the model is free again


@pytest.mark.parametrize("stream", [False, True])
def test_a_forced_tool_is_called_with_arguments_by_its_schema(ai: Ai, stream: bool) -> None:
    tool = {"name": "weather", "description": "Tells the weather.", "parameters": CITY}
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    inputs: dict[str, Any] = {"messages": messages, "tools": [tool], "tool_choice": "required", "max_tokens": 200}
    answer = ai.run(GLM, inputs | {"stream": stream})
    if stream:
        list(answer)
        answer = answer.result()
    assert [call.name for call in answer.tool_calls] == ["weather"]
    assert answer.tool_calls[0].parse()["city"] in ("Paris", "Rome")
    assert answer.finish_reason == "tool_calls"


def test_json_mode_keeps_to_its_schema(ai: Ai) -> None:
    form = {"type": "json_schema", "json_schema": CITY}
    answer = ai.run(FAMILIES[1], {"prompt": "A city in Europe.", "response_format": form})
    assert answer["response"]["city"] in ("Paris", "Rome")


def test_texts_are_embedded_by_what_they_mean(ai: Ai) -> None:
    texts = ["The cat sleeps on the sofa.", "A cat is sleeping on a couch.", "Quarterly tax forms are due on Monday."]
    answer = ai.run("@cf/baai/bge-m3", {"text": texts})
    assert answer.shape == [3, 576]
    ranked = ai.run(
        "@cf/baai/bge-reranker-base", {"query": texts[0], "contexts": [{"text": text} for text in texts[1:]]}
    )
    assert ranked["response"][0]["id"] == 0


def test_a_prompt_beyond_the_model_s_own_window_is_refused(ai: Ai) -> None:
    with pytest.raises(InferenceUpstreamError, match="exceeds the available context size") as caught:
        ai.run(GLM, {"prompt": "word " * 20_000})
    assert caught.value.status_code == 400


def test_the_agent_does_all_but_look_at_a_picture_which_such_a_model_cannot(tmp_path: Path) -> None:
    program = (Path(__file__).parents[1] / "tests" / "programs" / "agent.py").read_text("utf-8")
    (look,) = (line for line in program.splitlines() if "r.png" in line)
    (tmp_path / "r.png").write_bytes(Path(cfai.local.__path__[0], "emulator", "media", "picture.png").read_bytes())
    with Emulator(engine=load_small_model()) as local:
        environment = {
            **os.environ,
            "CLOUDFLARE_API_BASE_URL": local.base_url,
            "CLOUDFLARE_ACCOUNT_ID": local.account_id,
            "CLOUDFLARE_API_TOKEN": local.api_token,
        }
        run = partial(subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        (tmp_path / "agent.py").write_text(program)
        whole = run([sys.executable, "agent.py"])
        blind = run([sys.executable, "-c", program.replace(look, "")])
    assert whole.returncode == 1
    assert look in whole.stderr, "the line that it ended in"
    assert "BadRequest: this model cannot see images" in whole.stderr
    assert blind.returncode == 0, blind.stderr
    # Its grammar makes it keep to the schema. It has never called the tool by itself, and answers without.
    assert re.match(r"\S.* \d+\n", blind.stdout)
    assert re.search(r" [1-5] \d+ \S+$", blind.stdout, re.MULTILINE), "rounds, tokens and US dollars"
    history = json.loads((tmp_path / "chat.json").read_text("utf-8"))["messages"]
    assert [message["role"] for message in history] == ["system", "user", "assistant", "user", "assistant"]
    assert blind.stdout.endswith(history[-1]["content"])


def play(*arguments: str) -> str:
    """Return what a program prints that must end by itself, without an error or a warning but those of `cfai run`."""
    command = [sys.executable, "-X", "dev", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "answers on this machine" not in line]
    assert [line for line in lines if "max_tokens" not in line and "--max-tokens" not in line] == []  # a cut answer
    assert "emulated" not in done.stdout
    return done.stdout.strip()


def test_the_command_line_streams_it(file: Path) -> None:
    assert play("-m", "cfai.cli", "run", "--gguf", str(file), FAMILIES[1], "Where is it?")
    assert play("-m", "cfai.cli", "run", "--local", FAMILIES[1], "Where is it?")
    assert play("-m", "cfai.cli", "pull") == str(file)


def test_a_program_that_never_closes_its_client_ends_as_it_should() -> None:
    start = f"from cfai import Ai; ai = Ai.local(); print(ai.run({GLM!r}, {{'prompt': 'Hi', 'max_tokens': 9}}))"
    assert play("-c", start)
    assert play("-c", f"{start}; stream = ai.run({GLM!r}, {{'prompt': 'Count to 100.', 'stream': True}}); next(stream)")


def test_ctrl_c_ends_the_command_line_while_the_model_writes() -> None:
    command = [sys.executable, "-m", "cfai.cli", "run", "--local", FAMILIES[1], "Write a long story about a cat."]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        assert run.stdout.read(1)
        time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert errors.count(b"\n") == 1
