"""langchain-cloudflare: chat, streams, tools, structured answers, embeddings, reranking."""

import asyncio
import os

from langchain_cloudflare import ChatCloudflareWorkersAI, CloudflareWorkersAIEmbeddings
from langchain_cloudflare.rerankers import CloudflareWorkersAIReranker
from langchain_core.tools import tool
from pydantic import BaseModel

ACCOUNT, TOKEN = os.environ["EMULATOR_ACCOUNT"], os.environ["EMULATOR_TOKEN"]
API = os.environ["EMULATOR_URL"]
MODELS = ["@cf/meta/llama-3.3-70b-instruct-fp8-fast", "@cf/zai-org/glm-4.7-flash", "@cf/qwen/qwen3-30b-a3b-fp8"]


@tool
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class City(BaseModel):
    """A city."""

    name: str


def chat(model: str) -> ChatCloudflareWorkersAI:
    return ChatCloudflareWorkersAI(
        model=model, cloudflare_account_id=ACCOUNT, cloudflare_api_token=TOKEN, cloudflare_api_base=API
    )


for name in MODELS:
    model = chat(name)
    whole = model.invoke("is 42 worth $0.10 in naïve 東京? 🙂")
    assert whole.text.startswith("This is an emulated"), whole
    assert whole.usage_metadata["total_tokens"] > 0
    streamed = "".join(part.text for part in model.stream("is 42 worth $0.10 in naïve 東京? 🙂"))
    assert streamed == whole.text, (name, streamed, whole)
    called = model.bind_tools([weather]).invoke("call weather")
    assert [call["name"] for call in called.tool_calls] == ["weather"], called
    found = model.with_structured_output(City).invoke("a City please")
    assert isinstance(found, City), found


async def asynchronous() -> None:
    model = chat(MODELS[1])
    parts = [part.text async for part in model.astream("is 42 worth $0.10 in naïve 東京? 🙂")]
    assert "".join(parts) == (await model.ainvoke("is 42 worth $0.10 in naïve 東京? 🙂")).text


asyncio.run(asynchronous())

told = {"account_id": ACCOUNT, "api_token": TOKEN, "api_base_url": f"{API}/accounts"}
embeddings = CloudflareWorkersAIEmbeddings(model_name="@cf/baai/bge-base-en-v1.5", **told)
assert [len(vector) for vector in embeddings.embed_documents(["one", "two"])] == [768, 768]
assert len(embeddings.embed_query("one")) == 768
reranker = CloudflareWorkersAIReranker(model_name="@cf/baai/bge-reranker-base", **told)
assert len(reranker.rerank("new york", ["a city", "a river"])) == 2
