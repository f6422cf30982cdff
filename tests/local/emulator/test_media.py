"""Images and sounds: what callers send is one, and what the emulator gives can be decoded."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile  # pyright: ignore[reportMissingTypeStubs]
from PIL import Image

from tests.conftest import row
from tests.local.conftest import PNG, PNG_URL, WAV, WAV_BASE64

if TYPE_CHECKING:
    from tests.local.conftest import Service

AURA = "@cf/deepgram/aura-1"
CLEF = "@cf/cloudflare/clef"
CLEF_OMNI = "@cf/cloudflare/clef-omni"
DETR = "@cf/facebook/detr-resnet-50"
DREAMSHAPER = "@cf/lykon/dreamshaper-8-lcm"
FLUX_2 = "@cf/black-forest-labs/flux-2-dev"
GEMMA = "@cf/google/gemma-4-26b-a4b-it"
GLM = "@cf/zai-org/glm-4.7-flash"
GPT_OSS = "@cf/openai/gpt-oss-20b"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
LLAVA = "@cf/llava-hf/llava-1.5-7b-hf"
MOONDREAM = "@cf/moondream/moondream3.1-9B-A2B"
NOVA = "@cf/deepgram/nova-3"
RESNET = "@cf/microsoft/resnet-50"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
SMART_TURN = "@cf/pipecat-ai/smart-turn-v2"
TURBO = "@cf/openai/whisper-large-v3-turbo"
VISION = "@cf/meta/llama-3.2-11b-vision-instruct"
WHISPER = "@cf/openai/whisper"

TEXT = b"this is no image, and no sound"
TEXT_BASE64 = base64.b64encode(TEXT).decode()
TEXT_URL = f"data:image/png;base64,{TEXT_BASE64}"
SVG_URL = "data:image/svg+xml;base64," + base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()


def shows(url: str) -> dict[str, Any]:
    """Return a chat with this image in it."""
    part = {"type": "image_url", "image_url": {"url": url}}
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]}


def decides(**media: Any) -> dict[str, Any]:
    """Return inputs for Clef with these media."""
    return {"model": "clef", "state": "x", "questions": {"q": {"type": "noul", "instructions": "?"}}, **media}


def post(service: Service, model: str, content: bytes, content_type: str, **query: Any) -> Any:
    """Return the answer to a body that is a sound or an image."""
    headers = {"content-type": content_type}
    return service.http.post(service.url(model), content=content, headers=headers, params=query)


def test_what_is_no_image_or_no_sound_is_refused_before_a_model_runs(service: Service) -> None:
    for name, model, inputs, refusal in (
        ("text in a data URL", GEMMA, shows(TEXT_URL), (500, 8005)),
        ("drawing", "@cf/moonshotai/kimi-k2.6", shows(SVG_URL), (500, 8005)),
        ("nothing", GEMMA, shows("data:image/png;base64,"), (500, 8005)),
        ("no base64", GEMMA, shows("data:image/png;base64,cat.png"), (500, 8005)),
        ("text as numbers", RESNET, {"image": list(TEXT)}, (500, 8005)),
        ("fractions", DETR, {"image": [0.5, 1]}, (500, 8005)),
        ("nested pixels", RESNET, {"image": [[[255, 0, 0], [0, 0, 0]]]}, (400, 5006)),
        ("name of a file for numbers", RESNET, {"image": "cat.png"}, (400, 5006)),
        ("sound for an image", LLAVA, {"image": list(WAV)}, (500, 8005)),
        ("name of a file", LLAVA, {"image": "cat.png"}, (400, 5004)),
        ("image to start from", DREAMSHAPER, {"prompt": "x", "image": list(TEXT)}, (500, 8005)),
        ("image to start from, in base64", DREAMSHAPER, {"prompt": "x", "image_b64": TEXT_BASE64}, (500, 8005)),
        ("file to start from", DREAMSHAPER, {"prompt": "x", "image_b64": "cat.png"}, (400, 5004)),
        ("mask", DREAMSHAPER, {"prompt": "x", "image": list(PNG), "mask": list(TEXT)}, (500, 8005)),
        ("beside a prompt", VISION, {"prompt": "x", "image": list(TEXT)}, (500, 8005)),
        ("moondream, text", MOONDREAM, {"image": TEXT_URL}, (500, 8005)),
        ("moondream, file", MOONDREAM, {"image": "cat.png"}, (400, 5006)),
        ("moondream, bare base64", MOONDREAM, {"image": base64.b64encode(PNG).decode()}, (400, 5006)),
        ("clef, text", CLEF, decides(images=[PNG_URL, TEXT_URL]), (422, 5012)),
        ("clef, file", CLEF, decides(images=["cat.png"]), (422, 5012)),
        ("clef, object", CLEF, decides(images=[{"content_type": "image/png", "base64": TEXT_BASE64}]), (422, 5012)),
        ("clef, no object", CLEF, decides(images=[7]), (422, 5012)),
        ("clef, sound", CLEF_OMNI, decides(audio=[TEXT_URL]) | {"model": "clef-omni"}, (422, 5012)),
        ("name of a sound", TURBO, {"audio": "speech.mp3"}, (400, 5004)),
        ("path of a sound", TURBO, {"audio": "/tmp/speech.mp3"}, (400, 5004)),
        ("sound in a data URL", TURBO, {"audio": f"data:audio/wav;base64,{WAV_BASE64}"}, (400, 5004)),
        ("text for a sound", TURBO, {"audio": TEXT_BASE64}, (400, 3010)),
        ("samples without a header", WHISPER, {"audio": [0] * 100}, (400, 3010)),
        ("image for a sound", WHISPER, {"audio": list(PNG)}, (400, 3010)),
        ("name of a turn", SMART_TURN, {"audio": "speech.mp3"}, (400, 5004)),
    ):
        with row(name):
            assert service.error(model, inputs)[:2] == refusal
    for model, content_type, code in (
        (RESNET, "image/png", 8005),
        (WHISPER, "audio/wav", 3010),
        (NOVA, "audio/wav", 3010),
    ):
        with row(model):
            assert post(service, model, TEXT, content_type).json()["errors"][0]["code"] == code


def test_what_is_an_image_or_a_sound_is_taken_in_every_form_of_its_model(service: Service) -> None:
    for name, model, inputs in (
        ("data URL", GEMMA, shows(PNG_URL)),
        ("address on the web", GEMMA, shows("https://example.com/cat.png")),
        ("native chat", SCOUT, shows(PNG_URL)),
        ("numbers beside a prompt", VISION, {"prompt": "x", "image": list(PNG)}),
        ("data URL beside a prompt", VISION, {"prompt": "x", "image": PNG_URL}),
        ("base64 beside a prompt", VISION, {"prompt": "x", "image": base64.b64encode(PNG).decode()}),
        ("base64", LLAVA, {"image": base64.b64encode(PNG).decode()}),
        ("images to start from", DREAMSHAPER, {"prompt": "x", "image": list(PNG), "mask": list(PNG)}),
        ("clef", CLEF, decides(images=[PNG_URL, {"content_type": "image/png", "base64": PNG_URL.partition(",")[2]}])),
        ("moondream", MOONDREAM, {"image": "https://example.com/cat.png", "task": "point"}),
        ("sound in lines", TURBO, {"audio": f"{WAV_BASE64[:60]}\n{WAV_BASE64[60:]}"}),
        ("samples of a turn", SMART_TURN, {"audio": base64.b64encode(bytes(100)).decode(), "dtype": "float32"}),
        ("how a chat model is to speak", GLM, {"prompt": "x", "audio": {"voice": "a", "format": "wav"}}),
    ):
        with row(name):
            assert service.run(model, inputs).status_code == 200, service.run(model, inputs).text


def test_an_image_to_a_model_that_cannot_see_is_refused(service: Service) -> None:
    part = {"type": "input_image", "image_url": PNG_URL}
    for model, inputs in (
        (GLM, shows(PNG_URL)),
        (GLM, shows("https://example.com/cat.png")),
        (LLAMA, shows(PNG_URL)),
        (LLAMA, {"prompt": "What is it?", "image": list(PNG)}),
        (GPT_OSS, {"input": [{"role": "user", "content": [part]}]}),
    ):
        with row((model, list(inputs))):
            refusal = (400, 3030, f"AiError: AiError: {model} is not a multimodal model")
            assert service.error(model, inputs) == refusal
    url = f"{service.local.openai_url}/chat/completions"
    for model, status in ((GLM, 400), (LLAMA, 400), (SCOUT, 200), (GEMMA, 200)):
        with row(("OpenAI's route", model)):
            assert service.http.post(url, json={"model": model, **shows(PNG_URL)}).status_code == status
    problem = "'/messages/0/content/1/image_url/url' must match pattern '^data:*'"
    native = service.error(SCOUT, shows("https://example.com/cat.png"))
    assert native == (400, 5006, f"AiError: Bad input: Error: {problem}")


def test_options_beside_a_raw_body_are_in_the_query_and_checked_as_what_they_stand_for(service: Service) -> None:
    for query, problem in (
        ({"punctuate": "true", "language": "en", "utt_split": "0.5", "keyterm": ["a", "b"], "unknown": "x"}, None),
        ({"punctuate": "maybe"}, "Type mismatch of '/punctuate', 'string' not in 'boolean'"),
        ({"utt_split": "true"}, "Type mismatch of '/utt_split', 'boolean' not in 'number'"),
        ({"mode": "general", "encoding": "mp3"}, "'/encoding' must be one of 'linear16,flac,mulaw,amr-nb,amr-wb,"),
    ):
        with row(query):
            errors = post(service, NOVA, WAV, "audio/wav", **query).json()["errors"]
            assert [problem in error["message"] for error in errors if problem] == ([True] if problem else [])
            assert len(errors) == (1 if problem else 0)
    samples = post(service, NOVA, bytes(100), "application/octet-stream", encoding="linear16", channels="1")
    assert samples.status_code == 200


def test_the_binding_alone_may_name_a_body_in_json(service: Service) -> None:
    origin = service.local.base_url.removesuffix("/client/v4")
    for name, model in (("audio", NOVA), ("multipart", FLUX_2), ("audio", SMART_TURN)):
        inputs = {name: {"body": {}, "contentType": "audio/wav"}}
        with row(model):
            assert service.error(model, inputs)[1:] == (
                5006, f"AiError: Bad input: Error: required properties at '/' are '{name}'")  # fmt: skip
            headers = {"cf-consn-model-id": model, "host": "workers-binding.ai"}
            answer = service.http.post(f"{origin}/run?version=3", json={"inputs": inputs}, headers=headers)
            assert answer.status_code == 200, answer.text


def test_flux_2_takes_a_form_with_a_prompt_numbers_and_images(service: Service) -> None:
    url, image = service.url(FLUX_2), ("cat.png", PNG, "image/png")
    for fields, problem in (
        ({"prompt": (None, "a cat")}, None),
        (
            {"prompt": (None, "ein Kätzchen"), "width": (None, "512"), "seed": (None, "7"), "guidance": (None, "2.5")},
            None,
        ),
        ({"prompt": (None, "the same, blue"), "input_image_0": image, "input_image_3": image}, None),
        ({"width": (None, "512")}, "required properties at '/' are 'prompt'"),
        ({"prompt": (None, "")}, "Length of '/prompt' must be >= 1"),
        ({"prompt": (None, "a cat"), "width": (None, "100")}, "'/width' must be >= 256"),
        ({"prompt": (None, "a cat"), "height": (None, "4096")}, "'/height' must be <= 1920"),
        (
            {"prompt": (None, "a cat"), "height": (None, "tall")},
            "Type mismatch of '/height', 'string' not in 'integer'",
        ),
        ({"prompt": (None, "a cat"), "input_image_0": ("cat.png", TEXT, "image/png")}, "Internal server error"),
    ):
        with row((list(fields), problem)):
            response = service.http.post(url, files=fields)
            assert [problem in error["message"] for error in response.json()["errors"] if problem] == [True] * bool(
                problem
            )
            assert response.status_code == 200 or problem, response.text
    for content, content_type in (
        (b"--x--", "multipart/form-data; boundary=y"),
        (b"prompt=cat", "multipart/form-data"),
    ):
        with row(content_type):
            headers = {"content-type": content_type}
            assert service.http.post(url, content=content, headers=headers).json()["errors"][0]["code"] == 5006


# What the emulator gives


def test_images_are_decoded_to_512_pixels_a_side(service: Service) -> None:
    for model in (DREAMSHAPER, "@cf/leonardo/phoenix-1.0"):
        with row(model):
            response = service.run(model, {"prompt": "x"})
            with Image.open(io.BytesIO(response.content)) as image:
                assert (image.size, Image.MIME[image.format or ""]) == ((512, 512), response.headers["content-type"])
                image.load()
    for model in ("@cf/black-forest-labs/flux-1-schnell", "@cf/leonardo/lucid-origin"):
        with row(model):
            content = base64.b64decode(service.result(model, {"prompt": "x"})["image"])
            with Image.open(io.BytesIO(content)) as image:
                assert image.size == (512, 512)
                image.load()


SPEECH: dict[tuple[str | None, str | None], tuple[str, str, int]] = {
    (None, None): ("audio/mpeg", "MP3", 22_050),
    ("mp3", "none"): ("audio/mpeg", "MP3", 22_050),
    ("flac", None): ("audio/flac", "FLAC", 16_000),
    ("opus", None): ("audio/ogg", "OGG", 16_000),
    ("opus", "ogg"): ("audio/ogg", "OGG", 16_000),
    ("linear16", None): ("audio/wav", "WAV", 24_000),
    ("linear16", "wav"): ("audio/wav", "WAV", 24_000),
    ("mulaw", None): ("audio/wav", "WAV", 8_000),
    ("alaw", "wav"): ("audio/wav", "WAV", 8_000),
}
"""The content type, the format and the samples a second of speech, by `encoding` and `container`."""


def speak(service: Service, **options: Any) -> Any:
    """Return the answer of Aura to these options, without those that are `None`."""
    return service.run(AURA, {"text": "x"} | {name: value for name, value in options.items() if value is not None})


def test_speech_is_decoded_as_the_encoding_and_the_container_that_were_asked_for(service: Service) -> None:
    for (encoding, container), (content_type, kind, rate) in SPEECH.items():
        with row((encoding, container)):
            response = speak(service, encoding=encoding, container=container)
            assert response.headers["content-type"] == content_type
            sound = soundfile.info(io.BytesIO(response.content))
            assert (sound.format, sound.samplerate, sound.channels) == (kind, rate, 1)
            assert 2 < sound.duration < 4
    for rate in (8_000, 16_000, 24_000, 32_000, 48_000):
        with row(rate), wave.open(io.BytesIO(speak(service, encoding="linear16", sample_rate=rate).content)) as sound:
            assert (sound.getframerate(), sound.getsampwidth()) == (rate, 2)
            assert 2 < sound.getnframes() / rate < 4


def test_speech_without_a_container_is_the_samples_alone(service: Service) -> None:
    spoken, _ = soundfile.read(
        io.BytesIO(speak(service, encoding="linear16", sample_rate=16_000).content), dtype="int16"
    )
    for encoding, subtype in (("linear16", "PCM_16"), ("mulaw", "ULAW"), ("alaw", "ALAW")):
        with row(encoding):
            response = speak(service, encoding=encoding, container="none", sample_rate=16_000)
            assert response.headers["content-type"].startswith("audio/")
            wanted = io.BytesIO()
            soundfile.write(wanted, spoken, 16_000, format="RAW", subtype=subtype)
            assert np.array_equal(np.frombuffer(response.content, "u1"), np.frombuffer(wanted.getvalue(), "u1"))


def test_speech_that_cannot_be_given_as_asked_for_is_refused(service: Service) -> None:
    for options, problem in (
        (
            {"encoding": "aac"},
            "'/encoding' is aac, which the emulator cannot write: it has mp3, flac, opus, linear16, ",
        ),
        ({"encoding": "mp3", "container": "wav"}, "'/container' must be one of 'none'"),
        ({"container": "wav"}, "'/container' must be one of 'none'"),
        ({"encoding": "linear16", "container": "ogg"}, "'/container' must be one of 'wav,none'"),
        (
            {"encoding": "linear16", "sample_rate": 11_025},
            "'/sample_rate' must be one of '24000,8000,16000,32000,48000'",
        ),
        ({"encoding": "mp4"}, "'/encoding' must be one of 'linear16,flac,mulaw,alaw,mp3,opus,aac'"),
    ):
        with row(options):
            status, code, message = service.error(AURA, {"text": "x", **options})
            assert (status, code) == (400, 5006)
            assert problem in message


def test_no_file_of_the_package_is_opened_while_a_request_is_answered() -> None:
    code = """
import sys
import httpx
import cfai
from cfai.local import Emulator

opened = []

def note(event, arguments):
    if event == "open" and "/cfai/" in str(arguments[0]) and not str(arguments[0]).endswith((".py", ".pyc")):
        opened.append(arguments[0])

calls = {
    "@cf/lykon/dreamshaper-8-lcm": {"prompt": "x"},
    "@cf/leonardo/phoenix-1.0": {"prompt": "x"},
    "@cf/myshell-ai/melotts": {"prompt": "x"},
    "@cf/deepgram/aura-1": {"text": "x"},
    "@cf/deepgram/aura-2-en": {"text": "x", "encoding": "flac"},
    "@cf/deepgram/aura-2-es": {"text": "x", "encoding": "opus"},
    "@cf/zai-org/glm-4.7-flash": {"prompt": "x"},
}
with Emulator() as local, httpx.Client(trust_env=False) as client:
    sys.addaudithook(note)
    headers = {"authorization": f"Bearer {local.api_token}"}
    for model, inputs in calls.items():
        url = f"{local.base_url}/accounts/{local.account_id}/ai/run/{model}"
        assert client.post(url, json=inputs, headers=headers).status_code == 200, model
print(opened)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
