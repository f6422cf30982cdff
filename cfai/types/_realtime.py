"""Realtime sessions: what they are opened with, and the events that come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator, model_validator

from cfai._json import as_sequence, is_mapping
from cfai.types._output import Fields, TextField
from cfai.types._text_to_speech import Speaker


class RealtimeInputs(TypedDict, total=False):
    """The parameters that the models of realtime sessions take, each some of them."""

    encoding: str
    """How the sound is encoded. `linear16`: samples of 16 bits, the lower byte first. Flux takes no other."""
    sample_rate: int | str
    """Samples a second, such as 16000."""
    channels: int
    """Nova 3: the channels of the sound."""
    language: str
    """Nova 3: the language that is spoken, by its code."""
    interim_results: bool
    """Nova 3: give what was heard so far before it is final."""
    endpointing: int | str
    """Nova 3: the milliseconds of silence that end an utterance; `false` for none."""
    utterance_end_ms: int
    """Nova 3: the milliseconds between two words that end an utterance."""
    vad_events: bool
    """Nova 3: say when somebody begins to speak."""
    punctuate: bool
    """Nova 3: write punctuation and capitals."""
    smart_format: bool
    """Nova 3: write numbers, dates and the like as people do."""
    numerals: bool
    """Nova 3: write numbers in digits."""
    diarize: bool
    """Nova 3: tell speakers apart."""
    dictation: bool
    """Nova 3: write spoken commands such as "comma" as punctuation."""
    filler_words: bool
    """Nova 3: write "uh" and "um" too."""
    measurements: bool
    """Nova 3: write units by their symbols."""
    profanity_filter: bool
    """Nova 3: leave out or mask swear words."""
    redact: str
    """Nova 3: the kind of what is masked in the text, such as `pci`, `ssn` or `numbers`."""
    replace: str
    """Nova 3: a word and what is written in its place: `word:other`."""
    search: str
    """Nova 3: a word or phrase to look for in the sound."""
    keywords: str
    """Nova 3: a word to listen for, for older models of Deepgram's."""
    detect_language: bool
    """Nova 3: find out the language that is spoken."""
    paragraphs: bool
    """Nova 3: divide the text into paragraphs."""
    utterances: bool
    """Nova 3: divide the text where the speaker pauses."""
    utt_split: float
    """Nova 3: seconds of silence between two utterances."""
    sentiment: bool
    """Nova 3: find the sentiment of what is said."""
    topics: bool
    """Nova 3: find the topics of what is said."""
    custom_topic: str
    """Nova 3: a topic to look for."""
    custom_topic_mode: Literal["extended", "strict"]
    """Nova 3: `strict`: only `custom_topic`; `extended`: others beside it."""
    custom_intent: str
    """Nova 3: an intent to look for."""
    custom_intent_mode: Literal["extended", "strict"]
    """Nova 3: `strict`: only `custom_intent`; `extended`: others beside it."""
    detect_entities: bool
    """Nova 3: find names, places and the like."""
    multichannel: bool
    """Nova 3: transcribe each channel by itself."""
    mode: Literal["general", "medical", "finance"]
    """Nova 3: the field that the speech is from."""
    extra: str
    """Nova 3: anything of your own, which comes back with the answer."""
    keyterm: str | list[str]
    """Nova 3 and Flux: words or phrases to listen for, such as names."""
    mip_opt_out: bool
    """Nova 3 and Flux: keep the sound out of Deepgram's model improvement program."""
    eot_threshold: float
    """Flux: how sure it must be that a turn is over, 0.5 to 0.9. Default 0.7."""
    eager_eot_threshold: float
    """Flux: how sure it must be for an `EagerEndOfTurn`, 0.3 to 0.9. By default there are none."""
    eot_timeout_ms: int
    """Flux: the milliseconds of silence that end a turn in any case. Default 5000."""
    tag: str
    """Flux: a label of your own."""
    speaker: Speaker | str
    """Aura: the voice."""
    container: Literal["none", "wav", "ogg"]
    """Aura: the file format around the encoded sound; `none`: only the sound."""
    bit_rate: float
    """Aura: bits a second."""
    dtype: Literal["uint8", "float32", "float64"]
    """Smart Turn: the type of samples without a header."""


class _LenientFields(Fields):
    """Fields of which none is the end of the others: one that is null has its default, a wrong one stays as it came."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, fields: Any) -> Any:
        return {name: value for name, value in fields.items() if value is not None} if is_mapping(fields) else fields

    @field_validator("*", mode="wrap")
    @classmethod
    def _keep_what_is_wrong(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            return value


class RealtimeEvent(_LenientFields):
    """A message of a realtime session. One of a type without a class of its own is this, with all of its fields."""

    type: TextField = ""
    """The service's name for it, such as `TurnInfo`; empty if the message has none."""

    @property
    def text(self) -> str:
        """The words that were heard, so far or for good; empty for an event that is about something else."""
        return ""

    @property
    def is_final_text(self) -> bool:
        """True if `text` is complete, and will not be given again."""
        return False


class SessionOpened(RealtimeEvent):
    """Flux is ready: its message `Connected`."""

    request_id: str = ""
    """The service's id for the session."""
    sequence_id: int = 0
    """The number of the message."""


class HeardWord(_LenientFields):
    """A word that was heard."""

    word: TextField = ""
    """The word."""
    confidence: float = 0.0
    """0 to 1: how likely it is right."""


class TurnInfo(RealtimeEvent):
    """The turn of a speaker, as Flux hears it."""

    event: TextField = ""
    """`StartOfTurn`, `Update`, `EagerEndOfTurn`, `TurnResumed` or `EndOfTurn`."""
    transcript: TextField = ""
    """All words of the turn so far: the next event has them again."""
    words: list[HeardWord] = Field(default_factory=list[HeardWord])
    """The same words, each by itself."""
    end_of_turn_confidence: float = 0.0
    """0 to 1: how likely it is that the speaker has finished."""
    turn_index: int = 0
    """The number of the turn, from 0."""
    audio_window_start: float = 0.0
    """Where the turn begins, in seconds from the beginning of the sound."""
    audio_window_end: float = 0.0
    """Up to where the sound was heard, in seconds from its beginning."""
    request_id: str = ""
    """The service's id for the session."""
    sequence_id: int = 0
    """The number of the message."""

    @property
    def text(self) -> str:
        """All words of the turn so far."""
        return self.transcript

    @property
    def is_final_text(self) -> bool:
        """True at the end of the turn."""
        return self.event == "EndOfTurn"


class SpeechResults(RealtimeEvent):
    """A stretch of speech, as Nova 3 hears it: its message `Results`."""

    channel: Any = None
    """The readings: `alternatives`, the best first, each with `transcript`, `confidence` and `words`."""
    start: float = 0.0
    """Where the stretch begins, in seconds from the beginning of the sound."""
    duration: float = 0.0
    """How long it is, in seconds."""
    is_final: bool = False
    """True if the stretch will not be given again, in other words."""
    speech_final: bool = False
    """True if the speaker paused behind it."""

    @property
    def transcript(self) -> str:
        """The best reading. It is empty where nothing was said."""
        text = self._best.get("transcript")
        return text if isinstance(text, str) else ""

    @property
    def words(self) -> list[Mapping[str, Any]]:
        """The words of the best reading, each with `word`, `start`, `end` and `confidence`."""
        return [word for word in as_sequence(self._best.get("words")) if is_mapping(word)]

    @property
    def text(self) -> str:
        """The best reading."""
        return self.transcript

    @property
    def is_final_text(self) -> bool:
        """True if the stretch will not be given again."""
        return self.is_final is True

    @property
    def _best(self) -> Mapping[str, Any]:
        # With several channels, the service may send a list of them.
        channel: Any = next(iter(as_sequence(self.channel)), self.channel)
        readings = as_sequence(channel.get("alternatives")) if is_mapping(channel) else ()
        return readings[0] if readings and is_mapping(readings[0]) else {}


class SpeechStarted(RealtimeEvent):
    """Somebody began to speak: from Nova 3, with `vad_events`."""

    timestamp: float = 0.0
    """When, in seconds from the beginning of the sound."""


class UtteranceEnd(RealtimeEvent):
    """Somebody ended an utterance: from Nova 3, with `utterance_end_ms`."""

    last_word_end: float = 0.0
    """The end of the last word, in seconds from the beginning of the sound."""


class SessionMetadata(RealtimeEvent):
    """Facts about the session: the message `Metadata` of Nova 3 and Aura."""

    request_id: str = ""
    """The service's id for the session."""
    duration: float = 0.0
    """Seconds of sound."""


class SpeechAudio(RealtimeEvent):
    """A piece of speech from Aura: bytes in the encoding that the session was opened with."""

    audio: bytes = b""
    """The next bytes of the sound."""


class SpeechFlushed(RealtimeEvent):
    """All that Aura was given before `flush` has been spoken: its message `Flushed`."""

    sequence_id: int = 0
    """The number of the flush."""


class TurnVerdict(RealtimeEvent):
    """A verdict on whether the speaker has finished, as Smart Turn hears it."""

    is_complete: bool = False
    """True if the speaker has finished."""
    probability: float = 0.0
    """0 to 1: how likely it is that the speaker has finished."""
