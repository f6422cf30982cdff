"""LiteLLM, with its own provider for Cloudflare."""

import asyncio
import os

# Nothing is looked up outside.
os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}

import litellm

TOLD = {"api_base": os.environ["EMULATOR_OPENAI_URL"], "api_key": os.environ["EMULATOR_TOKEN"]}
ASKED = [{"role": "user", "content": "is 42 worth $0.10 in naïve 東京? 🙂"}]
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def get_text(chunks: list) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


for model in (LLAMA, "@cf/zai-org/glm-4.7-flash", "@cf/moonshotai/kimi-k2.6"):
    whole = litellm.completion(model=f"cloudflare/{model}", messages=ASKED, **TOLD)
    chunks = list(litellm.completion(model=f"cloudflare/{model}", messages=ASKED, stream=True, **TOLD))
    assert whole.choices[0].message.content.startswith("This is an emulated"), whole
    assert get_text(chunks) == whole.choices[0].message.content
    assert whole.usage.total_tokens > 0

forced = {"type": "function", "function": {"name": "weather"}}
called = litellm.completion(
    model=f"cloudflare/{LLAMA}",
    messages=ASKED,
    tools=[WEATHER],
    tool_choice=forced,
    allowed_openai_params=["tools", "tool_choice"],
    **TOLD,
)
assert called.choices[0].message.tool_calls[0].function.name == "weather"

# As any other server that speaks OpenAI's API.
vectors = litellm.embedding(model="openai/@cf/baai/bge-base-en-v1.5", input=["one", "two"], **TOLD)
assert [len(row["embedding"]) for row in vectors.data] == [768, 768]


async def asynchronous() -> None:
    stream = await litellm.acompletion(model=f"cloudflare/{LLAMA}", messages=ASKED, stream=True, **TOLD)
    assert get_text([chunk async for chunk in stream]).startswith("This is an emulated")


asyncio.run(asynchronous())

said = ""
try:
    litellm.completion(model="cloudflare/@cf/meta/no-such-model", messages=ASKED, **TOLD)
except (litellm.exceptions.APIError, litellm.exceptions.BadRequestError) as error:
    said = str(error)
assert "5007" in said, said
