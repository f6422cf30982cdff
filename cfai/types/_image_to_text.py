"""Image to text: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Required, TypedDict

from pydantic import ConfigDict, PrivateAttr

from cfai._json import as_sequence
from cfai.types._media_inputs import ImageSource
from cfai.types._output import Fields, Output, to_text
from cfai.types._text_inputs import InputMessage
from cfai.types._tokens import Usage


class LlavaInputs(TypedDict, total=False):
    """An image for LLaVA and UForm, and what to say of it."""

    image: Required[ImageSource]
    """The image: its path, its bytes, an open file, an image of Pillow, or a numpy array."""
    prompt: str
    """What to say of it."""
    messages: Sequence[InputMessage]
    """A conversation about it. The binding of a Worker declares it for LLaVA, whose schema does not have it."""
    max_tokens: int
    """Tokens of the answer at most. Default 512."""
    temperature: float
    """The higher, the more varied the answer."""
    top_p: float
    """The share of likely tokens that are chosen from."""
    top_k: float
    """The number of likely tokens that are chosen from."""
    seed: float
    """The same seed makes the same answer likely."""
    repetition_penalty: float
    """How much tokens that came already are avoided."""
    frequency_penalty: float
    """How much tokens that came often are avoided."""
    presence_penalty: float
    """How much tokens that came at all are avoided."""
    raw: bool
    """Leave the chat template out. Default false."""


class MoondreamInputs(TypedDict, total=False):
    """An image for Moondream, and what to do with it."""

    image: Required[ImageSource]
    """The image: its path, its bytes, an open file, an image of Pillow, a numpy array, or its address (HTTPS)."""
    task: Literal["query", "caption", "point", "detect"]
    """Default `query`. `point` and `detect` find `target`."""
    question: str
    """For `query`. Default "What's in this image?"."""
    caption_length: Literal["short", "normal", "long"]
    """For `caption`. Default `normal`."""
    target: str
    """For `point` and `detect`. Default `person`."""
    reasoning: bool
    """Reason first, for `query`. Default true."""
    temperature: float
    """The higher, the more varied the answer: 0 to 2, default 0.5."""
    top_p: float
    """The share of likely tokens that are chosen from: 0 to 1, default 0.9."""
    max_tokens: int
    """Tokens of the answer at most: 1 to 2048, default 768."""
    max_objects: int
    """For `point` and `detect`: 1 to 500, default 150."""
    stream: Literal[False]
    """The service streams unless it is told not to; cfai tells it so."""


class MoondreamInputsStream(TypedDict, total=False):
    """`MoondreamInputs`, streamed: for `query` and `caption`."""

    image: Required[ImageSource]
    """The image: its path, its bytes, an open file, an image of Pillow, a numpy array, or its address (HTTPS)."""
    task: Literal["query", "caption"]
    """Default `query`."""
    question: str
    """For `query`. Default "What's in this image?"."""
    caption_length: Literal["short", "normal", "long"]
    """For `caption`. Default `normal`."""
    reasoning: bool
    """Reason first, for `query`. Default true."""
    temperature: float
    """The higher, the more varied the answer: 0 to 2, default 0.5."""
    top_p: float
    """The share of likely tokens that are chosen from: 0 to 1, default 0.9."""
    max_tokens: int
    """Tokens of the answer at most: 1 to 2048, default 768."""
    stream: Required[Literal[True]]
    """The answer comes as a stream of tokens."""


class ImageDescription(Output):
    """Words on an image; `str(answer)` is them."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    description: str
    """The words."""

    @property
    def text(self) -> str:
        """The description."""
        return self.description

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show it in a notebook, with what the call took."""
        return self._render_text(self.text)

    def __str__(self) -> str:
        return self.description


class Point(Fields):
    """A place in an image, as shares of its width and height."""

    x: float
    """0 to 1, from the left."""
    y: float
    """0 to 1, from the top."""


class Region(Fields):
    """A rectangle in an image, as shares of its width and height."""

    x_min: float
    """The left edge."""
    y_min: float
    """The upper edge."""
    x_max: float
    """The right edge."""
    y_max: float
    """The lower edge."""


class VisionAnswer(Output):
    """Moondream's answer: words, places or rectangles, by the task. `str(answer)` is the words."""

    finish_reason: str | None = None
    """Why the model stopped, such as `stop`."""
    points: list[Point] = []  # noqa: RUF012  # pydantic copies it
    """For the task `point`."""
    objects: list[Region] = []  # noqa: RUF012  # pydantic copies it
    """For the task `detect`."""
    _picture: Any = PrivateAttr(default=None)
    """In a notebook: the `Picture` that was sent, to be shown with what was found in it."""

    @property
    def text(self) -> str:
        """The answer or the caption; empty for the tasks that find places."""
        fields = self.model_extra or {}
        return to_text(fields.get("answer", fields.get("caption")))

    @property
    def reasoning(self) -> str:
        """Return what the model thought first."""
        found: Any = (self.model_extra or {}).get("reasoning")
        return str(found.get("text", "")) if isinstance(found, dict) else ""  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]

    @property
    def usage(self) -> Usage | None:
        """Tokens of the call, which the service calls `metrics`."""
        return Usage.of((self.model_extra or {}).get("metrics"))

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show what there is."""
        yield from ((name, getattr(self, name)) for name in ("text", "points", "objects") if getattr(self, name))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show it in a notebook: the words, or the places in their picture."""
        places = [(point.x, point.y, point.x, point.y) for point in self.points]
        places += [(each.x_min, each.y_min, each.x_max, each.y_max) for each in self.objects]
        if not places:
            return self._render_text(self.text, reasoning=self.reasoning)
        if self._picture is None:
            return self._render_table(("left", "top", "right", "bottom"), places, numbers=range(4))
        from cfai._display import Box, draw_boxes

        size = (self._picture.width, self._picture.height) * 2
        boxes = [
            Box(*(share * pixels for share, pixels in zip(place, size, strict=True)), label=f"{number}")
            for number, place in enumerate(places, 1)
        ]
        return {"image/svg+xml": draw_boxes(self._picture, boxes)}

    def __str__(self) -> str:
        return self.text or f"{len(as_sequence(self.points or self.objects))} found"
