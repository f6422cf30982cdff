"""Decisions by Clef: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

from cfai.types._media_inputs import AudioSource, ImageSource, MediaSource
from cfai.types._output import Fields, Output
from cfai.types._tokens import Usage


class YesNoQuestion(TypedDict, total=False):
    """A question with a number from 0 (no) to 1 (yes) for an answer."""

    type: Required[Literal["noul"]]
    """`noul` is the word of the service for it."""
    instructions: Required[str]
    """The question itself."""
    criteria: Mapping[str, str]
    """What `true` and `false` mean."""


class ChoiceQuestion(TypedDict, total=False):
    """A question with one of 2 to 255 options for an answer."""

    type: Required[Literal["choice"]]
    """One of several options."""
    instructions: Required[str]
    """The question itself."""
    criteria: Required[Mapping[str, str]]
    """The options, each with what it means."""


class ScoreQuestion(TypedDict, total=False):
    """A question with one of 2 to 10 levels for an answer."""

    type: Required[Literal["score"]]
    """One of several levels."""
    instructions: Required[str]
    """The question itself."""
    criteria: Required[Sequence[object]]
    """The levels, from the lowest."""


class EncodedMedia(TypedDict):
    """An image, a sound or a video as Clef takes them beside `data:` URLs."""

    content_type: str
    """Its media type, such as `image/jpeg`."""
    base64: str
    """Its bytes, as base64."""


class ClefInputs(TypedDict, total=False):
    """A state of affairs, and 1 to 64 questions on it."""

    model: Required[Literal["clef", "clef-flash", "clef-omni"]]
    """An input of Clef's own, beside the name of the model."""
    state: Required[object]
    """A text, or any JSON. What is too long is cut without a word: about 2,048 tokens were measured."""
    questions: Required[Mapping[str, YesNoQuestion | ChoiceQuestion | ScoreQuestion]]
    """By an id of your own."""
    images: Sequence[ImageSource | EncodedMedia]
    """At most 4, of 4 MiB each and 8 MiB together."""
    audio: Sequence[AudioSource | EncodedMedia]
    """Clef Omni: at most 4, 8 MiB and 300 seconds."""
    videos: Sequence[MediaSource | EncodedMedia]
    """Clef Omni: at most 2, 16 MiB and 60 seconds."""


class ClefAnswer(Fields):
    """The answer to one question; which fields it has depends on its type."""

    type: str
    """The type of the question: `noul`, `choice` or `score`."""
    noul: float | None = None
    """0 (no) to 1 (yes)."""
    choice: str | None = None
    """The option that was chosen."""
    score: float | None = None
    """The level, as a number."""
    legend: Any = None
    """The levels of a score."""
    probabilities: dict[str, float] | None = None
    """By option or level: 0 to 1."""
    confidence: float | None = None
    """0 to 1."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the fields of its type alone."""
        return ((name, value) for name, value in super().__repr_args__() if value is not None)


class ClefOutput(Output):
    """Answers by the ids of their questions."""

    answers: dict[str, ClefAnswer]
    """By the ids that the questions were given."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show a row a question in a notebook."""
        rows = [(name, _describe(each), _format_share(each.confidence)) for name, each in self.answers.items()]
        return self._render_table(("question", "answer", "confidence"), rows, numbers=[2])

    @property
    def usage(self) -> Usage | None:
        """Tokens of the call: of input alone."""
        return Usage.of((self.model_extra or {}).get("usage"))


def _describe(answer: ClefAnswer) -> str:
    """Return the answer to a question in a word."""
    level = "" if answer.score is None else f"{answer.score:.2f}"
    return answer.choice or level or f"{_format_share(answer.noul)} yes"


def _format_share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
