"""The client of OpenAI, in both colours."""

import asyncio
import json
import os

import openai

TOLD = {"base_url": os.environ["EMULATOR_OPENAI_URL"], "api_key": os.environ["EMULATOR_TOKEN"], "max_retries": 0}
GLM = "@cf/zai-org/glm-4.7-flash"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
GPT_OSS = "@cf/openai/gpt-oss-120b"
BGE = "@cf/baai/bge-base-en-v1.5"
ASKED = [{"role": "user", "content": "is 42 worth $0.10 in naïve 東京? 🙂"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def sync() -> None:
    client = openai.OpenAI(**TOLD)
    for model in (GLM, LLAMA, GPT_OSS):
        whole = client.chat.completions.create(model=model, messages=ASKED)
        assert whole.choices[0].message.content.startswith("This is an emulated"), whole
        chunks = list(
            client.chat.completions.create(
                model=model, messages=ASKED, stream=True, stream_options={"include_usage": True}
            )
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == whole.choices[0].message.content
        assert chunks[-1].usage.total_tokens == whole.usage.total_tokens

    forced = {"type": "function", "function": {"name": "weather"}}
    called = client.chat.completions.create(model=GLM, messages=ASKED, tools=[WEATHER], tool_choice=forced)
    [call] = called.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "emulated"})

    with client.chat.completions.stream(model=GLM, messages=ASKED) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].finish_reason == "stop"

    answer = client.responses.create(model=GPT_OSS, input="is 42 worth $0.10 in naïve 東京? 🙂")
    events = list(client.responses.create(model=GPT_OSS, input="is 42 worth $0.10 in naïve 東京? 🙂", stream=True))
    assert answer.output_text == events[-1].response.output_text != ""

    [row, _] = client.embeddings.create(model=BGE, input=["one", "two"]).data
    assert len(row.embedding) == 768
    assert GLM in {model.id for model in client.models.list()}

    codes = []
    try:
        client.chat.completions.create(model="@cf/meta/no-such-model", messages=ASKED)
    except openai.BadRequestError as error:
        codes = [each["code"] for each in error.response.json()["errors"]]
    assert codes == [5007]


async def asynchronous() -> None:
    async with openai.AsyncOpenAI(**TOLD) as client:
        stream = await client.chat.completions.create(model=GLM, messages=ASKED, stream=True)
        text = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(text).startswith("This is an emulated")
        assert len((await client.embeddings.create(model=BGE, input="one")).data[0].embedding) == 768
        assert GLM in {model.id async for model in client.models.list()}


sync()
asyncio.run(asynchronous())
