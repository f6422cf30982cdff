"""A page that shows an answer as it comes: `python examples/fastapi_sse.py`, then open http://127.0.0.1:8000.

Needs `pip install fastapi uvicorn`. Whoever reaches the page spends your neurons: put a login before it.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from cfai import Ai, CfaiError

MODEL = "@cf/zai-org/glm-4.7-flash"
# A proxy that gathers the events before it passes them on would show the answer all at once.
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Workers AI</title>
<form><input name="prompt" value="Where is New York?" size="60"> <button>Ask</button></form>
<pre id="answer" style="white-space: pre-wrap"></pre>
<script>
  const form = document.querySelector("form");
  const answer = document.querySelector("#answer");
  let source;
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    source?.close();
    answer.textContent = "";
    source = new EventSource("/answer?" + new URLSearchParams({ prompt: form.elements.prompt.value }));
    source.addEventListener("message", (event) => {
      // Left open, an EventSource connects again when the answer ends, and pays again.
      if (event.data === "[DONE]") source.close();
      else answer.textContent += JSON.parse(event.data).response;
    });
    source.addEventListener("error", (event) => {
      source.close();
      answer.textContent += "\\n" + (event.data ? JSON.parse(event.data).user_message : "The connection was lost.");
    });
  });
</script>
"""

ai = Ai()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    async with ai:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.get("/answer")
async def answer(prompt: str) -> StreamingResponse:
    # A reader who leaves ends the iterator, and that closes the call.
    stream = await ai.arun(MODEL, {"prompt": prompt, "stream": True})
    return StreamingResponse(stream.ato_event_stream(ping=15), media_type="text/event-stream", headers=HEADERS)


@app.exception_handler(CfaiError)
async def failed(_: Request, error: CfaiError) -> Response:
    """An error before the stream began, as an event as well: of other answers an EventSource shows nothing."""
    return Response(error.to_event_stream(), media_type="text/event-stream", headers=HEADERS)


if __name__ == "__main__":
    uvicorn.run(app, port=8000)
