"""A program as users write it runs against the emulator as it stands."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest

from cfai.local import Emulator
from tests.conftest import SYNC_AND_ASYNC, Caller, Callers, row
from tests.tools.calling import GPT_OSS, LLAMA, PROMPT, SCOUT, get_weather, run_with_tools

PROGRAM = textwrap.dedent('''
    from cfai import Ai

    GLM = "@cf/zai-org/glm-4.7-flash"


    def get_weather(city: str, unit: str = "C") -> dict[str, int]:
        """The weather of today in a city.

        city: its English name
        """
        return {"temperature": 7}


    ai = Ai()
    answer = ai.run_with_tools(GLM, {"prompt": "What is the weather in Oslo?"}, tools=[get_weather], max_rounds=5)
    print(answer.text, len(answer.steps), answer.usage.total_tokens, answer.cost)
''')


def test_a_program_with_a_tool_runs_as_it_stands(workers_ai: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    names["ai"].close()
    printed = capsys.readouterr().out
    assert re.fullmatch(r"This is an emulated answer to .*\. 2 \d+ [\d.]+e-\d+\n", printed, re.DOTALL)
    assert len(workers_ai.requests) == 2


@SYNC_AND_ASYNC
def test_every_family_of_the_emulator_calls_a_tool_and_then_answers(callers: Callers, workers_ai: Emulator) -> None:
    caller: Caller = callers(workers_ai.account_id, workers_ai.api_token, base_url=workers_ai.base_url)
    kimi = "@cf/moonshotai/kimi-k2.6"
    for model in ("@cf/zai-org/glm-4.7-flash", LLAMA, SCOUT, GPT_OSS, "@cf/qwen/qwen3-30b-a3b-fp8", kimi):
        for inputs in (PROMPT, PROMPT | {"tool_choice": "required"}, {"input": PROMPT["prompt"]}):
            if "input" in inputs and model != GPT_OSS:
                continue
            with row((model, inputs)):
                answer = run_with_tools(caller, model, inputs, tools=[get_weather])
                with run_with_tools(caller, model, {**inputs, "stream": True}, tools=[get_weather]) as stream:
                    streamed = stream.result()
                for each in (answer, streamed):
                    assert [[done.result for done in step.calls] for step in each.steps] == [[{"temperature": 8}], []]
                    assert each.text.startswith("This is an emulated answer")
                assert streamed.usage is not None
