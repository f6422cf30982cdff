"""Turn detection: whether a speaker has finished."""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from cfai.types._media_inputs import AudioSource
from cfai.types._output import Output


class SmartTurnInputs(TypedDict, total=False):
    """The end of what somebody said, for Smart Turn."""

    audio: Required[AudioSource]
    """The sound: its path, its bytes, an open file, or a numpy array."""
    sample_rate: int
    """Samples a second of a numpy array. cfai makes a WAV of it."""
    dtype: Literal["uint8", "float32", "float64"]
    """The type of samples without a header."""


class TurnDetection(Output):
    """True or false: the speaker has finished."""

    is_complete: bool
    """True if the speaker has finished."""
    probability: float
    """0 to 1: how likely it is that the speaker has finished."""

    def __bool__(self) -> bool:
        return self.is_complete
