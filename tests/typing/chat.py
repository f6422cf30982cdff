"""The types of a conversation."""

from pathlib import Path
from typing import Any, assert_type

from cfai import Ai, AsyncChatStream, Chat, ChatStream, Token
from cfai.types import Step, TextOutput, ToolsOutput

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


def get_weather(city: str) -> str:
    return city


talk = ai.chat("@cf/zai-org/glm-4.7-flash", tools=[get_weather], max_rounds=3)
assert_type(talk, Chat[ToolsOutput])
assert_type(talk.send("Hi").steps, list[Step])
assert_type(talk.stream("Hi").result(), ToolsOutput)
assert_type(talk.stream("Hi").steps, list[Step])
assert_type(Chat.from_json(ai, talk.to_json(), tools=[get_weather]), Chat[ToolsOutput])


def keep(chat: Chat) -> str:
    return chat.to_json()


keep(talk)


async def main() -> None:
    assert_type((await talk.asend("Hi")).steps, list[Step])
    assert_type(await talk.astream("Hi").aresult(), ToolsOutput)
    assert_type(await chat.asend("Hi"), TextOutput)
    async with chat.astream("Hi") as stream:
        assert_type(stream, AsyncChatStream)
        async for token in stream:
            assert_type(token, Token)
        assert_type(await stream.aresult(), TextOutput)
