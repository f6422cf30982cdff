# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""The effect of options on the type of the result, and the checks of them and of clients passed in. Never run."""

from typing import Any, Final, assert_type

import httpx
import httpx2

from cfai import Ai, AsyncBatch, AudioStream, Batch, BatchItem, Retry, Stream, Timeout, Token
from cfai.types import Audio, Binary, Embeddings, Image, Output, Reranking, TextOutput, Vectors
from cfai.types._output import ListResult

ai = Ai()
LLAMA: Final = "@cf/meta/llama-3.2-1b-instruct"

assert_type(
    ai.run(
        LLAMA,
        {"prompt": "Hi"},
        gateway={"id": "mine", "cache_ttl": 60},
        tags=["a", "b"],
        extra_headers={"x-a": "b"},
        session_affinity="a",
        reject_if_busy=True,
        timeout=Timeout(),
        total_timeout=30,
        max_retries=Retry(max_retries=1),
        checks="warn",
    ),
    TextOutput,
)
assert_type(
    ai.run(LLAMA, {"prompt": "Hi", "stream": True}, gateway="mine", max_retries=None, timeout=30), Stream[Token]
)
assert_type(ai.run(LLAMA, {"prompt": "Hi"}, return_raw_response=True), httpx.Response)
assert_type(ai.run(LLAMA, {"prompt": "Hi", "stream": True}, return_raw_response=True, tags=["a"]), httpx.Response)
assert_type(ai.run(LLAMA, {"prompt": "Hi"}, return_raw_response=False), TextOutput)
assert_type(ai.run("@cf/lykon/dreamshaper-8-lcm", {"prompt": "a cat"}, tags=["a"], queue_request=False), Image)
assert_type(ai.run("@cf/lykon/dreamshaper-8-lcm", {"prompt": "a cat"}, return_raw_response=True), httpx.Response)
assert_type(ai.run("@cf/baai/bge-m3", {"requests": [{"text": "Hi"}]}, queue_request=True), Batch[Any])
assert_type(ai.run(LLAMA, {"prompt": "Hi"}, queue_request=True), Batch[Any] | Output)
assert_type(ai.batch("@cf/meta/llama-3.3-70b-instruct-fp8-fast", [{"prompt": "Hi"}]), Batch[TextOutput])
assert_type(ai.batch("@cf/baai/bge-m3", [{"text": "Hi"}]).wait(), list[BatchItem[Reranking | Embeddings]])
assert_type(ai.batch("@cf/deepgram/aura-1", request_id="1", tags=["a"]), Batch[Audio])
assert_type(ai.batch("@cf/none/such", [{"text": "Hi"}]), Batch[Any])
assert_type(ai.run("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"request_id": "1"}), Output)
assert_type(ai.run("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"request_id": "1"}, queue_request=True), Output)


def what_is_known_at_run_time_only(flag: bool) -> None:
    assert_type(
        ai.run(LLAMA, {"prompt": "Hi"}, return_raw_response=flag),
        httpx.Response | Batch[Any] | Output | ListResult[Any] | Binary | Stream[Token] | AudioStream,
    )
    assert_type(
        ai.run(LLAMA, {"prompt": "Hi"}, queue_request=flag),
        Batch[Any] | Output | ListResult[Any] | Binary | Stream[Token] | AudioStream,
    )


async def arun_has_the_same_options() -> None:
    assert_type(await ai.arun(LLAMA, {"prompt": "Hi"}, return_raw_response=True), httpx.Response)
    assert_type(await ai.arun("@cf/baai/bge-m3", {"request_id": "1"}, queue_request=True), Output)
    assert_type(await ai.arun(LLAMA, {"requests": [{"prompt": "Hi"}]}, queue_request=True), AsyncBatch[Any])
    assert_type(await ai.abatch("@cf/baai/bge-small-en-v1.5", [{"text": "Hi"}]), AsyncBatch[Embeddings])
    await ai.arun(LLAMA, {"prompt": "Hi"}, limit="off")  # pyright: ignore[reportCallIssue]


ai.run(LLAMA, {"prompt": "Hi"}, tag="a")  # pyright: ignore[reportCallIssue]
ai.run(LLAMA, {"prompt": "Hi"}, timeout="1")  # pyright: ignore[reportCallIssue, reportArgumentType]
ai.run(LLAMA, {"prompt": "Hi"}, checks="no")  # pyright: ignore[reportCallIssue, reportArgumentType]
ai.run(LLAMA, {"prompt": "Hi"}, gateway={"name": "a"})  # pyright: ignore[reportCallIssue, reportArgumentType]
ai.run(LLAMA, [{"prompt": "Hi"}])  # pyright: ignore[reportCallIssue, reportArgumentType]
ai.batch(LLAMA, {"prompt": "Hi"})  # pyright: ignore[reportCallIssue, reportArgumentType]
ai.batch(LLAMA, [{"prompt": "Hi"}], fallback=[LLAMA])  # pyright: ignore[reportCallIssue]
ai.run(LLAMA)  # pyright: ignore[reportCallIssue]

Ai(http_client=httpx.Client(), async_http_client=httpx.AsyncClient())
Ai(http_client=httpx2.Client(), async_http_client=httpx2.AsyncClient())
Ai(http_client=None, async_http_client=None)

Ai(http_client=httpx.AsyncClient())  # pyright: ignore[reportArgumentType]
Ai(async_http_client=httpx.Client())  # pyright: ignore[reportArgumentType]
Ai(http_client="a client")  # pyright: ignore[reportArgumentType]
Ai(async_http_client=httpx2.Client())  # pyright: ignore[reportArgumentType]

assert_type(ai.embed("@cf/baai/bge-m3", (text for text in ("a", "b")), field="text", timeout=30), Vectors)
assert_type(ai.embed("@cf/baai/bge-m3", ["a"])[0], list[float])
ai.embed("@cf/baai/bge-m3", ["a"], stream=True)  # pyright: ignore[reportCallIssue]
ai.embed("@cf/baai/bge-m3", ["a"], field="contexts")  # pyright: ignore[reportArgumentType]
ai.embed("@cf/baai/bge-m3", [1])  # pyright: ignore[reportArgumentType]

gateway = ai.gateway("mine")
assert_type(gateway.run({"provider": "openai", "endpoint": "responses", "query": {}}, cache_ttl=60), httpx.Response)
assert_type(gateway.run([{"provider": "own", "endpoint": "x"}], return_raw_response=False, authorize=True), Any)
assert_type(gateway.get_url("openai"), str)
gateway.patch_log("x", feedback=None, score=0.5)
gateway.patch_log("x", feedback=0)  # pyright: ignore[reportArgumentType]
gateway.run({"provider": "openai"})  # pyright: ignore[reportArgumentType]
gateway.run([], cache_ttl="60")  # pyright: ignore[reportArgumentType]
