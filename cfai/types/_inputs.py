"""Inputs of `run` for text models. The type checker alone reads these: at run time inputs are a plain `dict`.

Ranges, defaults and the fields themselves are those of the Workers AI model schemas (February 2025 to October 2026)
unless a field says otherwise. Where a range differs from model to model, the widest is given.

What is declared as `dict[str, Any]` is taken anywhere an object stands, unchecked. A dict that is written in place is
checked field by field.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict, final

from pydantic import BaseModel


@final
class OnlyAny:
    """A type that no value has, so that only `Any` passes for it. `dict[str, Any]` is a mapping to it; `{"a": 1}` is
    none, nor is `dict[str, str]`: that is how what was declared unchecked is told from what was misspelt."""


Untyped = Mapping[str, OnlyAny] | BaseModel
"""An object whose fields are not checked: a mapping declared with values of type `Any`, or a model of pydantic."""


# Parts of a message's content.


class TextPart(TypedDict):
    """Text, as one part of a message."""

    type: Literal["text"]
    text: str


class ImageUrl(TypedDict, total=False):
    """The address of an image."""

    url: Required[str]
    """`data:image/jpeg;base64,...`. Models with native inputs take no other kind of address."""
    detail: Literal["auto", "low", "high"]


class ImagePart(TypedDict):
    """An image, for models with the capability `vision`."""

    type: Literal["image_url"]
    image_url: ImageUrl


class VideoUrl(TypedDict):
    """The address of a video."""

    url: str


class VideoPart(TypedDict):
    """A video. Of the models that list this part, few are known to watch it."""

    type: Literal["video_url"]
    video_url: VideoUrl


class AudioData(TypedDict):
    """Sound, in the message itself."""

    data: str
    """Base64."""
    format: Literal["wav", "mp3"]


class AudioPart(TypedDict):
    """Sound. The schemas list it; no model of the catalogue says that it listens."""

    type: Literal["input_audio"]
    input_audio: AudioData


class FileData(TypedDict, total=False):
    """A file, in the message itself or by its id."""

    file_data: str
    """Base64."""
    file_id: str
    filename: str


class FilePart(TypedDict):
    """A file. The schemas list it; no model of the catalogue says that it reads one."""

    type: Literal["file"]
    file: FileData


ContentPart = TextPart | ImagePart | VideoPart | AudioPart | FilePart | Untyped
"""One part of what a user says."""


# Messages.


class SystemMessage(TypedDict, total=False):
    """A message that says what the model is to be."""

    role: Required[Literal["system", "developer"]]
    """`developer` is known to chat models alone."""
    content: Required[str | Sequence[TextPart | Untyped]]
    name: str


class UserMessage(TypedDict, total=False):
    """A message of the user."""

    role: Required[Literal["user"]]
    content: Required[str | Sequence[ContentPart]]
    """Text, or parts: every chat model takes parts since February 2026."""
    name: str


class NamedFunction(TypedDict):
    """A function by its name."""

    name: str


class FunctionCall(TypedDict):
    """A function that the model wanted called."""

    name: str
    arguments: str
    """JSON text, as the model sent it."""


class ToolCallMessage(TypedDict):
    """A tool call, given back to the model that made it."""

    id: str
    """As the model sent it, unchanged."""
    type: Literal["function"]
    function: FunctionCall


class AssistantMessage(TypedDict, total=False):
    """A message of the model, from before."""

    role: Required[Literal["assistant"]]
    content: str | Sequence[TextPart | Untyped] | None
    """Beside tool calls send `""`, not `None`: older models refuse it."""
    name: str
    tool_calls: Sequence[ToolCallMessage | Untyped]
    reasoning_content: str | None
    """Its reasoning, for models that keep that between turns (`clear_thinking`)."""
    reasoning: str | None
    """`reasoning_content`, under the name that some models use."""
    refusal: str | None
    function_call: FunctionCall | None
    """Superseded by `tool_calls`."""


class ToolMessage(TypedDict, total=False):
    """The result of a tool."""

    role: Required[Literal["tool"]]
    content: Required[str | Sequence[TextPart | Untyped]]
    tool_call_id: str
    """The id of the call that it answers. Chat models demand it; some native ones want nine letters or digits."""
    name: str
    """The tool's name, which native models want."""


class FunctionMessage(TypedDict):
    """The result of a function. Superseded by `ToolMessage`."""

    role: Literal["function"]
    content: str
    name: str


InputMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage | Untyped
"""One message of a conversation. The `message` of a choice that came back can be given as it is."""


# Tools.


class FunctionDefinition(TypedDict, total=False):
    """A function that the model may want called."""

    name: Required[str]
    description: str
    """Native models demand it."""
    parameters: Mapping[str, Any]
    """A JSON schema. Native models demand `type` and `description` of every property."""
    strict: bool | None
    """True if the arguments must follow the schema to the letter. Chat models only."""


class FunctionTool(TypedDict):
    """A function, as chat completions have it."""

    type: Literal["function"]
    function: FunctionDefinition


class CustomTool(TypedDict):
    """A tool that takes text of a form of its own."""

    type: Literal["custom"]
    custom: Mapping[str, Any]
    """`name`, and if need be `description` and `format`."""


NativeTool = FunctionTool | FunctionDefinition | Untyped
"""A tool for models with native inputs, flat or as chat completions have it."""

ChatTool = FunctionTool | CustomTool | Untyped
"""A tool for chat models."""


class EmbeddedFunction(TypedDict):
    """A function whose code goes with the call, for the models of 2024 that knew these."""

    name: str
    code: str


class NamedTool(TypedDict):
    """The one tool that the model must call. The service enforces it."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTools(TypedDict):
    """Some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: Mapping[str, Any]
    """`mode`, `auto` or `required`, and `tools`."""


ChatToolChoice = Literal["none", "auto", "required"] | NamedTool | AllowedTools | Untyped
"""Which tools the model may call. `required` is only a request: some answer in text all the same."""


# The form of the answer.


class TextFormat(TypedDict):
    """Plain text."""

    type: Literal["text"]


class JsonFormat(TypedDict, total=False):
    """JSON. No model streams it."""

    type: Required[Literal["json_object", "json_schema"]]
    json_schema: Mapping[str, Any]
    """For native inputs the schema itself; chat models document `{"name": ..., "schema": ..., "strict": ...}`."""


# Native inputs.


class _Native(TypedDict, total=False):
    max_tokens: int | Literal["max"]
    """Tokens of the answer at most. Default 256; 2000 for Qwen3 30B, Sea-Lion and Granite. `"max"`: all there is."""
    temperature: float
    """0 to 5, default 0.6; 0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ."""
    top_p: float
    """0 to 2 by some schemas, 0.001 to 1 by the newer ones."""
    top_k: int
    """1 to 50."""
    seed: int
    """1 to 9,999,999,999."""
    repetition_penalty: float
    """0 to 2."""
    frequency_penalty: float
    """-2 to 2; by most schemas 0 to 2."""
    presence_penalty: float
    """-2 to 2; by most schemas 0 to 2."""
    raw: bool
    """Leave the chat template out. Default false."""
    lora: str
    """A fine-tune's id or name. The schemas list it beside `prompt` alone, the documentation beside `messages` too."""
    response_format: JsonFormat | Untyped
    """JSON mode, for the models that have it."""
    guided_json: Mapping[str, Any]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    image: str | Sequence[int]
    """An image for Llama 3.2 11B Vision: its bytes as numbers, or base64."""


class _NativePrompt(_Native):
    prompt: Required[str]
    """At least one character."""


class _NativeMessages(_Native, total=False):
    messages: Required[Sequence[InputMessage]]
    tools: Sequence[NativeTool]
    tool_choice: Literal["none", "auto", "required"] | NamedTool | Untyped
    """No schema lists it for native inputs; Cloudflare's own clients send it."""
    functions: Sequence[EmbeddedFunction | Untyped]


class NativePrompt(_NativePrompt, total=False):
    """One text for a model with native inputs."""

    stream: bool
    """Default false."""


class NativePromptPlain(_NativePrompt, total=False):
    """`NativePrompt` without streaming."""

    stream: Literal[False]


class NativePromptStream(_NativePrompt):
    """`NativePrompt`, streamed."""

    stream: Required[Literal[True]]


class NativeMessages(_NativeMessages, total=False):
    """A conversation with a model with native inputs."""

    stream: bool
    """Default false."""


class NativeMessagesPlain(_NativeMessages, total=False):
    """`NativeMessages` without streaming."""

    stream: Literal[False]


class NativeMessagesStream(_NativeMessages):
    """`NativeMessages`, streamed."""

    stream: Required[Literal[True]]


NativeInputs = NativePrompt | NativeMessages
"""Inputs of Llama, Mistral and older models; of Qwen3 30B, Sea-Lion and Granite too, which answer as chat models do."""

NativeInputsPlain = NativePromptPlain | NativeMessagesPlain
"""`NativeInputs` without streaming."""

NativeInputsStream = NativePromptStream | NativeMessagesStream
"""`NativeInputs`, streamed."""


# Chat completions.


class ChatTemplateOptions(TypedDict, total=False):
    """Options of the model's chat template."""

    enable_thinking: bool
    """True if the model is to reason first. Default true. Kimi K2.7 Code and GLM 5.3 Flash cannot be told not to."""
    clear_thinking: bool
    """True if reasoning of earlier turns is to be dropped. Default false."""
    thinking: bool
    """`enable_thinking` as Kimi K2.6 and later call it. Source: the notes of Cloudflare's provider."""


class StreamOptions(TypedDict, total=False):
    """Options of a stream."""

    include_usage: bool
    """Send the usage at the end."""
    include_obfuscation: bool
    """Pad events, so that their length does not give the tokens away."""


class AudioOptions(TypedDict):
    """The sound of spoken answers."""

    voice: str | Mapping[str, Any]
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]


class Prediction(TypedDict):
    """A text that most of the answer is known to be."""

    type: Literal["content"]
    content: str | Sequence[TextPart | Untyped]


class WebSearchOptions(TypedDict, total=False):
    """Options of a search of the web."""

    search_context_size: Literal["low", "medium", "high"]
    user_location: Mapping[str, Any]


class _Chat(TypedDict, total=False):
    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included. Default: what the window leaves. `"max"`: all there is."""
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`."""
    temperature: float | None
    """0 to 2, default 1."""
    top_p: float | None
    """0 to 1, default 1."""
    n: int | None
    """How many answers: 1 to 128, default 1."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four."""
    seed: int | None
    frequency_penalty: float | None
    """-2 to 2, default 0."""
    presence_penalty: float | None
    """-2 to 2, default 0."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance."""
    logprobs: bool | None
    """Default false."""
    top_logprobs: int | None
    """0 to 20."""
    stream_options: StreamOptions | Untyped
    reasoning_effort: Literal["none", "low", "medium", "high", "max"] | None
    """`low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default). `None`: no reasoning."""
    chat_template_kwargs: ChatTemplateOptions | Untyped
    tools: Sequence[ChatTool]
    tool_choice: ChatToolChoice
    parallel_tool_calls: bool
    """Default true."""
    functions: Sequence[FunctionDefinition | Untyped]
    """Superseded by `tools`. 1 to 128."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`."""
    response_format: TextFormat | JsonFormat | Untyped
    modalities: Sequence[Literal["text", "audio"]] | None
    audio: AudioOptions | Untyped
    prediction: Prediction | Untyped
    web_search_options: WebSearchOptions | Untyped
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, Any] | None
    store: bool | None
    """Default false."""
    user: str
    model: str
    """Not needed: the model is an argument of `run`."""


class _ChatPrompt(_Chat):
    prompt: Required[str]
    """At least one character."""


class _ChatMessages(_Chat):
    messages: Required[Sequence[InputMessage]]


class ChatPrompt(_ChatPrompt, total=False):
    """One text for a chat model."""

    stream: bool | None
    """Default false."""


class ChatPromptPlain(_ChatPrompt, total=False):
    """`ChatPrompt` without streaming."""

    stream: Literal[False] | None


class ChatPromptStream(_ChatPrompt):
    """`ChatPrompt`, streamed."""

    stream: Required[Literal[True]]


class ChatMessages(_ChatMessages, total=False):
    """A conversation with a chat model."""

    stream: bool | None
    """Default false."""


class ChatMessagesPlain(_ChatMessages, total=False):
    """`ChatMessages` without streaming."""

    stream: Literal[False] | None


class ChatMessagesStream(_ChatMessages):
    """`ChatMessages`, streamed."""

    stream: Required[Literal[True]]


ChatInputs = ChatPrompt | ChatMessages
"""Inputs of the chat models, as OpenAI's chat completions have them: GLM, Kimi, Gemma 4, Nemotron, DeepSeek V4, ..."""

ChatInputsPlain = ChatPromptPlain | ChatMessagesPlain
"""`ChatInputs` without streaming."""

ChatInputsStream = ChatPromptStream | ChatMessagesStream
"""`ChatInputs`, streamed."""


# The Responses form of gpt-oss. Source: Workers AI's release notes and the types of the Workers runtime.


class ResponsesTextPart(TypedDict):
    """Text, as one part of a message."""

    type: Literal["input_text", "output_text"]
    text: str


class ResponsesImagePart(TypedDict, total=False):
    """An image, as one part of a message."""

    type: Required[Literal["input_image"]]
    image_url: str
    """Base64, as a `data:` URL."""
    detail: Literal["auto", "low", "high"]


class ResponsesMessage(TypedDict, total=False):
    """One message of a conversation."""

    role: Required[Literal["user", "assistant", "system", "developer"]]
    content: Required[str | Sequence[ResponsesTextPart | ResponsesImagePart | Untyped]]
    type: Literal["message"]


class ResponsesFunctionCall(TypedDict, total=False):
    """A call that the model made, given back to it."""

    type: Required[Literal["function_call"]]
    call_id: Required[str]
    name: Required[str]
    arguments: Required[str]
    """JSON text, as the model sent it."""
    id: str


class ResponsesFunctionOutput(TypedDict):
    """The result of a function."""

    type: Literal["function_call_output"]
    call_id: str
    """The `call_id` of the call that it answers."""
    output: str | Sequence[ResponsesTextPart | ResponsesImagePart | Untyped]


ResponsesItem = ResponsesMessage | ResponsesFunctionCall | ResponsesFunctionOutput | Untyped
"""One item of `input`. Items of an earlier answer's `output` can be given as they are."""


class ResponsesFunction(TypedDict, total=False):
    """A function that the model may want called; flat, unlike the one of chat completions."""

    type: Required[Literal["function"]]
    name: Required[str]
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema."""
    strict: bool | None


class ReasoningOptions(TypedDict, total=False):
    """The effort of thinking, and its summary."""

    effort: Literal["low", "medium", "high"] | None
    """Default `medium`."""
    summary: Literal["auto", "concise", "detailed"] | None
    """How its thoughts are summed up."""


class ResponsesFormat(TypedDict, total=False):
    """The form of the answer: text, JSON, or JSON after a schema."""

    type: Required[Literal["text", "json_object", "json_schema"]]
    name: str
    """With a schema: its name."""
    schema: Mapping[str, Any]
    """The JSON schema itself."""
    description: str
    strict: bool | None


class ResponsesText(TypedDict, total=False):
    """The form of the answer."""

    format: ResponsesFormat | Untyped
    verbosity: Literal["low", "medium", "high"] | None


class _Responses(TypedDict, total=False):
    input: Required[str | Sequence[ResponsesItem]]
    """The prompt, or the conversation so far."""
    instructions: str | None
    """The text that says what the model is to be."""
    max_output_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included. `"max"`: all there is."""
    reasoning: ReasoningOptions | Untyped | None
    temperature: float | None
    top_p: float | None
    text: ResponsesText | Untyped
    tools: Sequence[ResponsesFunction | Untyped]
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any]
    parallel_tool_calls: bool | None
    stream_options: StreamOptions | Untyped
    include: Sequence[str] | None
    """Further parts that the answer should hold, such as `message.output_text.logprobs`."""
    truncation: Literal["auto", "disabled"] | None
    previous_response_id: str | None
    prompt_cache_key: str
    safety_identifier: str
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None


class ResponsesInput(_Responses, total=False):
    """gpt-oss called as in OpenAI's Responses API."""

    stream: bool | None
    """Default false."""


class ResponsesInputPlain(_Responses, total=False):
    """`ResponsesInput` without streaming."""

    stream: Literal[False] | None


class ResponsesInputStream(_Responses):
    """`ResponsesInput`, streamed."""

    stream: Required[Literal[True]]


class BatchPoll(TypedDict):
    """Asks after a batch job."""

    request_id: str
    """The id that the answer to `queue_request=True` gave."""
