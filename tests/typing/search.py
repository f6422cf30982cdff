"""AI Search by its types: what each call gives."""

from typing import Any, assert_type

from cfai import Ai, AiSearchInstance, AsyncSearchStream, SearchStream
from cfai.types import AutoRAGResults, SearchChunk, SearchCompletion, SearchItemInfo, SearchResults

ai = Ai()
docs = ai.search().get("docs")
assert_type(docs, AiSearchInstance)
assert_type(docs.search({"query": "x"}), SearchResults)
assert_type(docs.search({"query": "x", "brand_new": 1}).chunks[0], SearchChunk)
assert_type(docs.search({"query": "x"}).chunks[0].item.key, str | None)
assert_type(docs.chat_completions({"messages": [{"role": "user", "content": "x"}]}), SearchCompletion)
assert_type(docs.chat_completions({"messages": [], "stream": True}), SearchStream)
assert_type(docs.chat_completions({"messages": [], "temperature": 0.1}), Any)
assert_type(list(docs.items.list(status="error")), list[SearchItemInfo])

rag = ai.autorag("docs")
assert_type(rag.ai_search({"query": "x"}), AutoRAGResults)
assert_type(rag.ai_search({"query": "x", "stream": True}), SearchStream)


async def asynchronous() -> None:
    assert_type(await docs.asearch({"query": "x"}), SearchResults)
    assert_type(await docs.achat_completions({"messages": []}), SearchCompletion)
    assert_type(await docs.achat_completions({"messages": [], "stream": True}), AsyncSearchStream)
    assert_type(await rag.aai_search({"query": "x"}), AutoRAGResults)
    assert_type(await rag.aai_search({"query": "x", "stream": True}), AsyncSearchStream)
    async with docs.achat_completions({"messages": [], "stream": True}) as stream:
        assert_type(stream, AsyncSearchStream)
