"""Speech recognition: what goes in and what comes out. Times are in seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Required, TypedDict

from cfai._json import as_sequence, is_mapping
from cfai._repr import short_repr
from cfai.types._media_inputs import AudioSource
from cfai.types._output import Output, to_text

_TIME = r"((?:\d+:){0,2}\d+(?:\.\d+)?)"
_MOST_WORDS = 12
"""Words of a line of a transcript that has the times of words alone."""
_CUE_TIMES = rf"(?m)^[ \t]*{_TIME}[ \t]+-->[ \t]+{_TIME}"


class WhisperInputs(TypedDict, total=False):
    """Speech for Whisper and Whisper tiny."""

    audio: Required[AudioSource]
    """The sound: its path, its bytes, an open file, or a numpy array."""
    sample_rate: int
    """Samples a second of a numpy array. cfai makes a WAV of it."""
    source_lang: str
    """The language that is spoken."""
    target_lang: str
    """The language of the text."""


class WhisperTurboInputs(TypedDict, total=False):
    """Speech for Whisper large v3 turbo."""

    audio: Required[AudioSource]
    """The sound: its path, its bytes, an open file, or a numpy array."""
    sample_rate: int
    """Samples a second of a numpy array. cfai makes a WAV of it."""
    task: Literal["transcribe", "translate"]
    """Default `transcribe`; `translate` gives English text."""
    language: str
    """The language that is spoken, by its code. Default `en`."""
    vad_filter: bool
    """Leave out what is no speech before the model hears it. Default false."""
    initial_prompt: str
    """A text that goes before the first words, for names and spelling."""
    prefix: str
    """The beginning of the text itself."""
    beam_size: int
    """How many readings are followed at the same time: the more, the slower."""
    condition_on_previous_text: bool
    """Go on from the text so far. False keeps a mistake from repeating itself."""
    no_speech_threshold: float
    """0 to 1: a passage that is more likely silence than this is skipped."""
    compression_ratio_threshold: float
    """A passage whose text repeats itself so much that it compresses better than this is thrown away."""
    log_prob_threshold: float
    """A passage whose words are less likely than this on average is thrown away. A logarithm: below 0."""
    hallucination_silence_threshold: float
    """Seconds of silence, from which on an invented passage is skipped."""


class NovaInputs(TypedDict, total=False):
    """Speech for Nova 3. Over REST the sound is the body, and the rest stands in the query: cfai sees to it."""

    audio: Required[AudioSource]
    """The sound: its path, its bytes, an open file, or a numpy array."""
    sample_rate: int
    """Samples a second of a numpy array. cfai makes a WAV of it."""
    language: str
    """The language that is spoken, by its code such as `en` or `en-GB`."""
    detect_language: bool
    """Find out the language that is spoken."""
    punctuate: bool
    """Write punctuation and capitals."""
    smart_format: bool
    """Write numbers, dates and the like as people do."""
    numerals: bool
    """Write numbers in digits."""
    paragraphs: bool
    """Divide the text into paragraphs."""
    utterances: bool
    """Divide the text where the speaker pauses."""
    utt_split: float
    """Seconds of silence between two utterances."""
    diarize: bool
    """Tell speakers apart."""
    dictation: bool
    """Write spoken commands such as "comma" as punctuation."""
    filler_words: bool
    """Write "uh" and "um" too."""
    measurements: bool
    """Write units by their symbols."""
    profanity_filter: bool
    """Leave out or mask swear words."""
    redact: str
    """The kind of what is masked in the text, such as `pci`, `ssn` or `numbers`."""
    replace: str
    """A word and what is written in its place: `word:other`."""
    search: str
    """A word or phrase to look for in the sound."""
    keyterm: str
    """A word or phrase to listen for, such as a name."""
    keywords: str
    """A word to listen for, for older models of Deepgram's."""
    sentiment: bool
    """Find the sentiment of what is said."""
    topics: bool
    """Find the topics of what is said."""
    detect_entities: bool
    """Find names, places and the like."""
    custom_topic: str
    """A topic to look for."""
    custom_topic_mode: Literal["extended", "strict"]
    """`strict`: only `custom_topic`; `extended`: others beside it."""
    custom_intent: str
    """An intent to look for."""
    custom_intent_mode: Literal["extended", "strict"]
    """`strict`: only `custom_intent`; `extended`: others beside it."""
    mode: Literal["general", "medical", "finance"]
    """The field that the speech is from."""
    multichannel: bool
    """Transcribe each channel by itself."""
    channels: float
    """How many channels there are in sound without a header."""
    encoding: Literal["linear16", "flac", "mulaw", "amr-nb", "amr-wb", "opus", "speex", "g729"]
    """The encoding of sound without a header."""
    extra: str
    """Anything of your own, which comes back with the answer."""
    mip_opt_out: bool
    """Keep the sound out of Deepgram's model improvement program."""
    interim_results: bool
    """For speech over a WebSocket: see `Ai.arealtime`."""
    endpointing: str
    """For speech over a WebSocket: see `Ai.arealtime`."""
    vad_events: bool
    """For speech over a WebSocket: see `Ai.arealtime`."""
    utterance_end_ms: bool
    """For speech over a WebSocket: see `Ai.arealtime`."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word, and when it was said."""

    __repr__ = short_repr

    word: str
    """The word, with its punctuation if the model gives it."""
    start: float
    """Seconds from the beginning."""
    end: float
    """Seconds from the beginning."""
    confidence: float | None = None
    """0 to 1, if the model says."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech."""

    __repr__ = short_repr

    text: str
    """What was said."""
    start: float
    """Seconds from the beginning."""
    end: float
    """Seconds from the beginning."""


class Transcription(Output):
    """The text of speech; `str(answer)` is it."""

    @property
    def text(self) -> str:
        """The text; of several channels, a line each."""
        fields = self.model_extra or {}
        if isinstance(fields.get("text"), str | int | float):
            return to_text(fields["text"])
        return "\n".join(str(found["transcript"]) for found in self._list_alternatives() if found.get("transcript"))

    @property
    def words(self) -> list[Word]:
        """The words with their times, if the model gives them."""
        found = (self.model_extra or {}).get("words")
        parts = [self] if found else [*self._list_parts("segments"), *self._list_alternatives()]
        return [_parse_word(word) for part in parts for word in as_sequence(part.get("words")) if is_mapping(word)]

    @property
    def segments(self) -> list[Segment]:
        """The stretches of speech with their times, if the model gives them."""
        return [
            Segment(str(part.get("text", "")).strip(), _seconds(part.get("start")), _seconds(part.get("end")))
            for part in self._list_parts("segments")
        ]

    @property
    def vtt(self) -> str:
        """The text as subtitles in WebVTT: the model's own, else made of its segments or words; empty without times.

        Times are whole: Whisper leaves the minutes out, which is not WebVTT. `answer["vtt"]` has them as they came.
        """
        own = (self.model_extra or {}).get("vtt")
        if isinstance(own, str):
            return re.sub(_CUE_TIMES, lambda found: " --> ".join(map(_complete_time, found.groups())), own)
        cues = self.segments or [Segment(word.word, word.start, word.end) for word in self.words]
        lines = (f"{_format_time(cue.start)} --> {_format_time(cue.end)}\n{cue.text}" for cue in cues)
        return "\n\n".join(["WEBVTT", *lines]) + "\n" if cues else ""

    @property
    def language(self) -> str | None:
        """The language that was heard, if the model says."""
        return self._info.get("language")

    @property
    def duration(self) -> float | None:
        """Seconds of sound, if the model says."""
        return self._info.get("duration")

    @property
    def _info(self) -> Mapping[str, Any]:
        info = (self.model_extra or {}).get("transcription_info")
        return info if is_mapping(info) else {}

    def _list_parts(self, name: str) -> list[Mapping[str, Any]]:
        return [part for part in as_sequence((self.model_extra or {}).get(name)) if is_mapping(part)]

    def _list_alternatives(self) -> Iterator[Mapping[str, Any]]:
        """List the best reading of each channel, in Deepgram's form."""
        results = (self.model_extra or {}).get("results")
        for channel in as_sequence(results.get("channels")) if is_mapping(results) else ():
            readings = as_sequence(channel.get("alternatives")) if is_mapping(channel) else ()
            if readings and is_mapping(readings[0]):
                yield readings[0]

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the text, and how long the sound is."""
        yield "text", self.text
        yield from ((name, getattr(self, name)) for name in ("language", "duration") if getattr(self, name) is not None)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the text in a notebook, with its times if there are some."""
        lines = self.segments or _join_words(self.words)
        if not lines:
            return self._render_text(self.text)
        rows = [(f"{_format_time(line.start)[3:-2]}", line.text) for line in lines]
        return self._render_table(("", ""), rows, unbroken=[0])

    def __str__(self) -> str:
        return self.text


def _join_words(words: Sequence[Word]) -> list[Segment]:
    """Return words as lines, each to the end of a sentence, or to a dozen words."""
    lines: list[list[Word]] = []
    for word in words:
        if not lines or len(lines[-1]) >= _MOST_WORDS or lines[-1][-1].word.endswith((".", "?", "!")):
            lines.append([])
        lines[-1].append(word)
    return [Segment(" ".join(word.word for word in line), line[0].start, line[-1].end) for line in lines]


def _parse_word(fields: Mapping[str, Any]) -> Word:
    text = str(fields.get("punctuated_word") or fields.get("word", "")).strip()
    return Word(text, _seconds(fields.get("start")), _seconds(fields.get("end")), fields.get("confidence"))


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _complete_time(time: str) -> str:
    """Return a time of the model's as WebVTT has it.

    >>> _complete_time("00.580"), _complete_time("61:01.46")
    ('00:00:00.580', '01:01:01.460')
    """
    parts = [float(part) for part in reversed(time.split(":"))]
    return _format_time(sum(part * 60**place for place, part in enumerate(parts)))


def _format_time(seconds: float) -> str:
    """Return a time as WebVTT has it.

    >>> _format_time(3661.5)
    '01:01:01.500'
    """
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds / 1000:06.3f}"
