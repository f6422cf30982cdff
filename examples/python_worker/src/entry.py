"""A Python Worker: `/?prompt=…` is an answer as text, `/stream?prompt=…` an event stream of its tokens."""

from asyncio import create_task
from urllib.parse import parse_qs, urlsplit

from js import TransformStream
from pyodide.ffi import to_js
from workers import Response, WorkerEntrypoint

from cfai import Ai, CfaiError


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        ai, url = Ai.from_binding(self.env.AI), urlsplit(request.url)
        prompt = parse_qs(url.query).get("prompt", ["Where is New York?"])[0]
        inputs = {"prompt": prompt, "stream": url.path == "/stream"}
        try:
            answer = await ai.arun("@cf/zai-org/glm-4.7-flash", inputs)
        except CfaiError as error:
            return Response(error.user_message, status=500)
        if not inputs["stream"]:
            return Response(answer.text)
        pipe = TransformStream.new()
        self.ctx.waitUntil(create_task(send(answer, pipe.writable.getWriter())))
        return Response(pipe.readable, headers={"content-type": "text/event-stream"})


async def send(stream, writer):
    async with stream:  # the model stops when the page is closed, and writing fails
        async for chunk in stream.ato_event_stream():
            await writer.write(to_js(chunk))
    await writer.close()
