"""Text to image: what goes in. What comes out is an `Image`."""

from __future__ import annotations

from typing import Required, TypedDict

from cfai.types._media_inputs import ImageSource, MediaBody


class StableDiffusionInputs(TypedDict, total=False):
    """A prompt for Stable Diffusion and Dreamshaper, and if need be an image to begin with."""

    prompt: Required[str]
    """At least one character."""
    negative_prompt: str
    """What is not to be seen."""
    width: int
    """Pixels: 256 to 2048."""
    height: int
    """Pixels: 256 to 2048."""
    num_steps: int
    """At most 20, which is the default."""
    guidance: float
    """How close to stay to the prompt. Default 7.5."""
    strength: float
    """How much of `image` may change: 0 to 1, default 1."""
    seed: int
    """The same seed makes the same image."""
    image: ImageSource
    """The image to begin with: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    image_b64: str
    """`image` as base64."""
    mask: ImageSource
    """What of `image` is to be painted anew, for inpainting: an image as well."""


class FluxInputs(TypedDict, total=False):
    """A prompt for FLUX.1 schnell."""

    prompt: Required[str]
    """1 to 2048 characters."""
    steps: int
    """At most 8; default 4."""
    seed: int
    """The same seed makes the same image. The schema does not list it; the service takes it."""


class Flux2Inputs(TypedDict, total=False):
    """A prompt for FLUX.2, which wants a multipart form: cfai makes it."""

    prompt: Required[str]
    """Text, or JSON as text."""
    width: int
    """Pixels: 256 to 1920; default 1024."""
    height: int
    """Pixels: 256 to 1920; default 768."""
    steps: int
    """For FLUX.2 dev: klein has 4 always."""
    guidance: float
    """How close to stay to the prompt."""
    seed: int
    """The same seed makes the same image."""
    input_image_0: ImageSource
    """An image to go by, smaller than 512 x 512 pixels."""
    input_image_1: ImageSource
    """A second image."""
    input_image_2: ImageSource
    """A third image."""
    input_image_3: ImageSource
    """A fourth image."""


class Flux2Form(TypedDict):
    """A form for FLUX.2 that was made already, as a Worker's binding takes it."""

    multipart: MediaBody
    """The form's bytes, and its content type with the boundary."""


class LeonardoInputs(TypedDict, total=False):
    """A prompt for Lucid Origin and Phoenix."""

    prompt: Required[str]
    """At least one character."""
    negative_prompt: str
    """What is not to be seen (Phoenix)."""
    width: int
    """Pixels: at most 2500 (Lucid Origin, default 1120) or 2048 (Phoenix, default 1024)."""
    height: int
    """Pixels, as `width`."""
    num_steps: int
    """1 to 40 (Lucid Origin) or 50 (Phoenix, default 25)."""
    steps: int
    """`num_steps`, under another name: 1 to 40 (Lucid Origin)."""
    guidance: float
    """How close to stay to the prompt: 0 to 10, default 4.5 (Lucid Origin); 2 to 10, default 2 (Phoenix)."""
    seed: int
    """The same seed makes the same image. At least 0."""
