"""A chat: questions are answered, and commands obeyed, until the user ends it."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import warnings
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, cast

from rich.text import Text

from cfai import (
    Ai,
    CapacityError,
    CfaiError,
    Chat,
    ContextLengthError,
    InputError,
    LimitError,
    LimitWarning,
    NotFoundError,
    RetiredModelWarning,
    StreamError,
    models,
)
from cfai._config import CheckMode
from cfai._escape import escape_controls
from cfai._json import is_mapping
from cfai._limits import requested_output
from cfai.cli._answer import print_tokens, warn_of_shortfall
from cfai.cli._attach import Attachment, add_texts, list_media, read_attachment
from cfai.cli._chat_input import Reader, is_typed
from cfai.cli._chat_terminal import hide_typing, show_waiting, stop_on_ctrl_c
from cfai.cli._context_meter import format_meter
from cfai.cli._errors import make_error_console, print_line, print_warnings, to_command_words
from cfai.cli._markdown import make_writer
from cfai.cli._model import resolve_model
from cfai.cli._terminal import print_text, write

COMMANDS: Mapping[str, tuple[str, str]] = {
    "/attach": ("FILE", "send an image or a text with the next question"),
    "/clear": ("", "forget what was said, but not the instructions"),
    "/help": ("", "list commands and keys"),
    "/model": ("[NAME]", "ask another model, which is told what was said"),
    "/quit": ("", "end the chat"),
    "/save": ("[FILE]", "keep the conversation in a file, for --resume"),
    "/system": ("[TEXT]", "give the model other instructions"),
}
"""The commands: the argument of each, and what it does."""

_KEYS = {
    "Enter": "send",
    "\\ Enter": "go on in a new line, as Alt-Enter; pasted lines stay together",
    "Up": "bring back an earlier question",
    "Tab": "complete a command, a model, a file",
    "Ctrl-C": "stop the answer; what came of it stays in the conversation",
    "Ctrl-D": "end the chat",
}

_FOLDERS = ("/", "~/", "./", "../")
"""The beginnings of a path that cannot be words."""
_FILE_NAME = re.compile(r"(?:~|\.\.?)?/.*\.\w{1,5}")
"""A word that must have been meant for a file."""

_ADVISE_SEEING = "choose a model that can, such as gemma-4-26b-a4b-it"


class ChatSession:
    """A conversation on the terminal, or of a program with its standard input."""

    def __init__(self, ai: Ai, chat: Chat, *, checks: CheckMode, is_billed: bool) -> None:
        self._ai = ai
        self._chat = chat
        self._checks: CheckMode = checks
        self._is_billed = is_billed
        self._is_cost_whole = True
        """False once an answer was stopped: its cost is not known."""
        self._is_typed = is_typed()
        """True if somebody sits there, who can go on after an error."""
        self._attachments: list[Attachment] = []
        self._file: Path | None = None
        """The file that follows the conversation, if it was saved or resumed."""
        self._set_length()

    def talk(self, reader: Reader) -> None:
        """Answer questions and obey commands until there are no more."""
        if self._is_typed:
            self._greet()
        self._warn_if_retired()
        while True:
            try:
                text = reader.read().strip()
                if text == "/quit":
                    return
                self._obey_or_ask(text)
            except EOFError:
                return
            except BrokenPipeError:  # a reader who has seen enough
                raise
            except KeyboardInterrupt:
                if not self._is_typed:
                    raise
                self._note("Ctrl-D ends the chat.")
                continue
            except (CfaiError, OSError, ValueError) as error:
                if not self._is_typed:
                    raise
                # An option cannot be typed here.
                print_line(re.sub(r",? or add --checks \w+ to [^.]*", "", to_command_words(str(error))), "red")
                if advice := _advise(error):
                    self._note(advice)
            if self._is_typed:
                self._note("")

    def attach(self, path: Path) -> None:
        """Send a file with the next question. Raises `OSError`, and `InputError` for what the model does not take."""
        attachment = read_attachment(path)
        media = list_media(self._chat.model, [attachment])
        if media and not self._can_see(self._chat.model, media):
            raise InputError(f"{path.name} is an image, which {self._chat.model} cannot see: {_ADVISE_SEEING}")
        self._attachments.append(attachment)

    def check_pictures(self, model: str) -> None:
        """Raise `InputError` if the conversation holds pictures, and a model cannot see them."""
        contents = [message.get("content") for message in self._chat.messages]
        parts = [part for content in contents if isinstance(content, list) for part in cast("list[Any]", content)]
        media = [part for part in parts if not (is_mapping(part) and part.get("type") == "text")]
        media += list_media(model, self._attachments)
        if media and not self._can_see(model, media):
            raise InputError(
                f"the conversation holds pictures, which {model} cannot see: /clear first, or {_ADVISE_SEEING}"
            )

    def _can_see(self, model: str, media: list[Any]) -> bool:
        result = self._ai.check(model, {"messages": [{"role": "user", "content": media}]})
        return not (isinstance(result.error, InputError) and result.raises(self._checks))

    def set_system(self, text: str) -> None:
        """Give the model other instructions, from the next question on."""
        instructions = [{"role": "system", "content": text}]
        self._chat.messages = [*instructions, *self._chat.messages[len(self._list_instructions()) :]]

    def follow(self, file: Path) -> None:
        """Keep the conversation in a file from now on: what is said is written after each answer."""
        self._file = file

    def _obey_or_ask(self, text: str) -> None:
        command, _, argument = text.partition(" ")
        argument = argument.strip()
        match command:
            case "":
                pass
            case "/help":
                self._help()
            case "/clear":
                self._clear()
            case "/model":
                self._change_model(argument)
            case "/attach":
                if not argument:
                    raise InputError("name the file to attach: /attach photo.jpg")
                self.attach(path := _parse_path(argument))
                self._note(f"{path.name} goes with the next question.")
            case "/save":
                self._save(argument)
            case "/system":
                self._change_system(argument)
            case _:
                if self._is_typed:
                    text = self._attach_dropped(text)
                if (name := text.partition(" ")[0]).startswith("/") and name[1:].isalpha():
                    raise InputError(_describe_unknown(name))
                if text:
                    self._ask(text)

    # Questions

    def _ask(self, text: str) -> None:
        chat, known = self._chat, len(self._chat.messages)
        question = add_texts(text, self._attachments)
        if self._is_typed:
            write("\n")
        most = min(requested_output(chat.inputs).values(), default=None)
        try:
            with print_warnings(_describe_cut(most)), stop_on_ctrl_c(), hide_typing():
                warnings.filterwarnings("ignore", category=RetiredModelWarning)  # which was told at the start
                if self._is_typed:  # the meter says it, each time
                    warnings.filterwarnings("ignore", "the oldest turns", LimitWarning)
                images = list_media(chat.model, self._attachments) or None
                with make_writer() as writer, show_waiting() as waiting, chat.stream(question, images) as stream:
                    print_tokens(stream, writer, waiting.stop)
                warn_of_shortfall(answer := stream.result(), most)
            if not answer.text.strip():
                del chat.messages[known:]  # the service refuses a message without text
                self._note("The question is taken back.")
        except KeyboardInterrupt:
            if not self._is_typed:
                raise
            self._is_cost_whole = False
            is_kept = len(chat.messages) > known
            self._note("\nStopped." if is_kept else "Stopped before an answer came: the question is taken back.")
        except StreamError:
            self._is_cost_whole = False
            raise
        except (InputError, LimitError):
            if self._attachments:  # they may be what is wrong
                self._note(f"Not attached any more: {', '.join(each.name for each in self._attachments)}.")
                self._attachments.clear()
            raise
        finally:
            if len(chat.messages) > known:
                self._attachments.clear()
                if self._file is not None:
                    self._write(self._file)
        if self._is_typed and len(chat.messages) > known:
            self._show_meter()

    def _attach_dropped(self, text: str) -> str:
        """Attach the files whose paths a question begins with, as a terminal writes those that are dropped on it.

        Returns the rest of the question.
        """
        while found := _split_path(text):
            path, text = found
            self.attach(path)
            self._note(f"{path.name} goes with {'this' if text else 'the next'} question.")
        first = text.partition(" ")[0]
        if _FILE_NAME.fullmatch(first):
            self._note(f"There is no file {first}: the model gets the words alone.")
        return text

    def _show_meter(self) -> None:
        text, style = format_meter(self._ai, self._chat, is_billed=self._is_billed, is_cost_whole=self._is_cost_whole)
        if text:
            write("\n")
            print_line(text, style)

    # Commands

    def _greet(self) -> None:
        known = models.catalogue().get(self._chat.model)
        window = f" · {known.context_length.value:,} tokens of context" if known and known.context_length else ""
        title = Text.assemble((escape_controls(self._chat.model), "bold"), (window, "dim"))
        make_error_console().print(title, soft_wrap=False)
        self._note("/help lists commands and keys. Ctrl-C stops an answer, Ctrl-D ends the chat.\n")
        for attachment in self._attachments:
            self._note(f"{attachment.name} goes with the first question.\n")
        answers = [each for each in self._chat.messages if each.get("role") == "assistant"]
        if answers:
            self._note(f"{len(self._chat.messages)} messages so far. The last answer was:\n")
            with make_writer() as writer:
                writer.write(str(answers[-1].get("content") or ""))
            self._show_meter()
            write("\n")

    def _help(self) -> None:
        rows = {f"{name} {argument}".strip(): text for name, (argument, text) in COMMANDS.items()}
        for part in (rows, _KEYS):
            self._note("")
            for key, text in part.items():
                print_text(make_error_console(), f"  {key:<16}", "bold", end="")
                self._note(text)

    def _clear(self) -> None:
        self._chat.messages = self._list_instructions()
        self._chat.dropped = []
        self._attachments.clear()
        ended, self._file = self._file, None
        self._note("Forgotten." + (f" {ended} keeps what was said." if ended else ""))

    def _change_model(self, name: str) -> None:
        if not name:
            self._note(f"{self._chat.model} answers. /model NAME asks another: Tab lists them.")
            return
        model = resolve_model(name, for_chat=True)
        self._ai.chat(model, checks=self._checks)  # which raises for one that holds no conversation
        self.check_pictures(model)
        self._chat.model = model
        self._set_length()
        self._note(f"{model} answers from now on.")
        self._warn_if_retired()

    def _warn_if_retired(self) -> None:
        known = models.catalogue().get(self._chat.model)
        if known is not None and known.retirement:
            print_line(f"{known.retirement}\n" if self._is_typed else str(known.retirement), "yellow")

    def _set_length(self) -> None:
        """Let models write to the end whose answers the service cuts unless told otherwise, at 256 tokens say."""
        inputs, known = self._chat.inputs, models.catalogue().get(self._chat.model)
        if inputs.get("max_tokens", "max") != "max":
            return
        inputs.pop("max_tokens", None)
        if known is not None and known.default_max_tokens is not None and known.context_length is not None:
            inputs["max_tokens"] = "max"

    def _change_system(self, text: str) -> None:
        if text:
            self.set_system(text)
            self._note("These instructions hold from the next question on.")
            return
        instructions = [str(each.get("content")) for each in self._list_instructions()]
        self._note(instructions[0] if instructions else "There are no instructions: /system TEXT gives some.")

    def _list_instructions(self) -> list[dict[str, object]]:
        messages = self._chat.messages
        return messages[:1] if messages and messages[0].get("role") in ("system", "developer") else []

    def _save(self, name: str) -> None:
        file = _parse_path(name) if name else self._file
        if file is None:
            raise InputError("name the file: /save chat.json")
        if file != self._file and file.exists():
            raise InputError(f"{file} is there already: choose another name")
        self._write(file)
        self._file = file
        self._note(f"Saved in {file}, as every answer from now on.")

    def _write(self, file: Path) -> None:
        """Write the conversation into a file: all of it, or if the disk is full, nothing."""
        part = file.with_name(f"{file.name}.part")
        part.write_text(self._chat.to_json(), "ascii")
        part.replace(file.resolve())

    def _note(self, text: str) -> None:
        print_line(text, "dim")


def _describe_cut(most: int | None) -> str:
    """Return what an answer was cut by, which had at most so many tokens, and how there is more."""
    if most is None:
        return "Cut off: the model writes no more at a time. Ask it to go on."
    return f"Cut off at --max-tokens {most:,}: ask it to go on, or start cfai chat with a larger number."


def _split_path(text: str) -> tuple[Path, str] | None:
    """Return the file that a question begins with, in quotes or with escapes, and the rest; `None` without one.

    Its path shows a folder: a word that happens to be a file in this one stays a word.
    """
    if text.startswith(_FOLDERS) and os.path.isfile(path := os.path.expanduser(text)):
        return Path(path), ""  # blanks in it stand as they are
    rest = StringIO(text)
    lexer = shlex.shlex(rest, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        first = lexer.get_token() or ""
    except ValueError:  # a quote that nothing closes
        return None
    path = os.path.expanduser(first)
    if not (first.startswith(_FOLDERS) and os.path.isfile(path)):
        return None
    return Path(path), rest.read().strip()


def _parse_path(text: str) -> Path:
    """Return a path as it was typed, or as a terminal writes one that a file is dropped on: in quotes, with escapes."""
    if not os.path.lexists(text):
        try:
            parts = shlex.split(text)
        except ValueError:
            parts = []
        if len(parts) == 1:
            text = parts[0]
    return Path(os.path.expanduser(text))


def _advise(error: Exception) -> str:
    """Return what helps against an error, in words of the chat."""
    if isinstance(error, CapacityError | NotFoundError):
        return "/model NAME asks another model; the Up key brings the question back."
    if isinstance(error, ContextLengthError):
        return "/model NAME asks a model with more context."
    return "The Up key brings the question back." if isinstance(error, CfaiError) and error.retryable else ""


def _describe_unknown(command: str) -> str:
    near = difflib.get_close_matches(command, COMMANDS, 1)
    hint = f"did you mean {near[0]}?" if near else "/help lists them"
    return f"there is no command {command}: {hint}"
