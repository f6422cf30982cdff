"""A chat in the browser: `python examples/web_chat/app.py`, then open http://127.0.0.1:8000.

Without an account: `cfai dev -- python examples/web_chat/app.py`, with emulated answers.
Needs `pip install fastapi uvicorn`. Whoever reaches the page spends your neurons: put a login before it.
"""

import logging
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, ValidationError

from cfai import Ai, CfaiError, LimitError, fit_messages, models

# What readers may choose from, the first by default. They can call no other model with your account.
ModelName = Literal[
    "@cf/zai-org/glm-4.7-flash",
    "@cf/google/gemma-4-26b-a4b-it",
    "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    "@cf/openai/gpt-oss-20b",
]
SYSTEM = {"role": "system", "content": "You are a helpful assistant. Be brief."}
MAX_TOKENS = 4000  # of an answer, with its reasoning
MAX_BYTES = 10_000_000  # of a conversation, with its pictures

PAGE = Path(__file__).parent / "page"
# Nothing but the files of the page runs in it, whatever a model writes.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
EVENTS = "text/event-stream"
# A proxy that gathers the events before it passes them on would show the answer all at once.
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

ai = Ai(total_timeout=240)
app = FastAPI(openapi_url=None)
app.mount("/page", StaticFiles(directory=PAGE))
logging.basicConfig()  # what breaks an answer off is told by the logger "cfai"
log = logging.getLogger("web_chat")


class Message(BaseModel):
    role: Literal["user", "assistant"]
    text: str
    images: list[Annotated[str, Field(pattern="^data:image/")]] = []

    def to_input(self, sees: bool) -> dict[str, Any]:
        """Return the message for a model, without its pictures if that cannot see."""
        text = self.text or "(a picture)"
        return {"role": self.role, "content": [text, *self.images] if sees and self.images else text}


class Conversation(BaseModel):
    """All that was said. The page keeps it and sends it whole, the server remembers nothing."""

    id: str = Field(pattern="^[a-z0-9]{1,20}$")
    model: ModelName
    messages: list[Message] = Field(min_length=1)


@app.get("/")
async def show_page() -> FileResponse:
    return FileResponse(PAGE / "page.html", headers={"Content-Security-Policy": POLICY})


@app.get("/models")
async def list_models() -> list[models.Model]:
    return [model for name in get_args(ModelName) if (model := models.get(name))]


@app.post("/answer")
async def answer(request: Request) -> Response:
    if request.headers.get("content-type") != "application/json":
        return Response(status_code=415)  # a page of another site cannot send JSON here in its reader's name
    body = bytearray()
    async for piece in request.stream():  # FastAPI itself would read any amount
        body += piece
        if len(body) > MAX_BYTES:
            error = LimitError(f"a conversation must be at most {MAX_BYTES:,} bytes")
            return Response(error.to_event_stream(), 413, media_type=EVENTS)
    try:
        conversation = Conversation.model_validate_json(body)
    except ValidationError:
        return Response(status_code=422)
    return StreamingResponse(stream_answer(conversation), media_type=EVENTS, headers=UNBUFFERED)


async def stream_answer(conversation: Conversation) -> AsyncGenerator[bytes]:
    """Yield the events of an answer. A reader who leaves ends this at any point, which stops the model."""
    model = models.get(conversation.model)
    sees = model is not None and "vision" in model.capabilities
    messages = [SYSTEM, *(message.to_input(sees) for message in conversation.messages)]
    try:
        # Long conversations take a while to count, and other readers are waiting.
        fit = partial(fit_messages, messages, model=conversation.model, max_tokens=MAX_TOKENS)
        fitted = await run_in_threadpool(fit)
        yield b'event: context\ndata: {"tokens": %d, "dropped": %d}\n\n' % (fitted.count, len(fitted.dropped))
        async with ai.arun(
            conversation.model,
            {"messages": fitted.messages, "max_tokens": MAX_TOKENS, "stream": True},
            session_affinity=conversation.id,
        ) as stream:
            async for event in stream.ato_event_stream(ping=15):
                yield event
    except CfaiError as error:
        log.warning("%s", error)
        yield error.to_event_stream()


if __name__ == "__main__":
    uvicorn.run(app, port=8000)
