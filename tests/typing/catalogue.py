# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""A call of every model that lives, and the type of what comes. Checked by pyright and mypy; an emulator can run it."""

from typing import TYPE_CHECKING, Any

from cfai import Ai
from cfai.types import (
    Audio,
    Classification,
    ClefOutput,
    DetectedObjects,
    Embeddings,
    Image,
    ImageDescription,
    Moderation,
    Reranking,
    TextOutput,
    Transcription,
    Translation,
    TurnDetection,
    VisionAnswer,
)

if TYPE_CHECKING:
    from typing import assert_type
else:

    def assert_type(value: Any, declared: Any) -> None:
        """Check at run time as well."""
        assert isinstance(value, declared), f"{type(value).__name__} in the place of {declared.__name__}"


def run_every_model(ai: Ai, image: bytes, speech: bytes) -> None:
    assert_type(
        ai.run("@cf/ai4bharat/indictrans2-en-indic-1B", {"text": "Hi", "target_language": "hin_Deva"}), Translation
    )
    assert_type(ai.run("@cf/aisingapore/gemma-sea-lion-v4-27b-it", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/baai/bge-base-en-v1.5", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(ai.run("@cf/baai/bge-large-en-v1.5", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(ai.run("@cf/baai/bge-m3", {"query": "Hi", "contexts": [{"text": "Ho"}]}), Reranking)
    assert_type(
        ai.run("@cf/baai/bge-reranker-base", {"query": "Hi", "contexts": [{"text": "Ho"}], "top_k": 1}), Reranking
    )
    assert_type(ai.run("@cf/baai/bge-small-en-v1.5", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(ai.run("@cf/baai/omni-bge-base-en-v1.5", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(ai.run("@cf/black-forest-labs/flux-1-schnell", {"prompt": "a cat", "steps": 4}), Image)
    assert_type(ai.run("@cf/black-forest-labs/flux-2-dev", {"prompt": "a cat", "input_image_0": image}), Image)
    assert_type(ai.run("@cf/black-forest-labs/flux-2-klein-4b", {"prompt": "a cat", "input_image_0": image}), Image)
    assert_type(ai.run("@cf/black-forest-labs/flux-2-klein-9b", {"prompt": "a cat", "input_image_0": image}), Image)
    assert_type(ai.run("@cf/bytedance/stable-diffusion-xl-lightning", {"prompt": "a cat", "num_steps": 4}), Image)
    assert_type(
        ai.run(
            "@cf/cloudflare/clef",
            {"model": "clef", "state": "Hi", "questions": {"kind": {"type": "noul", "instructions": "Kind?"}}},
        ),
        ClefOutput,
    )
    assert_type(
        ai.run(
            "@cf/cloudflare/clef-flash",
            {"model": "clef-flash", "state": "Hi", "questions": {"kind": {"type": "noul", "instructions": "Kind?"}}},
        ),
        ClefOutput,
    )
    assert_type(
        ai.run(
            "@cf/cloudflare/clef-omni",
            {"model": "clef-omni", "state": "Hi", "questions": {"kind": {"type": "noul", "instructions": "Kind?"}}},
        ),
        ClefOutput,
    )
    assert_type(ai.run("@cf/deepgram/aura-1", {"text": "Hi"}), Audio)
    assert_type(ai.run("@cf/deepgram/aura-2-en", {"text": "Hi", "speaker": "luna"}), Audio)
    assert_type(
        ai.run(
            "@cf/deepgram/aura-2-es", {"text": "Hola", "speaker": "aquila", "encoding": "linear16", "container": "wav"}
        ),
        Audio,
    )
    assert_type(ai.run("@cf/deepgram/nova-3", {"audio": speech, "punctuate": True}), Transcription)
    assert_type(ai.run("@cf/deepseek-ai/deepseek-r1-distill-qwen-32b", {"prompt": "Hi"}), TextOutput)
    assert_type(
        ai.run("@cf/deepseek-ai/deepseek-v4-flash-0731", {"prompt": "Hi", "reasoning_effort": "none"}), TextOutput
    )
    assert_type(ai.run("@cf/deepseek-ai/deepseek-v4-pro-0813", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/facebook/detr-resnet-50", {"image": image}), DetectedObjects)
    assert_type(ai.run("@cf/google/embeddinggemma-300m", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(ai.run("@cf/google/gemma-2b-it-lora", {"prompt": "Hi", "lora": "mine"}), TextOutput)
    assert_type(ai.run("@cf/google/gemma-4-26b-a4b-it", {"prompt": "Hi", "skip_special_tokens": True}), TextOutput)
    assert_type(ai.run("@cf/google/gemma-7b-it-lora", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/huggingface/distilbert-sst-2-int8", {"text": "Hi"}), Classification)
    assert_type(ai.run("@cf/ibm-granite/granite-4.0-h-micro", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/leonardo/lucid-origin", {"prompt": "a cat", "steps": 4}), Image)
    assert_type(ai.run("@cf/leonardo/phoenix-1.0", {"prompt": "a cat", "guidance": 4}), Image)
    assert_type(ai.run("@cf/llava-hf/llava-1.5-7b-hf", {"image": image, "prompt": "What?"}), ImageDescription)
    assert_type(ai.run("@cf/lykon/dreamshaper-8-lcm", {"prompt": "a cat", "num_steps": 4}), Image)
    assert_type(ai.run("@cf/meta-llama/llama-2-7b-chat-hf-lora", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-3.1-8b-instruct-fast", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-3.1-8b-instruct-fp8", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-3.2-11b-vision-instruct", {"prompt": "What?", "image": image}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-3.2-1b-instruct", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-3.2-3b-instruct", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-4-scout-17b-16e-instruct", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-guard-3-8b", {"messages": [{"role": "user", "content": "Hi"}]}), Moderation)
    assert_type(ai.run("@cf/meta/m2m100-1.2b", {"text": "Hi", "target_lang": "fr"}), Translation)
    assert_type(ai.run("@cf/microsoft/resnet-50", {"image": image}), Classification)
    assert_type(ai.run("@cf/mistral/mistral-7b-instruct-v0.2-lora", {"prompt": "Hi"}), TextOutput)
    assert_type(
        ai.run(
            "@cf/mistralai/mistral-small-3.1-24b-instruct",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]},
        ),
        TextOutput,
    )
    assert_type(
        ai.run("@cf/moondream/moondream3.1-9B-A2B", {"image": image, "task": "caption", "stream": False}), VisionAnswer
    )
    assert_type(
        ai.run(
            "@cf/moonshotai/kimi-k2.6",
            {"messages": [{"role": "user", "content": "Hi"}], "chat_template_kwargs": {"thinking": False}},
        ),
        TextOutput,
    )
    assert_type(ai.run("@cf/moonshotai/kimi-k2.7-code", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/myshell-ai/melotts", {"prompt": "Hi", "lang": "en"}), Audio)
    assert_type(ai.run("@cf/nvidia/nemotron-3-120b-a12b", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/openai/gpt-oss-120b", {"messages": [{"role": "user", "content": "Hi"}]}), TextOutput)
    assert_type(ai.run("@cf/openai/gpt-oss-20b", {"input": "Hi", "reasoning": {"effort": "low"}}), TextOutput)
    assert_type(ai.run("@cf/openai/whisper", {"audio": speech}), Transcription)
    assert_type(
        ai.run("@cf/openai/whisper-large-v3-turbo", {"audio": speech, "language": "en", "vad_filter": True}),
        Transcription,
    )
    assert_type(ai.run("@cf/openai/whisper-tiny-en", {"audio": speech}), Transcription)
    assert_type(ai.run("@cf/pfnet/plamo-embedding-1b", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(ai.run("@cf/pipecat-ai/smart-turn-v2", {"audio": speech}), TurnDetection)
    assert_type(ai.run("@cf/qwen/qwen2.5-coder-32b-instruct", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/qwen/qwen3-30b-a3b-fp8", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/qwen/qwen3-embedding-0.6b", {"queries": ["Hi"], "documents": ["Ho"]}), Embeddings)
    assert_type(ai.run("@cf/qwen/qwen3.8-27b", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/qwen/qwq-32b", {"prompt": "Hi"}), TextOutput)
    assert_type(
        ai.run("@cf/runwayml/stable-diffusion-v1-5-img2img", {"prompt": "a cat", "image": image, "strength": 0.5}),
        Image,
    )
    assert_type(
        ai.run("@cf/runwayml/stable-diffusion-v1-5-inpainting", {"prompt": "a cat", "image": image, "mask": image}),
        Image,
    )
    assert_type(ai.run("@cf/stabilityai/stable-diffusion-xl-base-1.0", {"prompt": "a cat", "num_steps": 4}), Image)
    assert_type(ai.run("@cf/swiss-ai/apertus-v1.5-8b", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/utter-project/eurollm-9b-it", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/zai-org/glm-5.2", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/zai-org/glm-5.3", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/zai-org/glm-5.3-flash", {"prompt": "Hi", "reasoning_effort": "max"}), TextOutput)


async def arun_every_model(ai: Ai, image: bytes, speech: bytes) -> None:
    assert_type(
        await ai.arun("@cf/ai4bharat/indictrans2-en-indic-1B", {"text": "Hi", "target_language": "hin_Deva"}),
        Translation,
    )
    assert_type(await ai.arun("@cf/aisingapore/gemma-sea-lion-v4-27b-it", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/baai/bge-base-en-v1.5", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(await ai.arun("@cf/baai/bge-large-en-v1.5", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(await ai.arun("@cf/baai/bge-m3", {"query": "Hi", "contexts": [{"text": "Ho"}]}), Reranking)
    assert_type(
        await ai.arun("@cf/baai/bge-reranker-base", {"query": "Hi", "contexts": [{"text": "Ho"}], "top_k": 1}),
        Reranking,
    )
    assert_type(await ai.arun("@cf/baai/bge-small-en-v1.5", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(await ai.arun("@cf/baai/omni-bge-base-en-v1.5", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(await ai.arun("@cf/black-forest-labs/flux-1-schnell", {"prompt": "a cat", "steps": 4}), Image)
    assert_type(await ai.arun("@cf/black-forest-labs/flux-2-dev", {"prompt": "a cat", "input_image_0": image}), Image)
    assert_type(
        await ai.arun("@cf/black-forest-labs/flux-2-klein-4b", {"prompt": "a cat", "input_image_0": image}), Image
    )
    assert_type(
        await ai.arun("@cf/black-forest-labs/flux-2-klein-9b", {"prompt": "a cat", "input_image_0": image}), Image
    )
    assert_type(
        await ai.arun("@cf/bytedance/stable-diffusion-xl-lightning", {"prompt": "a cat", "num_steps": 4}), Image
    )
    assert_type(
        await ai.arun(
            "@cf/cloudflare/clef",
            {"model": "clef", "state": "Hi", "questions": {"kind": {"type": "noul", "instructions": "Kind?"}}},
        ),
        ClefOutput,
    )
    assert_type(
        await ai.arun(
            "@cf/cloudflare/clef-flash",
            {"model": "clef-flash", "state": "Hi", "questions": {"kind": {"type": "noul", "instructions": "Kind?"}}},
        ),
        ClefOutput,
    )
    assert_type(
        await ai.arun(
            "@cf/cloudflare/clef-omni",
            {"model": "clef-omni", "state": "Hi", "questions": {"kind": {"type": "noul", "instructions": "Kind?"}}},
        ),
        ClefOutput,
    )
    assert_type(await ai.arun("@cf/deepgram/aura-1", {"text": "Hi"}), Audio)
    assert_type(await ai.arun("@cf/deepgram/aura-2-en", {"text": "Hi", "speaker": "luna"}), Audio)
    assert_type(
        await ai.arun(
            "@cf/deepgram/aura-2-es", {"text": "Hola", "speaker": "aquila", "encoding": "linear16", "container": "wav"}
        ),
        Audio,
    )
    assert_type(await ai.arun("@cf/deepgram/nova-3", {"audio": speech, "punctuate": True}), Transcription)
    assert_type(await ai.arun("@cf/deepseek-ai/deepseek-r1-distill-qwen-32b", {"prompt": "Hi"}), TextOutput)
    assert_type(
        await ai.arun("@cf/deepseek-ai/deepseek-v4-flash-0731", {"prompt": "Hi", "reasoning_effort": "none"}),
        TextOutput,
    )
    assert_type(await ai.arun("@cf/deepseek-ai/deepseek-v4-pro-0813", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/facebook/detr-resnet-50", {"image": image}), DetectedObjects)
    assert_type(await ai.arun("@cf/google/embeddinggemma-300m", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(await ai.arun("@cf/google/gemma-2b-it-lora", {"prompt": "Hi", "lora": "mine"}), TextOutput)
    assert_type(
        await ai.arun("@cf/google/gemma-4-26b-a4b-it", {"prompt": "Hi", "skip_special_tokens": True}), TextOutput
    )
    assert_type(await ai.arun("@cf/google/gemma-7b-it-lora", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/huggingface/distilbert-sst-2-int8", {"text": "Hi"}), Classification)
    assert_type(await ai.arun("@cf/ibm-granite/granite-4.0-h-micro", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/leonardo/lucid-origin", {"prompt": "a cat", "steps": 4}), Image)
    assert_type(await ai.arun("@cf/leonardo/phoenix-1.0", {"prompt": "a cat", "guidance": 4}), Image)
    assert_type(await ai.arun("@cf/llava-hf/llava-1.5-7b-hf", {"image": image, "prompt": "What?"}), ImageDescription)
    assert_type(await ai.arun("@cf/lykon/dreamshaper-8-lcm", {"prompt": "a cat", "num_steps": 4}), Image)
    assert_type(await ai.arun("@cf/meta-llama/llama-2-7b-chat-hf-lora", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/meta/llama-3.1-8b-instruct-fast", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/meta/llama-3.1-8b-instruct-fp8", {"prompt": "Hi"}), TextOutput)
    assert_type(
        await ai.arun("@cf/meta/llama-3.2-11b-vision-instruct", {"prompt": "What?", "image": image}), TextOutput
    )
    assert_type(await ai.arun("@cf/meta/llama-3.2-1b-instruct", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/meta/llama-3.2-3b-instruct", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/meta/llama-4-scout-17b-16e-instruct", {"prompt": "Hi"}), TextOutput)
    assert_type(
        await ai.arun("@cf/meta/llama-guard-3-8b", {"messages": [{"role": "user", "content": "Hi"}]}), Moderation
    )
    assert_type(await ai.arun("@cf/meta/m2m100-1.2b", {"text": "Hi", "target_lang": "fr"}), Translation)
    assert_type(await ai.arun("@cf/microsoft/resnet-50", {"image": image}), Classification)
    assert_type(await ai.arun("@cf/mistral/mistral-7b-instruct-v0.2-lora", {"prompt": "Hi"}), TextOutput)
    assert_type(
        await ai.arun(
            "@cf/mistralai/mistral-small-3.1-24b-instruct",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]},
        ),
        TextOutput,
    )
    assert_type(
        await ai.arun("@cf/moondream/moondream3.1-9B-A2B", {"image": image, "task": "caption", "stream": False}),
        VisionAnswer,
    )
    assert_type(
        await ai.arun(
            "@cf/moonshotai/kimi-k2.6",
            {"messages": [{"role": "user", "content": "Hi"}], "chat_template_kwargs": {"thinking": False}},
        ),
        TextOutput,
    )
    assert_type(await ai.arun("@cf/moonshotai/kimi-k2.7-code", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/myshell-ai/melotts", {"prompt": "Hi", "lang": "en"}), Audio)
    assert_type(await ai.arun("@cf/nvidia/nemotron-3-120b-a12b", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/openai/gpt-oss-120b", {"messages": [{"role": "user", "content": "Hi"}]}), TextOutput)
    assert_type(await ai.arun("@cf/openai/gpt-oss-20b", {"input": "Hi", "reasoning": {"effort": "low"}}), TextOutput)
    assert_type(await ai.arun("@cf/openai/whisper", {"audio": speech}), Transcription)
    assert_type(
        await ai.arun("@cf/openai/whisper-large-v3-turbo", {"audio": speech, "language": "en", "vad_filter": True}),
        Transcription,
    )
    assert_type(await ai.arun("@cf/openai/whisper-tiny-en", {"audio": speech}), Transcription)
    assert_type(await ai.arun("@cf/pfnet/plamo-embedding-1b", {"text": ["Hi", "Ho"]}), Embeddings)
    assert_type(await ai.arun("@cf/pipecat-ai/smart-turn-v2", {"audio": speech}), TurnDetection)
    assert_type(await ai.arun("@cf/qwen/qwen2.5-coder-32b-instruct", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/qwen/qwen3-30b-a3b-fp8", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/qwen/qwen3-embedding-0.6b", {"queries": ["Hi"], "documents": ["Ho"]}), Embeddings)
    assert_type(await ai.arun("@cf/qwen/qwen3.8-27b", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/qwen/qwq-32b", {"prompt": "Hi"}), TextOutput)
    assert_type(
        await ai.arun(
            "@cf/runwayml/stable-diffusion-v1-5-img2img", {"prompt": "a cat", "image": image, "strength": 0.5}
        ),
        Image,
    )
    assert_type(
        await ai.arun(
            "@cf/runwayml/stable-diffusion-v1-5-inpainting", {"prompt": "a cat", "image": image, "mask": image}
        ),
        Image,
    )
    assert_type(
        await ai.arun("@cf/stabilityai/stable-diffusion-xl-base-1.0", {"prompt": "a cat", "num_steps": 4}), Image
    )
    assert_type(await ai.arun("@cf/swiss-ai/apertus-v1.5-8b", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/utter-project/eurollm-9b-it", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/zai-org/glm-4.7-flash", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/zai-org/glm-5.2", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/zai-org/glm-5.3", {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun("@cf/zai-org/glm-5.3-flash", {"prompt": "Hi", "reasoning_effort": "max"}), TextOutput)
