"""Counting with a model's own tokenizer. The tokenizers here are small ones, trained on the spot."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors
from tokenizers import Tokenizer as Encoder
from tokenizers import models, pre_tokenizers, processors, trainers

from cfai import Ai, ConfigurationError, count_tokens, tokenizers, tokens
from cfai.tokenizers import TokenizerMismatchWarning, TokenizerNotAvailable, load, unload
from cfai.tokens._families import _KNOWN_FAMILIES
from tests.conftest import row
from tests.tokens.conftest import Sample

MODEL = "@cf/somebody/something-new"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
PRESUMED = "@cf/nvidia/nemotron-3-120b-a12b"
TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind. Größe 漢字 👩‍👦"
SENTENCES = [TEXT, "Where is New York? It is where the quick river meets the sea.", "the dog and the fox " * 5]


def trained(*, size: int = 320) -> Encoder:
    """Return a byte-level BPE that knows a few words, and puts `<s>` before a text unless it is told not to."""
    encoder = Encoder(models.BPE())
    encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<s>", "<pad>"], initial_alphabet=alphabet, show_progress=False
    )
    encoder.train_from_iterator(SENTENCES, trainer)
    encoder.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return encoder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return trained()


@pytest.fixture
def file(encoder: Encoder, tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    encoder.save(str(path))
    return path


@pytest.fixture(autouse=True)
def _nothing_loaded() -> Iterator[None]:
    yield
    for model in (MODEL, LLAMA, PRESUMED, "@cf/somebody/else"):
        unload(model)
    tokenizers._cached.clear()


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The Hugging Face hub: what was asked of it, and what it answers."""
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub)
    return hub


class Hub:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, bool]] = []
        self.answer: Path | BaseException = AssertionError("nothing may be downloaded here")

    def __call__(self, repo_id: str, filename: str, *, revision: str | None, local_files_only: bool) -> str:
        assert filename == "tokenizer.json"
        self.asked.append((repo_id, revision, local_files_only))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return str(self.answer)


def counted(encoder: Encoder, text: str) -> int:
    return len(encoder.encode(text, add_special_tokens=False).ids)


# Counting


def test_texts_have_as_many_tokens_as_their_tokenizer_makes_but_special_ones(file: Path, encoder: Encoder) -> None:
    tokenizer = load(MODEL, path=file)
    assert len(encoder.encode(TEXT).ids) == counted(encoder, TEXT) + 1
    assert tokenizer.count_text(TEXT) == counted(encoder, TEXT) < len(TEXT.encode())
    assert tokenizer.count_text("") == 0
    texts = [TEXT[:end] for end in range(len(TEXT))] * 5  # more than one batch
    assert len(texts) > tokenizers._BATCH
    assert tokenizer.count_texts(texts) == [tokenizer.count_text(text) for text in texts]
    assert tokenizer.count_texts([]) == []


def test_truncation_and_padding_in_the_file_are_switched_off(encoder: Encoder, tmp_path: Path) -> None:
    settled = Encoder.from_str(encoder.to_str())
    settled.enable_truncation(4)
    settled.enable_padding(length=100, pad_id=1, pad_token="<pad>")
    settled.save(str(tmp_path / "tokenizer.json"))
    assert counted(settled, TEXT) == 100
    tokenizer = load(MODEL, path=tmp_path)
    assert tokenizer.count_texts([TEXT, "dog"]) == [counted(encoder, TEXT), counted(encoder, "dog")]


def test_half_a_surrogate_pair_counts_as_the_replacement_character(file: Path) -> None:
    for text, same_as in [
        ("a \ud83d b", "a \ufffd b"),
        ("\ude00", "\ufffd"),
        ("b\ud83d", "b\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("a\ud83d\ude00b", "a\U0001f600b"),
        ("\ufeff\ud83d", "\ufeff\ufffd"),
    ]:
        tokenizer = load(MODEL, path=file)
        assert tokenizer.count_texts([text, same_as]) == [tokenizer.count_text(same_as)] * 2, (text, same_as)


def test_eight_threads_count_the_same(file: Path) -> None:
    texts = [TEXT[start:] * 20 for start in range(len(TEXT))]
    wanted = load(MODEL, path=file).count_texts(texts)
    barrier = threading.Barrier(8)

    def count(_: int) -> list[int]:
        barrier.wait()
        tokenizer = load(MODEL, path=file)
        return [tokenizer.count_text(text) for text in texts]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(8))) == [wanted] * 8


# What is kept


def test_a_file_is_read_once_and_again_when_it_has_changed(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder
) -> None:
    tokenizer = load(MODEL, path=file)
    assert load("@cf/somebody/else", path=str(tmp_path)) is tokenizer
    monkeypatch.chdir(tmp_path)
    assert load(MODEL, path="tokenizer.json") is tokenizer
    before = load(MODEL, path=file)
    trained(size=270).save(str(file))
    os.utime(file, ns=(1, 1))
    after = load(MODEL, path=file)
    assert after.count_text(TEXT) > before.count_text(TEXT) == counted(encoder, TEXT)


def test_four_are_kept_the_ones_used_last(file: Path, tmp_path: Path) -> None:
    def loaded(name: int) -> tokenizers.Tokenizer:
        path = tmp_path / f"{name}.json"
        if not path.exists():
            path.write_bytes(file.read_bytes())
        return load(MODEL, path=path)

    first, second, *_ = [loaded(name) for name in range(4)]
    assert loaded(0) is first
    loaded(4)
    assert loaded(0) is first
    assert loaded(1) is not second


def test_a_tokenizer_says_where_it_is_from(file: Path, hub: Hub) -> None:
    tokenizer = load(MODEL, path=file)
    assert tokenizer.source == str(file.resolve())
    assert repr(tokenizer) == f"Tokenizer({tokenizer.source!r})"
    hub.answer = file
    assert load(MODEL, repo="somebody/new").source == "somebody/new"
    assert repr(load(MODEL, repo="somebody/new", revision="v1")) == "Tokenizer('somebody/new@v1')"


# Registered for a model


def test_a_loaded_tokenizer_counts_for_its_model(file: Path, encoder: Encoder) -> None:
    wanted = counted(encoder, TEXT)
    assert count_tokens(TEXT, model=MODEL).method == "estimator"
    load(MODEL, path=file)
    count = count_tokens(TEXT, model=MODEL)
    assert (count.lower, count.estimate, count.upper) == (wanted,) * 3
    assert (count.exact, count.certain, count.method) == (True, True, "tokenizers")
    assert count_tokens(TEXT, model="@cf/somebody/else").method == "estimator"


def test_a_count_can_ask_for_the_tokenizer_or_for_none(file: Path, hub: Hub) -> None:
    hub.answer = file
    assert count_tokens(TEXT, model=LLAMA, exact=False).method == "estimator"
    assert hub.asked == []
    with pytest.warns(TokenizerMismatchWarning):  # the file is a small one of the test's
        assert count_tokens(TEXT, model=LLAMA, exact=True).exact
    assert count_tokens(TEXT, model=LLAMA, exact=True).exact
    assert len(hub.asked) == 1  # it is loaded from then on
    assert count_tokens(TEXT, model=LLAMA).exact
    assert not count_tokens(TEXT, model=LLAMA, exact=False).exact
    rows: list[tuple[dict[str, Any], str]] = [
        ({"model": PRESUMED}, "is not known for certain"),
        ({"family": "llama3"}, "`exact=True` needs `model`"),
        ({"model": MODEL, "counter": load(MODEL, path=file)}, "takes either `counter` or `exact`, got both"),
    ]
    for options, message in rows:
        with row(message), pytest.raises(ConfigurationError, match=message):
            count_tokens(TEXT, exact=True, **options)


def test_messages_and_calls_are_counted_by_a_loaded_tokenizer(file: Path, encoder: Encoder) -> None:
    def check() -> str:
        checked = Ai(account_id="0" * 32, api_token="token").check(PRESUMED, {"prompt": TEXT}).tokens
        return checked.method if checked else ""

    assert check() == "estimator"
    load(PRESUMED, path=file)
    assert check() == "tokenizers"
    count = count_tokens([{"role": "user", "content": TEXT}], model=PRESUMED)
    assert (count.exact, count.method) == (False, "tokenizers")  # the template stays an estimate
    assert count.estimate > counted(encoder, TEXT)


def test_an_unloaded_tokenizer_counts_no_more_but_stays_for_another_model(file: Path, encoder: Encoder) -> None:
    tokenizer = load(MODEL, path=file)
    assert load("@cf/somebody/else", path=file) is tokenizer
    unload(MODEL)
    assert count_tokens(TEXT, model=MODEL).method == "estimator"
    assert load("@cf/somebody/else", path=file) is tokenizer
    unload("@cf/somebody/else")
    unload("@cf/somebody/else")
    assert load("@cf/somebody/else", path=file) is not tokenizer
    assert tokenizer.count_text(TEXT) == counted(encoder, TEXT)


# Where the file is from


def test_a_file_needs_no_hub(file: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    load(MODEL, path=file)
    assert load(MODEL, path=file.parent).count_text("dog") > 0
    assert hub.asked == []


def test_a_repository_is_asked_once(file: Path, hub: Hub) -> None:
    hub.answer = file
    tokenizer = load(MODEL, repo="somebody/new")
    assert load("@cf/somebody/else", repo="somebody/new") is tokenizer
    assert load(MODEL, repo="somebody/new", revision="v1") is not tokenizer
    with pytest.warns(TokenizerMismatchWarning):
        load(LLAMA)  # its family has a place
    llama = ("NousResearch/Meta-Llama-3.1-8B-Instruct", None, False)
    assert hub.asked == [("somebody/new", None, False), ("somebody/new", "v1", False), llama]


def test_a_model_whose_tokenizer_is_not_known_needs_a_place(hub: Hub, file: Path) -> None:
    both = "load takes either `path` or `repo` and `revision`, got both"
    rows: list[tuple[Any, dict[str, Any], str]] = [
        (PRESUMED, {}, "not known for certain: pass path= or repo="),
        (MODEL, {}, "not known for certain: pass path= or repo="),
        ("@cf/moonshotai/kimi-k2.6", {}, r"publishes no tokenizer.json: pass path= or repo="),
        (MODEL, {"path": file, "repo": "a/b"}, both),
        (MODEL, {"path": file, "revision": "main"}, both),
        (5, {"path": file}, r"`model` must be a string such as .*, got 5"),
    ]
    for model, options, message in rows:
        with row((model, options)), pytest.raises(ConfigurationError, match=message):
            load(model, **options)
    with pytest.raises(TokenizerNotAvailable):
        load(MODEL)
    assert hub.asked == []
    assert set(tokenizers._VOCABULARIES) == set(_KNOWN_FAMILIES)
    assert [family for family, (_, repo) in tokenizers._VOCABULARIES.items() if repo is None] == ["kimi_k2"]


# What goes wrong


def failed(**options: Any) -> str:
    """Return the message of the error that `load` raises; the model is counted by its family still."""
    with pytest.raises(TokenizerNotAvailable) as caught:
        load(MODEL, **options)
    assert isinstance(caught.value, ConfigurationError)
    assert count_tokens(TEXT, model=MODEL).method == "estimator"
    return str(caught.value)


def test_a_missing_or_broken_file_or_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failed(path=tmp_path / "gone.json").startswith(f"there is no file {tmp_path.resolve() / 'gone.json'}: path=")
    path = tmp_path / "tokenizer.json"
    assert str(path.resolve()) in failed(path=tmp_path)
    for content in ("", "{", "[]", '{"model": {"type": "Cubist"}}'):
        path.write_text(content)
        expected = f"{path.resolve()} is no tokenizer.json that can be read: "
        assert failed(path=path).startswith(expected), content
    for missing in ("tokenizers", "huggingface_hub"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, missing, None)
            message = failed(repo="a/b")
        assert message == 'exact token counts need an extra: pip install "cfai-sdk[tokenizers]"', missing


def test_an_error_of_the_hub_says_what_to_do_and_the_hub_is_asked_again(hub: Hub, file: Path) -> None:
    for kind, part in (
        (errors.GatedRepoError, "accept its licence at https://huggingface.co/a/b and set HF_TOKEN, or pass path="),
        (errors.RepositoryNotFoundError, "no repository 'a/b'"),
        (errors.HFValidationError, "no repository 'a/b'"),
        (errors.RevisionNotFoundError, "a/b has no revision 'v1'"),
        (errors.EntryNotFoundError, "a/b@v1 has no tokenizer.json: pass path= or another repo="),
        (errors.LocalEntryNotFoundError, "not downloaded yet, and the Hugging Face hub could not be asked"),
        (ConnectionError, "could not be downloaded from the Hugging Face hub: call load where there is a network"),
        (TimeoutError, "or pass path= to load a local file"),
    ):
        hub.answer = kind.__new__(kind)  # some want a response
        message = failed(repo="a/b", revision="v1")
        assert part in message, kind
        assert message.endswith(f"({kind.__name__})"), kind
    hub.answer = ConnectionError()
    failed(repo="a/b")
    hub.answer = file
    assert load(MODEL, repo="a/b").source == "a/b"


# Another model's tokenizer


def test_another_models_tokenizer_is_warned_of_with_both_counts(file: Path, encoder: Encoder) -> None:
    count, expected = counted(encoder, tokenizers._SAMPLES[0]), tokenizers._VOCABULARIES["llama3"][0][0]
    with pytest.raises(TokenizerMismatchWarning):  # a warning that is an error leaves the model as it was
        load(LLAMA, path=file)
    assert count_tokens(TEXT, model=LLAMA).method == "estimator"
    message = rf" not .* {count} tokens where {LLAMA} has {expected},"
    with pytest.warns(TokenizerMismatchWarning, match=message) as warned:
        load(LLAMA, path=file)
    assert warned[0].filename == __file__
    assert count_tokens(TEXT, model=LLAMA).exact
    for model in (PRESUMED, MODEL):
        load(model, path=file)  # no warning where the family is only presumed

    def told(*counts: int) -> bool:
        return tokenizers._describe_mismatch(Fixed(list(counts)), LLAMA) is not None

    assert tokenizers._VOCABULARIES["llama3"][0] == (34, 20, 58)
    assert not told(34, 20, 58)
    assert not told(35, 19, 59)
    assert told(34, 20, 60)
    assert told(34, 18, 58)


class Fixed(tokenizers.Tokenizer):
    """Counts whatever it is told to."""

    def __init__(self, counts: list[int]) -> None:
        super().__init__(tokenizers._Hub("a/b", None), Encoder(models.BPE()))
        self.counts = counts

    def count_texts(self, texts: Any) -> list[int]:
        return self.counts


def test_the_counts_of_the_samples_are_those_of_the_real_tokenizers(samples: list[Sample]) -> None:
    counts = {sample.text: sample.counts for sample in samples}
    for family, (real, _) in tokenizers._VOCABULARIES.items():
        assert tuple(counts[text][family] for text in tokenizers._SAMPLES) == real, family


def test_the_counts_of_the_samples_are_within_the_bounds_and_tell_the_families_apart() -> None:
    told = {family: counts for family, (counts, _) in tokenizers._VOCABULARIES.items()}
    for family, real in told.items():
        for text, count in zip(tokenizers._SAMPLES, real, strict=True):
            assert tokens.lower_bound(text, family) <= count <= tokens.upper_bound(text, family), family
    alike = {
        frozenset((one, other))
        for one in told
        for other in told
        if one != other
        and all(abs(a - b) <= tokenizers._TOLERANCE for a, b in zip(told[one], told[other], strict=True))
    }
    assert alike == {frozenset(("gpt2", "codegen"))}


# Other processes


def test_a_pickled_tokenizer_is_the_same_here_and_reads_its_file_again_elsewhere(file: Path, hub: Hub) -> None:
    hub.answer = file
    pickled = pickle.dumps(load(MODEL, repo="a/b"))
    unload(MODEL)
    assert pickle.loads(pickled).source == "a/b"
    assert hub.asked == [("a/b", None, False), ("a/b", None, True)]
    tokenizer = load(MODEL, path=file)
    pickled = pickle.dumps(tokenizer)
    assert len(pickled) < 500
    assert pickle.loads(pickled) is tokenizer
    unload(MODEL)
    again = pickle.loads(pickled)
    assert again is not tokenizer
    assert (again.source, again.count_text(TEXT)) == (tokenizer.source, tokenizer.count_text(TEXT))
    assert count_tokens(TEXT, model=MODEL).method == "estimator"
    file.unlink()
    with pytest.raises(TokenizerNotAvailable, match="there is no file"):
        pickle.loads(pickled)


def test_nothing_is_imported_before_a_tokenizer_is_loaded() -> None:
    code = f"""
import sys
import cfai
print("cfai.tokenizers" in sys.modules)
cfai.count_tokens("Where is New York?", model={LLAMA!r})
print("cfai.tokenizers" in sys.modules)
from cfai import tokenizers
print(*({{"tokenizers", "huggingface_hub"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False"]


def test_all_is_exact() -> None:
    own = {
        name
        for name, value in vars(tokenizers).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == "cfai.tokenizers"
    }
    assert set(tokenizers.__all__) == own
    for name in own:
        assert getattr(tokenizers, name).__doc__
