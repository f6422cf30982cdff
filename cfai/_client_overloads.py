"""The types of `Ai.run` and `Ai.arun`: what the model's name, its inputs and the options say of the result.

Written by `python .ci/overloads.py` from the catalogue. Do not edit it by hand.
"""

# A `stream` that may be `None` fits two overloads, of which the narrower one comes first.
# pyright: reportOverlappingOverload=false

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Literal, NotRequired, Required, TypeVar, Unpack, overload

    import httpx
    from pydantic import BaseModel
    from typing_extensions import TypedDict, deprecated

    from cfai._config import CheckMode, Retry, Timeout
    from cfai._request import GatewayOptions
    from cfai._streaming import AsyncCall, AsyncStream, Stream
    from cfai.types import (
        BatchPoll,
        Binary,
        ChatCompletion,
        ChatInputs,
        ChatInputsPlain,
        ChatInputsStream,
        ChatMessages,
        ChatMessagesPlain,
        ListOutput,
        NativeInputs,
        NativeInputsPlain,
        NativeInputsStream,
        NativeMessages,
        NativeMessagesPlain,
        NativePrompt,
        NativePromptPlain,
        NativeText,
        Output,
        ResponsesInput,
        ResponsesInputPlain,
        ResponsesInputStream,
        ResponsesOutput,
        TextOutput,
        Token,
        ValueOutput,
    )
    from cfai.types._inputs import OnlyAny, Untyped

    class RunOptions(TypedDict, total=False):
        """The options of a call; `Ai.run` says what they do."""

        gateway: str | GatewayOptions | None
        tags: Iterable[str]
        extra_headers: Mapping[str, str] | None
        session_affinity: str | None
        reject_if_busy: bool
        timeout: float | httpx.Timeout | Timeout | None
        total_timeout: float | None
        max_retries: Retry | int | None
        checks: CheckMode

    class PlainOptions(RunOptions, total=False):
        """The options of a call whose result is the model's."""

        return_raw_response: Literal[False]
        queue_request: Literal[False]

    class LooseStream(TypedDict, extra_items=Any):
        """Any object that asks for a stream."""

        stream: Required[Literal[True]]

    class LooseMessages(TypedDict, extra_items=Any):
        """Messages of any type, and no word of a stream."""

        messages: Required[Sequence[Any]]
        stream: NotRequired[Literal[False]]

    class LoosePlain(TypedDict, extra_items=Any):
        """Any object that asks for none."""

        stream: NotRequired[Literal[False] | None]

    NativeModel = Literal[
        "@cf/deepseek-ai/deepseek-math-7b-instruct",
        "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b",
        "@cf/defog/sqlcoder-7b-2",
        "@cf/fblgit/una-cybertron-7b-v2-bf16",
        "@cf/google/gemma-2b-it-lora",
        "@cf/google/gemma-3-12b-it",
        "@cf/google/gemma-7b-it-lora",
        "@cf/meta-llama/llama-2-7b-chat-hf-lora",
        "@cf/meta/llama-2-7b-chat-fp16",
        "@cf/meta/llama-2-7b-chat-int8",
        "@cf/meta/llama-3-8b-instruct",
        "@cf/meta/llama-3-8b-instruct-awq",
        "@cf/meta/llama-3.1-70b-instruct",
        "@cf/meta/llama-3.1-8b-instruct",
        "@cf/meta/llama-3.1-8b-instruct-awq",
        "@cf/meta/llama-3.1-8b-instruct-fast",
        "@cf/meta/llama-3.1-8b-instruct-fp8",
        "@cf/meta/llama-3.2-11b-vision-instruct",
        "@cf/meta/llama-3.2-1b-instruct",
        "@cf/meta/llama-3.2-3b-instruct",
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "@cf/meta/llama-4-scout-17b-16e-instruct",
        "@cf/meta/llama-guard-3-8b",
        "@cf/microsoft/phi-2",
        "@cf/mistral/mistral-7b-instruct-v0.1",
        "@cf/mistral/mistral-7b-instruct-v0.2-lora",
        "@cf/mistralai/mistral-small-3.1-24b-instruct",
        "@cf/openchat/openchat-3.5-0106",
        "@cf/qwen/qwen1.5-0.5b-chat",
        "@cf/qwen/qwen1.5-1.8b-chat",
        "@cf/qwen/qwen1.5-14b-chat-awq",
        "@cf/qwen/qwen1.5-7b-chat-awq",
        "@cf/qwen/qwen2.5-coder-32b-instruct",
        "@cf/qwen/qwq-32b",
        "@cf/thebloke/discolm-german-7b-v1-awq",
        "@cf/tiiuae/falcon-7b-instruct",
        "@cf/tinyllama/tinyllama-1.1b-chat-v1.0",
        "@hf/google/gemma-7b-it",
        "@hf/meta-llama/meta-llama-3-8b-instruct",
        "@hf/mistral/mistral-7b-instruct-v0.2",
        "@hf/nexusflow/starling-lm-7b-beta",
        "@hf/nousresearch/hermes-2-pro-mistral-7b",
        "@hf/thebloke/deepseek-coder-6.7b-base-awq",
        "@hf/thebloke/deepseek-coder-6.7b-instruct-awq",
        "@hf/thebloke/llama-2-13b-chat-awq",
        "@hf/thebloke/llamaguard-7b-awq",
        "@hf/thebloke/mistral-7b-instruct-v0.1-awq",
        "@hf/thebloke/neural-chat-7b-v3-1-awq",
        "@hf/thebloke/openhermes-2.5-mistral-7b-awq",
        "@hf/thebloke/zephyr-7b-beta-awq",
    ]
    """Native inputs, native answers."""

    NativeChatModel = Literal[
        "@cf/aisingapore/gemma-sea-lion-v4-27b-it",
        "@cf/ibm-granite/granite-4.0-h-micro",
        "@cf/qwen/qwen3-30b-a3b-fp8",
    ]
    """Native inputs, answers as of chat completions."""

    ChatModel = Literal[
        "@cf/deepseek-ai/deepseek-v4-flash-0731",
        "@cf/deepseek-ai/deepseek-v4-pro-0813",
        "@cf/google/gemma-4-26b-a4b-it",
        "@cf/moonshotai/kimi-k2.5",
        "@cf/moonshotai/kimi-k2.6",
        "@cf/moonshotai/kimi-k2.7-code",
        "@cf/nvidia/nemotron-3-120b-a12b",
        "@cf/qwen/qwen3.8-27b",
        "@cf/zai-org/glm-4.7-flash",
        "@cf/zai-org/glm-5.2",
        "@cf/zai-org/glm-5.3",
        "@cf/zai-org/glm-5.3-flash",
    ]
    """Chat completions, in and out."""

    GptOssModel = Literal[
        "@cf/openai/gpt-oss-120b",
        "@cf/openai/gpt-oss-20b",
    ]
    """Answers in the form that it was asked in."""

    UntoldModel = Literal[
        "@cf/swiss-ai/apertus-v1.5-8b",
        "@cf/utter-project/eurollm-9b-it",
    ]
    """Text models of which no source tells the inputs or the shape of the answer."""

    UnaskedStreamModel = Literal["@cf/moondream/moondream3.1-9B-A2B"]
    """Streams unless it is told not to."""

    OtherModel = Literal[
        "@cf/ai4bharat/indictrans2-en-indic-1B",
        "@cf/baai/bge-base-en-v1.5",
        "@cf/baai/bge-large-en-v1.5",
        "@cf/baai/bge-m3",
        "@cf/baai/bge-reranker-base",
        "@cf/baai/bge-small-en-v1.5",
        "@cf/baai/omni-bge-base-en-v1.5",
        "@cf/black-forest-labs/flux-1-schnell",
        "@cf/black-forest-labs/flux-2-dev",
        "@cf/black-forest-labs/flux-2-klein-4b",
        "@cf/black-forest-labs/flux-2-klein-9b",
        "@cf/bytedance/stable-diffusion-xl-lightning",
        "@cf/cloudflare/clef",
        "@cf/cloudflare/clef-flash",
        "@cf/cloudflare/clef-omni",
        "@cf/deepgram/aura-1",
        "@cf/deepgram/aura-2-en",
        "@cf/deepgram/aura-2-es",
        "@cf/deepgram/flux",
        "@cf/deepgram/nova-3",
        "@cf/facebook/bart-large-cnn",
        "@cf/facebook/detr-resnet-50",
        "@cf/google/embeddinggemma-300m",
        "@cf/huggingface/distilbert-sst-2-int8",
        "@cf/leonardo/lucid-origin",
        "@cf/leonardo/phoenix-1.0",
        "@cf/llava-hf/llava-1.5-7b-hf",
        "@cf/lykon/dreamshaper-8-lcm",
        "@cf/meta/m2m100-1.2b",
        "@cf/microsoft/resnet-50",
        "@cf/myshell-ai/melotts",
        "@cf/openai/whisper",
        "@cf/openai/whisper-large-v3-turbo",
        "@cf/openai/whisper-tiny-en",
        "@cf/pfnet/plamo-embedding-1b",
        "@cf/pipecat-ai/smart-turn-v2",
        "@cf/qwen/qwen3-embedding-0.6b",
        "@cf/runwayml/stable-diffusion-v1-5-img2img",
        "@cf/runwayml/stable-diffusion-v1-5-inpainting",
        "@cf/stabilityai/stable-diffusion-xl-base-1.0",
        "@cf/unum/uform-gen2-qwen-500m",
    ]
    """Everything else: its answer is what the service sends."""

    TextModel = NativeModel | NativeChatModel | ChatModel | GptOssModel
    """Text models whose inputs are known."""

    # Anything, since the inputs are `Any`.
    @overload
    def run(
        self: Any, model: str, inputs: OnlyAny, **options: Unpack[PlainOptions]
    ) -> Output | ListOutput | ValueOutput | Binary | Stream[Token]: ...

    # A stream, since `stream` is `True`.
    @overload
    def run(
        self: Any, model: NativeModel | NativeChatModel, inputs: NativeInputsStream, **options: Unpack[PlainOptions]
    ) -> Stream[Token]: ...

    @overload
    def run(
        self: Any, model: ChatModel, inputs: ChatInputsStream, **options: Unpack[PlainOptions]
    ) -> Stream[Token]: ...

    @overload
    def run(
        self: Any,
        model: GptOssModel,
        inputs: NativeInputsStream | ChatInputsStream | ResponsesInputStream,
        **options: Unpack[PlainOptions],
    ) -> Stream[Token]: ...

    # The answer.
    @overload
    def run(
        self: Any, model: NativeModel, inputs: NativeInputsPlain, **options: Unpack[PlainOptions]
    ) -> NativeText: ...

    @overload
    def run(
        self: Any, model: NativeChatModel, inputs: NativeInputsPlain, **options: Unpack[PlainOptions]
    ) -> ChatCompletion: ...

    @overload
    def run(
        self: Any, model: ChatModel, inputs: ChatInputsPlain, **options: Unpack[PlainOptions]
    ) -> ChatCompletion: ...

    @overload
    def run(
        self: Any, model: GptOssModel, inputs: NativePromptPlain, **options: Unpack[PlainOptions]
    ) -> NativeText: ...

    @overload
    def run(
        self: Any, model: GptOssModel, inputs: NativeMessagesPlain | ChatMessagesPlain, **options: Unpack[PlainOptions]
    ) -> ChatCompletion: ...

    @overload
    def run(
        self: Any, model: GptOssModel, inputs: ResponsesInputPlain, **options: Unpack[PlainOptions]
    ) -> ResponsesOutput: ...

    # A stream or the answer, as `stream` says at run time.
    @overload
    def run(
        self: Any, model: NativeModel, inputs: NativeInputs, **options: Unpack[PlainOptions]
    ) -> NativeText | Stream[Token]: ...

    @overload
    def run(
        self: Any, model: NativeChatModel, inputs: NativeInputs, **options: Unpack[PlainOptions]
    ) -> ChatCompletion | Stream[Token]: ...

    @overload
    def run(
        self: Any, model: ChatModel, inputs: ChatInputs, **options: Unpack[PlainOptions]
    ) -> ChatCompletion | Stream[Token]: ...

    @overload
    def run(
        self: Any, model: GptOssModel, inputs: NativePrompt, **options: Unpack[PlainOptions]
    ) -> NativeText | Stream[Token]: ...

    @overload
    def run(
        self: Any, model: GptOssModel, inputs: NativeMessages | ChatMessages, **options: Unpack[PlainOptions]
    ) -> ChatCompletion | Stream[Token]: ...

    @overload
    def run(
        self: Any, model: GptOssModel, inputs: ResponsesInput, **options: Unpack[PlainOptions]
    ) -> ResponsesOutput | Stream[Token]: ...

    # The response as it came.
    @overload
    def run(
        self: Any,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        return_raw_response: Literal[True],
        queue_request: bool = False,
        **options: Unpack[RunOptions],
    ) -> httpx.Response: ...

    # What the service says of a batch job.
    @overload
    def run(
        self: Any,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        queue_request: Literal[True],
        return_raw_response: Literal[False] = False,
        **options: Unpack[RunOptions],
    ) -> Output: ...

    # What the service says of a batch job, asked again.
    @overload
    def run(self: Any, model: str, inputs: BatchPoll, **options: Unpack[PlainOptions]) -> Output: ...

    # A stream or the answer: inputs declared as `dict[str, Any]` do not say.
    @overload
    def run(
        self: Any, model: NativeModel, inputs: Untyped, **options: Unpack[PlainOptions]
    ) -> NativeText | Stream[Token]: ...

    @overload
    def run(
        self: Any, model: NativeChatModel | ChatModel, inputs: Untyped, **options: Unpack[PlainOptions]
    ) -> ChatCompletion | Stream[Token]: ...

    @overload
    def run(
        self: Any, model: GptOssModel, inputs: Untyped, **options: Unpack[PlainOptions]
    ) -> TextOutput | Stream[Token]: ...

    # A field is misspelt, missing, of another type, or none of this model's. A stream all the same.
    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(
        self: Any, model: NativeModel | NativeChatModel, inputs: LooseStream, **options: Unpack[PlainOptions]
    ) -> Stream[Token]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(self: Any, model: ChatModel, inputs: LooseStream, **options: Unpack[PlainOptions]) -> Stream[Token]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(self: Any, model: GptOssModel, inputs: LooseStream, **options: Unpack[PlainOptions]) -> Stream[Token]: ...

    # A field is misspelt, missing, of another type, or none of this model's. The answer.
    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(self: Any, model: NativeModel, inputs: LoosePlain, **options: Unpack[PlainOptions]) -> NativeText: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(
        self: Any, model: NativeChatModel, inputs: LoosePlain, **options: Unpack[PlainOptions]
    ) -> ChatCompletion: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(self: Any, model: ChatModel, inputs: LoosePlain, **options: Unpack[PlainOptions]) -> ChatCompletion: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(self: Any, model: GptOssModel, inputs: LoosePlain, **options: Unpack[PlainOptions]) -> TextOutput: ...

    # A field is misspelt, missing, of another type, or none of this model's. Either.
    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(
        self: Any, model: NativeModel, inputs: Mapping[str, Any], **options: Unpack[PlainOptions]
    ) -> NativeText | Stream[Token]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(
        self: Any, model: NativeChatModel, inputs: Mapping[str, Any], **options: Unpack[PlainOptions]
    ) -> ChatCompletion | Stream[Token]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(
        self: Any, model: ChatModel, inputs: Mapping[str, Any], **options: Unpack[PlainOptions]
    ) -> ChatCompletion | Stream[Token]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def run(
        self: Any, model: GptOssModel, inputs: Mapping[str, Any], **options: Unpack[PlainOptions]
    ) -> TextOutput | Stream[Token]: ...

    # A stream, since `stream` is `True`.
    @overload
    def run(
        self: Any,
        model: str,
        inputs: NativeInputsStream | ChatInputsStream | ResponsesInputStream | LooseStream,
        **options: Unpack[PlainOptions],
    ) -> Stream[Token]: ...

    # A stream or the answer of one of several models.
    @overload
    def run(
        self: Any, model: TextModel, inputs: Mapping[str, Any] | BaseModel, **options: Unpack[PlainOptions]
    ) -> TextOutput | Stream[Token]: ...

    # The answer.
    @overload
    def run(
        self: Any, model: UntoldModel, inputs: NativeInputsPlain | ChatInputsPlain, **options: Unpack[PlainOptions]
    ) -> TextOutput: ...

    # A stream or the answer.
    @overload
    def run(
        self: Any, model: UntoldModel, inputs: Mapping[str, Any] | BaseModel, **options: Unpack[PlainOptions]
    ) -> TextOutput | Stream[Token]: ...

    # A stream, unless `stream` is `False`.
    @overload
    def run(
        self: Any, model: UnaskedStreamModel, inputs: Mapping[str, Any] | BaseModel, **options: Unpack[PlainOptions]
    ) -> Output | Stream[Token]: ...

    # The answer: an object, a list or bytes.
    @overload
    def run(
        self: Any, model: OtherModel, inputs: Mapping[str, Any] | BaseModel, **options: Unpack[PlainOptions]
    ) -> Output | ListOutput | Binary: ...

    # The answer of a model in a `str`, since a prompt or messages are sent.
    @overload
    def run(
        self: Any,
        model: str,
        inputs: NativeInputsPlain | ChatInputsPlain | LooseMessages,
        **options: Unpack[PlainOptions],
    ) -> TextOutput: ...

    # A stream or the answer of a model in a `str`, as `stream` says at run time.
    @overload
    def run(
        self: Any, model: str, inputs: NativeInputs | ChatInputs, **options: Unpack[PlainOptions]
    ) -> TextOutput | Stream[Token]: ...

    # What a model gives that the type checker does not know by name.
    @overload
    def run(
        self: Any,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        queue_request: bool = False,
        return_raw_response: Literal[False] = False,
        **options: Unpack[RunOptions],
    ) -> Output | ListOutput | ValueOutput | Binary | Stream[Token]: ...

    # That, or the response as it came.
    @overload
    def run(
        self: Any,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        return_raw_response: bool,
        queue_request: bool = False,
        **options: Unpack[RunOptions],
    ) -> httpx.Response | Output | ListOutput | ValueOutput | Binary | Stream[Token]: ...

    def run(self: Any, *arguments: Any, **options: Any) -> Any:
        """Run a model: a text answer, another output, or with `"stream": True` in the inputs a `Stream` of tokens.

        - `gateway`: the AI Gateway to go through, by id or with its options.
        - `return_raw_response`: the `httpx.Response` instead, whatever its status; read, unless it is a stream.
        - `queue_request`: hand the call in as a batch job; `inputs` are `{"requests": [...]}`.
        - `tags`: at most five labels of letters, digits and `: - . / @`, up to 50 characters each.
        - `session_affinity`: any text; calls that share it reach the same instance, and its prompt cache.
        - `reject_if_busy`: raise `CapacityError` at once instead of waiting for the model to have room.
        - `extra_headers`, `timeout`, `total_timeout`, `max_retries`, `checks`: for this call, in place of the client's.

        `"max_tokens": "max"` asks for as many tokens as the model gives beside this prompt. Raises `LimitError`,
        `ConfigurationError` and `InputError` before anything is sent; `InferenceUpstreamError` for what the service
        refuses; `APIConnectionError` if no answer came.
        """

    # Anything, since the inputs are `Any`.
    @overload
    def arun(
        self: Any, model: str, inputs: OnlyAny, **options: Unpack[PlainOptions]
    ) -> AsyncCall[Output | ListOutput | ValueOutput | Binary | AsyncStream[Token]]: ...

    # A stream, since `stream` is `True`.
    @overload
    def arun(
        self: Any, model: NativeModel | NativeChatModel, inputs: NativeInputsStream, **options: Unpack[PlainOptions]
    ) -> AsyncCall[AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any, model: ChatModel, inputs: ChatInputsStream, **options: Unpack[PlainOptions]
    ) -> AsyncCall[AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any,
        model: GptOssModel,
        inputs: NativeInputsStream | ChatInputsStream | ResponsesInputStream,
        **options: Unpack[PlainOptions],
    ) -> AsyncCall[AsyncStream[Token]]: ...

    # The answer.
    @overload
    def arun(
        self: Any, model: NativeModel, inputs: NativeInputsPlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[NativeText]: ...

    @overload
    def arun(
        self: Any, model: NativeChatModel, inputs: NativeInputsPlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion]: ...

    @overload
    def arun(
        self: Any, model: ChatModel, inputs: ChatInputsPlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion]: ...

    @overload
    def arun(
        self: Any, model: GptOssModel, inputs: NativePromptPlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[NativeText]: ...

    @overload
    def arun(
        self: Any, model: GptOssModel, inputs: NativeMessagesPlain | ChatMessagesPlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion]: ...

    @overload
    def arun(
        self: Any, model: GptOssModel, inputs: ResponsesInputPlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ResponsesOutput]: ...

    # A stream or the answer, as `stream` says at run time.
    @overload
    def arun(
        self: Any, model: NativeModel, inputs: NativeInputs, **options: Unpack[PlainOptions]
    ) -> AsyncCall[NativeText | AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any, model: NativeChatModel, inputs: NativeInputs, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion | AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any, model: ChatModel, inputs: ChatInputs, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion | AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any, model: GptOssModel, inputs: NativePrompt, **options: Unpack[PlainOptions]
    ) -> AsyncCall[NativeText | AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any, model: GptOssModel, inputs: NativeMessages | ChatMessages, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion | AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any, model: GptOssModel, inputs: ResponsesInput, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ResponsesOutput | AsyncStream[Token]]: ...

    # The response as it came.
    @overload
    def arun(
        self: Any,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        return_raw_response: Literal[True],
        queue_request: bool = False,
        **options: Unpack[RunOptions],
    ) -> AsyncCall[httpx.Response]: ...

    # What the service says of a batch job.
    @overload
    def arun(
        self: Any,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        queue_request: Literal[True],
        return_raw_response: Literal[False] = False,
        **options: Unpack[RunOptions],
    ) -> AsyncCall[Output]: ...

    # What the service says of a batch job, asked again.
    @overload
    def arun(self: Any, model: str, inputs: BatchPoll, **options: Unpack[PlainOptions]) -> AsyncCall[Output]: ...

    # A stream or the answer: inputs declared as `dict[str, Any]` do not say.
    @overload
    def arun(
        self: Any, model: NativeModel, inputs: Untyped, **options: Unpack[PlainOptions]
    ) -> AsyncCall[NativeText | AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any, model: NativeChatModel | ChatModel, inputs: Untyped, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion | AsyncStream[Token]]: ...

    @overload
    def arun(
        self: Any, model: GptOssModel, inputs: Untyped, **options: Unpack[PlainOptions]
    ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

    # A field is misspelt, missing, of another type, or none of this model's. A stream all the same.
    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: NativeModel | NativeChatModel, inputs: LooseStream, **options: Unpack[PlainOptions]
    ) -> AsyncCall[AsyncStream[Token]]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: ChatModel, inputs: LooseStream, **options: Unpack[PlainOptions]
    ) -> AsyncCall[AsyncStream[Token]]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: GptOssModel, inputs: LooseStream, **options: Unpack[PlainOptions]
    ) -> AsyncCall[AsyncStream[Token]]: ...

    # A field is misspelt, missing, of another type, or none of this model's. The answer.
    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: NativeModel, inputs: LoosePlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[NativeText]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: NativeChatModel, inputs: LoosePlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: ChatModel, inputs: LoosePlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: GptOssModel, inputs: LoosePlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[TextOutput]: ...

    # A field is misspelt, missing, of another type, or none of this model's. Either.
    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: NativeModel, inputs: Mapping[str, Any], **options: Unpack[PlainOptions]
    ) -> AsyncCall[NativeText | AsyncStream[Token]]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: NativeChatModel, inputs: Mapping[str, Any], **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion | AsyncStream[Token]]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: ChatModel, inputs: Mapping[str, Any], **options: Unpack[PlainOptions]
    ) -> AsyncCall[ChatCompletion | AsyncStream[Token]]: ...

    @overload
    @deprecated("these inputs do not fit this model (what is declared as dict[str, Any] is not checked)")
    def arun(
        self: Any, model: GptOssModel, inputs: Mapping[str, Any], **options: Unpack[PlainOptions]
    ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

    # A stream, since `stream` is `True`.
    @overload
    def arun(
        self: Any,
        model: str,
        inputs: NativeInputsStream | ChatInputsStream | ResponsesInputStream | LooseStream,
        **options: Unpack[PlainOptions],
    ) -> AsyncCall[AsyncStream[Token]]: ...

    # A stream or the answer of one of several models.
    @overload
    def arun(
        self: Any, model: TextModel, inputs: Mapping[str, Any] | BaseModel, **options: Unpack[PlainOptions]
    ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

    # The answer.
    @overload
    def arun(
        self: Any, model: UntoldModel, inputs: NativeInputsPlain | ChatInputsPlain, **options: Unpack[PlainOptions]
    ) -> AsyncCall[TextOutput]: ...

    # A stream or the answer.
    @overload
    def arun(
        self: Any, model: UntoldModel, inputs: Mapping[str, Any] | BaseModel, **options: Unpack[PlainOptions]
    ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

    # A stream, unless `stream` is `False`.
    @overload
    def arun(
        self: Any, model: UnaskedStreamModel, inputs: Mapping[str, Any] | BaseModel, **options: Unpack[PlainOptions]
    ) -> AsyncCall[Output | AsyncStream[Token]]: ...

    # The answer: an object, a list or bytes.
    @overload
    def arun(
        self: Any, model: OtherModel, inputs: Mapping[str, Any] | BaseModel, **options: Unpack[PlainOptions]
    ) -> AsyncCall[Output | ListOutput | Binary]: ...

    # The answer of a model in a `str`, since a prompt or messages are sent.
    @overload
    def arun(
        self: Any,
        model: str,
        inputs: NativeInputsPlain | ChatInputsPlain | LooseMessages,
        **options: Unpack[PlainOptions],
    ) -> AsyncCall[TextOutput]: ...

    # A stream or the answer of a model in a `str`, as `stream` says at run time.
    @overload
    def arun(
        self: Any, model: str, inputs: NativeInputs | ChatInputs, **options: Unpack[PlainOptions]
    ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

    # What a model gives that the type checker does not know by name.
    @overload
    def arun(
        self: Any,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        queue_request: bool = False,
        return_raw_response: Literal[False] = False,
        **options: Unpack[RunOptions],
    ) -> AsyncCall[Output | ListOutput | ValueOutput | Binary | AsyncStream[Token]]: ...

    # That, or the response as it came.
    @overload
    def arun(
        self: Any,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        return_raw_response: bool,
        queue_request: bool = False,
        **options: Unpack[RunOptions],
    ) -> AsyncCall[httpx.Response | Output | ListOutput | ValueOutput | Binary | AsyncStream[Token]]: ...

    def arun(self: Any, *arguments: Any, **options: Any) -> Any:
        """Run a model, awaited; a stream is an `AsyncStream`.

        `await ai.arun(...)` has sent the request and checked its status when it returns. `async with ai.arun(...) as
        stream` and `async for token in ai.arun(...)` do the same for a stream, and leave it at the end.
        """

    Signatures = TypeVar("Signatures")

    def _signed(signatures: Signatures) -> Callable[[Callable[..., Any]], Signatures]: ...

    typed_run = _signed(run)
    typed_arun = _signed(arun)
else:

    def typed_run(method):
        """Gives `Ai.run` its overloads, for type checkers alone: the method stays as it is."""
        return method

    typed_arun = typed_run
