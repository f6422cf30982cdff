"""Models of each family call tools, against the emulator."""

from __future__ import annotations

from cfai.local import Emulator
from tests.conftest import SYNC_AND_ASYNC, Caller, Callers, row
from tests.tools.calling import GPT_OSS, LLAMA, PROMPT, SCOUT, get_weather, run_with_tools


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
