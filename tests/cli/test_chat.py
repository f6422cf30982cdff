"""`cfai chat`: on a terminal, as a program of its own whose screen is compared, and in this process."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pyte
import pytest

from cfai import LimitWarning
from cfai.cli import main
from cfai.cli._chat_session import COMMANDS
from cfai.cli._chat_terminal import stop_on_ctrl_c
from cfai.cli._context_meter import format_meter
from cfai.local import Emulator
from tests.cli.conftest import Run
from tests.conftest import ACCOUNT, LONG, TOKEN, Peer, Serve, row

MODEL = "@cf/zai-org/glm-4.7-flash"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SEES = "@cf/google/gemma-4-26b-a4b-it"
ENTER, ALT_ENTER, TAB, UP = "\r", "\x1b\r", "\t", "\x1b[A"
CTRL_C, CTRL_D, CTRL_U = "\x03", "\x04", "\x15"
MARKDOWN = "## Rivers\n\n- the **Hudson** 東京 🎉\n- the `East River`"


# On a terminal


class Screen(pyte.Screen):
    """A screen that shows dim text as bright black: pyte knows no dim."""

    def select_graphic_rendition(self, *attributes: int, **more: Any) -> None:
        super().select_graphic_rendition(*[90 if each == 2 else each for each in attributes], **more)


class Terminal:
    """The command line as a program of its own, on a pseudo-terminal."""

    def __init__(self, url: str, *arguments: str, columns: int = 80, rows: int = 24, **environment: str) -> None:
        self.screen = Screen(columns, rows)
        self._parser = pyte.ByteStream(self.screen)
        self.written = b""
        self._end, end = pty.openpty()
        self._set_size(columns, rows)
        names = {"CLOUDFLARE_API_BASE_URL": url, "CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CLOUDFLARE_API_TOKEN": TOKEN}
        names |= {"PYTHONIOENCODING": "utf-8", "TERM": "xterm-256color", **environment}
        taken = ("COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR")
        kept = {name: value for name, value in os.environ.items() if name not in taken}
        # Ctrl-C reaches the program whose terminal it is, so it takes this one.
        code = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from cfai.cli import main; main()"
        command = [sys.executable, "-c", code, *arguments]
        self.program = subprocess.Popen(
            command, env=kept | names, stdin=end, stdout=end, stderr=end, start_new_session=True
        )
        os.close(end)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.program.kill()
        self.program.wait()
        os.close(self._end)

    def type(self, *keys: str) -> None:
        os.write(self._end, "".join(keys).encode())

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self._set_size(columns, rows)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def rows(self) -> list[str]:
        """Return the rows of the screen, with `N` in the place of estimates."""
        text = "\n".join(line.rstrip() for line in self.screen.display).rstrip()
        return re.sub(r"about [\d,]+", "about N", text).split("\n")

    def wait(self, is_there: Callable[[], bool]) -> bool:
        """Read what the program writes until something is there, and return whether it is."""
        end = monotonic() + LONG
        while not is_there() and monotonic() < end:
            if select.select([self._end], [], [], 0.05)[0] and not self._read():
                break
        return is_there()

    def _read(self) -> bool:
        try:
            piece = os.read(self._end, 65536)
        except OSError:  # how a terminal ends
            return False
        self.written += piece
        self._parser.feed(piece)
        return bool(piece)

    def show(self, *expected: str) -> None:
        """Wait until the last rows of the screen are these, and fail if they never are."""
        count = len(expected)
        if not self.wait(lambda: self.rows[-count:] == [*expected]):
            pytest.fail("\n".join(["It must show:", *expected, "It shows:", *self.rows]))

    def show_menu(self, typed: str, *items: str) -> None:
        """Wait until a menu stands below what is typed, at any place."""
        count = len(items)
        if not self.wait(lambda: [each.strip() for each in self.rows[-count - 1 :]] == [typed, *items]):
            pytest.fail("\n".join(["It must show:", typed, *items, "It shows:", *self.rows]))

    def wait_for_end(self) -> int:
        self.wait(lambda: False)
        return self.program.wait(LONG)

    def colour(self, text: str) -> str:
        """Return the colour of the first place where a text stands."""
        y, x = next((y, line.index(text)) for y, line in enumerate(self.screen.display) if text in line)
        return self.screen.buffer[y][x].fg


def answer(peer: Peer, released: Event | None = None) -> None:
    """Answer with Markdown; questions may be to think first, to say nothing, or nothing more, or to make a pause."""
    while request := peer.request():
        question = json.loads(request.partition(b"\r\n\r\n")[2])["messages"][-1]["content"]
        if question == "nothing":
            peer.left()
            return
        deltas = [{"content": "So far" if question in ("stall", "pause") else MARKDOWN}]
        if question == "think":
            deltas = [
                *({"reasoning_content": piece} for piece in ("Which ri", "ver", "? ", "東 " * 34, "\n\n")),
                *deltas,
            ]
        peer.stream(*map(encode_event, deltas))
        if question == "stall":
            peer.left()
            return
        if question == "pause" and released is not None:
            released.wait(LONG)
            peer.chunk(encode_event({"content": ", so good"}))
        peer.chunk(b"data: [DONE]\n\n")
        peer.chunk(b"")


def encode_event(delta: Mapping[str, str]) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


def sent(request: bytes) -> Any:
    return json.loads(request.partition(b"\r\n\r\n")[2])["messages"]


METER = "──────────────────── 0% · about N of 131,072 tokens"
PROMPT = (METER, "", ">")
"""The end of an answer."""


def test_a_chat_on_a_terminal_shows_answers_stops_them_and_goes_on(serve: Serve) -> None:
    released = Event()
    server = serve(partial(answer, released=released))
    with Terminal(server.url, "chat", "glm-4.7-flash") as terminal:
        terminal.show(
            "@cf/zai-org/glm-4.7-flash · 131,072 tokens of context",
            "/help lists commands and keys. Ctrl-C stops an answer, Ctrl-D ends the chat.",
            "",
            ">",
        )
        terminal.type("think", ENTER)
        terminal.show(
            "> think",
            "",
            "Which river?" + " 東" * 22,
            "東 " * 11 + "東",
            "",
            "Rivers",
            "",
            " • the Hudson 東京 🎉",
            " • the East River",
            "",
            *PROMPT,
        )
        assert terminal.colour("Which river?") == terminal.colour(METER[:20]) == "brightblack"
        # What is typed while an answer comes is not in its midst, but behind the next prompt.
        terminal.type("pause", ENTER)
        terminal.show("> pause", "", "So far")
        terminal.type("stall")
        released.set()
        terminal.show("> pause", "", "So far, so good", "", METER, "", "> stall")
        assert terminal.written.count(b"stall") == 1
        # Ctrl-C stops the answer and the model, and what came is kept.
        terminal.type(ENTER)
        terminal.show("> stall", "", "So far")
        terminal.type("and then?", CTRL_C, CTRL_C)
        terminal.show("> stall", "", "So far", "", "Stopped.", "", METER, "", "> and then?")
        assert server.was_left.wait(LONG)
        terminal.type(ENTER)
        terminal.show(" • the East River", "", *PROMPT)
        assert [each["content"] for each in sent(server.requests[-1])][4:] == ["stall", "So far", "and then?"]
        # Before anything came, there is nothing to keep.
        terminal.type("nothing", ENTER)
        assert terminal.wait(lambda: "⠋" <= terminal.rows[-1].strip() <= "⣿"), "it turns"
        assert terminal.wait(lambda: b"nothing" in server.requests[-1])
        terminal.type(CTRL_C)
        terminal.show("> nothing", "", "Stopped before an answer came: the question is taken back.", "", ">")
        # A question that is given up, and the one before it.
        terminal.type("no", CTRL_C)
        terminal.show("> no", "Ctrl-D ends the chat.", ">")
        terminal.type(UP)
        terminal.show("> no", "Ctrl-D ends the chat.", "> nothing")
        terminal.type(CTRL_U, CTRL_D)
        assert terminal.wait_for_end() == 0
        assert b"Traceback" not in terminal.written


def test_a_question_on_a_terminal_has_several_lines_and_commands_are_completed(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chosen.txt").write_text("chosen")
    server = serve(answer)
    with Terminal(server.url, "chat", rows=12) as terminal:
        terminal.show(">")
        # A line more by each of its keys, and by pasting.
        terminal.type("one\\", ENTER, "two", ALT_ENTER, "\x1b[200~東京\r🎉\x1b[201~")
        terminal.show("> one", "  two", "  東京", "  🎉")
        # A narrow screen breaks what is typed, and nothing else.
        terminal.resize(20, 12)
        terminal.type(" a long line that is broken")
        terminal.show("  🎉 a long line tha", "  t is broken")
        terminal.resize(80, 12)
        terminal.show("> one", "  two", "  東京", "  🎉 a long line that is broken")
        terminal.type(ENTER)
        terminal.show(" • the East River", "", *PROMPT)
        assert sent(server.requests[-1])[-1]["content"] == "one\ntwo\n東京\n🎉 a long line that is broken"
        assert len(terminal.rows) == 12, "no room is kept for a menu before there is one"
        # Commands, models and files behind them.
        terminal.type("/")
        terminal.show_menu(
            "> /",
            "/attach FILE    send an image or a text with the next question",
            "/clear          forget what was said, but not the instructions",
            "/help           list commands and keys",
            "/model [NAME]   ask another model, which is told what was said",
            "/quit           end the chat",
            "/save [FILE]    keep the conversation in a file, for --resume",
            "/system [TEXT]  give the model other instructions",
        )
        terminal.type("m")
        terminal.show_menu("> /m", "/model [NAME]  ask another model, which is told what was said")
        terminal.type(TAB)
        terminal.show_menu("> /model", "/model [NAME]  ask another model, which is told what was said")
        terminal.type(" llama-3.3")
        terminal.show_menu("> /model llama-3.3", "llama-3.3-70b-instruct-fp8-fast")
        terminal.type(TAB)
        terminal.show_menu("> /model llama-3.3-70b-instruct-fp8-fast", "llama-3.3-70b-instruct-fp8-fast")
        terminal.type(ENTER)
        terminal.show(
            "> /model llama-3.3-70b-instruct-fp8-fast",
            "@cf/meta/llama-3.3-70b-instruct-fp8-fast answers from now on.",
            "",
            ">",
        )
        terminal.type("/attach ch")
        terminal.show_menu("> /attach ch", "chosen.txt")
        terminal.type(TAB)
        terminal.show_menu("> /attach chosen.txt", "chosen.txt")
        terminal.type(ENTER)
        terminal.show("chosen.txt goes with the next question.", "", ">")
        terminal.type("/quit", ENTER)
        assert terminal.wait_for_end() == 0


def test_without_colours_or_a_cursor_a_terminal_gets_none(serve: Serve) -> None:
    server = serve(answer)
    with Terminal(server.url, "chat", NO_COLOR="1") as terminal:
        terminal.show(">")
        terminal.type("think", ENTER)
        terminal.show("- the `East River`", "", *PROMPT)
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0
        assert re.findall(rb"\x1b\[[0-9;]*(?:3[0-7]|38|9[0-7])[;m]", terminal.written) == []
    with Terminal(server.url, "chat", TERM="dumb") as terminal:
        terminal.show(">")
        terminal.type("one\\\n")
        terminal.show("> one\\")
        terminal.type("two\n")
        terminal.show("- the `East River`", "", *PROMPT)
        assert sent(server.requests[-1])[-1]["content"] == "one\ntwo"
        terminal.type("no", CTRL_C)
        # A terminal throws away what it has not shown yet when Ctrl-C comes.
        assert terminal.wait(lambda: terminal.rows[-2].endswith("Ctrl-D ends the chat.") and terminal.rows[-1] == ">")
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0
        assert b"\x1b" not in terminal.written


# In this process


def test_a_second_ctrl_c_leaves_what_the_first_one_has_to_end_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_ctrl_c():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return what types lines on a terminal, and returns exit code, output and errors."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def talk(lines: list[str], *arguments: str) -> tuple[int, str, str]:
        end, terminal = pty.openpty()
        os.write(end, "".join(f"{line}\n" for line in lines).encode() + b"\x04")
        with open(terminal, encoding="utf-8") as typed:
            monkeypatch.setattr(sys, "stdin", typed)
            monkeypatch.setattr(sys, "argv", ["cfai", "chat", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        os.close(end)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return talk


Talk = Callable[..., tuple[int, str, str]]


def contents(local: Emulator, place: int = -1) -> list[Any]:
    """Return the contents of the messages of a request."""
    return [each["content"] for each in local.requests[place].inputs["messages"]]


def test_piped_lines_are_questions_and_commands(cfai: Run, local: Emulator) -> None:
    code, out, errors = cfai("chat", "--system", "Be brief.", typed="\ufeffone\\\ntwo\n\n/model llama-3.3\n/etc/hosts?")
    assert (code, errors) == (0, f"{LLAMA} answers from now on.\n")
    first, second = [each["content"] for each in local.requests[-1].inputs["messages"]][2], out
    assert contents(local) == ["Be brief.", "one\ntwo", first, "/etc/hosts?"]
    assert [each.model for each in local.requests] == [MODEL, LLAMA]
    assert second.startswith(f"{first}\n")
    assert cfai("chat", typed="")[:2] == (0, "")


def test_an_error_ends_what_is_piped_in(cfai: Run, local: Emulator) -> None:
    local.script("quota-exceeded")
    code, out, errors = cfai("chat", typed="one\ntwo")
    assert (code, out, len(local.requests)) == (1, "", 1)
    assert "resets at 00:00 UTC" in errors
    assert cfai("chat", typed="/hlep\ntwo") == (2, "", "there is no command /hlep: did you mean /help?\n")
    code, _, errors = cfai("chat", typed=b"caf\xe9\n")
    assert (code, errors) == (2, "standard input is not UTF-8: convert it first, such as with iconv\n")


def test_a_question_in_the_place_of_the_model_says_where_it_is_asked(cfai: Run) -> None:
    code, _, errors = cfai("chat", "where is new york?")
    assert (code, errors) == (
        2,
        "'where is new york?' must be a model: start cfai chat and ask it there, or use cfai run\n",
    )


def test_a_reader_who_has_seen_enough_ends_the_chat(
    talk: Talk, local: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, to_nobody = os.pipe()
    os.close(end)
    with open(to_nobody, "wb", buffering=0) as raw:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "utf-8"))
        assert talk(["one", "two"])[0] == 1
        sys.stdout.detach()
    assert len(local.requests) <= 1


def test_an_error_does_not_end_what_is_typed(talk: Talk, local: Emulator) -> None:
    for fault, advice in (
        ("quota-exceeded", ""),
        ("model-retired", "/model NAME asks another model; the Up key brings the question back.\n"),
    ):
        with row(fault):
            local.script(fault)
            code, out, errors = talk(["one", "two"])
            assert (code, contents(local)) == (0, ["two"])
            assert re.search(rf"> [^>]*What to do: [^\n]*\n{advice}\n> ", errors)
            assert len(out.strip().split("\n")) >= 1
    for line, said in (
        ("/hlep", "there is no command /hlep: did you mean /help?"),
        ("/foo", "there is no command /foo: /help lists them"),
        ("/attach", "name the file to attach: /attach photo.jpg"),
        ("/save", "name the file: /save chat.json"),
        ("/model bge-m3", "@cf/baai/bge-m3 cannot hold a conversation"),
        ("/model nonsense", "there is no model 'nonsense'"),
        ("/model flux", "no model 'flux' can hold a conversation: Tab behind /model lists those that can"),
    ):
        with row(line):
            code, _, errors = talk([line, f"after {line}"])
            assert (code, contents(local)) == (0, [f"after {line}"])
            assert f"\n> {said}" in errors


def test_a_stream_that_breaks_keeps_what_had_come(talk: Talk, local: Emulator) -> None:
    local.script("truncated,truncate-after=60")
    _, out, errors = talk(["one", "two"])
    assert "the stream ended with neither [DONE] nor a finish reason" in errors
    partial = contents(local)[1]
    assert contents(local) == ["one", partial, "two"]
    assert partial
    assert partial in out


def test_a_conversation_is_saved_after_each_answer_and_goes_on(talk: Talk, local: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "my chat.json"
    code, _, errors = talk(["one", f"/save {file}", "two", "/clear", "three"], "llama-3.3", "--system", "Be brief.")
    assert (code, len(contents(local))) == (0, 2), "the instructions, and the question"
    assert f"Saved in {file}, as every answer from now on." in errors
    assert f"Forgotten. {file} keeps what was said." in errors
    assert [each["role"] for each in json.loads(file.read_text())["messages"]] == [
        "system", *("user", "assistant") * 2
    ]  # fmt: skip
    code, out, errors = talk(["four"], "--resume", str(file))
    asked = contents(local)
    assert (code, asked[0], asked[1::2], local.requests[-1].model) == (0, "Be brief.", ["one", "two", "four"], LLAMA)
    assert "5 messages so far. The last answer was:" in errors
    assert out.strip().startswith(asked[4])
    assert len(json.loads(file.read_text())["messages"]) == 7, "it follows"
    talk(["five"], "--resume", str(file), MODEL, "--system", "Be long.")
    assert (contents(local)[0], local.requests[-1].model) == ("Be long.", MODEL)
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_a_file_is_not_written_over_and_what_cannot_be_read_is_told(
    talk: Talk, local: Emulator, tmp_path: Path
) -> None:
    file = tmp_path / "chat.json"
    file.write_text("precious")
    code, _, errors = talk(["one", f"/save {file}", f"/save {tmp_path}/none/chat.json"])
    assert (code, file.read_text()) == (0, "precious")
    assert f"{file} is there already: choose another name" in errors
    assert f"No such file or directory: '{tmp_path}/none/chat.json" in errors
    for content, said in (
        ("precious", f"{file} holds no conversation that /save wrote"),
        ('{"model": "@cf/a/b"}', f"{file}: "),
        ('{"model": "@cf/a/b", "version": 9}', f"{file}: "),
        (None, "No such file or directory"),
    ):
        with row(content):
            file.unlink() if content is None else file.write_text(content)
            code, _, errors = talk(["one"], "--resume", str(file))
            assert code == 2
            assert said in errors


def test_files_go_with_the_next_question_in_any_form_that_a_terminal_writes_them_in(
    talk: Talk, local: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    picture, notes, sound = tmp_path / "a cat.png", tmp_path / "notes.txt", tmp_path / "a.wav"
    with local.ai() as ai:
        picture.write_bytes(ai.run("@cf/bytedance/stable-diffusion-xl-lightning", {"prompt": "a cat"}).content)
    notes.write_text("Buy milk.")
    sound.write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt ")
    for name in (str(picture), f"'{picture}'", str(picture).replace(" ", "\\ "), "~/a cat.png"):
        with row(name):
            code, _, errors = talk([f"/attach {name}", f"/attach {notes}", "what?", "and?"], "gemma-4-26b-a4b-it")
            assert (code, errors.count("goes with the next question.")) == (0, 2)
            question, _, following = contents(local)
            assert question[0] == {"type": "text", "text": "what?\n\nnotes.txt:\n\nBuy milk."}
            assert question[1]["image_url"]["url"].startswith("data:image/png;base64,")
            assert following == "and?"
    talk(["what?"], SEES, "-a", str(picture))
    assert len(contents(local)[0]) == 2
    for arguments, name, said in (
        ([SEES], sound, f"a.wav is a sound, which {SEES} is not known to take: whisper-large-v3-turbo"),
        ([MODEL], picture, f"which {MODEL} cannot see: choose a model that can, such as gemma-4-26b-a4b-it\n"),
        ([SEES], tmp_path / "none.png", "No such file"),
    ):
        with row(name):
            _, _, errors = talk([f"/attach {name}", "what?"], *arguments)
            assert said in errors
            assert contents(local) == ["what?"]
            assert talk([], *arguments, "-a", str(name))[0] == 2
    with row("sent all the same"):
        talk([f"/attach {picture}", "what?"], MODEL, "--checks", "warn")
        assert len(contents(local)[0]) == 2


def test_a_question_that_begins_with_the_path_of_a_file_attaches_it(
    talk: Talk, cfai: Run, local: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    picture, notes = tmp_path / "it's a cat.png", tmp_path / "notes.txt"
    with local.ai() as ai:
        picture.write_bytes(ai.run("@cf/bytedance/stable-diffusion-xl-lightning", {"prompt": "a cat"}).content)
    notes.write_text("Buy milk.")
    escaped = str(picture).replace(" ", "\\ ").replace("'", "\\'")
    for path in (shlex.quote(str(picture)), f'"{picture}"', escaped, shlex.quote("./it's a cat.png")):
        with row(path):
            _, _, errors = talk([f"{path} what's this?"], SEES)
            text, image = contents(local)[0]
            assert (text["text"], image["type"]) == ("what's this?", "image_url")
            assert "it's a cat.png goes with this question." in errors
    for lines in ([str(picture), "what?"], [f"{escaped} ", "what?"], [f"{escaped} {notes}", "what?"]):
        with row(lines):
            _, _, errors = talk(lines, SEES)
            assert "it's a cat.png goes with the next question." in errors or "goes with this question." in errors
            assert len(contents(local)[0]) == 2
    talk(["~/notes.txt what to buy?"])
    assert contents(local) == ["what to buy?\n\nnotes.txt:\n\nBuy milk."]
    for line in (f"{tmp_path} what?", "/no/such/file what?", "notes.txt what?", "'tis a cat?", "/etc/hosts? what"):
        with row(line):
            _, _, errors = talk([line])
            assert contents(local) == [line], "words"
            assert "There is no file" not in errors
    with row("a typing error"):
        _, _, errors = talk([f"{tmp_path}/note.txt what to buy?"])
        assert contents(local) == [f"{tmp_path}/note.txt what to buy?"]
        assert f"There is no file {tmp_path}/note.txt: the model gets the words alone.\n" in errors
    with row("a model that cannot see"):
        _, _, errors = talk([f"{escaped} what?", "and?"], MODEL)
        assert "cannot see" in errors
        assert contents(local) == ["and?"]
    assert cfai("chat", typed=f"{notes} what?")[0] == 0
    assert contents(local) == [f"{notes} what?"], "what is piped in attaches nothing by itself"


def test_a_model_that_cannot_see_is_refused_for_a_conversation_with_pictures(
    talk: Talk, local: Emulator, tmp_path: Path
) -> None:
    picture, saved = tmp_path / "cat.png", tmp_path / "cat.json"
    with local.ai() as ai:
        picture.write_bytes(ai.run("@cf/bytedance/stable-diffusion-xl-lightning", {"prompt": "a cat"}).content)
    refusal = (
        f"the conversation holds pictures, which {MODEL} cannot see: /clear first, or choose a model that can, such as"
    )
    _, _, errors = talk([f"/attach {picture}", "what?", f"/save {saved}", f"/model {MODEL}", "and?"], SEES)
    assert refusal in errors
    assert local.requests[-1].model == SEES, "it goes on"
    assert contents(local)[-1] == "and?"
    code, _, errors = talk(["and?"], MODEL, "--resume", str(saved))
    assert (code, refusal in errors) == (2, True)
    talk([f"/attach {picture}", "what?", "/clear", f"/model {MODEL}", "and?"], SEES)
    assert local.requests[-1].model == MODEL
    _, _, errors = talk([f"/attach {picture}", f"/model {MODEL}", "what?"], SEES)
    assert refusal in errors, "those that wait for a question too"
    talk([f"/attach {picture}", "what?", f"/model {MODEL}", "and?"], SEES, "--checks", "warn")
    assert local.requests[-1].model == MODEL


def test_an_error_advises_nothing_that_cannot_be_typed_in_a_chat(talk: Talk, local: Emulator) -> None:
    _, _, errors = talk(["word " * 700], "llama-2-7b-chat-int8", "--max-tokens", "9999", "-i", "temperature=9")
    assert "must be at most" in errors
    assert "--checks" not in errors
    assert local.requests == []


def test_a_file_that_is_too_long_is_not_attached_any_more(talk: Talk, local: Emulator, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("word " * 60_000)
    _, _, errors = talk([f"/attach {notes}", "what?", "and?"], LLAMA)
    assert "at most 24,000 tokens" in errors
    assert "Not attached any more: notes.txt." in errors
    assert "/model NAME asks a model with more context." in errors
    assert contents(local) == ["and?"]
    notes.write_text("Buy milk.")
    talk([f"/attach {notes}", "/hlep", "/attach none", "what?"], LLAMA)
    assert contents(local)[0].startswith("what?\n\nnotes.txt:"), "another error than that of a question"


def test_instructions_can_be_given_seen_and_kept(talk: Talk, local: Emulator) -> None:
    _, _, errors = talk(
        ["/system", "/system Be brief.", "one", "/system Be long.", "two", "/system", "/clear", "three"]
    )
    assert "There are no instructions: /system TEXT gives some." in errors
    assert "> Be long.\n" in errors
    assert [contents(local, place)[0] for place in (-3, -2, -1)] == ["Be brief.", "Be long.", "Be long."]
    assert len(contents(local)) == 2


def test_an_answer_has_the_length_that_was_asked_for_and_else_is_never_cut(talk: Talk, local: Emulator) -> None:
    for arguments, lines, expected in (
        ([LLAMA], ["one"], [23_000]),
        ([LLAMA, "--max-tokens", "70"], ["one", f"/model {MODEL}", "two"], [70, 70]),
        ([MODEL], ["one", f"/model {LLAMA}", "two", f"/model {MODEL}", "three"], [None, 23_000, None]),
        ([MODEL, "-i", "temperature=0", "-i", "max_tokens=70"], ["one"], [70]),
    ):
        with row((arguments, lines)):
            talk(lines, *arguments)
            lengths = [each.inputs.get("max_tokens") for each in local.requests[-len(expected) :]]
            assert [length and min(length, 23_000) for length in lengths] == expected
    assert local.requests[-1].inputs["temperature"] == 0


def test_the_meter_has_the_tokens_of_what_is_sent_and_their_cost(local: Emulator) -> None:
    with local.ai() as ai:
        chat = ai.chat(LLAMA)
        for words, filled, style in ((100, 0, "dim"), (12_000, 10, "dim"), (19_000, 16, "yellow"), (23_000, 19, "red")):
            with row(words):
                chat.messages = [{"role": "user", "content": "word " * words}]
                tokens = int(ai.check(LLAMA, {"messages": chat.messages}).tokens or 0)
                share = f"{'━' * filled}{'─' * (20 - filled)} {tokens / 24_000:.0%}"
                expected = f"{share} · about {tokens:,} of 24,000 tokens"
                assert format_meter(ai, chat, is_billed=True) == (expected, style)
        turn = [{"role": "user", "content": "word " * 10_000}, {"role": "assistant", "content": "yes"}]
        chat.messages = [dict(message) for message in turn * 3]
        with pytest.warns(LimitWarning):
            chat.send("and now?")
        text, style = format_meter(ai, chat, is_billed=True)
        assert f" · the {len(chat.dropped)} oldest messages are not sent any more · $0.00" in text
        assert "$" not in format_meter(ai, chat, is_billed=False)[0]
        assert style != "red"
        chat.model = "@cf/no/such-model"
        assert format_meter(ai, chat, is_billed=False)[0].startswith("the ")


def test_a_chat_that_gets_too_long_says_so_below_each_answer_and_costs_nothing_on_this_machine(
    talk: Talk, local: Emulator, tmp_path: Path
) -> None:
    file = tmp_path / "long.json"
    with local.ai() as ai:
        chat = ai.chat(LLAMA)
        chat.messages = [{"role": role, "content": "word " * 10_000} for role in ("user", "assistant") * 2]
        file.write_text(chat.to_json())
    _, _, errors = talk(["one"], "--resume", str(file))
    meters = [line for line in errors.split("\n") if " of 24,000 tokens" in line]
    assert [" oldest messages are not sent any more" in line for line in meters] == [False, True]
    assert "$0.00" in meters[1]
    assert "oldest turns" not in errors, "twice"
    assert "$0.00" in talk(["one"], "--emulated")[2], "as on the account that it imitates"


def test_an_answer_that_was_cut_says_so_and_one_without_text_is_taken_back(
    talk: Talk, local: Emulator, tmp_path: Path
) -> None:
    file = tmp_path / "chat.json"
    cut = "Cut off at --max-tokens {}: ask it to go on, or start cfai chat with a larger number.\n"
    _, _, errors = talk(["one", f"/save {file}", "two"], "--max-tokens", "40")
    assert errors.count(cut.format(40)) == 2
    _, _, errors = talk([f"/save {tmp_path / 'empty.json'}", "one", "two"], "--max-tokens", "5")
    assert errors.count(f"{cut.format(5)}The question is taken back.\n") == 2
    assert contents(local) == ["two"]
    assert len(json.loads(file.read_text())["messages"]) == 4
    assert json.loads((tmp_path / "empty.json").read_text())["messages"] == []


@pytest.mark.usefixtures("local")
def test_that_a_model_was_retired_is_told_once_at_the_start_or_when_it_is_chosen(talk: Talk, cfai: Run) -> None:
    retired = "llama-2-7b-chat-fp16"
    notice = f"@cf/meta/{retired} was retired on 2026-05-30: use @cf/meta/llama-3.1-8b-instruct-fp8\n"
    _, _, errors = talk(["one", "two"], retired)
    assert errors.count("was retired") == 1
    assert errors.index(notice) < errors.index("> ")
    _, _, errors = talk([f"/model {retired}", "one"])
    assert f"answers from now on.\n{notice}" in errors
    assert errors.count("was retired") == 1
    assert cfai("chat", retired, typed="one\ntwo")[2] == notice


def test_a_chat_that_is_terminated_gives_the_terminal_back_as_it_was(serve: Serve) -> None:
    with Terminal(serve(answer).url, "chat") as terminal:
        terminal.show(">")
        terminal.type("nothing", ENTER)
        assert terminal.wait(lambda: "⠋" <= terminal.rows[-1].strip() <= "⣿"), "it turns, and the cursor is hidden"
        terminal.program.terminate()
        assert terminal.wait_for_end() == 143
        assert b"\x1b[?25h" in terminal.written.rpartition(b"\x1b[?25l")[2]
        assert b"Traceback" not in terminal.written


def test_the_questions_of_a_conversation_that_goes_on_are_brought_back(serve: Serve, tmp_path: Path) -> None:
    saved = tmp_path / "chat.json"
    messages = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "1"}]
    fields = {"version": 1, "model": MODEL, "session_affinity": "a", "max_rounds": 8, "inputs": {}}
    saved.write_text(json.dumps({**fields, "messages": messages}))
    with Terminal(serve(answer).url, "chat", "--resume", str(saved)) as terminal:
        terminal.show(">")
        terminal.type(UP)
        terminal.show("> one")


def test_the_cost_of_an_answer_that_was_stopped_is_not_known(serve: Serve) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}

    def answer_with_usage(peer: Peer) -> None:
        while request := peer.request():
            peer.stream(encode_event({"content": "So far"}))
            if b"stall" in request:
                peer.left()
                return
            peer.chunk(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n")
            peer.chunk(b"")

    with Terminal(serve(answer_with_usage).url, "chat", columns=60) as terminal:
        terminal.show(">")
        terminal.type("one", ENTER)
        terminal.show("So far", "", "──────────────────── 0% · about N of 131,072 tokens ·", "$0.000461", "", ">")
        terminal.type("stall", ENTER)
        terminal.show("> stall", "", "So far")
        terminal.type(CTRL_C)
        terminal.show("──────────────────── 0% · about N of 131,072 tokens · more", "than $0.000461", "", ">")


def test_help_lists_every_command_and_key(talk: Talk, local: Emulator) -> None:
    _, _, errors = talk(["/help"])
    assert all(f"\n  {name}" in errors for name in [*COMMANDS, "Enter", "Ctrl-C", "Ctrl-D", "Tab", "Up"])
    assert max(map(len, errors.split("\n"))) < 80


@pytest.mark.usefixtures("local")
def test_a_missing_line_editor_gives_the_line_that_installs_it(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("cfai.cli._chat_input.sys.stdout.isatty", lambda: True)
    monkeypatch.delitem(sys.modules, "cfai.cli._line_editor", raising=False)
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    code, _, errors = talk(["one"])
    assert code != 0
    assert 'cfai chat needs prompt_toolkit, which is not installed: pip install "cfai-sdk[cli]"' in errors.replace(
        "\n", ""
    )
