"""The cell magic `%%ai`."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.utils.capture import capture_output

import cfai
from cfai.local import Emulator, Fault
from tests.conftest import row
from tests.display.conftest import Shell, _only_shell, account, ai, emulator, notebook, terminal

__all__ = ["_only_shell", "account", "ai", "emulator", "notebook", "terminal"]

GLM = "@cf/zai-org/glm-4.7-flash"


@pytest.fixture(autouse=True)
def _loaded(notebook: Shell) -> None:
    assert notebook("%load_ext cfai\n%reload_ext cfai").ok


@pytest.mark.usefixtures("ai")
def test_a_cell_is_the_prompt_and_the_answer_grows_under_it(notebook: Shell, emulator: Emulator) -> None:
    shown = notebook(f"%%ai {GLM}\nWhere is New York?\nIn one line.\n")
    assert emulator.requests[-1].inputs == {"prompt": "Where is New York?\nIn one line.", "stream": True}
    assert "This is an emulated answer to “Where is New York? In one line.”" in shown.text.replace("\n", " ")
    assert len(shown.looks) > 2


@pytest.mark.usefixtures("ai")
def test_the_line_names_a_system_prompt_other_inputs_and_a_variable(notebook: Shell, emulator: Emulator) -> None:
    line = "%%ai glm-4.7-flash --system 'Be brief.' -i max_tokens=500 -i stop=END -v answer"
    assert notebook(f"{line}\nHello").ok
    assert emulator.requests[-1].model == GLM
    assert emulator.requests[-1].inputs == {
        "stream": True,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "max_tokens": 500,
        "stop": "END",
    }
    answer = notebook.shell.user_ns["answer"]
    assert isinstance(answer, cfai.types.ChatCompletion)
    assert notebook("%%ai glm-4.7-flash\nSay it again: {answer}").ok
    assert emulator.requests[-1].inputs["prompt"] == f"Say it again: {answer.text}"


@pytest.mark.usefixtures("ai")
def test_names_in_braces_are_variables_and_other_braces_stay(notebook: Shell, emulator: Emulator) -> None:
    notebook.set(city="Oslo", n=3)
    for prompt, sent in (
        ("{city} {n} {{city}} {unknown}", "Oslo 3 {city} {unknown}"),
        ('{"city": {n}} {} { city } {city.x}', '{"city": 3} {} { city } {city.x}'),
        ("$city ${HOME} {{ x }}", "$city ${HOME} {{ x }}"),
    ):
        with row(prompt):
            assert notebook(f"%%ai {GLM}\n{prompt}").ok
            assert emulator.requests[-1].inputs["prompt"] == sent


@pytest.mark.usefixtures("ai")
def test_models_of_other_tasks_take_the_cell_under_their_own_name_for_it(notebook: Shell, emulator: Emulator) -> None:
    for line, inputs, kind in (
        ("flux-1-schnell", {"prompt": "a cat"}, "image/jpeg"),
        ("melotts", {"prompt": "a cat"}, "text/html"),
        ("aura-1", {"text": "a cat"}, "text/html"),
        ("m2m100-1.2b -i target_lang=fr", {"text": "a cat", "target_lang": "fr"}, "text/markdown"),
        ("distilbert-sst-2-int8", {"text": "a cat"}, "image/svg+xml"),
        ("bge-m3", {"text": "a cat"}, "text/plain"),
    ):
        with row(line):
            shown = notebook(f"%%ai {line}\na cat")
            assert emulator.requests[-1].inputs == inputs
            assert kind in shown.page


def test_without_a_client_in_the_namespace_the_environment_has_the_credentials(
    notebook: Shell, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, account: None
) -> None:
    before = len(emulator.requests)
    for _ in range(2):
        assert notebook(f"%%ai {GLM}\nHello").ok
    assert len(emulator.requests) == before + 2
    notebook.set(ai="no client")
    assert notebook(f"%%ai {GLM}\nHello").ok
    monkeypatch.delenv("CLOUDFLARE_ACCOUNT_ID")
    assert notebook("%reload_ext cfai").ok
    assert "ConfigurationError" in notebook(f"%%ai {GLM}\nHello").stdout


def test_mistakes_say_what_to_do(notebook: Shell, ai: Any, emulator: Emulator) -> None:
    for line, message in (
        ("", "the following arguments are required: model"),
        (f"{GLM} --nope", "unrecognized arguments: --nope"),
        (f"{GLM} -v 1x", "--var must be the name of a variable, got '1x'"),
        (f"{GLM} -i temperature", "--input must be key=value, such as max_tokens=100, got 'temperature'"),
        (f"{GLM} -s 'Be", "the line of %%ai must have its quotes in pairs"),
        ("flux-1-schnell -s x", "--system is for models that write text, which @cf/black-forest-labs/flux-1-schnell"),
        ("resnet-50", "@cf/microsoft/resnet-50 takes no text alone"),
        ("@cf/zai-org/glm-4.7", "glm-4.7"),
    ):
        with row(line):
            shown = notebook(f"%%ai {line}\nHello")
            assert not shown.ok
            assert message in shown.stdout.replace("\n", " ")
            assert "run_cell_magic" not in shown.stdout
    emulator.script(Fault(truncate_after=40))
    shown = notebook(f"%%ai {GLM} -v late\nHello")
    assert not shown.ok
    assert "StreamTruncatedError" in shown.stdout
    assert "late" not in notebook.shell.user_ns


@pytest.mark.usefixtures("ai")
def test_a_warning_is_its_words_alone(notebook: Shell) -> None:
    with capture_output() as captured:
        notebook.shell.run_cell("%%ai @cf/meta/llama-2-7b-chat-int8\nWhere is New York?")
    assert captured.stderr.startswith("@cf/meta/llama-2-7b-chat-int8 was retired on 2026-")
    assert ".py" not in captured.stderr


@pytest.mark.usefixtures("ai")
def test_in_a_terminal_the_answer_is_printed(terminal: Shell) -> None:
    assert terminal(f"%%ai {GLM}\nHello").stdout.startswith("This is an emulated answer to “Hello”")
    assert terminal("%%ai flux-1-schnell\na cat").page["text/plain"].startswith("Image(image/jpeg, ")


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of IPython's own
def test_names_of_live_models_are_completed_and_help_is_there(notebook: Shell) -> None:
    found = notebook.shell.complete("@cf/zai-org/glm-4", "%%ai @cf/zai-org/glm-4")[1]
    assert found == [GLM]
    assert "{name}" in notebook("%%ai?").stdout
