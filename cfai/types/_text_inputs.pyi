# Written by `python .ci/overloads.py` from the file of this name that ends in `.py`. Do not edit it by hand.
# Every class has all its keys itself: an editor shows no docstring of an inherited one.
"""Text generation: what goes in. The type checker alone reads these: at run time inputs are a plain `dict`.

Ranges, defaults and the fields themselves are those of the Workers AI model schemas (February 2025 to October 2026)
unless a field says otherwise. Where a range differs from model to model, the widest is given.

What is declared as `dict[str, Any]` is taken anywhere an object stands, unchecked. A dict that is written in place is
checked field by field.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Required, TypedDict, final

from pydantic import BaseModel

from cfai.types._finetunes import Finetune
from cfai.types._media_inputs import AudioSource, ImageSource, MediaSource

@final
class InputOfThisModel:
    """A type that no value has, so that only `Any` passes for it. `dict[str, Any]` is a mapping to it; `{"a": 1}` is
    none, nor is `dict[str, str]`: that is how what was declared unchecked is told from what was misspelt."""

Untyped = Mapping[str, InputOfThisModel] | BaseModel
"""An object whose fields are not checked: a mapping declared with values of type `Any`, or a model of pydantic."""

# Parts of a message's content.

class TextPart(TypedDict):
    """Text, as one part of a message."""

    type: Literal["text"]
    """Text."""
    text: str
    """The text itself."""

class ImageUrl(TypedDict, total=False):
    """The address of an image."""

    url: Required[ImageSource]
    """The image in any form that cfai reads, a `data:` URL, or where the model takes one an address on the web."""
    detail: Literal["auto", "low", "high"]
    """How closely to look. No source says which models mind it."""

class ImagePart(TypedDict):
    """An image, for models with the capability `vision`."""

    type: Literal["image_url"]
    """An image."""
    image_url: ImageUrl | ImageSource
    """The image in any form that cfai reads, or an object that holds it."""

class VideoUrl(TypedDict):
    """The address of a video."""

    url: MediaSource
    """The video in any form that cfai reads, a `data:` URL, or where the model takes one an address on the web."""

class VideoPart(TypedDict):
    """A video. Of the models that list this part, few are known to watch it."""

    type: Literal["video_url"]
    """A video."""
    video_url: VideoUrl | MediaSource
    """The video, or an object that holds it."""

class AudioData(TypedDict, total=False):
    """Sound, in the message itself."""

    data: Required[AudioSource]
    """The sound itself in any form that cfai reads, or base64."""
    format: Literal["wav", "mp3"]
    """Default: what the sound says of itself."""

class AudioPart(TypedDict):
    """Sound. The schemas list it; no model of the catalogue says that it listens."""

    type: Literal["input_audio"]
    """Sound."""
    input_audio: AudioData | AudioSource
    """The sound, or an object that holds it."""

class FileData(TypedDict, total=False):
    """A file, in the message itself or by its id."""

    file_data: str
    """Base64."""
    file_id: str
    """The id of a file that the service keeps. It is not known to keep any."""
    filename: str
    """The name of the file."""

class FilePart(TypedDict):
    """A file. The schemas list it; no model of the catalogue says that it reads one."""

    type: Literal["file"]
    """A file."""
    file: FileData
    """Its content."""

ContentPart = TextPart | ImagePart | VideoPart | AudioPart | FilePart | Untyped | ImageSource
"""One part of what a user says: an object of the wire, a text as it is, or an image by its path or bytes."""

# Messages.

class SystemMessage(TypedDict, total=False):
    """A message that says what the model is to be."""

    role: Required[Literal["system", "developer"]]
    """`developer` is known to chat models alone."""
    content: Required[str | Sequence[TextPart | Untyped]]
    """The instructions."""
    name: str
    """Who speaks, where several have one role."""

class UserMessage(TypedDict, total=False):
    """A message of the user."""

    role: Required[Literal["user"]]
    """The user."""
    content: Required[str | Sequence[ContentPart]]
    """Text, or parts: every chat model takes parts since February 2026."""
    name: str
    """Who speaks, where several have one role."""

class NamedFunction(TypedDict):
    """A function by its name."""

    name: str
    """Its name."""

class FunctionCall(TypedDict):
    """A function that the model wanted called."""

    name: str
    """The name of the function."""
    arguments: str
    """JSON text, as the model sent it."""

class ToolCallMessage(TypedDict):
    """A tool call, given back to the model that made it."""

    id: str
    """As the model sent it, unchanged."""
    type: Literal["function"]
    """A function."""
    function: FunctionCall
    """The function, and its arguments."""

class AssistantMessage(TypedDict, total=False):
    """A message of the model, from before."""

    role: Required[Literal["assistant"]]
    """The model."""
    content: str | Sequence[TextPart | Untyped] | None
    """Beside tool calls send `""`, not `None`: older models refuse it."""
    name: str
    """Who speaks, where several have one role."""
    tool_calls: Sequence[ToolCallMessage | Untyped]
    """The tools that it wanted called."""
    reasoning_content: str | None
    """Its reasoning, for models that keep that between turns (`clear_thinking`)."""
    reasoning: str | None
    """`reasoning_content`, under the name that some models use."""
    refusal: str | None
    """Its words where it refused to answer."""
    function_call: FunctionCall | None
    """Superseded by `tool_calls`."""

class ToolMessage(TypedDict, total=False):
    """The result of a tool."""

    role: Required[Literal["tool"]]
    """A tool."""
    content: Required[str | Sequence[TextPart | Untyped]]
    """The result, as text."""
    tool_call_id: str
    """The id of the call that it answers. Chat models demand it; some native ones want nine letters or digits."""
    name: str
    """The tool's name, which native models want."""

class FunctionMessage(TypedDict):
    """The result of a function. Superseded by `ToolMessage`."""

    role: Literal["function"]
    """A function."""
    content: str
    """The result, as text."""
    name: str
    """The name of the function."""

InputMessage = SystemMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage | Untyped
"""One message of a conversation. The `message` of a choice that came back can be given as it is."""

# Tools.

class FunctionDefinition(TypedDict, total=False):
    """A function that the model may want called."""

    name: Required[str]
    """The name that the model calls it by."""
    description: str
    """Native models demand it."""
    parameters: Mapping[str, object]
    """A JSON schema. Native models demand `type` and `description` of every property."""
    strict: bool | None
    """True if the arguments must follow the schema to the letter. Chat models only."""

class FunctionTool(TypedDict):
    """A function, as chat completions have it."""

    type: Literal["function"]
    """A function."""
    function: FunctionDefinition
    """Its name, its purpose and its parameters."""

class CustomTool(TypedDict):
    """A tool that takes text of a form of its own."""

    type: Literal["custom"]
    """A tool that takes text."""
    custom: Mapping[str, object]
    """`name`, and if need be `description` and `format`."""

Tool = FunctionTool | FunctionDefinition | CustomTool | Untyped
"""A tool, as chat completions have it, or flat for models with native inputs."""

class EmbeddedFunction(TypedDict):
    """A function whose code goes with the call, for the models of 2024 that knew these."""

    name: str
    """Its name."""
    code: str
    """Its code."""

class NamedTool(TypedDict):
    """The one tool that the model must call. The service enforces it."""

    type: Literal["function"]
    """A function."""
    function: NamedFunction
    """Its name."""

class NamedCustomTool(TypedDict):
    """`NamedTool` for a tool that takes text of a form of its own."""

    type: Literal["custom"]
    """A tool that takes text."""
    custom: NamedFunction
    """Its name."""

class AllowedTools(TypedDict):
    """Some of the tools."""

    type: Literal["allowed_tools"]
    """Some of the tools."""
    allowed_tools: Mapping[str, object]
    """`mode`, `auto` or `required`, and `tools`."""

ToolChoice = Literal["none", "auto", "required"] | NamedTool | NamedCustomTool | AllowedTools | Untyped
"""Which tools the model may call. `required` is only a request: some answer in text all the same."""

# The form of the answer.

class TextFormat(TypedDict):
    """Plain text."""

    type: Literal["text"]
    """Plain text."""

class JsonFormat(TypedDict, total=False):
    """JSON. No model streams it."""

    type: Required[Literal["json_object", "json_schema"]]
    """`json_schema`: JSON that follows a schema; `json_object`: any."""
    json_schema: Mapping[str, object]
    """For native inputs the schema itself; chat models document `{"name": ..., "schema": ..., "strict": ...}`."""

# Prompts and messages.

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

    voice: str | Mapping[str, object]
    """The name of the voice, or an object with its id."""
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]
    """The encoding of the sound."""

class Prediction(TypedDict):
    """A text that most of the answer is known to be."""

    type: Literal["content"]
    """Text."""
    content: str | Sequence[TextPart | Untyped]
    """The text that is known."""

class WebSearchOptions(TypedDict, total=False):
    """Options of a search of the web."""

    search_context_size: Literal["low", "medium", "high"]
    """How much of what is found goes into the context."""
    user_location: Mapping[str, object]
    """Where the user is, about: an object as OpenAI documents it."""

class PromptInputs(TypedDict, total=False):
    """A prompt for a text model. Each model takes most of the keys; `cfai` checks which."""

    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included; `"max"`: all there is.

    Default of models with native inputs: 256; 2000 for Qwen3 30B, Sea-Lion and Granite. Of chat models: what the window
    leaves.
    """
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`. Chat models."""
    temperature: float | None
    """The higher, the more varied the answer.

    0 to 5, default 0.6 (0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ); chat models 0 to 2, default 1.
    """
    top_p: float | None
    """The share of likely tokens that are chosen from.

    0 to 2 by some native schemas, 0.001 to 1 by the newer ones; chat models 0 to 1, default 1.
    """
    top_k: int
    """The number of likely tokens that are chosen from: 1 to 50. Models with native inputs."""
    seed: int | None
    """The same seed makes the same answer likely: 1 to 9,999,999,999; for chat models any."""
    repetition_penalty: float
    """How much tokens that came already are avoided: 0 to 2. Models with native inputs."""
    frequency_penalty: float | None
    """How much tokens that came often are avoided: -2 to 2; by most native schemas 0 to 2."""
    presence_penalty: float | None
    """How much tokens that came at all are avoided: -2 to 2; by most native schemas 0 to 2."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four. Chat models."""
    n: int | None
    """How many answers: 1 to 128, default 1. Chat models."""
    tools: Sequence[Tool]
    """The tools that the model may want called."""
    tool_choice: ToolChoice
    """Which of the tools the model may call, or must. Chat models."""
    parallel_tool_calls: bool
    """The model may want several tools called at once. Default true. Chat models."""
    functions: Sequence[EmbeddedFunction | FunctionDefinition | Untyped]
    """Superseded by `tools`."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`. Chat models."""
    response_format: TextFormat | JsonFormat | Untyped | type[object]
    """JSON mode, for the models that have it. A class means the same as `output_type`, which types the answer too."""
    guided_json: Mapping[str, object]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    """How long to reason first.

    `low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default); of these two the service takes the other efforts as well, for one of these. `None`: no
    reasoning. Chat models.
    """
    chat_template_kwargs: ChatTemplateOptions | Untyped
    """Options of the chat template, such as whether to reason. Chat models."""
    image: ImageSource
    """An image for Llama 3.2 11B Vision: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    raw: bool
    """Leave the chat template out. Default false. Models with native inputs."""
    lora: str | Finetune
    """A fine-tune, its id or name. The schemas have it beside `prompt`, the documentation beside `messages` too."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance. Chat models."""
    logprobs: bool | None
    """Say of each token how likely it was. Default false. Chat models."""
    top_logprobs: int | None
    """How many other tokens are told with each: 0 to 20. Chat models."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens. Chat models."""
    modalities: Sequence[Literal["text", "audio"]] | None
    """The forms of the answer. Chat models; none of the catalogue says that it speaks."""
    audio: AudioOptions | Untyped
    """The sound of a spoken answer. Chat models; none of the catalogue says that it speaks."""
    prediction: Prediction | Untyped
    """A text that most of the answer is known to be. Chat models."""
    web_search_options: WebSearchOptions | Untyped
    """Chat models; none of the catalogue says that it searches the web."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, object] | None
    """Anything of your own. Chat models."""
    store: bool | None
    """Default false. Chat models."""
    user: str
    """An id of your own user. Chat models."""
    model: str
    """Not needed: the model is an argument of `run`."""
    prompt: Required[str]
    """One text, of at least one character."""
    stream: bool | None
    """Default false."""

class PromptInputsPlain(TypedDict, total=False):
    """`PromptInputs` without streaming."""

    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included; `"max"`: all there is.

    Default of models with native inputs: 256; 2000 for Qwen3 30B, Sea-Lion and Granite. Of chat models: what the window
    leaves.
    """
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`. Chat models."""
    temperature: float | None
    """The higher, the more varied the answer.

    0 to 5, default 0.6 (0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ); chat models 0 to 2, default 1.
    """
    top_p: float | None
    """The share of likely tokens that are chosen from.

    0 to 2 by some native schemas, 0.001 to 1 by the newer ones; chat models 0 to 1, default 1.
    """
    top_k: int
    """The number of likely tokens that are chosen from: 1 to 50. Models with native inputs."""
    seed: int | None
    """The same seed makes the same answer likely: 1 to 9,999,999,999; for chat models any."""
    repetition_penalty: float
    """How much tokens that came already are avoided: 0 to 2. Models with native inputs."""
    frequency_penalty: float | None
    """How much tokens that came often are avoided: -2 to 2; by most native schemas 0 to 2."""
    presence_penalty: float | None
    """How much tokens that came at all are avoided: -2 to 2; by most native schemas 0 to 2."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four. Chat models."""
    n: int | None
    """How many answers: 1 to 128, default 1. Chat models."""
    tools: Sequence[Tool]
    """The tools that the model may want called."""
    tool_choice: ToolChoice
    """Which of the tools the model may call, or must. Chat models."""
    parallel_tool_calls: bool
    """The model may want several tools called at once. Default true. Chat models."""
    functions: Sequence[EmbeddedFunction | FunctionDefinition | Untyped]
    """Superseded by `tools`."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`. Chat models."""
    response_format: TextFormat | JsonFormat | Untyped | type[object]
    """JSON mode, for the models that have it. A class means the same as `output_type`, which types the answer too."""
    guided_json: Mapping[str, object]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    """How long to reason first.

    `low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default); of these two the service takes the other efforts as well, for one of these. `None`: no
    reasoning. Chat models.
    """
    chat_template_kwargs: ChatTemplateOptions | Untyped
    """Options of the chat template, such as whether to reason. Chat models."""
    image: ImageSource
    """An image for Llama 3.2 11B Vision: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    raw: bool
    """Leave the chat template out. Default false. Models with native inputs."""
    lora: str | Finetune
    """A fine-tune, its id or name. The schemas have it beside `prompt`, the documentation beside `messages` too."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance. Chat models."""
    logprobs: bool | None
    """Say of each token how likely it was. Default false. Chat models."""
    top_logprobs: int | None
    """How many other tokens are told with each: 0 to 20. Chat models."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens. Chat models."""
    modalities: Sequence[Literal["text", "audio"]] | None
    """The forms of the answer. Chat models; none of the catalogue says that it speaks."""
    audio: AudioOptions | Untyped
    """The sound of a spoken answer. Chat models; none of the catalogue says that it speaks."""
    prediction: Prediction | Untyped
    """A text that most of the answer is known to be. Chat models."""
    web_search_options: WebSearchOptions | Untyped
    """Chat models; none of the catalogue says that it searches the web."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, object] | None
    """Anything of your own. Chat models."""
    store: bool | None
    """Default false. Chat models."""
    user: str
    """An id of your own user. Chat models."""
    model: str
    """Not needed: the model is an argument of `run`."""
    prompt: Required[str]
    """One text, of at least one character."""
    stream: Literal[False] | None
    """Default false."""

class PromptInputsStream(TypedDict, total=False):
    """`PromptInputs`, streamed."""

    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included; `"max"`: all there is.

    Default of models with native inputs: 256; 2000 for Qwen3 30B, Sea-Lion and Granite. Of chat models: what the window
    leaves.
    """
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`. Chat models."""
    temperature: float | None
    """The higher, the more varied the answer.

    0 to 5, default 0.6 (0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ); chat models 0 to 2, default 1.
    """
    top_p: float | None
    """The share of likely tokens that are chosen from.

    0 to 2 by some native schemas, 0.001 to 1 by the newer ones; chat models 0 to 1, default 1.
    """
    top_k: int
    """The number of likely tokens that are chosen from: 1 to 50. Models with native inputs."""
    seed: int | None
    """The same seed makes the same answer likely: 1 to 9,999,999,999; for chat models any."""
    repetition_penalty: float
    """How much tokens that came already are avoided: 0 to 2. Models with native inputs."""
    frequency_penalty: float | None
    """How much tokens that came often are avoided: -2 to 2; by most native schemas 0 to 2."""
    presence_penalty: float | None
    """How much tokens that came at all are avoided: -2 to 2; by most native schemas 0 to 2."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four. Chat models."""
    n: int | None
    """How many answers: 1 to 128, default 1. Chat models."""
    tools: Sequence[Tool]
    """The tools that the model may want called."""
    tool_choice: ToolChoice
    """Which of the tools the model may call, or must. Chat models."""
    parallel_tool_calls: bool
    """The model may want several tools called at once. Default true. Chat models."""
    functions: Sequence[EmbeddedFunction | FunctionDefinition | Untyped]
    """Superseded by `tools`."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`. Chat models."""
    response_format: TextFormat | JsonFormat | Untyped | type[object]
    """JSON mode, for the models that have it. A class means the same as `output_type`, which types the answer too."""
    guided_json: Mapping[str, object]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    """How long to reason first.

    `low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default); of these two the service takes the other efforts as well, for one of these. `None`: no
    reasoning. Chat models.
    """
    chat_template_kwargs: ChatTemplateOptions | Untyped
    """Options of the chat template, such as whether to reason. Chat models."""
    image: ImageSource
    """An image for Llama 3.2 11B Vision: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    raw: bool
    """Leave the chat template out. Default false. Models with native inputs."""
    lora: str | Finetune
    """A fine-tune, its id or name. The schemas have it beside `prompt`, the documentation beside `messages` too."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance. Chat models."""
    logprobs: bool | None
    """Say of each token how likely it was. Default false. Chat models."""
    top_logprobs: int | None
    """How many other tokens are told with each: 0 to 20. Chat models."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens. Chat models."""
    modalities: Sequence[Literal["text", "audio"]] | None
    """The forms of the answer. Chat models; none of the catalogue says that it speaks."""
    audio: AudioOptions | Untyped
    """The sound of a spoken answer. Chat models; none of the catalogue says that it speaks."""
    prediction: Prediction | Untyped
    """A text that most of the answer is known to be. Chat models."""
    web_search_options: WebSearchOptions | Untyped
    """Chat models; none of the catalogue says that it searches the web."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, object] | None
    """Anything of your own. Chat models."""
    store: bool | None
    """Default false. Chat models."""
    user: str
    """An id of your own user. Chat models."""
    model: str
    """Not needed: the model is an argument of `run`."""
    prompt: Required[str]
    """One text, of at least one character."""
    stream: Required[Literal[True]]
    """The answer comes as a stream of tokens."""

class MessagesInputs(TypedDict, total=False):
    """A conversation for a text model. Each model takes most of the keys; `cfai` checks which."""

    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included; `"max"`: all there is.

    Default of models with native inputs: 256; 2000 for Qwen3 30B, Sea-Lion and Granite. Of chat models: what the window
    leaves.
    """
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`. Chat models."""
    temperature: float | None
    """The higher, the more varied the answer.

    0 to 5, default 0.6 (0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ); chat models 0 to 2, default 1.
    """
    top_p: float | None
    """The share of likely tokens that are chosen from.

    0 to 2 by some native schemas, 0.001 to 1 by the newer ones; chat models 0 to 1, default 1.
    """
    top_k: int
    """The number of likely tokens that are chosen from: 1 to 50. Models with native inputs."""
    seed: int | None
    """The same seed makes the same answer likely: 1 to 9,999,999,999; for chat models any."""
    repetition_penalty: float
    """How much tokens that came already are avoided: 0 to 2. Models with native inputs."""
    frequency_penalty: float | None
    """How much tokens that came often are avoided: -2 to 2; by most native schemas 0 to 2."""
    presence_penalty: float | None
    """How much tokens that came at all are avoided: -2 to 2; by most native schemas 0 to 2."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four. Chat models."""
    n: int | None
    """How many answers: 1 to 128, default 1. Chat models."""
    tools: Sequence[Tool]
    """The tools that the model may want called."""
    tool_choice: ToolChoice
    """Which of the tools the model may call, or must. Chat models."""
    parallel_tool_calls: bool
    """The model may want several tools called at once. Default true. Chat models."""
    functions: Sequence[EmbeddedFunction | FunctionDefinition | Untyped]
    """Superseded by `tools`."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`. Chat models."""
    response_format: TextFormat | JsonFormat | Untyped | type[object]
    """JSON mode, for the models that have it. A class means the same as `output_type`, which types the answer too."""
    guided_json: Mapping[str, object]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    """How long to reason first.

    `low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default); of these two the service takes the other efforts as well, for one of these. `None`: no
    reasoning. Chat models.
    """
    chat_template_kwargs: ChatTemplateOptions | Untyped
    """Options of the chat template, such as whether to reason. Chat models."""
    image: ImageSource
    """An image for Llama 3.2 11B Vision: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    raw: bool
    """Leave the chat template out. Default false. Models with native inputs."""
    lora: str | Finetune
    """A fine-tune, its id or name. The schemas have it beside `prompt`, the documentation beside `messages` too."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance. Chat models."""
    logprobs: bool | None
    """Say of each token how likely it was. Default false. Chat models."""
    top_logprobs: int | None
    """How many other tokens are told with each: 0 to 20. Chat models."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens. Chat models."""
    modalities: Sequence[Literal["text", "audio"]] | None
    """The forms of the answer. Chat models; none of the catalogue says that it speaks."""
    audio: AudioOptions | Untyped
    """The sound of a spoken answer. Chat models; none of the catalogue says that it speaks."""
    prediction: Prediction | Untyped
    """A text that most of the answer is known to be. Chat models."""
    web_search_options: WebSearchOptions | Untyped
    """Chat models; none of the catalogue says that it searches the web."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, object] | None
    """Anything of your own. Chat models."""
    store: bool | None
    """Default false. Chat models."""
    user: str
    """An id of your own user. Chat models."""
    model: str
    """Not needed: the model is an argument of `run`."""
    messages: Required[Sequence[InputMessage]]
    """A conversation."""
    stream: bool | None
    """Default false."""

class MessagesInputsPlain(TypedDict, total=False):
    """`MessagesInputs` without streaming."""

    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included; `"max"`: all there is.

    Default of models with native inputs: 256; 2000 for Qwen3 30B, Sea-Lion and Granite. Of chat models: what the window
    leaves.
    """
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`. Chat models."""
    temperature: float | None
    """The higher, the more varied the answer.

    0 to 5, default 0.6 (0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ); chat models 0 to 2, default 1.
    """
    top_p: float | None
    """The share of likely tokens that are chosen from.

    0 to 2 by some native schemas, 0.001 to 1 by the newer ones; chat models 0 to 1, default 1.
    """
    top_k: int
    """The number of likely tokens that are chosen from: 1 to 50. Models with native inputs."""
    seed: int | None
    """The same seed makes the same answer likely: 1 to 9,999,999,999; for chat models any."""
    repetition_penalty: float
    """How much tokens that came already are avoided: 0 to 2. Models with native inputs."""
    frequency_penalty: float | None
    """How much tokens that came often are avoided: -2 to 2; by most native schemas 0 to 2."""
    presence_penalty: float | None
    """How much tokens that came at all are avoided: -2 to 2; by most native schemas 0 to 2."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four. Chat models."""
    n: int | None
    """How many answers: 1 to 128, default 1. Chat models."""
    tools: Sequence[Tool]
    """The tools that the model may want called."""
    tool_choice: ToolChoice
    """Which of the tools the model may call, or must. Chat models."""
    parallel_tool_calls: bool
    """The model may want several tools called at once. Default true. Chat models."""
    functions: Sequence[EmbeddedFunction | FunctionDefinition | Untyped]
    """Superseded by `tools`."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`. Chat models."""
    response_format: TextFormat | JsonFormat | Untyped | type[object]
    """JSON mode, for the models that have it. A class means the same as `output_type`, which types the answer too."""
    guided_json: Mapping[str, object]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    """How long to reason first.

    `low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default); of these two the service takes the other efforts as well, for one of these. `None`: no
    reasoning. Chat models.
    """
    chat_template_kwargs: ChatTemplateOptions | Untyped
    """Options of the chat template, such as whether to reason. Chat models."""
    image: ImageSource
    """An image for Llama 3.2 11B Vision: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    raw: bool
    """Leave the chat template out. Default false. Models with native inputs."""
    lora: str | Finetune
    """A fine-tune, its id or name. The schemas have it beside `prompt`, the documentation beside `messages` too."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance. Chat models."""
    logprobs: bool | None
    """Say of each token how likely it was. Default false. Chat models."""
    top_logprobs: int | None
    """How many other tokens are told with each: 0 to 20. Chat models."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens. Chat models."""
    modalities: Sequence[Literal["text", "audio"]] | None
    """The forms of the answer. Chat models; none of the catalogue says that it speaks."""
    audio: AudioOptions | Untyped
    """The sound of a spoken answer. Chat models; none of the catalogue says that it speaks."""
    prediction: Prediction | Untyped
    """A text that most of the answer is known to be. Chat models."""
    web_search_options: WebSearchOptions | Untyped
    """Chat models; none of the catalogue says that it searches the web."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, object] | None
    """Anything of your own. Chat models."""
    store: bool | None
    """Default false. Chat models."""
    user: str
    """An id of your own user. Chat models."""
    model: str
    """Not needed: the model is an argument of `run`."""
    messages: Required[Sequence[InputMessage]]
    """A conversation."""
    stream: Literal[False] | None
    """Default false."""

class MessagesInputsStream(TypedDict, total=False):
    """`MessagesInputs`, streamed."""

    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included; `"max"`: all there is.

    Default of models with native inputs: 256; 2000 for Qwen3 30B, Sea-Lion and Granite. Of chat models: what the window
    leaves.
    """
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`. Chat models."""
    temperature: float | None
    """The higher, the more varied the answer.

    0 to 5, default 0.6 (0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ); chat models 0 to 2, default 1.
    """
    top_p: float | None
    """The share of likely tokens that are chosen from.

    0 to 2 by some native schemas, 0.001 to 1 by the newer ones; chat models 0 to 1, default 1.
    """
    top_k: int
    """The number of likely tokens that are chosen from: 1 to 50. Models with native inputs."""
    seed: int | None
    """The same seed makes the same answer likely: 1 to 9,999,999,999; for chat models any."""
    repetition_penalty: float
    """How much tokens that came already are avoided: 0 to 2. Models with native inputs."""
    frequency_penalty: float | None
    """How much tokens that came often are avoided: -2 to 2; by most native schemas 0 to 2."""
    presence_penalty: float | None
    """How much tokens that came at all are avoided: -2 to 2; by most native schemas 0 to 2."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four. Chat models."""
    n: int | None
    """How many answers: 1 to 128, default 1. Chat models."""
    tools: Sequence[Tool]
    """The tools that the model may want called."""
    tool_choice: ToolChoice
    """Which of the tools the model may call, or must. Chat models."""
    parallel_tool_calls: bool
    """The model may want several tools called at once. Default true. Chat models."""
    functions: Sequence[EmbeddedFunction | FunctionDefinition | Untyped]
    """Superseded by `tools`."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`. Chat models."""
    response_format: TextFormat | JsonFormat | Untyped | type[object]
    """JSON mode, for the models that have it. A class means the same as `output_type`, which types the answer too."""
    guided_json: Mapping[str, object]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    """How long to reason first.

    `low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default); of these two the service takes the other efforts as well, for one of these. `None`: no
    reasoning. Chat models.
    """
    chat_template_kwargs: ChatTemplateOptions | Untyped
    """Options of the chat template, such as whether to reason. Chat models."""
    image: ImageSource
    """An image for Llama 3.2 11B Vision: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    raw: bool
    """Leave the chat template out. Default false. Models with native inputs."""
    lora: str | Finetune
    """A fine-tune, its id or name. The schemas have it beside `prompt`, the documentation beside `messages` too."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance. Chat models."""
    logprobs: bool | None
    """Say of each token how likely it was. Default false. Chat models."""
    top_logprobs: int | None
    """How many other tokens are told with each: 0 to 20. Chat models."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens. Chat models."""
    modalities: Sequence[Literal["text", "audio"]] | None
    """The forms of the answer. Chat models; none of the catalogue says that it speaks."""
    audio: AudioOptions | Untyped
    """The sound of a spoken answer. Chat models; none of the catalogue says that it speaks."""
    prediction: Prediction | Untyped
    """A text that most of the answer is known to be. Chat models."""
    web_search_options: WebSearchOptions | Untyped
    """Chat models; none of the catalogue says that it searches the web."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, object] | None
    """Anything of your own. Chat models."""
    store: bool | None
    """Default false. Chat models."""
    user: str
    """An id of your own user. Chat models."""
    model: str
    """Not needed: the model is an argument of `run`."""
    messages: Required[Sequence[InputMessage]]
    """A conversation."""
    stream: Required[Literal[True]]
    """The answer comes as a stream of tokens."""

TextInputs = PromptInputs | MessagesInputs
"""A prompt or a conversation for a text model."""

TextInputsPlain = PromptInputsPlain | MessagesInputsPlain
"""`TextInputs` without streaming."""

TextInputsStream = PromptInputsStream | MessagesInputsStream
"""`TextInputs`, streamed."""

# The Responses form of gpt-oss. Source: Workers AI's release notes and the types of the Workers runtime.

class ResponsesTextPart(TypedDict):
    """Text, as one part of a message."""

    type: Literal["input_text", "output_text"]
    """`input_text` in what is said to the model, `output_text` in what it said."""
    text: str
    """The text itself."""

class ResponsesImagePart(TypedDict, total=False):
    """An image, as one part of a message."""

    type: Required[Literal["input_image"]]
    """An image."""
    image_url: ImageSource
    """The image in any form that cfai reads, or an address on the web."""
    detail: Literal["auto", "low", "high"]
    """How closely to look."""

class ResponsesMessage(TypedDict, total=False):
    """One message of a conversation."""

    role: Required[Literal["user", "assistant", "system", "developer"]]
    """Who speaks."""
    content: Required[str | Sequence[ResponsesTextPart | ResponsesImagePart | Untyped]]
    """Text, or parts."""
    type: Literal["message"]
    """A message, which is the default."""

class ResponsesFunctionCall(TypedDict, total=False):
    """A call that the model made, given back to it."""

    type: Required[Literal["function_call"]]
    """A function call."""
    call_id: Required[str]
    """As the model sent it, unchanged."""
    name: Required[str]
    """The name of the function."""
    arguments: Required[str]
    """JSON text, as the model sent it."""
    id: str
    """The id of the item, beside that of the call."""

class ResponsesFunctionOutput(TypedDict):
    """The result of a function."""

    type: Literal["function_call_output"]
    """The result of a function."""
    call_id: str
    """The `call_id` of the call that it answers."""
    output: str | Sequence[ResponsesTextPart | ResponsesImagePart | Untyped]
    """The result: text, or parts."""

ResponsesItem = ResponsesMessage | ResponsesFunctionCall | ResponsesFunctionOutput | Untyped
"""One item of `input`. Items of an earlier answer's `output` can be given as they are."""

class ResponsesFunction(TypedDict, total=False):
    """A function that the model may want called; flat, unlike the one of chat completions."""

    type: Required[Literal["function"]]
    """A function."""
    name: Required[str]
    """The name that the model calls it by."""
    description: str
    """What it does, and when to call it."""
    parameters: Mapping[str, object]
    """A JSON schema."""
    strict: bool | None
    """True if the arguments must follow the schema to the letter."""

class ReasoningOptions(TypedDict, total=False):
    """The effort of thinking, and its summary."""

    effort: Literal["low", "medium", "high"] | None
    """Default `medium`."""
    summary: Literal["auto", "concise", "detailed"] | None
    """How its thoughts are summed up."""

class ResponsesFormat(TypedDict, total=False):
    """The form of the answer: text, JSON, or JSON after a schema."""

    type: Required[Literal["text", "json_object", "json_schema"]]
    """`json_schema`: JSON that follows a schema; `json_object`: any; `text`: plain text."""
    name: str
    """With a schema: its name."""
    schema: Mapping[str, object]
    """The JSON schema itself."""
    description: str
    """With a schema: what it is for."""
    strict: bool | None
    """With a schema: true if it must be followed to the letter."""

class ResponsesText(TypedDict, total=False):
    """The form of the answer."""

    format: ResponsesFormat | Untyped
    """Text, JSON, or JSON after a schema."""
    verbosity: Literal["low", "medium", "high"] | None
    """How many words to make."""

class ResponsesInput(TypedDict, total=False):
    """gpt-oss called as in OpenAI's Responses API."""

    instructions: str | None
    """The text that says what the model is to be."""
    max_output_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included. `"max"`: all there is."""
    reasoning: ReasoningOptions | Untyped | None
    """How long to reason first, and whether its thoughts are summed up."""
    text: ResponsesText | Untyped
    """The form of the answer."""
    include: Sequence[str] | None
    """Further parts that the answer should hold, such as `message.output_text.logprobs`."""
    truncation: Literal["auto", "disabled"] | None
    """`auto`: leave out what is too long, from the middle of the conversation."""
    previous_response_id: str | None
    """The answer that this goes on from. The service is not known to keep answers."""
    conversation: str | Mapping[str, object] | None
    """The id of the conversation that this belongs to. The service is not known to keep any."""
    background: bool | None
    """Answer at once, and work on. The service is not known to have a way to ask for what came of it."""
    prompt_cache_key: str
    """Calls that share it have their prompts cached together."""
    safety_identifier: str
    """An id of your own user."""
    input: Required[str | Sequence[ResponsesItem]]
    """The prompt, or the conversation so far."""
    temperature: float | None
    """The higher, the more varied the answer."""
    top_p: float | None
    """The share of likely tokens that are chosen from."""
    tools: Sequence[ResponsesFunction | Untyped]
    """The functions that the model may want called."""
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, object]
    """Which of the functions the model may call, or must."""
    parallel_tool_calls: bool | None
    """The model may want several functions called at once."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Of the Responses API; no source says that the service minds it."""
    stream: bool | None
    """Default false."""

class ResponsesInputPlain(TypedDict, total=False):
    """`ResponsesInput` without streaming."""

    instructions: str | None
    """The text that says what the model is to be."""
    max_output_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included. `"max"`: all there is."""
    reasoning: ReasoningOptions | Untyped | None
    """How long to reason first, and whether its thoughts are summed up."""
    text: ResponsesText | Untyped
    """The form of the answer."""
    include: Sequence[str] | None
    """Further parts that the answer should hold, such as `message.output_text.logprobs`."""
    truncation: Literal["auto", "disabled"] | None
    """`auto`: leave out what is too long, from the middle of the conversation."""
    previous_response_id: str | None
    """The answer that this goes on from. The service is not known to keep answers."""
    conversation: str | Mapping[str, object] | None
    """The id of the conversation that this belongs to. The service is not known to keep any."""
    background: bool | None
    """Answer at once, and work on. The service is not known to have a way to ask for what came of it."""
    prompt_cache_key: str
    """Calls that share it have their prompts cached together."""
    safety_identifier: str
    """An id of your own user."""
    input: Required[str | Sequence[ResponsesItem]]
    """The prompt, or the conversation so far."""
    temperature: float | None
    """The higher, the more varied the answer."""
    top_p: float | None
    """The share of likely tokens that are chosen from."""
    tools: Sequence[ResponsesFunction | Untyped]
    """The functions that the model may want called."""
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, object]
    """Which of the functions the model may call, or must."""
    parallel_tool_calls: bool | None
    """The model may want several functions called at once."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Of the Responses API; no source says that the service minds it."""
    stream: Literal[False] | None
    """Default false."""

class ResponsesInputStream(TypedDict, total=False):
    """`ResponsesInput`, streamed."""

    instructions: str | None
    """The text that says what the model is to be."""
    max_output_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included. `"max"`: all there is."""
    reasoning: ReasoningOptions | Untyped | None
    """How long to reason first, and whether its thoughts are summed up."""
    text: ResponsesText | Untyped
    """The form of the answer."""
    include: Sequence[str] | None
    """Further parts that the answer should hold, such as `message.output_text.logprobs`."""
    truncation: Literal["auto", "disabled"] | None
    """`auto`: leave out what is too long, from the middle of the conversation."""
    previous_response_id: str | None
    """The answer that this goes on from. The service is not known to keep answers."""
    conversation: str | Mapping[str, object] | None
    """The id of the conversation that this belongs to. The service is not known to keep any."""
    background: bool | None
    """Answer at once, and work on. The service is not known to have a way to ask for what came of it."""
    prompt_cache_key: str
    """Calls that share it have their prompts cached together."""
    safety_identifier: str
    """An id of your own user."""
    input: Required[str | Sequence[ResponsesItem]]
    """The prompt, or the conversation so far."""
    temperature: float | None
    """The higher, the more varied the answer."""
    top_p: float | None
    """The share of likely tokens that are chosen from."""
    tools: Sequence[ResponsesFunction | Untyped]
    """The functions that the model may want called."""
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, object]
    """Which of the functions the model may call, or must."""
    parallel_tool_calls: bool | None
    """The model may want several functions called at once."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Of the Responses API; no source says that the service minds it."""
    stream: Required[Literal[True]]
    """The answer comes as a stream of tokens."""

# All keys of a model that is called in several ways, for an editor to offer and for pyright to tell of. The types above
# say what fits.

class PromptOrMessages(TypedDict, total=False):
    """Inputs of a text model: either `prompt` or `messages` is needed."""

    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included; `"max"`: all there is.

    Default of models with native inputs: 256; 2000 for Qwen3 30B, Sea-Lion and Granite. Of chat models: what the window
    leaves.
    """
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`. Chat models."""
    temperature: float | None
    """The higher, the more varied the answer.

    0 to 5, default 0.6 (0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ); chat models 0 to 2, default 1.
    """
    top_p: float | None
    """The share of likely tokens that are chosen from.

    0 to 2 by some native schemas, 0.001 to 1 by the newer ones; chat models 0 to 1, default 1.
    """
    top_k: int
    """The number of likely tokens that are chosen from: 1 to 50. Models with native inputs."""
    seed: int | None
    """The same seed makes the same answer likely: 1 to 9,999,999,999; for chat models any."""
    repetition_penalty: float
    """How much tokens that came already are avoided: 0 to 2. Models with native inputs."""
    frequency_penalty: float | None
    """How much tokens that came often are avoided: -2 to 2; by most native schemas 0 to 2."""
    presence_penalty: float | None
    """How much tokens that came at all are avoided: -2 to 2; by most native schemas 0 to 2."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four. Chat models."""
    n: int | None
    """How many answers: 1 to 128, default 1. Chat models."""
    tools: Sequence[Tool]
    """The tools that the model may want called."""
    tool_choice: ToolChoice
    """Which of the tools the model may call, or must. Chat models."""
    parallel_tool_calls: bool
    """The model may want several tools called at once. Default true. Chat models."""
    functions: Sequence[EmbeddedFunction | FunctionDefinition | Untyped]
    """Superseded by `tools`."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`. Chat models."""
    response_format: TextFormat | JsonFormat | Untyped | type[object]
    """JSON mode, for the models that have it. A class means the same as `output_type`, which types the answer too."""
    guided_json: Mapping[str, object]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    """How long to reason first.

    `low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default); of these two the service takes the other efforts as well, for one of these. `None`: no
    reasoning. Chat models.
    """
    chat_template_kwargs: ChatTemplateOptions | Untyped
    """Options of the chat template, such as whether to reason. Chat models."""
    image: ImageSource
    """An image for Llama 3.2 11B Vision: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    raw: bool
    """Leave the chat template out. Default false. Models with native inputs."""
    lora: str | Finetune
    """A fine-tune, its id or name. The schemas have it beside `prompt`, the documentation beside `messages` too."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance. Chat models."""
    logprobs: bool | None
    """Say of each token how likely it was. Default false. Chat models."""
    top_logprobs: int | None
    """How many other tokens are told with each: 0 to 20. Chat models."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens. Chat models."""
    modalities: Sequence[Literal["text", "audio"]] | None
    """The forms of the answer. Chat models; none of the catalogue says that it speaks."""
    audio: AudioOptions | Untyped
    """The sound of a spoken answer. Chat models; none of the catalogue says that it speaks."""
    prediction: Prediction | Untyped
    """A text that most of the answer is known to be. Chat models."""
    web_search_options: WebSearchOptions | Untyped
    """Chat models; none of the catalogue says that it searches the web."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, object] | None
    """Anything of your own. Chat models."""
    store: bool | None
    """Default false. Chat models."""
    user: str
    """An id of your own user. Chat models."""
    model: str
    """Not needed: the model is an argument of `run`."""
    prompt: Required[str]
    """One text, of at least one character. Either this or `messages`."""
    messages: Sequence[InputMessage]
    """A conversation. Either this or `prompt`."""
    stream: bool | None
    """True: the answer comes as a stream of tokens. Default false."""

class PromptMessagesOrInput(TypedDict, total=False):
    """Inputs of gpt-oss: either `prompt`, `messages` or `input` is needed."""

    max_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included; `"max"`: all there is.

    Default of models with native inputs: 256; 2000 for Qwen3 30B, Sea-Lion and Granite. Of chat models: what the window
    leaves.
    """
    max_completion_tokens: int | Literal["max"] | None
    """The newer name of `max_tokens`. Chat models."""
    temperature: float | None
    """The higher, the more varied the answer.

    0 to 5, default 0.6 (0.15 for Llama 4 Scout, Mistral Small 3.1 and QwQ); chat models 0 to 2, default 1.
    """
    top_p: float | None
    """The share of likely tokens that are chosen from.

    0 to 2 by some native schemas, 0.001 to 1 by the newer ones; chat models 0 to 1, default 1.
    """
    top_k: int
    """The number of likely tokens that are chosen from: 1 to 50. Models with native inputs."""
    seed: int | None
    """The same seed makes the same answer likely: 1 to 9,999,999,999; for chat models any."""
    repetition_penalty: float
    """How much tokens that came already are avoided: 0 to 2. Models with native inputs."""
    frequency_penalty: float | None
    """How much tokens that came often are avoided: -2 to 2; by most native schemas 0 to 2."""
    presence_penalty: float | None
    """How much tokens that came at all are avoided: -2 to 2; by most native schemas 0 to 2."""
    stop: str | Sequence[str] | None
    """Texts that end the answer: one, or one to four. Chat models."""
    n: int | None
    """How many answers: 1 to 128, default 1. Chat models."""
    tools: Sequence[Tool]
    """The tools that the model may want called."""
    tool_choice: ToolChoice
    """Which of the tools the model may call, or must. Chat models."""
    parallel_tool_calls: bool
    """The model may want several tools called at once. Default true. Chat models."""
    functions: Sequence[EmbeddedFunction | FunctionDefinition | Untyped]
    """Superseded by `tools`."""
    function_call: Literal["none", "auto"] | NamedFunction
    """Superseded by `tool_choice`. Chat models."""
    response_format: TextFormat | JsonFormat | Untyped | type[object]
    """JSON mode, for the models that have it. A class means the same as `output_type`, which types the answer too."""
    guided_json: Mapping[str, object]
    """A JSON schema, for Llama 4 Scout, Mistral Small 3.1, Gemma 3 and QwQ."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    """How long to reason first.

    `low`, `medium` or `high`; DeepSeek V4 Flash: `none`, `low`, `high` (default), `max`; GLM 5.3 Flash: `low`,
    `high`, `max` (default); of these two the service takes the other efforts as well, for one of these. `None`: no
    reasoning. Chat models.
    """
    chat_template_kwargs: ChatTemplateOptions | Untyped
    """Options of the chat template, such as whether to reason. Chat models."""
    image: ImageSource
    """An image for Llama 3.2 11B Vision: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    raw: bool
    """Leave the chat template out. Default false. Models with native inputs."""
    lora: str | Finetune
    """A fine-tune, its id or name. The schemas have it beside `prompt`, the documentation beside `messages` too."""
    logit_bias: Mapping[str, float] | None
    """By token id: what is added to its chance. Chat models."""
    logprobs: bool | None
    """Say of each token how likely it was. Default false. Chat models."""
    top_logprobs: int | None
    """How many other tokens are told with each: 0 to 20. Chat models."""
    stream_options: StreamOptions | Untyped
    """What a stream sends beside its tokens. Chat models."""
    modalities: Sequence[Literal["text", "audio"]] | None
    """The forms of the answer. Chat models; none of the catalogue says that it speaks."""
    audio: AudioOptions | Untyped
    """The sound of a spoken answer. Chat models; none of the catalogue says that it speaks."""
    prediction: Prediction | Untyped
    """A text that most of the answer is known to be. Chat models."""
    web_search_options: WebSearchOptions | Untyped
    """Chat models; none of the catalogue says that it searches the web."""
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None
    """Kimi K2.5; default `auto`."""
    skip_special_tokens: bool
    """Gemma 4; default false."""
    metadata: Mapping[str, object] | None
    """Anything of your own. Chat models."""
    store: bool | None
    """Default false. Chat models."""
    user: str
    """An id of your own user. Chat models."""
    model: str
    """Not needed: the model is an argument of `run`."""
    prompt: Required[str]
    """One text, of at least one character. Either this or `messages`."""
    messages: Sequence[InputMessage]
    """A conversation. Either this or `prompt`."""
    stream: bool | None
    """True: the answer comes as a stream of tokens. Default false."""
    instructions: str | None
    """The text that says what the model is to be."""
    max_output_tokens: int | Literal["max"] | None
    """Tokens of the answer at most, reasoning included. `"max"`: all there is."""
    reasoning: ReasoningOptions | Untyped | None
    """How long to reason first, and whether its thoughts are summed up."""
    text: ResponsesText | Untyped
    """The form of the answer."""
    include: Sequence[str] | None
    """Further parts that the answer should hold, such as `message.output_text.logprobs`."""
    truncation: Literal["auto", "disabled"] | None
    """`auto`: leave out what is too long, from the middle of the conversation."""
    previous_response_id: str | None
    """The answer that this goes on from. The service is not known to keep answers."""
    conversation: str | Mapping[str, object] | None
    """The id of the conversation that this belongs to. The service is not known to keep any."""
    background: bool | None
    """Answer at once, and work on. The service is not known to have a way to ask for what came of it."""
    prompt_cache_key: str
    """Calls that share it have their prompts cached together."""
    safety_identifier: str
    """An id of your own user."""
    input: str | Sequence[ResponsesItem]
    """The prompt, or the conversation so far, as in OpenAI's Responses API."""

class BatchPoll(TypedDict):
    """Asks after a batch job."""

    request_id: str
    """The id that the answer to `queue_request=True` gave."""
