"""Count tokens exactly, with a model's own `tokenizer.json`. Needs the extra: `cfai-sdk[tokenizers]`.

Counting needs none of this: `cfai.count_tokens` has bounds and an estimate for every family. Here a limit can be met to
the token. Nothing is read or downloaded before `load` is called.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike, stat
from pathlib import Path
from typing import Any, NamedTuple

from cfai._errors import ConfigurationError
from cfai._json import join_surrogates
from cfai.tokens import get_family, register_counter, unregister_counter

__all__ = ["Tokenizer", "TokenizerMismatchWarning", "TokenizerNotAvailable", "load", "unload"]

_EXTRA = 'exact token counts need an extra: pip install "cfai-sdk[tokenizers]"'
_FILE = "tokenizer.json"

_SAMPLES = (
    "es Rechtes zu schützen, damit der Mensch nicht gezwungen wird, "
    "als letztes Mittel zum Aufstand gegen Tyrannei und Unt",
    "とが達成すべき共通の基準として、この人権宣言を公布",
    "ਹਿਲਾਂ ਕਿ ਮਨੁੱਖ ਬੇਬਸ ਹੋ ਕੇ ਆਖਰੀ ਚਾਰੇ ਵ",
)
"""Texts by which the families are told apart. From the Universal Declaration of Human Rights, in the public domain."""

_VOCABULARIES: dict[str, tuple[tuple[int, int, int], str | None]] = {
    "llama2": ((35, 32, 82), "NousResearch/Llama-2-7b-chat-hf"),
    "mistral_v1": ((35, 28, 88), "unsloth/mistral-7b-instruct-v0.2"),
    "tekken": ((28, 20, 22), "unsloth/Mistral-Small-3.1-24B-Instruct-2503"),
    "llama3": ((34, 20, 58), "NousResearch/Meta-Llama-3.1-8B-Instruct"),
    "llama4": ((28, 14, 22), "unsloth/Llama-4-Scout-17B-16E-Instruct"),
    "gemma2": ((25, 15, 23), "unsloth/gemma-7b-it"),
    "gemma3": ((28, 15, 19), "unsloth/gemma-3-12b-it"),
    "qwen2": ((34, 19, 54), "Qwen/Qwen2.5-Coder-32B-Instruct"),
    "qwen3_5": ((28, 15, 28), "Qwen/Qwen3.6-27B"),
    "o200k": ((29, 21, 17), "openai/gpt-oss-20b"),
    "deepseek_v3": ((32, 16, 31), "deepseek-ai/DeepSeek-V3"),
    "deepseek_llm": ((38, 29, 95), "deepseek-ai/deepseek-math-7b-instruct"),
    "deepseek_coder": ((49, 37, 95), "deepseek-ai/deepseek-coder-6.7b-instruct"),
    "glm4": ((30, 19, 58), "zai-org/GLM-4.7-Flash"),
    "kimi_k2": ((35, 17, 29), None),
    "codegen": ((46, 40, 58), "microsoft/phi-2"),
    "gpt2": ((46, 40, 58), "facebook/bart-large-cnn"),
    "bert": ((43, 25, 9), "BAAI/bge-base-en-v1.5"),
    "xlmr": ((29, 16, 14), "BAAI/bge-m3"),
    "whisper": ((30, 25, 73), "openai/whisper-large-v3-turbo"),
}
"""By family the real tokens of the samples, and where the hub has its `tokenizer.json`: a mirror where the original
asks for a licence to be accepted, `None` for Kimi's, which is published as a tiktoken file and code.

Any two families differ by 3 in one sample, but for GPT-2's and CodeGen's: these are one vocabulary, with more or fewer
runs of blanks. The bounds would be no such test: of the 380 pairs of a family and another one's tokenizer, they find 44
in these texts, and not Mistral's for Llama 2's."""

_TOLERANCE = 1
"""How far off a count may be: some files put a blank before a text, and some of the same vocabulary do not."""

_MAX_CACHED = 4
"""How many tokenizers are cached. A large vocabulary takes up to 350 MB, and up to two seconds to read."""

_BATCH = 256
"""How many texts are encoded at once: the tokens of a text take twenty times its size until they are counted."""


class TokenizerNotAvailable(ConfigurationError):
    """The tokenizer to count with was not found; the message says what to do about it."""


class TokenizerMismatchWarning(UserWarning):
    """The tokenizer that was loaded is likely not the model's: it counts otherwise than the model's family does."""


class _File(NamedTuple):
    """A `tokenizer.json` on this machine, as it is now."""

    path: str
    modified_at: int

    def __str__(self) -> str:
        return self.path


class _Hub(NamedTuple):
    """A repository of the Hugging Face hub."""

    repo: str
    revision: str | None

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


class Tokenizer:
    """Counts tokens as a model does: a `cfai.tokens.TokenCounter`. Made by `load`.

    It may be used by many threads at once. A pickled one reads its file again where it is unpickled; one from the hub
    must have been downloaded there.
    """

    def __init__(self, place: _File | _Hub, encoder: Any) -> None:
        self._place = place
        self._encoder = encoder
        """A `tokenizers.Tokenizer`: a type of the extra, which may not be installed."""

    @property
    def source(self) -> str:
        """Its origin: the path of a file, or a repository of the Hugging Face hub (`repo` or `repo@revision`)."""
        return str(self._place)

    def count_text(self, text: str) -> int:
        """Count the tokens of `text`, with none put before or behind it, such as the one that begins a prompt."""
        return self.count_texts([text])[0]

    def count_texts(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each of `texts`. Faster than one by one, on more than one core."""
        counts: list[int] = []
        for start in range(0, len(texts), _BATCH):
            batch = [text if text.isascii() else join_surrogates(text) for text in texts[start : start + _BATCH]]
            counts += map(len, self._encoder.encode_batch_fast(batch, add_special_tokens=False))
        return counts

    def __repr__(self) -> str:
        return f"Tokenizer({self.source!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self._place,)


def load(
    model: str, *, path: str | PathLike[str] | None = None, repo: str | None = None, revision: str | None = None
) -> Tokenizer:
    """Load the tokenizer of `model`, which from now on counts every text for that model exactly.

    `cfai.count_tokens(..., model=model)`, `ai.check` and the check before a call use it, in the whole process, until
    `unload(model)`. What the model's chat template adds to messages stays an estimate.

    `path` names a `tokenizer.json`, or a folder that has one: nothing is downloaded. Otherwise the file is downloaded
    from the Hugging Face hub, once, into its usual cache, and read from there when the hub cannot be reached: from
    `repo`, or from one that is known to have the model's vocabulary. `HF_TOKEN` is used where it is set. What was read
    is cached for the next `load`, four tokenizers at most.

    Raises `TokenizerNotAvailable` where there is no such file, and `ConfigurationError` if both `path` and `repo` are
    given. Warns with `TokenizerMismatchWarning` if the model's vocabulary is known and this is another.

    ```python
    from cfai import count_tokens, tokenizers

    tokenizers.load("@cf/meta/llama-3.3-70b-instruct-fp8-fast", path="tokenizer.json")
    count_tokens("Where is New York?", model="@cf/meta/llama-3.3-70b-instruct-fp8-fast").exact  # True
    ```
    """
    if not isinstance(model, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise ConfigurationError(f"`model` must be a string such as '@cf/zai-org/glm-4.7-flash', got {model!r}")
    if path is not None and (repo is not None or revision is not None):
        raise ConfigurationError("load takes either `path` or `repo` and `revision`, got both")
    place = _Hub(repo or _find_repo(model), revision) if path is None else _find_file(path)
    tokenizer = _get(place)
    if message := _describe_mismatch(tokenizer, model):
        warnings.warn(message, TokenizerMismatchWarning, stacklevel=2)
    register_counter(tokenizer, model)
    return tokenizer


def unload(model: str) -> None:
    """Have the tokens of `model` counted by its family again, and free its tokenizer unless another model uses it."""
    counter = unregister_counter(model)
    for place in [place for place, each in [*_cached.items()] if each is counter]:
        _cached.pop(place, None)


_cached: dict[_File | _Hub, Tokenizer] = {}
"""The tokenizers that were read, the one used last at the end. It has no lock, which a forked child could wait for."""


def _get(place: _File | _Hub, *, download: bool = True) -> Tokenizer:
    tokenizer = _cached.pop(place, None) or _read(place, download)
    _cached[place] = tokenizer
    for oldest in [*_cached][:-_MAX_CACHED]:
        _cached.pop(oldest, None)
    return tokenizer


def _unpickle(place: _File | _Hub) -> Tokenizer:
    return _get(_find_file(place.path) if isinstance(place, _File) else place, download=False)


def _read(place: _File | _Hub, download: bool) -> Tokenizer:
    try:
        from tokenizers import Tokenizer as Encoder
    except ImportError as error:
        raise TokenizerNotAvailable(_EXTRA) from error
    path = place.path if isinstance(place, _File) else _download(place, download)
    try:
        encoder = Encoder.from_file(path)
    except Exception as error:  # the library raises nothing narrower
        raise TokenizerNotAvailable(
            f"{path} is no {_FILE} that can be read: {error}. Fetch it again, or upgrade the tokenizers library"
        ) from error
    # Files carry both over from training, and would count no text as longer than 512, or none as shorter.
    encoder.no_truncation()
    encoder.no_padding()
    return Tokenizer(place, encoder)


def _find_file(path: str | PathLike[str]) -> _File:
    file = Path(path).expanduser().resolve()
    if file.is_dir():
        file /= _FILE
    try:
        return _File(str(file), stat(file).st_mtime_ns)
    except OSError as error:
        raise TokenizerNotAvailable(
            f"there is no file {file}: path= names a {_FILE}, or a folder that has one"
        ) from error


def _find_repo(model: str) -> str:
    family = get_family(model)
    repo = _VOCABULARIES[family.name][1] if family.certain else None
    if repo is not None:
        return repo
    why = "publishes no tokenizer.json" if family.certain else "has a tokenizer that is not known for certain"
    raise TokenizerNotAvailable(f"{model} {why}: pass path= or repo= to load one that counts as it does")


def _download(place: _Hub, download: bool) -> str:
    try:
        from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]  # a bare dict in it
    except ImportError as error:
        raise TokenizerNotAvailable(_EXTRA) from error
    try:
        return hf_hub_download(place.repo, _FILE, revision=place.revision, local_files_only=not download)
    except Exception as error:  # the hub's own errors, and those of whatever it sends with
        raise TokenizerNotAvailable(f"{_describe_failure(error, place)} ({type(error).__name__})") from error


def _describe_failure(error: Exception, place: _Hub) -> str:
    """Describe what kept a file from being downloaded, and what to do about it."""
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            return (
                f"{place.repo} is gated: accept its licence at https://huggingface.co/{place.repo} and set HF_TOKEN, "
                "or pass path= or another repo="
            )
        case errors.RevisionNotFoundError():
            return f"{place.repo} has no revision {place.revision!r}"
        case errors.RepositoryNotFoundError() | errors.HFValidationError():
            return f"the Hugging Face hub shows no repository {place.repo!r}: if it is private, set HF_TOKEN"
        case errors.LocalEntryNotFoundError():
            problem = "was not downloaded yet, and the Hugging Face hub could not be asked for it"
        case errors.EntryNotFoundError():
            return f"{place} has no {_FILE}: pass path= or another repo="
        case _:
            problem = "could not be downloaded from the Hugging Face hub"
    return f"the {_FILE} of {place} {problem}: call load where there is a network, or pass path= to load a local file"


def _describe_mismatch(tokenizer: Tokenizer, model: str) -> str | None:
    """Return a warning if `tokenizer` does not count as the family of `model` is known to."""
    family = get_family(model)
    if not family.certain:
        return None
    counts = zip(_SAMPLES, _VOCABULARIES[family.name][0], tokenizer.count_texts(_SAMPLES), strict=True)
    for text, expected, counted in counts:
        if abs(counted - expected) > _TOLERANCE:
            return (
                f"{tokenizer.source} is likely not the tokenizer of {model}: it counts {counted} tokens where {model} "
                f"has {expected}, in {text!r}. Counts for this model may be wrong until another one is loaded"
            )
    return None
