"""The types of `Ai.run` and `Ai.arun`: what the model's name, its inputs and the options say of the result.

Written by `python .ci/overloads.py` from the catalogue. Do not edit it by hand.
"""

# A `stream` that may be `None` fits two overloads, of which the narrower one comes first; some come twice.
# pyright: reportOverlappingOverload=false, reportRedeclaration=false, reportInvalidTypeVarUse=false
# ruff: noqa: E501  # docstrings that stand further left elsewhere

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, Unpack, overload

    import httpx
    from pydantic import BaseModel

    from cfai._client_options import CallOptions, FallbackOptions
    from cfai._resources.batches import AsyncBatch, Batch
    from cfai._streaming import AsyncAudioStream, AsyncCall, AsyncStream, AudioStream, Stream
    from cfai.structured import AsyncStructuredStream, StructuredStream
    from cfai.types import (
        Audio,
        AuraInputs,
        AuraInputsStream,
        BatchInputs,
        BatchPoll,
        Binary,
        Classification,
        ClefInputs,
        ClefOutput,
        ContextsInputs,
        DetectedObjects,
        DocumentsInputs,
        Embeddings,
        EmbeddingsInputs,
        Flux2Form,
        Flux2Inputs,
        FluxInputs,
        GuardInputs,
        Image,
        ImageClassificationInputs,
        ImageDescription,
        IndicTranslationInputs,
        LeonardoInputs,
        LlavaInputs,
        MeloInputs,
        MeloInputsStream,
        Moderation,
        MoondreamInputs,
        MoondreamInputsStream,
        NovaInputs,
        Output,
        QueryInputs,
        Reranking,
        RerankingInputs,
        ResponsesInput,
        ResponsesInputPlain,
        ResponsesInputStream,
        RetrievalInputs,
        SmartTurnInputs,
        StableDiffusionInputs,
        StructuredOutput,
        SummarizationInputs,
        Summary,
        TextClassificationInputs,
        TextInputs,
        TextInputsPlain,
        TextInputsStream,
        TextOutput,
        Token,
        Transcription,
        Translation,
        TranslationInputs,
        TurnDetection,
        VisionAnswer,
        WhisperInputs,
        WhisperTurboInputs,
    )
    from cfai.types._classification import ImageAlone
    from cfai.types._embeddings import TextOrContexts, TextOrRetrieval
    from cfai.types._output import ListResult
    from cfai.types._text_inputs import InputOfThisModel, PromptMessagesOrInput, PromptOrMessages, Untyped

    T = TypeVar("T")
    Out = TypeVar("Out")
    T_co = TypeVar("T_co", covariant=True)

    class InputsOfAnotherModel(Generic[T]):
        """The result where a known model is given inputs that only other models take: no answer.

        Nothing tells what `T` is, so that a checker complains where the result is used.
        """

    class Resembling(Protocol[T_co]):
        """A type that every object has but for `T_co`, since `__ne__` of all of them gives a `bool`."""

        def __ne__(self, other: object, /) -> T_co: ...  # type: ignore[override]  # pyright: ignore

    MYPY = False
    """mypy takes this name for true, pyright of two definitions the second."""

    class AnswerOptions(FallbackOptions, total=False):
        """The options of a call whose result is an answer."""

        return_raw_response: Literal[False]
        queue_request: Literal[False]

    class PlainOptions(AnswerOptions, total=False):
        """The options of a call whose result is the model's."""

        output_type: None

    TextModel = Literal[
        "@cf/aisingapore/gemma-sea-lion-v4-27b-it",
        "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b",
        "@cf/deepseek-ai/deepseek-v4-flash-0731",
        "@cf/deepseek-ai/deepseek-v4-pro-0813",
        "@cf/google/gemma-2b-it-lora",
        "@cf/google/gemma-4-26b-a4b-it",
        "@cf/google/gemma-7b-it-lora",
        "@cf/ibm-granite/granite-4.0-h-micro",
        "@cf/meta-llama/llama-2-7b-chat-hf-lora",
        "@cf/meta/llama-3.1-8b-instruct-fast",
        "@cf/meta/llama-3.1-8b-instruct-fp8",
        "@cf/meta/llama-3.2-11b-vision-instruct",
        "@cf/meta/llama-3.2-1b-instruct",
        "@cf/meta/llama-3.2-3b-instruct",
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "@cf/meta/llama-4-scout-17b-16e-instruct",
        "@cf/mistral/mistral-7b-instruct-v0.2-lora",
        "@cf/mistralai/mistral-small-3.1-24b-instruct",
        "@cf/moonshotai/kimi-k2.6",
        "@cf/moonshotai/kimi-k2.7-code",
        "@cf/nvidia/nemotron-3-120b-a12b",
        "@cf/openai/gpt-oss-120b",
        "@cf/openai/gpt-oss-20b",
        "@cf/qwen/qwen2.5-coder-32b-instruct",
        "@cf/qwen/qwen3-30b-a3b-fp8",
        "@cf/qwen/qwen3.8-27b",
        "@cf/qwen/qwq-32b",
        "@cf/swiss-ai/apertus-v1.5-8b",
        "@cf/utter-project/eurollm-9b-it",
        "@cf/zai-org/glm-4.7-flash",
        "@cf/zai-org/glm-5.2",
        "@cf/zai-org/glm-5.3",
        "@cf/zai-org/glm-5.3-flash",
    ]
    """Models that answer with text."""

    ResponsesModel = Literal[
        "@cf/openai/gpt-oss-120b",
        "@cf/openai/gpt-oss-20b",
    ]
    """Of these, the ones that are also called as in OpenAI's Responses API."""

    EmbeddingModel = Literal[
        "@cf/baai/bge-base-en-v1.5",
        "@cf/baai/bge-large-en-v1.5",
        "@cf/baai/bge-small-en-v1.5",
        "@cf/baai/omni-bge-base-en-v1.5",
        "@cf/google/embeddinggemma-300m",
        "@cf/pfnet/plamo-embedding-1b",
    ]
    """Models that embed texts."""

    RetrievalModel = Literal["@cf/qwen/qwen3-embedding-0.6b"]
    """Models that embed queries and documents in different ways."""

    ContextModel = Literal["@cf/baai/bge-m3"]
    """Models that embed texts and contexts, and rank these."""

    RerankingModel = Literal["@cf/baai/bge-reranker-base"]
    """Models that rank contexts."""

    TranslationModel = Literal["@cf/meta/m2m100-1.2b"]
    """Models that translate, by two codes of languages."""

    IndicTranslationModel = Literal["@cf/ai4bharat/indictrans2-en-indic-1B"]
    """Models that translate English into languages of India."""

    TextClassificationModel = Literal["@cf/huggingface/distilbert-sst-2-int8"]
    """Models that classify texts."""

    ImageClassificationModel = Literal["@cf/microsoft/resnet-50"]
    """Models that classify images."""

    ObjectDetectionModel = Literal["@cf/facebook/detr-resnet-50"]
    """Models that find objects in images."""

    WhisperModel = Literal[
        "@cf/openai/whisper",
        "@cf/openai/whisper-tiny-en",
    ]
    """Models that write down speech: Whisper."""

    WhisperTurboModel = Literal["@cf/openai/whisper-large-v3-turbo"]
    """Models that write down speech: Whisper large v3 turbo."""

    NovaModel = Literal["@cf/deepgram/nova-3"]
    """Models that write down speech: Deepgram's."""

    AuraModel = Literal[
        "@cf/deepgram/aura-1",
        "@cf/deepgram/aura-2-en",
        "@cf/deepgram/aura-2-es",
    ]
    """Models that speak: Deepgram's."""

    MeloModel = Literal["@cf/myshell-ai/melotts"]
    """Models that speak: MeloTTS."""

    StableDiffusionModel = Literal[
        "@cf/bytedance/stable-diffusion-xl-lightning",
        "@cf/lykon/dreamshaper-8-lcm",
        "@cf/runwayml/stable-diffusion-v1-5-img2img",
        "@cf/runwayml/stable-diffusion-v1-5-inpainting",
        "@cf/stabilityai/stable-diffusion-xl-base-1.0",
    ]
    """Models that draw, and go by an image if there is one."""

    FluxModel = Literal["@cf/black-forest-labs/flux-1-schnell"]
    """Models that draw: FLUX.1."""

    Flux2Model = Literal[
        "@cf/black-forest-labs/flux-2-dev",
        "@cf/black-forest-labs/flux-2-klein-4b",
        "@cf/black-forest-labs/flux-2-klein-9b",
    ]
    """Models that draw: FLUX.2."""

    LeonardoModel = Literal[
        "@cf/leonardo/lucid-origin",
        "@cf/leonardo/phoenix-1.0",
    ]
    """Models that draw: Leonardo's."""

    ImageToTextModel = Literal["@cf/llava-hf/llava-1.5-7b-hf"]
    """Models that describe images."""

    MoondreamModel = Literal["@cf/moondream/moondream3.1-9B-A2B"]
    """Models that answer questions on images, and find what is in them."""

    TurnModel = Literal["@cf/pipecat-ai/smart-turn-v2"]
    """Models that hear that somebody has finished."""

    GuardModel = Literal["@cf/meta/llama-guard-3-8b"]
    """Models that judge conversations."""

    ClefModel = Literal[
        "@cf/cloudflare/clef",
        "@cf/cloudflare/clef-flash",
        "@cf/cloudflare/clef-omni",
    ]
    """Models that decide."""

    KnownModel = TypeVar(
        "KnownModel",
        TextModel,
        EmbeddingModel,
        RetrievalModel,
        ContextModel,
        RerankingModel,
        TranslationModel,
        IndicTranslationModel,
        TextClassificationModel,
        ImageClassificationModel,
        ObjectDetectionModel,
        WhisperModel,
        WhisperTurboModel,
        NovaModel,
        AuraModel,
        MeloModel,
        StableDiffusionModel,
        FluxModel,
        Flux2Model,
        LeonardoModel,
        ImageToTextModel,
        MoondreamModel,
        TurnModel,
        GuardModel,
        ClefModel,
    )
    """A model of one group: what may be of several is any `str`."""

    AnyInputs: TypeAlias = (
        TextInputsStream
        | ResponsesInputStream
        | TextInputsPlain
        | ResponsesInputPlain
        | TextInputs
        | ResponsesInput
        | GuardInputs
        | RerankingInputs
        | QueryInputs
        | EmbeddingsInputs
        | RetrievalInputs
        | DocumentsInputs
        | ContextsInputs
        | TextClassificationInputs
        | TranslationInputs
        | IndicTranslationInputs
        | SummarizationInputs
        | WhisperInputs
        | WhisperTurboInputs
        | NovaInputs
        | AuraInputsStream
        | AuraInputs
        | MeloInputs
        | StableDiffusionInputs
        | FluxInputs
        | Flux2Inputs
        | Flux2Form
        | LeonardoInputs
        | MoondreamInputsStream
        | MoondreamInputs
        | LlavaInputs
        | ImageClassificationInputs
        | SmartTurnInputs
        | ClefInputs
    )

    class Signatures:
        if MYPY:
            # The answer as an object of the type that is asked for.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredOutput[Out] | StructuredStream[Out]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredStream[Out]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredOutput[Out]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredOutput[Out] | StructuredStream[Out]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: Untyped,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredOutput[Out] | StructuredStream[Out]: ...

            # Anything, since the inputs are `Any`.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            # The response as it came; a batch, and what the service says of one.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                return_raw_response: Literal[True],
                queue_request: bool = False,
                **options: Any,
            ) -> httpx.Response: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: BatchInputs,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Any,
            ) -> Batch[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: BatchPoll,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Any,
            ) -> Output: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Any,
            ) -> Batch[Any] | Output: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: BatchPoll,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Output: ...

            # The answer of a task, by the model.
            @overload
            def run(
                self: Any,
                model: EmbeddingModel,
                inputs: EmbeddingsInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any,
                model: RetrievalModel,
                inputs: EmbeddingsInputs | RetrievalInputs | DocumentsInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any,
                model: ContextModel,
                inputs: QueryInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Reranking: ...

            @overload
            def run(
                self: Any,
                model: ContextModel,
                inputs: EmbeddingsInputs | ContextsInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any,
                model: RerankingModel,
                inputs: RerankingInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Reranking: ...

            @overload
            def run(
                self: Any,
                model: TranslationModel,
                inputs: TranslationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Translation: ...

            @overload
            def run(
                self: Any,
                model: IndicTranslationModel,
                inputs: IndicTranslationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Translation: ...

            @overload
            def run(
                self: Any,
                model: TextClassificationModel,
                inputs: TextClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: ImageClassificationModel,
                inputs: ImageClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: ObjectDetectionModel,
                inputs: ImageClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> DetectedObjects: ...

            @overload
            def run(
                self: Any,
                model: WhisperModel,
                inputs: WhisperInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Transcription: ...

            @overload
            def run(
                self: Any,
                model: WhisperTurboModel,
                inputs: WhisperTurboInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Transcription: ...

            @overload
            def run(
                self: Any,
                model: NovaModel,
                inputs: NovaInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Transcription: ...

            @overload
            def run(
                self: Any,
                model: AuraModel,
                inputs: AuraInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AudioStream: ...

            @overload
            def run(
                self: Any,
                model: AuraModel,
                inputs: AuraInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Audio: ...

            @overload
            def run(
                self: Any,
                model: MeloModel,
                inputs: MeloInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AudioStream: ...

            @overload
            def run(
                self: Any,
                model: MeloModel,
                inputs: MeloInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Audio: ...

            @overload
            def run(
                self: Any,
                model: StableDiffusionModel,
                inputs: StableDiffusionInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Image: ...

            @overload
            def run(
                self: Any,
                model: FluxModel,
                inputs: FluxInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Image: ...

            @overload
            def run(
                self: Any,
                model: Flux2Model,
                inputs: Flux2Inputs | Flux2Form,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Image: ...

            @overload
            def run(
                self: Any,
                model: LeonardoModel,
                inputs: LeonardoInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Image: ...

            @overload
            def run(
                self: Any,
                model: ImageToTextModel,
                inputs: LlavaInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> ImageDescription: ...

            @overload
            def run(
                self: Any,
                model: MoondreamModel,
                inputs: MoondreamInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Stream[Token]: ...

            @overload
            def run(
                self: Any,
                model: MoondreamModel,
                inputs: MoondreamInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> VisionAnswer: ...

            @overload
            def run(
                self: Any,
                model: TurnModel,
                inputs: SmartTurnInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> TurnDetection: ...

            @overload
            def run(
                self: Any,
                model: GuardModel,
                inputs: GuardInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Moderation: ...

            @overload
            def run(
                self: Any,
                model: ClefModel,
                inputs: ClefInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> ClefOutput: ...

            # Text: a stream if `stream` is `True`, the answer, or either as `stream` says at run time.
            @overload
            def run(
                self: Any,
                model: TextModel,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Stream[Token]: ...

            @overload
            def run(
                self: Any,
                model: TextModel,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> TextOutput: ...

            @overload
            def run(
                self: Any,
                model: TextModel,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> TextOutput | Stream[Token]: ...

            # Nothing: a known model with the inputs of others.
            @overload
            def run(
                self: Any,
                model: KnownModel,
                inputs: AnyInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> InputsOfAnotherModel[T]: ...

            # The answer of a task, by the inputs.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Stream[Token]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> TextOutput: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> TextOutput | Stream[Token]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: GuardInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Moderation: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: RerankingInputs | QueryInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Reranking: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: EmbeddingsInputs | RetrievalInputs | DocumentsInputs | ContextsInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TranslationInputs | IndicTranslationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Translation: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: SummarizationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Summary: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: ImageAlone,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Classification | DetectedObjects: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: WhisperInputs | WhisperTurboInputs | NovaInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Transcription: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: AuraInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AudioStream: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: AuraInputs | MeloInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Audio: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: StableDiffusionInputs | FluxInputs | Flux2Inputs | Flux2Form | LeonardoInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Image: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: MoondreamInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Stream[Token]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: MoondreamInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> VisionAnswer: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: LlavaInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> ImageDescription: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: ImageClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Classification | DetectedObjects: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: SmartTurnInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> TurnDetection: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: ClefInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> ClefOutput: ...

            # Inputs declared as `dict[str, Any]`, which are not checked.
            @overload
            def run(
                self: Any,
                model: EmbeddingModel | RetrievalModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any,
                model: ContextModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Reranking | Embeddings: ...

            @overload
            def run(
                self: Any,
                model: RerankingModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Reranking: ...

            @overload
            def run(
                self: Any,
                model: TranslationModel | IndicTranslationModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Translation: ...

            @overload
            def run(
                self: Any,
                model: TextClassificationModel | ImageClassificationModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: ObjectDetectionModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> DetectedObjects: ...

            @overload
            def run(
                self: Any,
                model: WhisperModel | WhisperTurboModel | NovaModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Transcription: ...

            @overload
            def run(
                self: Any,
                model: AuraModel | MeloModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AudioStream | Audio: ...

            @overload
            def run(
                self: Any,
                model: StableDiffusionModel | FluxModel | Flux2Model | LeonardoModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Image: ...

            @overload
            def run(
                self: Any,
                model: ImageToTextModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> ImageDescription: ...

            @overload
            def run(
                self: Any,
                model: MoondreamModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Stream[Token] | VisionAnswer: ...

            @overload
            def run(
                self: Any,
                model: TurnModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> TurnDetection: ...

            @overload
            def run(
                self: Any,
                model: GuardModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Moderation: ...

            @overload
            def run(
                self: Any,
                model: ClefModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> ClefOutput: ...

            @overload
            def run(
                self: Any,
                model: TextModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> TextOutput | Stream[Token]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            # An object of what is no class.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredOutput[Any] | StructuredStream[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredStream[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredOutput[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Any,
            ) -> StructuredOutput[Any] | StructuredStream[Any]: ...

            @overload
            def run(
                self: Any, model: str, inputs: Untyped, *, output_type: object, output_retries: int = 1, **options: Any
            ) -> StructuredOutput[Any] | StructuredStream[Any]: ...

            # Either, as an option says at run time.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                queue_request: bool,
                return_raw_response: Literal[False] = False,
                **options: Any,
            ) -> Batch[Any] | Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                return_raw_response: bool,
                queue_request: bool = False,
                **options: Any,
            ) -> httpx.Response | Batch[Any] | Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            # What fits none.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: Resembling[InputOfThisModel],
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            def run(self: Any, *arguments: Any, **options: Any) -> Any: ...

            # The answer as an object of the type that is asked for.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[StructuredOutput[Out] | AsyncStructuredStream[Out]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[AsyncStructuredStream[Out]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[StructuredOutput[Out]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[StructuredOutput[Out] | AsyncStructuredStream[Out]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Untyped,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[StructuredOutput[Out] | AsyncStructuredStream[Out]]: ...

            # Anything, since the inputs are `Any`.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Output | ListResult[Any] | Binary | AsyncStream[Token] | AsyncAudioStream]: ...

            # The response as it came; a batch, and what the service says of one.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                return_raw_response: Literal[True],
                queue_request: bool = False,
                **options: Any,
            ) -> AsyncCall[httpx.Response]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: BatchInputs,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncBatch[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: BatchPoll,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Output]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncBatch[Any] | Output]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: BatchPoll,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Output]: ...

            # The answer of a task, by the model.
            @overload
            def arun(
                self: Any,
                model: EmbeddingModel,
                inputs: EmbeddingsInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any,
                model: RetrievalModel,
                inputs: EmbeddingsInputs | RetrievalInputs | DocumentsInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any,
                model: ContextModel,
                inputs: QueryInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any,
                model: ContextModel,
                inputs: EmbeddingsInputs | ContextsInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any,
                model: RerankingModel,
                inputs: RerankingInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any,
                model: TranslationModel,
                inputs: TranslationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any,
                model: IndicTranslationModel,
                inputs: IndicTranslationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any,
                model: TextClassificationModel,
                inputs: TextClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: ImageClassificationModel,
                inputs: ImageClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: ObjectDetectionModel,
                inputs: ImageClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[DetectedObjects]: ...

            @overload
            def arun(
                self: Any,
                model: WhisperModel,
                inputs: WhisperInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any,
                model: WhisperTurboModel,
                inputs: WhisperTurboInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any,
                model: NovaModel,
                inputs: NovaInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any,
                model: AuraModel,
                inputs: AuraInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncAudioStream]: ...

            @overload
            def arun(
                self: Any,
                model: AuraModel,
                inputs: AuraInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Audio]: ...

            @overload
            def arun(
                self: Any,
                model: MeloModel,
                inputs: MeloInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncAudioStream]: ...

            @overload
            def arun(
                self: Any,
                model: MeloModel,
                inputs: MeloInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Audio]: ...

            @overload
            def arun(
                self: Any,
                model: StableDiffusionModel,
                inputs: StableDiffusionInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any,
                model: FluxModel,
                inputs: FluxInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any,
                model: Flux2Model,
                inputs: Flux2Inputs | Flux2Form,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any,
                model: LeonardoModel,
                inputs: LeonardoInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any,
                model: ImageToTextModel,
                inputs: LlavaInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[ImageDescription]: ...

            @overload
            def arun(
                self: Any,
                model: MoondreamModel,
                inputs: MoondreamInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any,
                model: MoondreamModel,
                inputs: MoondreamInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[VisionAnswer]: ...

            @overload
            def arun(
                self: Any,
                model: TurnModel,
                inputs: SmartTurnInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[TurnDetection]: ...

            @overload
            def arun(
                self: Any,
                model: GuardModel,
                inputs: GuardInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Moderation]: ...

            @overload
            def arun(
                self: Any,
                model: ClefModel,
                inputs: ClefInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[ClefOutput]: ...

            # Text: a stream if `stream` is `True`, the answer, or either as `stream` says at run time.
            @overload
            def arun(
                self: Any,
                model: TextModel,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any,
                model: TextModel,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[TextOutput]: ...

            @overload
            def arun(
                self: Any,
                model: TextModel,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

            # Nothing: a known model with the inputs of others.
            @overload
            def arun(
                self: Any,
                model: KnownModel,
                inputs: AnyInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> InputsOfAnotherModel[T]: ...

            # The answer of a task, by the inputs.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[TextOutput]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: GuardInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Moderation]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: RerankingInputs | QueryInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: EmbeddingsInputs | RetrievalInputs | DocumentsInputs | ContextsInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TranslationInputs | IndicTranslationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: SummarizationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Summary]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: ImageAlone,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Classification | DetectedObjects]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: WhisperInputs | WhisperTurboInputs | NovaInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: AuraInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncAudioStream]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: AuraInputs | MeloInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Audio]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: StableDiffusionInputs | FluxInputs | Flux2Inputs | Flux2Form | LeonardoInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: MoondreamInputsStream,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: MoondreamInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[VisionAnswer]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: LlavaInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[ImageDescription]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: ImageClassificationInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Classification | DetectedObjects]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: SmartTurnInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[TurnDetection]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: ClefInputs,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[ClefOutput]: ...

            # Inputs declared as `dict[str, Any]`, which are not checked.
            @overload
            def arun(
                self: Any,
                model: EmbeddingModel | RetrievalModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any,
                model: ContextModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Reranking | Embeddings]: ...

            @overload
            def arun(
                self: Any,
                model: RerankingModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any,
                model: TranslationModel | IndicTranslationModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any,
                model: TextClassificationModel | ImageClassificationModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: ObjectDetectionModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[DetectedObjects]: ...

            @overload
            def arun(
                self: Any,
                model: WhisperModel | WhisperTurboModel | NovaModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any,
                model: AuraModel | MeloModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncAudioStream | Audio]: ...

            @overload
            def arun(
                self: Any,
                model: StableDiffusionModel | FluxModel | Flux2Model | LeonardoModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any,
                model: ImageToTextModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[ImageDescription]: ...

            @overload
            def arun(
                self: Any,
                model: MoondreamModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[AsyncStream[Token] | VisionAnswer]: ...

            @overload
            def arun(
                self: Any,
                model: TurnModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[TurnDetection]: ...

            @overload
            def arun(
                self: Any,
                model: GuardModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Moderation]: ...

            @overload
            def arun(
                self: Any,
                model: ClefModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[ClefOutput]: ...

            @overload
            def arun(
                self: Any,
                model: TextModel,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Untyped,
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Output | ListResult[Any] | Binary | AsyncStream[Token] | AsyncAudioStream]: ...

            # An object of what is no class.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[StructuredOutput[Any] | AsyncStructuredStream[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[AsyncStructuredStream[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[StructuredOutput[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Any,
            ) -> AsyncCall[StructuredOutput[Any] | AsyncStructuredStream[Any]]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: Untyped, *, output_type: object, output_retries: int = 1, **options: Any
            ) -> AsyncCall[StructuredOutput[Any] | AsyncStructuredStream[Any]]: ...

            # Either, as an option says at run time.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                queue_request: bool,
                return_raw_response: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[
                AsyncBatch[Any] | Output | ListResult[Any] | Binary | AsyncStream[Token] | AsyncAudioStream
            ]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                return_raw_response: bool,
                queue_request: bool = False,
                **options: Any,
            ) -> AsyncCall[
                httpx.Response
                | AsyncBatch[Any]
                | Output
                | ListResult[Any]
                | Binary
                | AsyncStream[Token]
                | AsyncAudioStream
            ]: ...

            # What fits none.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Resembling[InputOfThisModel],
                *,
                output_type: None = None,
                return_raw_response: Literal[False] = False,
                queue_request: Literal[False] = False,
                **options: Any,
            ) -> AsyncCall[Output | ListResult[Any] | Binary | AsyncStream[Token] | AsyncAudioStream]: ...

            def arun(self: Any, *arguments: Any, **options: Any) -> Any: ...

        else:
            # The answer as an object of the type that is asked for.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Out] | StructuredStream[Out]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredStream[Out]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Out]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Out] | StructuredStream[Out]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: Untyped,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Out] | StructuredStream[Out]: ...

            # Anything, since the inputs are `Any`.
            @overload
            def run(
                self: Any, model: str, inputs: InputOfThisModel, **options: Unpack[PlainOptions]
            ) -> Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            # The response as it came; a batch, and what the service says of one.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                return_raw_response: Literal[True],
                queue_request: bool = False,
                **options: Unpack[FallbackOptions],
            ) -> httpx.Response: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: BatchInputs,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Unpack[FallbackOptions],
            ) -> Batch[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: BatchPoll,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Unpack[FallbackOptions],
            ) -> Output: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Unpack[FallbackOptions],
            ) -> Batch[Any] | Output: ...

            @overload
            def run(self: Any, model: str, inputs: BatchPoll, **options: Unpack[PlainOptions]) -> Output: ...

            # The answer of a task, by the model.
            @overload
            def run(
                self: Any, model: EmbeddingModel, inputs: EmbeddingsInputs, **options: Unpack[PlainOptions]
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any,
                model: RetrievalModel,
                inputs: EmbeddingsInputs | RetrievalInputs | DocumentsInputs,
                **options: Unpack[PlainOptions],
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any, model: ContextModel, inputs: QueryInputs, **options: Unpack[PlainOptions]
            ) -> Reranking: ...

            @overload
            def run(
                self: Any,
                model: ContextModel,
                inputs: EmbeddingsInputs | ContextsInputs,
                **options: Unpack[PlainOptions],
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any, model: RerankingModel, inputs: RerankingInputs, **options: Unpack[PlainOptions]
            ) -> Reranking: ...

            @overload
            def run(
                self: Any, model: TranslationModel, inputs: TranslationInputs, **options: Unpack[PlainOptions]
            ) -> Translation: ...

            @overload
            def run(
                self: Any, model: IndicTranslationModel, inputs: IndicTranslationInputs, **options: Unpack[PlainOptions]
            ) -> Translation: ...

            @overload
            def run(
                self: Any,
                model: TextClassificationModel,
                inputs: TextClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: ImageClassificationModel,
                inputs: ImageClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: ObjectDetectionModel,
                inputs: ImageClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> DetectedObjects: ...

            @overload
            def run(
                self: Any, model: WhisperModel, inputs: WhisperInputs, **options: Unpack[PlainOptions]
            ) -> Transcription: ...

            @overload
            def run(
                self: Any, model: WhisperTurboModel, inputs: WhisperTurboInputs, **options: Unpack[PlainOptions]
            ) -> Transcription: ...

            @overload
            def run(
                self: Any, model: NovaModel, inputs: NovaInputs, **options: Unpack[PlainOptions]
            ) -> Transcription: ...

            @overload
            def run(
                self: Any, model: AuraModel, inputs: AuraInputsStream, **options: Unpack[PlainOptions]
            ) -> AudioStream: ...

            @overload
            def run(self: Any, model: AuraModel, inputs: AuraInputs, **options: Unpack[PlainOptions]) -> Audio: ...

            @overload
            def run(
                self: Any, model: MeloModel, inputs: MeloInputsStream, **options: Unpack[PlainOptions]
            ) -> AudioStream: ...

            @overload
            def run(self: Any, model: MeloModel, inputs: MeloInputs, **options: Unpack[PlainOptions]) -> Audio: ...

            @overload
            def run(
                self: Any, model: StableDiffusionModel, inputs: StableDiffusionInputs, **options: Unpack[PlainOptions]
            ) -> Image: ...

            @overload
            def run(self: Any, model: FluxModel, inputs: FluxInputs, **options: Unpack[PlainOptions]) -> Image: ...

            @overload
            def run(
                self: Any, model: Flux2Model, inputs: Flux2Inputs | Flux2Form, **options: Unpack[PlainOptions]
            ) -> Image: ...

            @overload
            def run(
                self: Any, model: LeonardoModel, inputs: LeonardoInputs, **options: Unpack[PlainOptions]
            ) -> Image: ...

            @overload
            def run(
                self: Any, model: ImageToTextModel, inputs: LlavaInputs, **options: Unpack[PlainOptions]
            ) -> ImageDescription: ...

            @overload
            def run(
                self: Any, model: MoondreamModel, inputs: MoondreamInputsStream, **options: Unpack[PlainOptions]
            ) -> Stream[Token]: ...

            @overload
            def run(
                self: Any, model: MoondreamModel, inputs: MoondreamInputs, **options: Unpack[PlainOptions]
            ) -> VisionAnswer: ...

            @overload
            def run(
                self: Any, model: TurnModel, inputs: SmartTurnInputs, **options: Unpack[PlainOptions]
            ) -> TurnDetection: ...

            @overload
            def run(
                self: Any, model: GuardModel, inputs: GuardInputs, **options: Unpack[PlainOptions]
            ) -> Moderation: ...

            @overload
            def run(self: Any, model: ClefModel, inputs: ClefInputs, **options: Unpack[PlainOptions]) -> ClefOutput: ...

            # Text: a stream if `stream` is `True`, the answer, or either as `stream` says at run time.
            @overload
            def run(
                self: Any,
                model: TextModel,
                inputs: TextInputsStream | ResponsesInputStream,
                **options: Unpack[PlainOptions],
            ) -> Stream[Token]: ...

            @overload
            def run(
                self: Any,
                model: TextModel,
                inputs: TextInputsPlain | ResponsesInputPlain,
                **options: Unpack[PlainOptions],
            ) -> TextOutput: ...

            @overload
            def run(
                self: Any, model: TextModel, inputs: TextInputs | ResponsesInput, **options: Unpack[PlainOptions]
            ) -> TextOutput | Stream[Token]: ...

            # Nothing: a known model with the inputs of others.
            @overload
            def run(
                self: Any, model: KnownModel, inputs: AnyInputs, **options: Unpack[PlainOptions]
            ) -> InputsOfAnotherModel[T]: ...

            # The answer of a task, by the inputs.
            @overload
            def run(
                self: Any, model: str, inputs: TextInputsStream | ResponsesInputStream, **options: Unpack[PlainOptions]
            ) -> Stream[Token]: ...

            @overload
            def run(
                self: Any, model: str, inputs: TextInputsPlain | ResponsesInputPlain, **options: Unpack[PlainOptions]
            ) -> TextOutput: ...

            @overload
            def run(
                self: Any, model: str, inputs: TextInputs | ResponsesInput, **options: Unpack[PlainOptions]
            ) -> TextOutput | Stream[Token]: ...

            @overload
            def run(self: Any, model: str, inputs: GuardInputs, **options: Unpack[PlainOptions]) -> Moderation: ...

            @overload
            def run(
                self: Any, model: str, inputs: RerankingInputs | QueryInputs, **options: Unpack[PlainOptions]
            ) -> Reranking: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: EmbeddingsInputs | RetrievalInputs | DocumentsInputs | ContextsInputs,
                **options: Unpack[PlainOptions],
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any, model: str, inputs: TextClassificationInputs, **options: Unpack[PlainOptions]
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TranslationInputs | IndicTranslationInputs,
                **options: Unpack[PlainOptions],
            ) -> Translation: ...

            @overload
            def run(self: Any, model: str, inputs: SummarizationInputs, **options: Unpack[PlainOptions]) -> Summary: ...

            @overload
            def run(
                self: Any, model: str, inputs: ImageAlone, **options: Unpack[PlainOptions]
            ) -> Classification | DetectedObjects: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: WhisperInputs | WhisperTurboInputs | NovaInputs,
                **options: Unpack[PlainOptions],
            ) -> Transcription: ...

            @overload
            def run(
                self: Any, model: str, inputs: AuraInputsStream, **options: Unpack[PlainOptions]
            ) -> AudioStream: ...

            @overload
            def run(
                self: Any, model: str, inputs: AuraInputs | MeloInputs, **options: Unpack[PlainOptions]
            ) -> Audio: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: StableDiffusionInputs | FluxInputs | Flux2Inputs | Flux2Form | LeonardoInputs,
                **options: Unpack[PlainOptions],
            ) -> Image: ...

            @overload
            def run(
                self: Any, model: str, inputs: MoondreamInputsStream, **options: Unpack[PlainOptions]
            ) -> Stream[Token]: ...

            @overload
            def run(
                self: Any, model: str, inputs: MoondreamInputs, **options: Unpack[PlainOptions]
            ) -> VisionAnswer: ...

            @overload
            def run(
                self: Any, model: str, inputs: LlavaInputs, **options: Unpack[PlainOptions]
            ) -> ImageDescription: ...

            @overload
            def run(
                self: Any, model: str, inputs: ImageClassificationInputs, **options: Unpack[PlainOptions]
            ) -> Classification | DetectedObjects: ...

            @overload
            def run(
                self: Any, model: str, inputs: SmartTurnInputs, **options: Unpack[PlainOptions]
            ) -> TurnDetection: ...

            @overload
            def run(self: Any, model: str, inputs: ClefInputs, **options: Unpack[PlainOptions]) -> ClefOutput: ...

            # Inputs declared as `dict[str, Any]`, which are not checked.
            @overload
            def run(
                self: Any, model: EmbeddingModel | RetrievalModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any, model: ContextModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> Reranking | Embeddings: ...

            @overload
            def run(
                self: Any, model: RerankingModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> Reranking: ...

            @overload
            def run(
                self: Any,
                model: TranslationModel | IndicTranslationModel,
                inputs: Untyped,
                **options: Unpack[PlainOptions],
            ) -> Translation: ...

            @overload
            def run(
                self: Any,
                model: TextClassificationModel | ImageClassificationModel,
                inputs: Untyped,
                **options: Unpack[PlainOptions],
            ) -> Classification: ...

            @overload
            def run(
                self: Any, model: ObjectDetectionModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> DetectedObjects: ...

            @overload
            def run(
                self: Any,
                model: WhisperModel | WhisperTurboModel | NovaModel,
                inputs: Untyped,
                **options: Unpack[PlainOptions],
            ) -> Transcription: ...

            @overload
            def run(
                self: Any, model: AuraModel | MeloModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AudioStream | Audio: ...

            @overload
            def run(
                self: Any,
                model: StableDiffusionModel | FluxModel | Flux2Model | LeonardoModel,
                inputs: Untyped,
                **options: Unpack[PlainOptions],
            ) -> Image: ...

            @overload
            def run(
                self: Any, model: ImageToTextModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> ImageDescription: ...

            @overload
            def run(
                self: Any, model: MoondreamModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> Stream[Token] | VisionAnswer: ...

            @overload
            def run(self: Any, model: TurnModel, inputs: Untyped, **options: Unpack[PlainOptions]) -> TurnDetection: ...

            @overload
            def run(self: Any, model: GuardModel, inputs: Untyped, **options: Unpack[PlainOptions]) -> Moderation: ...

            @overload
            def run(self: Any, model: ClefModel, inputs: Untyped, **options: Unpack[PlainOptions]) -> ClefOutput: ...

            @overload
            def run(
                self: Any, model: TextModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> TextOutput | Stream[Token]: ...

            @overload
            def run(
                self: Any, model: str, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            # An object of what is no class.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Any] | StructuredStream[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredStream[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Any] | StructuredStream[Any]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: Untyped,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Any] | StructuredStream[Any]: ...

            # Either, as an option says at run time.
            @overload
            def run(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                queue_request: bool,
                return_raw_response: Literal[False] = False,
                **options: Unpack[FallbackOptions],
            ) -> Batch[Any] | Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                return_raw_response: bool,
                queue_request: bool = False,
                **options: Unpack[FallbackOptions],
            ) -> httpx.Response | Batch[Any] | Output | ListResult[Any] | Binary | Stream[Token] | AudioStream: ...

            # Once more: of the overloads whose model fits, pyright tells of the last one why its inputs do not.
            @overload
            def run(
                self: Any, model: TextModel | str, inputs: PromptOrMessages, **options: Unpack[PlainOptions]
            ) -> TextOutput | Stream[Token]: ...

            @overload
            def run(
                self: Any, model: ResponsesModel, inputs: PromptMessagesOrInput, **options: Unpack[PlainOptions]
            ) -> TextOutput | Stream[Token]: ...

            @overload
            def run(
                self: Any,
                model: str,
                inputs: PromptMessagesOrInput,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> StructuredOutput[Any]: ...

            @overload
            def run(
                self: Any, model: EmbeddingModel, inputs: EmbeddingsInputs, **options: Unpack[PlainOptions]
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any, model: RerankingModel, inputs: RerankingInputs, **options: Unpack[PlainOptions]
            ) -> Reranking: ...

            @overload
            def run(
                self: Any, model: TranslationModel, inputs: TranslationInputs, **options: Unpack[PlainOptions]
            ) -> Translation: ...

            @overload
            def run(
                self: Any, model: IndicTranslationModel, inputs: IndicTranslationInputs, **options: Unpack[PlainOptions]
            ) -> Translation: ...

            @overload
            def run(
                self: Any,
                model: TextClassificationModel,
                inputs: TextClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: ImageClassificationModel,
                inputs: ImageClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> Classification: ...

            @overload
            def run(
                self: Any,
                model: ObjectDetectionModel,
                inputs: ImageClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> DetectedObjects: ...

            @overload
            def run(
                self: Any, model: WhisperModel, inputs: WhisperInputs, **options: Unpack[PlainOptions]
            ) -> Transcription: ...

            @overload
            def run(
                self: Any, model: WhisperTurboModel, inputs: WhisperTurboInputs, **options: Unpack[PlainOptions]
            ) -> Transcription: ...

            @overload
            def run(
                self: Any, model: NovaModel, inputs: NovaInputs, **options: Unpack[PlainOptions]
            ) -> Transcription: ...

            @overload
            def run(self: Any, model: AuraModel, inputs: AuraInputs, **options: Unpack[PlainOptions]) -> Audio: ...

            @overload
            def run(self: Any, model: MeloModel, inputs: MeloInputs, **options: Unpack[PlainOptions]) -> Audio: ...

            @overload
            def run(
                self: Any, model: StableDiffusionModel, inputs: StableDiffusionInputs, **options: Unpack[PlainOptions]
            ) -> Image: ...

            @overload
            def run(self: Any, model: FluxModel, inputs: FluxInputs, **options: Unpack[PlainOptions]) -> Image: ...

            @overload
            def run(self: Any, model: Flux2Model, inputs: Flux2Inputs, **options: Unpack[PlainOptions]) -> Image: ...

            @overload
            def run(
                self: Any, model: LeonardoModel, inputs: LeonardoInputs, **options: Unpack[PlainOptions]
            ) -> Image: ...

            @overload
            def run(
                self: Any, model: ImageToTextModel, inputs: LlavaInputs, **options: Unpack[PlainOptions]
            ) -> ImageDescription: ...

            @overload
            def run(
                self: Any, model: MoondreamModel, inputs: MoondreamInputs, **options: Unpack[PlainOptions]
            ) -> VisionAnswer: ...

            @overload
            def run(
                self: Any, model: TurnModel, inputs: SmartTurnInputs, **options: Unpack[PlainOptions]
            ) -> TurnDetection: ...

            @overload
            def run(
                self: Any, model: GuardModel, inputs: GuardInputs, **options: Unpack[PlainOptions]
            ) -> Moderation: ...

            @overload
            def run(self: Any, model: ClefModel, inputs: ClefInputs, **options: Unpack[PlainOptions]) -> ClefOutput: ...

            @overload
            def run(
                self: Any, model: RetrievalModel, inputs: TextOrRetrieval, **options: Unpack[PlainOptions]
            ) -> Embeddings: ...

            @overload
            def run(
                self: Any, model: ContextModel, inputs: TextOrContexts, **options: Unpack[PlainOptions]
            ) -> Reranking | Embeddings: ...

            def run(self: Any, *arguments: Any, **options: Any) -> Any:
                """Run a model: a text answer, another output, or with `"stream": True` in the inputs a `Stream` of tokens.

                - `output_type`: the type that the answer is to have, such as a pydantic model or `list[City]`: a
                  `StructuredOutput` whose `.output` is one, or with a stream a `StructuredStream`.
                - `output_retries`: how often an answer that does not fit is asked for again, with what is wrong about it.
                - `fallback`: models to call in this order where one is gone, out of capacity or over quota.
                - `gateway`: the AI Gateway to go through, by id or with its options.
                - `return_raw_response`: the `httpx.Response` instead, whatever its status; read, unless it is a stream.
                - `queue_request`: hand in `{"requests": [...]}` and get a `Batch`, as by `batch`.
                - `tags`: at most five labels of letters, digits and `: - . / @`, up to 50 characters each.
                - `session_affinity`: any text; calls that share it reach the same instance, and its prompt cache.
                - `reject_if_busy`: raise `CapacityError` at once instead of waiting for the model to have room.
                - `extra_headers`, `timeout`, `total_timeout`, `max_retries`, `checks`: for this call, in place of the client's.

                `"max_tokens": "max"` asks for as many tokens as the model gives beside this prompt. Raises `LimitError`,
                `ConfigurationError` and `InputError` before anything is sent; `InferenceUpstreamError` for what the service
                refuses; `APIConnectionError` if no answer came; `OutputValidationError` if none fits `output_type`.
                """

            # The answer as an object of the type that is asked for.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Out] | AsyncStructuredStream[Out]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[AsyncStructuredStream[Out]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Out]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Out] | AsyncStructuredStream[Out]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Untyped,
                *,
                output_type: type[Out],
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Out] | AsyncStructuredStream[Out]]: ...

            # Anything, since the inputs are `Any`.
            @overload
            def arun(
                self: Any, model: str, inputs: InputOfThisModel, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Output | ListResult[Any] | Binary | AsyncStream[Token] | AsyncAudioStream]: ...

            # The response as it came; a batch, and what the service says of one.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                return_raw_response: Literal[True],
                queue_request: bool = False,
                **options: Unpack[FallbackOptions],
            ) -> AsyncCall[httpx.Response]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: BatchInputs,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Unpack[FallbackOptions],
            ) -> AsyncCall[AsyncBatch[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: BatchPoll,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Unpack[FallbackOptions],
            ) -> AsyncCall[Output]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                queue_request: Literal[True],
                return_raw_response: Literal[False] = False,
                **options: Unpack[FallbackOptions],
            ) -> AsyncCall[AsyncBatch[Any] | Output]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: BatchPoll, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Output]: ...

            # The answer of a task, by the model.
            @overload
            def arun(
                self: Any, model: EmbeddingModel, inputs: EmbeddingsInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any,
                model: RetrievalModel,
                inputs: EmbeddingsInputs | RetrievalInputs | DocumentsInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any, model: ContextModel, inputs: QueryInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any,
                model: ContextModel,
                inputs: EmbeddingsInputs | ContextsInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any, model: RerankingModel, inputs: RerankingInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any, model: TranslationModel, inputs: TranslationInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any, model: IndicTranslationModel, inputs: IndicTranslationInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any,
                model: TextClassificationModel,
                inputs: TextClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: ImageClassificationModel,
                inputs: ImageClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: ObjectDetectionModel,
                inputs: ImageClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[DetectedObjects]: ...

            @overload
            def arun(
                self: Any, model: WhisperModel, inputs: WhisperInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any, model: WhisperTurboModel, inputs: WhisperTurboInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any, model: NovaModel, inputs: NovaInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any, model: AuraModel, inputs: AuraInputsStream, **options: Unpack[PlainOptions]
            ) -> AsyncCall[AsyncAudioStream]: ...

            @overload
            def arun(
                self: Any, model: AuraModel, inputs: AuraInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Audio]: ...

            @overload
            def arun(
                self: Any, model: MeloModel, inputs: MeloInputsStream, **options: Unpack[PlainOptions]
            ) -> AsyncCall[AsyncAudioStream]: ...

            @overload
            def arun(
                self: Any, model: MeloModel, inputs: MeloInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Audio]: ...

            @overload
            def arun(
                self: Any, model: StableDiffusionModel, inputs: StableDiffusionInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: FluxModel, inputs: FluxInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: Flux2Model, inputs: Flux2Inputs | Flux2Form, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: LeonardoModel, inputs: LeonardoInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: ImageToTextModel, inputs: LlavaInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[ImageDescription]: ...

            @overload
            def arun(
                self: Any, model: MoondreamModel, inputs: MoondreamInputsStream, **options: Unpack[PlainOptions]
            ) -> AsyncCall[AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any, model: MoondreamModel, inputs: MoondreamInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[VisionAnswer]: ...

            @overload
            def arun(
                self: Any, model: TurnModel, inputs: SmartTurnInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TurnDetection]: ...

            @overload
            def arun(
                self: Any, model: GuardModel, inputs: GuardInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Moderation]: ...

            @overload
            def arun(
                self: Any, model: ClefModel, inputs: ClefInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[ClefOutput]: ...

            # Text: a stream if `stream` is `True`, the answer, or either as `stream` says at run time.
            @overload
            def arun(
                self: Any,
                model: TextModel,
                inputs: TextInputsStream | ResponsesInputStream,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any,
                model: TextModel,
                inputs: TextInputsPlain | ResponsesInputPlain,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[TextOutput]: ...

            @overload
            def arun(
                self: Any, model: TextModel, inputs: TextInputs | ResponsesInput, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

            # Nothing: a known model with the inputs of others.
            @overload
            def arun(
                self: Any, model: KnownModel, inputs: AnyInputs, **options: Unpack[PlainOptions]
            ) -> InputsOfAnotherModel[T]: ...

            # The answer of a task, by the inputs.
            @overload
            def arun(
                self: Any, model: str, inputs: TextInputsStream | ResponsesInputStream, **options: Unpack[PlainOptions]
            ) -> AsyncCall[AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: TextInputsPlain | ResponsesInputPlain, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TextOutput]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: TextInputs | ResponsesInput, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: GuardInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Moderation]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: RerankingInputs | QueryInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: EmbeddingsInputs | RetrievalInputs | DocumentsInputs | ContextsInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: TextClassificationInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TranslationInputs | IndicTranslationInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: SummarizationInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Summary]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: ImageAlone, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Classification | DetectedObjects]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: WhisperInputs | WhisperTurboInputs | NovaInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: AuraInputsStream, **options: Unpack[PlainOptions]
            ) -> AsyncCall[AsyncAudioStream]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: AuraInputs | MeloInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Audio]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: StableDiffusionInputs | FluxInputs | Flux2Inputs | Flux2Form | LeonardoInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: MoondreamInputsStream, **options: Unpack[PlainOptions]
            ) -> AsyncCall[AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: MoondreamInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[VisionAnswer]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: LlavaInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[ImageDescription]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: ImageClassificationInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Classification | DetectedObjects]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: SmartTurnInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TurnDetection]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: ClefInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[ClefOutput]: ...

            # Inputs declared as `dict[str, Any]`, which are not checked.
            @overload
            def arun(
                self: Any, model: EmbeddingModel | RetrievalModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any, model: ContextModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Reranking | Embeddings]: ...

            @overload
            def arun(
                self: Any, model: RerankingModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any,
                model: TranslationModel | IndicTranslationModel,
                inputs: Untyped,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any,
                model: TextClassificationModel | ImageClassificationModel,
                inputs: Untyped,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any, model: ObjectDetectionModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[DetectedObjects]: ...

            @overload
            def arun(
                self: Any,
                model: WhisperModel | WhisperTurboModel | NovaModel,
                inputs: Untyped,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any, model: AuraModel | MeloModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[AsyncAudioStream | Audio]: ...

            @overload
            def arun(
                self: Any,
                model: StableDiffusionModel | FluxModel | Flux2Model | LeonardoModel,
                inputs: Untyped,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: ImageToTextModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[ImageDescription]: ...

            @overload
            def arun(
                self: Any, model: MoondreamModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[AsyncStream[Token] | VisionAnswer]: ...

            @overload
            def arun(
                self: Any, model: TurnModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TurnDetection]: ...

            @overload
            def arun(
                self: Any, model: GuardModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Moderation]: ...

            @overload
            def arun(
                self: Any, model: ClefModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[ClefOutput]: ...

            @overload
            def arun(
                self: Any, model: TextModel, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any, model: str, inputs: Untyped, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Output | ListResult[Any] | Binary | AsyncStream[Token] | AsyncAudioStream]: ...

            # An object of what is no class.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: InputOfThisModel,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Any] | AsyncStructuredStream[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsStream | ResponsesInputStream,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[AsyncStructuredStream[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputsPlain | ResponsesInputPlain,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: TextInputs | ResponsesInput,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Any] | AsyncStructuredStream[Any]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Untyped,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Any] | AsyncStructuredStream[Any]]: ...

            # Either, as an option says at run time.
            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                queue_request: bool,
                return_raw_response: Literal[False] = False,
                **options: Unpack[FallbackOptions],
            ) -> AsyncCall[
                AsyncBatch[Any] | Output | ListResult[Any] | Binary | AsyncStream[Token] | AsyncAudioStream
            ]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: Mapping[str, Any] | BaseModel,
                *,
                return_raw_response: bool,
                queue_request: bool = False,
                **options: Unpack[FallbackOptions],
            ) -> AsyncCall[
                httpx.Response
                | AsyncBatch[Any]
                | Output
                | ListResult[Any]
                | Binary
                | AsyncStream[Token]
                | AsyncAudioStream
            ]: ...

            # Once more: of the overloads whose model fits, pyright tells of the last one why its inputs do not.
            @overload
            def arun(
                self: Any, model: TextModel | str, inputs: PromptOrMessages, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any, model: ResponsesModel, inputs: PromptMessagesOrInput, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TextOutput | AsyncStream[Token]]: ...

            @overload
            def arun(
                self: Any,
                model: str,
                inputs: PromptMessagesOrInput,
                *,
                output_type: object,
                output_retries: int = 1,
                **options: Unpack[AnswerOptions],
            ) -> AsyncCall[StructuredOutput[Any]]: ...

            @overload
            def arun(
                self: Any, model: EmbeddingModel, inputs: EmbeddingsInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any, model: RerankingModel, inputs: RerankingInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Reranking]: ...

            @overload
            def arun(
                self: Any, model: TranslationModel, inputs: TranslationInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any, model: IndicTranslationModel, inputs: IndicTranslationInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Translation]: ...

            @overload
            def arun(
                self: Any,
                model: TextClassificationModel,
                inputs: TextClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: ImageClassificationModel,
                inputs: ImageClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[Classification]: ...

            @overload
            def arun(
                self: Any,
                model: ObjectDetectionModel,
                inputs: ImageClassificationInputs,
                **options: Unpack[PlainOptions],
            ) -> AsyncCall[DetectedObjects]: ...

            @overload
            def arun(
                self: Any, model: WhisperModel, inputs: WhisperInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any, model: WhisperTurboModel, inputs: WhisperTurboInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any, model: NovaModel, inputs: NovaInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Transcription]: ...

            @overload
            def arun(
                self: Any, model: AuraModel, inputs: AuraInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Audio]: ...

            @overload
            def arun(
                self: Any, model: MeloModel, inputs: MeloInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Audio]: ...

            @overload
            def arun(
                self: Any, model: StableDiffusionModel, inputs: StableDiffusionInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: FluxModel, inputs: FluxInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: Flux2Model, inputs: Flux2Inputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: LeonardoModel, inputs: LeonardoInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Image]: ...

            @overload
            def arun(
                self: Any, model: ImageToTextModel, inputs: LlavaInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[ImageDescription]: ...

            @overload
            def arun(
                self: Any, model: MoondreamModel, inputs: MoondreamInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[VisionAnswer]: ...

            @overload
            def arun(
                self: Any, model: TurnModel, inputs: SmartTurnInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[TurnDetection]: ...

            @overload
            def arun(
                self: Any, model: GuardModel, inputs: GuardInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Moderation]: ...

            @overload
            def arun(
                self: Any, model: ClefModel, inputs: ClefInputs, **options: Unpack[PlainOptions]
            ) -> AsyncCall[ClefOutput]: ...

            @overload
            def arun(
                self: Any, model: RetrievalModel, inputs: TextOrRetrieval, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Embeddings]: ...

            @overload
            def arun(
                self: Any, model: ContextModel, inputs: TextOrContexts, **options: Unpack[PlainOptions]
            ) -> AsyncCall[Reranking | Embeddings]: ...

            def arun(self: Any, *arguments: Any, **options: Any) -> Any:
                """Run a model, awaited; a stream is an `AsyncStream`.

                `await ai.arun(...)` has sent the request and checked its status when it returns. `async with ai.arun(...) as
                stream` and `async for token in ai.arun(...)` do the same for a stream, and leave it at the end.
                """

        @overload
        def batch(
            self: Any,
            model: TextModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Batch[TextOutput]: ...

        @overload
        def batch(
            self: Any,
            model: EmbeddingModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Batch[Embeddings]: ...

        @overload
        def batch(
            self: Any,
            model: ContextModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Batch[Reranking | Embeddings]: ...

        @overload
        def batch(
            self: Any,
            model: TranslationModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Batch[Translation]: ...

        @overload
        def batch(
            self: Any,
            model: AuraModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Batch[Audio]: ...

        @overload
        def batch(
            self: Any,
            model: TurnModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Batch[TurnDetection]: ...

        @overload
        def batch(
            self: Any,
            model: str,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Batch[Any]: ...

        def batch(self: Any, *arguments: Any, **options: Any) -> Any:
            """Hand in many requests at once, to be answered when the service has room: a `Batch`.

            ```python
            batch = ai.batch("@cf/baai/bge-m3", [{"text": "a river", "external_reference": "doc 7"}, {"text": "a garden"}])
            for item in batch.wait():
                print(item.index, item.external_reference, item.output if item.ok else item.error)
            ```

            - `requests`: the inputs of each, as `run` takes them, pictures and sounds too; none can be streamed. An
              `external_reference`, any string, comes back with its answer. Together they may be larger than the 10 MB that
              the service takes at a time: they are sent in several parts, which are one `Batch`.
            - `request_id`: that of an earlier `Batch`, in place of `requests`. It is found again, and nothing is sent yet.
            - `options` are those of `run`, for each request that is sent to the service.

            Raises what `run` raises. Requests are checked before anything is sent, and the one that does not fit is named
            by its index; so is a model without `async_queue` refused.
            """

        @overload
        def abatch(
            self: Any,
            model: TextModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Coroutine[Any, Any, AsyncBatch[TextOutput]]: ...

        @overload
        def abatch(
            self: Any,
            model: EmbeddingModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Coroutine[Any, Any, AsyncBatch[Embeddings]]: ...

        @overload
        def abatch(
            self: Any,
            model: ContextModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Coroutine[Any, Any, AsyncBatch[Reranking | Embeddings]]: ...

        @overload
        def abatch(
            self: Any,
            model: TranslationModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Coroutine[Any, Any, AsyncBatch[Translation]]: ...

        @overload
        def abatch(
            self: Any,
            model: AuraModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Coroutine[Any, Any, AsyncBatch[Audio]]: ...

        @overload
        def abatch(
            self: Any,
            model: TurnModel,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Coroutine[Any, Any, AsyncBatch[TurnDetection]]: ...

        @overload
        def abatch(
            self: Any,
            model: str,
            requests: Iterable[Mapping[str, Any] | BaseModel] = (),
            *,
            request_id: str | None = None,
            **options: Unpack[CallOptions],
        ) -> Coroutine[Any, Any, AsyncBatch[Any]]: ...

        def abatch(self: Any, *arguments: Any, **options: Any) -> Any:
            """Hand in many requests at once, awaited: an `AsyncBatch`."""

    def _signed(signature: T) -> Callable[[Callable[..., Any]], T]: ...

    typed_run = _signed(Signatures.run)
    typed_arun = _signed(Signatures.arun)
    typed_batch = _signed(Signatures.batch)
    typed_abatch = _signed(Signatures.abatch)
else:

    def typed_run(method):
        """Gives a method of `Ai` its overloads, for type checkers alone: the method stays as it is."""
        return method

    typed_arun = typed_batch = typed_abatch = typed_run
