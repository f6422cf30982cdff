"""The types of a conversation."""

from pathlib import Path
from typing import Any, assert_type

from cfai import Ai, AsyncChatStream, Chat, ChatStream, Token
from cfai.types import TextOutput

ai = Ai()
chat = ai.chat("@cf/zai-org/glm-4.7-flash", system="Be brief.", inputs={"temperature": 0}, gateway="mine", timeout=5)
assert_type(chat, Chat)
assert_type(chat.send("Hi", images=[Path("photo.jpg")]), TextOutput)
assert_type(chat.messages, list[dict[str, Any]])
assert_type(Chat.from_json(ai, chat.to_json()), Chat)
ai.chat("@cf/zai-org/glm-4.7-flash", queue_request=True)  # pyright: ignore[reportCallIssue]
with chat.stream("Hi") as stream:
    assert_type(stream, ChatStream)
    assert_type(next(stream), Token)
    assert_type(stream.result(), TextOutput)


async def main() -> None:
    assert_type(await chat.asend("Hi"), TextOutput)
    async with chat.astream("Hi") as stream:
        assert_type(stream, AsyncChatStream)
        async for token in stream:
            assert_type(token, Token)
        assert_type(await stream.aresult(), TextOutput)
