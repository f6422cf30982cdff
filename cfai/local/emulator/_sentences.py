"""Sentences of emulated answers: they say what an answer to the question would do, and nothing about the world."""

from __future__ import annotations

import random
import re
from itertools import cycle

_SENTENCES = 3
"""Sentences of an answer, behind the one that introduces it, where the question names no number of words."""

_PARAGRAPH = 5
"""Sentences of a paragraph: one that opens it, and others that follow."""

_WRITERS = (
    "A real answer",
    "A longer answer",
    "A good answer",
    "A careful answer",
    "Another answer",
    "A friend",
    "A teacher",
    "A book",
)
_FIRST_ACTS = (
    "would begin with what is known about {}",
    "would explain {} in plain words",
    "would first say what is meant by {}",
    "would not hurry past {}",
    "would say at once what matters about {}",
    "might tell a short story about {}",
    "might draw a simple picture of {}",
    "could fill a page about {}",
)
_LINKS = (
    "It could then",
    "It might also",
    "After that it would",
    "Next it could",
    "It would perhaps",
    "A little later it might",
    "From there it could",
    "It would surely",
)
_ACTS = (
    "give an example",
    "give an example of {}",
    "compare {} with something that you know well",
    "name a good place to read on",
    "list what matters most",
    "say what is often misunderstood",
    "look at {} from another side",
    "say how sure it is",
    "point to what is still open",
    "sum up the main points",
    "leave out what does not matter here",
    "add a detail that few people know",
    "come back to {}",
    "take up your own words",
    "ask what you would like to know next",
    "put the most useful part first",
    "break the matter into small steps",
    "answer an objection",
    "explain why the question is a good one",
    "mention an exception",
    "tell how others see {}",
    "weigh one side against the other",
    "use a picture in place of many words",
    "offer a short list",
    "explain a word or two",
    "correct a common mistake",
    "keep a surprise for the last line",
    "thank you for your patience",
)
_ENDS = (
    *[""] * 12,
    ", in a sentence or two",
    ", if there is room",
    ", with some care",
    ", one step at a time",
    ", in simple words",
    ", without haste",
)
_OPENINGS = [f"{who} {act}" for who in _WRITERS for act in _FIRST_ACTS]
_FOLLOWING = [f"{link} {act}" for link in _LINKS for act in _ACTS]

_PLAIN_WORDS = """
about all also am and any are as at be been being but by call can could did do does down explain for from give had
has have he hello her here hey hi him his how i if into is it its just know let like list make many may me might
more most much must my name no not on one only or other our out over please question say sentence sentences shall
she should show so some something summarize tell text than thank thanks that their them then there these they thing
this those to translate under up us use very was we were what when where which who whom whose why will with word
words would write yes you your
"""
"""Words that do not say what a question is about."""

_PLAIN = frozenset(_PLAIN_WORDS.split())
_EDGES = re.compile(r"^(?:(?:of|in) )+|(?:(?:^| )(?:of|in|the|an?))+$", re.IGNORECASE)
"""Words that belong to a topic in its middle only, and articles at its end."""


def is_plain(word: str) -> bool:
    """Return True if a word, in lower case, says nothing of what a text is about."""
    return word in _PLAIN or word in ("a", "an", "in", "of", "the")


def find_topics(question: str) -> list[str]:
    """Return what a question is about, as far as its words tell.

    >>> find_topics("What is the capital of France, and where is New York?")
    ['the capital of France', 'New York']
    """
    runs: list[list[str]] = [[]]
    for word in re.findall(r"[^\W\d_][\w'\u2019-]*|\S", question[:300]):
        if word[0].isalpha() and word.lower() not in _PLAIN:
            runs[-1].append(word[:30])
        else:
            runs.append([])
    topics = [_EDGES.sub("", " ".join(run[:6])) for run in runs]
    # In the middle of a sentence an article is not capitalised.
    topics = [re.sub("^(?:A|An|The)(?= )", lambda match: match[0].lower(), topic) for topic in topics if topic]
    return topics or ["the question"]


def write_sentences(chance: random.Random, topics: list[str], number: int | None) -> str:
    """Return so many words in sentences; a few sentences for `None`."""
    openings, following = (cycle(chance.sample(each, len(each))) for each in (_OPENINGS, _FOLLOWING))
    text = ""
    # No sentence has fewer than five words.
    for at in range(_SENTENCES if number is None else number // 5 + 1):
        paragraph, place = divmod(at, _PARAGRAPH)
        sentence = next(following) + chance.choice(_ENDS) if place else next(openings)
        gap = " " if place else "\n\n"
        text += gap + sentence.format(topics[paragraph % len(topics)]) + "."
    if number is not None:
        text = "".join(re.findall(r"\s+\S+", text)[:number])
    return text.strip() + ("" if text.endswith(".") else "…")
