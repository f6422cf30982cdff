"""A Python Worker: `/?prompt=…` is an event stream of an answer's tokens. Start it with `uv run pywrangler dev`."""

from asyncio import create_task
from urllib.parse import parse_qs, urlsplit

from js import TransformStream
from pyodide.ffi import to_js
from workers import Response, WorkerEntrypoint

from cfai import Ai, CfaiError


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        prompt = parse_qs(urlsplit(request.url).query).get("prompt", ["Where is New York?"])[0]
        ai, pipe = Ai.from_binding(self.env.AI), TransformStream.new()
        try:
            stream = await ai.arun("@cf/zai-org/glm-4.7-flash", {"prompt": prompt, "stream": True})
        except CfaiError as error:
            return Response(error.user_message, status=500)
        self.ctx.waitUntil(create_task(send(stream, pipe.writable.getWriter())))
        return Response(pipe.readable, headers={"content-type": "text/event-stream"})


async def send(stream, writer):
    async with stream:  # when the page is closed, writing fails, and the model stops
        async for chunk in stream.ato_event_stream():
            await writer.write(to_js(chunk))
    await writer.close()
