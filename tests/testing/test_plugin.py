"""The pytest plugin, as test runs of their own see it."""

from __future__ import annotations

import importlib.metadata

import pytest

pytest_plugins = ["pytester"]

MODEL = "@cf/zai-org/glm-4.7-flash"
STRICT = ["-W", "error", "--strict-markers", "--strict-config", "-p", "no:cacheprovider"]


# Runs are processes of their own: one in this process makes it forget what it was the first to import.
def test_a_test_with_a_fault_takes_five_lines(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        @pytest.mark.workers_ai(faults=[503, "ok"])
        def test_a_busy_model_is_asked_again(ai, workers_ai):
            assert ai.run("{MODEL}", {{"prompt": "Hello"}}).text.startswith("This is an emulated")
            workers_ai.assert_sent(times=2)
        """
    )
    pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=1)


def test_a_test_leaves_nothing_of_its_own_behind(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "the machine's own")
    pytester.makepyfile(
        """
        import os, socket, threading
        import pytest

        ports = []

        @pytest.fixture(autouse=True)
        def patched_from_the_start(monkeypatch):
            pass

        @pytest.mark.parametrize("again", [1, 2])
        def test_here(workers_ai, monkeypatch, again):
            ports.append(workers_ai.port)
            assert os.environ["CLOUDFLARE_API_TOKEN"] == workers_ai.api_token
            monkeypatch.delenv("CLOUDFLARE_API_TOKEN")

        def test_gone():
            for port in ports:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port), timeout=1)
            assert len(ports) == 2
            assert "cfai-emulator" not in [thread.name for thread in threading.enumerate()]
            names = {name: value for name, value in os.environ.items() if name.startswith("CLOUDFLARE_")}
            assert names == {"CLOUDFLARE_API_TOKEN": "the machine's own"}
        """
    )
    pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=3)


def test_workers_of_xdist_have_a_server_each(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.workers_ai(faults=[503, 503])
        @pytest.mark.parametrize("number", range(5))
        def test_it(ai, workers_ai, number, worker_id):
            workers_ai.script("ok", "ok")
            ai.run("{MODEL}", {{"prompt": f"{{worker_id}} {{number}}"}})
            workers_ai.assert_sent(times=3)
            workers_ai.assert_sent(inputs={{"prompt": f"{{worker_id}} {{number}}"}}, times=3)
        """
    )
    # Each worker runs every test.
    pytester.runpytest_subprocess(*STRICT, "-n", "2", "--dist", "each").assert_outcomes(passed=10)


def test_a_failure_shows_the_line_of_the_test_and_what_was_sent(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        def test_sent(ai, workers_ai):
            ai.run("{MODEL}", {{"prompt": "Hello", "max_tokens": 100}})
            workers_ai.assert_sent("{MODEL}", {{"max_tokens": 200}})

        def test_not_sent(ai, workers_ai):
            ai.run("{MODEL}", {{"prompt": "Hello"}})
            workers_ai.assert_not_sent()

        @pytest.mark.workers_ai(faults=503)
        def test_marked(): pass
        """
    )
    result = pytester.runpytest_subprocess(*STRICT)
    result.assert_outcomes(failed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*_ ERROR at setup of test_marked _*",
            "@pytest.mark.workers_ai: faults must be a list, got 503",
            "*= FAILURES =*",
        ],
        consecutive=True,
    )
    result.stdout.fnmatch_lines(
        [
            f'>       workers_ai.assert_sent("{MODEL}", {{"max_tokens": 200}})',
            f"E       AssertionError: no request was sent with model='{MODEL}', inputs={{'max_tokens': 200}}",
            "E       received, oldest first:",
            f"E       1. {MODEL} {{'prompt': 'Hello', 'max_tokens': 100}}",
            "E          inputs['max_tokens'] is 100, not 200",
            "",
            "test_a_failure_*.py:*: AssertionError",
            "*_ test_not_sent _*",
        ],
        consecutive=True,
    )
    result.stdout.fnmatch_lines(
        [
            ">       workers_ai.assert_not_sent()",
            "E       AssertionError: 1 request was sent, not 0",
            "E       received, oldest first:",
            f"E       1. {MODEL} {{'prompt': 'Hello'}}",
            "",
            "test_a_failure_*.py:*: AssertionError",
        ],
        consecutive=True,
    )


def test_the_mark_is_explained_and_the_plugin_can_be_switched_off(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--markers")
    result.stdout.fnmatch_lines(['@pytest.mark.workers_ai(faults=[[]503, "ok"[]], [*][*]options): what the requests *'])
    pytester.makepyfile("def test_it(workers_ai): pass")
    result = pytester.runpytest_subprocess(*STRICT, "-p", "no:cfai")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'workers_ai' not found"])


# Nothing that is not asked for


def test_a_run_without_it_imports_one_module_and_starts_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_modules(*arguments: str) -> set[str]:
        monkeypatch.setenv("FOUND", str(pytester.path / "found"))
        pytester.runpytest_subprocess(*STRICT, *arguments).assert_outcomes(passed=1)
        return set((pytester.path / "found").read_text().splitlines())

    pytester.makepyfile(
        """
        import os, pathlib, sys, threading

        def test_what_is_there():
            there = [*sys.modules, *(thread.name for thread in threading.enumerate())]
            pathlib.Path(os.environ["FOUND"]).write_text("\\n".join(there))
        """
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert list_modules("-p", "cfai") - list_modules() == {"cfai_pytest"}
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    loaded = list_modules()
    assert "cfai_pytest" in loaded
    ours = {"cfai", "starlette", "uvicorn", "cfai-emulator"}
    assert {name for name in loaded if name.partition(".")[0] in ours} == set()
    (entry_point,) = importlib.metadata.entry_points(group="pytest11", name="cfai")
    assert entry_point.value == "cfai_pytest"


@pytest.mark.parametrize("package", ["uvicorn"])
def test_without_the_extra_a_line_says_what_to_install_and_others_pass(pytester: pytest.Pytester, package: str) -> None:
    pytester.makeconftest(f"import sys\nsys.modules['{package}'] = None")
    pytester.makepyfile(
        """
        def test_other(): pass

        def test_server(workers_ai): pass

        def test_client(ai): pass
        """
    )
    result = pytester.runpytest_subprocess(*STRICT)
    result.assert_outcomes(passed=1, errors=2)
    line = 'the emulator needs another package: pip install "cfai-sdk[[]emulator]"'
    lines = [
        "*_ ERROR at setup of test_server _*",
        line,
        "*_ ERROR at setup of test_client _*",
        line,
        "*= short test *",
    ]
    result.stdout.fnmatch_lines(lines, consecutive=True)
