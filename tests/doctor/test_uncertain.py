"""Every uncertainty that the code states has a fact that finds it out, or a reason in the docs why none does."""

from __future__ import annotations

from pathlib import Path

import cfai
from cfai.doctor import FACTS

PACKAGE = Path(cfai.__file__).parent
ROOT = Path(__file__).parents[2]

ASKED: dict[str, tuple[str, ...]] = {
    "how several are written": ("tags",),
    "the chunks of moondream": ("moondream",),
    "an error inside a stream": ("error inside",),
    "which one of several is read": ("two limits",),
    "no page of Cloudflare shows them": ("moondream",),
    "a bad picture": ("bad picture",),
    "the form of this list, which no reference has": ("AutoRAG",),
    "`tasks/search`": ("tasks",),
    "`authors/search`": ("authors",),
    "what `format=openrouter` answers": ("OpenRouter list",),
    "may tell it only if asked to": ("stream, v1",),
    "which one of several prompts is read": ("two prompts",),
    "Documented is the text, which counts": ("JSON cut",),
    "5023 to 5025": ("JSON streamed", "JSON cut", "JSON wrapped", "no JSON mode"),
    "a batch that is done has no status": ("batch", "batch item"),
    "whether it is always there, once for each": ("batch",),
    "how a failed one is told": ("batch item",),
    "in which form a batch has media": ("batch sound",),
    "the statuses of 8001, 8005 and 8006": ("tool choice", "bad picture"),
    "whether they come in the order of the files": ("markdown",),
    "whether the public API knows `universal`": ("gateway's address",),
    "accounts since 2026-09-24": ("gateway's log",),
    "whether a step's answer has an envelope": ("gateway, steps",),
}
"""The facts that settle a line marked UNCERTAIN, by some words of the line."""

NOT_ASKED: dict[str, str] = {
    "where `options` stands": "where `options` stands in a call of `/ai/run`",
    "other clients look for it": "`response_text`, which other clients look for",
    "reported as a number alone": "the words of errors that no call brings about",
    "how a stream says that an instance failed": "how a stream of AI Search says that one of several instances failed",
    "whether keys that are left out stay": "what an instance of AI Search keeps that a change of it leaves out",
    "which namespace `env.AI.aiSearch()` means": "which namespace a Worker's `env.AI.aiSearch()` means",
    "the code that these surfaces have": "the words in which inputs are refused that cfai does not send",
    "how this is refused": "the words in which inputs are refused that cfai does not send",
    "containers, rates": "how speech comes in each of its encodings",
    "the order of Qwen3 Embedding's vectors": "the order of the vectors of queries and documents in one call",
    "the schema of FLUX.1 has no `seed`": "whether FLUX.1 takes a `seed`",
    "whether the REST form takes one": "whether documents can be converted through a gateway",
    "how large an adapter may be": "how large a fine-tune may be",
    "whether an adapter of Qwen is taken": "how large a fine-tune may be, whether one of Qwen is taken",
    "how a fine-tune of another model is refused": "how one of another model is refused",
    "whether Aura knows `Close`": "how sessions of speech name some of their messages",
    "the names `SpeechStarted`": "how sessions of speech name some of their messages",
    "whether Nova 3 takes Deepgram's": "how sessions of speech name some of their messages",
    "the messages beside the sound": "how sessions of speech name some of their messages",
    "no page shows its messages": "how sessions of speech name some of their messages",
    "the form of such messages": "how sessions of speech name some of their messages and report errors",
    "whether Flux ends the last turn": "report errors, and how they end",
    "whether those come as text": "how sessions of speech name some of their messages",
    "how a message is refused": "how sessions of speech name some of their messages and report errors",
    "whether a size is ignored": "whether FLUX.1 takes a `seed` or a size",
}
"""For the lines that no fact settles: words of the reason, on the page of the doctor."""


def marked() -> list[tuple[str, str]]:
    """Return every line of the package that is marked, with its file."""
    files = sorted(PACKAGE.rglob("*.py"))
    return [
        (file.relative_to(PACKAGE).as_posix(), line.strip())
        for file in files
        for line in file.read_text("utf-8").splitlines()
        if "UNCERTAIN" in line
    ]


def test_each_line_that_is_marked_has_a_fact_or_a_reason() -> None:
    known = [*ASKED, *NOT_ASKED]
    lines = marked()
    unplaced = [line for line in lines if not any(words in line[1] for words in known)]
    assert unplaced == [], "give the line a fact in cfai/doctor, or a reason in docs/doctor.md, and name it here"
    gone = [words for words in known if not any(words in line for _, line in lines)]
    assert gone == [], "the line was changed, or is no longer marked"


def test_the_facts_are_in_the_table_and_the_reasons_on_the_page() -> None:
    assert {name for names in ASKED.values() for name in names} <= {fact.name for fact in FACTS}
    page = (ROOT / "docs" / "doctor.md").read_text("utf-8").partition("Some facts are not asked for")[2]
    assert [reason for reason in NOT_ASKED.values() if reason not in " ".join(page.split())] == []
