"""Cloudflare's own SDK for Python. It encodes the slashes of a model's name, which the emulator is told to accept."""

import asyncio
import os

import cloudflare

ACCOUNT = os.environ["EMULATOR_ACCOUNT"]
TOLD = {"base_url": os.environ["EMULATOR_URL"], "api_token": os.environ["EMULATOR_TOKEN"], "max_retries": 0}
LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8"


def text(answer: object) -> str:
    return answer["response"] if isinstance(answer, dict) else answer.response  # type: ignore[attr-defined]


client = cloudflare.Cloudflare(**TOLD)
assert text(client.ai.run(LLAMA, account_id=ACCOUNT, prompt="hello")).startswith("This is an emulated")
image = client.ai.with_raw_response.run("@cf/leonardo/phoenix-1.0", account_id=ACCOUNT, prompt="a cat")
assert image.http_response.content.startswith(b"\xff\xd8")
names = [model["name"] for model in client.ai.models.list(account_id=ACCOUNT, per_page=20)]
assert len(names) == len(set(names)) > 40, names
schema = client.ai.models.schema.get(account_id=ACCOUNT, model=LLAMA)
assert schema.to_dict()["input"]["oneOf"], schema
assert list(client.ai.tasks.list(account_id=ACCOUNT))
assert list(client.ai.authors.list(account_id=ACCOUNT))
codes = []
try:
    client.ai.run("@cf/meta/no-such-model", account_id=ACCOUNT, prompt="hello")
except cloudflare.BadRequestError as error:
    codes = [each.code for each in error.errors]
assert codes == [5007]


async def asynchronous() -> None:
    async with cloudflare.AsyncCloudflare(**TOLD) as client:
        assert text(await client.ai.run(LLAMA, account_id=ACCOUNT, prompt="hello")).startswith("This is an emulated")


asyncio.run(asynchronous())
