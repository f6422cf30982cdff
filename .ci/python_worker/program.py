"""What is tried inside of Pyodide. `main` is given the `env` and `ctx` of a Worker."""

import sys

import js
from entry import Default
from workers import Request

from cfai import Ai, APIConnectionError, APITimeoutError, BadRequestError, ConfigurationError, NotFoundError

GLM = "@cf/zai-org/glm-4.7-flash"
NOVA = "@cf/deepgram/nova-3"
HELLO = {"prompt": "Hello"}


async def catch(kind, call):
    """Return what is said of a call that fails."""
    try:
        await call
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} is not raised")


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return f"7 °C in {city}"


async def main(env, ctx):
    ai = Ai.from_binding(env.AI)
    answer = await ai.arun(GLM, HELLO)
    assert answer.text.startswith("This is an emulated")
    assert len(ai.last_request_id) == 36
    assert [token.text async for token in ai.arun(GLM, {**HELLO, "stream": True})]
    assert (await ai.arun("@cf/leonardo/phoenix-1.0", HELLO)).content[:2] == b"\xff\xd8"
    assert (await ai.aembed("@cf/baai/bge-m3", ["one", "two"])).shape == (2, 1024)
    assert [row.output.text async for row in ai.arun_many(GLM, [HELLO, HELLO])] == [answer.text] * 2
    assert (await ai.arun_with_tools(GLM, {"prompt": "Where?"}, tools=[get_weather])).text
    assert (await ai.chat(GLM).asend("Hello")).text
    assert [model.name async for model in ai.amodels(search="glm-4.7", per_page=1, page=1)] == [GLM]
    through = await ai.arun(GLM, HELLO, gateway={"id": "mine", "metadata": {"user": None}}, tags=["one"])
    assert through.meta.gateway_log_id
    null = {"role": "assistant", "content": None, "tool_calls": []}
    assert (await ai.arun(GLM, {"messages": [{"role": "user", "content": "a"}, null]}, checks="off")).text

    heard = await ai.arun(NOVA, {"audio": {"body": b"sound", "contentType": "audio/mpeg"}, "language": "en"})
    assert heard.text == "sound of audio/mpeg, in en"
    body = js.Response.new("stream").body
    heard = await ai.arun(NOVA, {"audio": {"body": body, "contentType": "audio/wav"}, "language": "de"})
    assert heard.text == "stream of audio/wav, in de"

    assert "5007" in await catch(NotFoundError, ai.arun("@cf/meta/no-such-model", HELLO))
    assert "1001 InvalidInput: the prompt is wrong" in await catch(BadRequestError, ai.arun("throws", HELLO))
    assert "did not answer in time" in await catch(APITimeoutError, ai.arun("hangs", HELLO, timeout=0.05))
    assert "total timeout" in await catch(APITimeoutError, ai.arun("hangs", HELLO, total_timeout=0.05))

    assert "Network connection lost" in await catch(APIConnectionError, ai.arun("loses", HELLO, max_retries=0))

    [document] = await ai.ato_markdown([("page.html", b"<p>")])
    assert (document.name, document.mimeType, document.data) == ("page.html", "text/html", "<p>")

    async def run():
        ai.run(GLM, HELLO)

    assert "call `arun`" in await catch(ConfigurationError, run())

    worker = Default(ctx, env)
    for query in ("?prompt=caf%C3%A9+%26+tea", ""):
        response = await worker.fetch(Request(f"https://worker.example/{query}"))
        assert response.headers["content-type"] == "text/event-stream"
        assert (await response.text()).endswith("data: [DONE]\n\n")
    print("all of it works in Pyodide", sys.version.split()[0])
