"""Errors and warnings of a command: a line on standard error, in words of the command line, and an exit code."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from cfai import (
    CfaiError,
    ConfigurationError,
    CutAnswerWarning,
    InferenceUpstreamError,
    InputError,
    OutputValidationError,
    StreamError,
)
from cfai._escape import escape_controls
from cfai.cli._terminal import print_text

# What a message says to who writes Python, and what that is here. The longer ones come first.
_WORDS = {
    r"^\[Errno -?\d+\] ": "",
    r"^`(\w+)`( must be given for .*)\. Add what is missing": r"`\1`\2. Add -i \1=…",
    r"Add what is missing": "Add what is missing with -i NAME=VALUE",
    r"models\.list\((\w+)=['\"]([\w-]+)['\"](?:, live=True)?\)": r"cfai models list --\1 \2",
    r"`messages\[\d+\]`": "the prompt",
    r"[Pp]ass max_tokens, as a number, [^.]*": "--max-tokens 1000 allows more",
    r"pass account_id, or set": "set",
    r"pass api_token, or set": "set",
    r"start the program with cfai dev -- python app\.py, or use Ai\.local\(\)": "cfai run --local",
    r"pass checks='(\w+)' to": r"add --checks \1 to",
    r"checks=['\"](\w+)['\"]": r"--checks \1",
    r"allow_remote=True, or --allow-remote,": "--allow-remote",
    r"`?\bmax_tokens\b`?(?:=(?=\d))?": "--max-tokens",
    r"`(task|author|capability)`": r"--\1",
    r"`fallback`": "--fallback",
    r"`output_type`": "--schema",
    r"inputs\['messages'\](?:\[\d+\]|\['\w+'\])*": "the attachment",
    r"inputs\['(\w+)'\]": r"-i \1",
}


def to_command_words(message: str) -> str:
    """Return a message with the names of options in the place of those of arguments.

    >>> to_command_words("Set max_tokens to 512 or less, or pass checks='warn' to send it all the same.")
    'Set --max-tokens to 512 or less, or add --checks warn to send it all the same.'
    """
    for pattern, words in _WORDS.items():
        message = re.sub(pattern, words, message)
    if "=…" in message:
        from cfai.cli._model_table import EXAMPLE_INPUTS

        message = re.sub(r"-i (\w+)=…", lambda found: f"-i {found[1]}={EXAMPLE_INPUTS.get(found[1], '…')}", message)
    return message


def make_error_console() -> Console:
    """Return the console of standard error. With `NO_COLOR` it writes no escape at all."""
    colors = None if os.environ.get("NO_COLOR") else "auto"
    return Console(stderr=True, highlight=False, soft_wrap=True, color_system=colors)


def print_error(error: BaseException) -> None:
    """Print an error in a line of its own, which a terminal breaks between words."""
    print_line(to_command_words(str(error)), "red")


def print_line(text: str, style: str) -> None:
    """Print text on standard error; a terminal breaks it between words."""
    console = make_error_console()
    if console.is_terminal:
        console.print(Text(escape_controls(text), style), soft_wrap=False)
    else:
        print_text(console, text)


@contextmanager
def report_errors(*, command: str = "cfai run") -> Generator[None]:
    """Print the error that ends a command, and end with its exit code: 2 for what was refused unsent, else 1.

    An advice to run a model on this machine names `command`.
    """
    try:
        yield
    except BrokenPipeError:  # a reader who has seen enough
        raise
    except (CfaiError, ImportError, OSError, OverflowError, ValueError) as error:
        try:
            sys.stdout.flush()
        except OSError:
            # The interpreter would try once more as it ends, and tell of it in lines of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print_line(to_command_words(str(error)).replace("cfai run --local", f"{command} --local"), "red")
        raise typer.Exit(2 if _is_unsent(error) else 1) from error


def _is_unsent(error: Exception) -> bool:
    """Return True for an error of which the service knows nothing: arguments, inputs or settings that cannot be."""
    is_of_answer = isinstance(error, InferenceUpstreamError | StreamError | OutputValidationError)
    return isinstance(error, InputError | ValueError) and not is_of_answer


@contextmanager
def refuse_arguments() -> Generator[None]:
    """Print what is wrong with the arguments of a command, and end with exit code 2."""
    try:
        yield
    except (ConfigurationError, InputError, OSError, ValueError) as error:
        print_error(error)
        raise typer.Exit(2) from error


@contextmanager
def print_warnings(cut: str) -> Generator[None]:
    """Print warnings in a line each, after the answer: the place in the code that they name means nothing here.

    An answer that was cut is told in the words of `cut`.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            told = (cut if warning.category is CutAnswerWarning else str(warning.message) for warning in caught)
            for message in dict.fromkeys(told):
                print_line(to_command_words(message), "yellow")
