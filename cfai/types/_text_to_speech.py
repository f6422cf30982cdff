"""Text to speech: what goes in. What comes out is an `Audio`."""

from __future__ import annotations

from typing import Literal, Required, TypedDict

Speaker = Literal[
    "alvaro",
    "amalthea",
    "andromeda",
    "angus",
    "apollo",
    "aquila",
    "arcas",
    "aries",
    "asteria",
    "athena",
    "atlas",
    "aurora",
    "callista",
    "carina",
    "celeste",
    "cora",
    "cordelia",
    "delia",
    "diana",
    "draco",
    "electra",
    "estrella",
    "harmonia",
    "helena",
    "helios",
    "hera",
    "hermes",
    "hyperion",
    "iris",
    "janus",
    "javier",
    "juno",
    "jupiter",
    "luna",
    "mars",
    "minerva",
    "neptune",
    "nestor",
    "odysseus",
    "ophelia",
    "orion",
    "orpheus",
    "pandora",
    "perseus",
    "phoebe",
    "pluto",
    "saturn",
    "selena",
    "sirio",
    "stella",
    "thalia",
    "theia",
    "vesta",
    "zeus",
]
"""The voices of Aura 1, Aura 2 English and Aura 2 Spanish."""


class AuraInputs(TypedDict, total=False):
    """A text for Deepgram's Aura."""

    text: Required[str]
    """What to say."""
    speaker: Speaker | str
    """The voice. Default `angus` (Aura 1), `luna` (Aura 2 English), `aquila` (Aura 2 Spanish).

    Aura 1 has `angus`, `arcas`, `asteria`, `athena`, `helios`, `hera`, `luna`, `orion`, `orpheus`, `perseus`,
    `stella` and `zeus`; Aura 2 Spanish `alvaro`, `aquila`, `carina`, `celeste`, `diana`, `estrella`, `javier`,
    `nestor`, `selena` and `sirio`; Aura 2 English all others, and most of those of Aura 1.
    """
    encoding: Literal["linear16", "flac", "mulaw", "alaw", "mp3", "opus", "aac"]
    """Default `mp3`."""
    container: Literal["none", "wav", "ogg"]
    """The file format around the encoded sound; `none`: only the sound."""
    sample_rate: float
    """Samples a second."""
    bit_rate: float
    """Bits a second."""
    stream: Literal[False]
    """True gives the sound as it comes."""


class AuraInputsStream(TypedDict, total=False):
    """`AuraInputs`, streamed."""

    text: Required[str]
    """What to say."""
    speaker: Speaker | str
    """The voice. Default `angus` (Aura 1), `luna` (Aura 2 English), `aquila` (Aura 2 Spanish).

    Aura 1 has `angus`, `arcas`, `asteria`, `athena`, `helios`, `hera`, `luna`, `orion`, `orpheus`, `perseus`,
    `stella` and `zeus`; Aura 2 Spanish `alvaro`, `aquila`, `carina`, `celeste`, `diana`, `estrella`, `javier`,
    `nestor`, `selena` and `sirio`; Aura 2 English all others, and most of those of Aura 1.
    """
    encoding: Literal["linear16", "flac", "mulaw", "alaw", "mp3", "opus", "aac"]
    """Default `mp3`."""
    container: Literal["none", "wav", "ogg"]
    """The file format around the encoded sound; `none`: only the sound."""
    sample_rate: float
    """Samples a second."""
    bit_rate: float
    """Bits a second."""
    stream: Required[Literal[True]]
    """The sound comes as an `AudioStream` of bytes. The service is not asked for it: it is how the answer is read."""


class MeloInputs(TypedDict, total=False):
    """A text for MeloTTS."""

    prompt: Required[str]
    """What to say: at least one character."""
    lang: str
    """The language, by its code. Default `en`."""
    stream: Literal[False]
    """True gives the sound as it comes."""


class MeloInputsStream(TypedDict, total=False):
    """`MeloInputs`, streamed."""

    prompt: Required[str]
    """What to say: at least one character."""
    lang: str
    """The language, by its code. Default `en`."""
    stream: Required[Literal[True]]
    """The sound comes as an `AudioStream` of bytes. The service is not asked for it: it is how the answer is read."""
