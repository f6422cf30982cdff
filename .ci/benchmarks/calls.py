"""The cost of a call that is not streamed, and what the limits' check adds to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from cfai._config import LimitPolicy
from cfai._limits import check_unless_short

from .measure import Report, Target, cpu_us, in_turns
from .server import CHAT_MODEL, NATIVE_MODEL
from .streaming import against, colour, opened

_PROSE = "The quick brown fox jumps over the lazy dog, and nobody knows why it would do so twice. "
_SMALL_WINDOW = "@cf/meta/llama-2-7b-chat-int8"


def small(report: Report, server: str, rounds: int, times: int = 100) -> None:
    """Return a call with a short answer, on a connection that is open. The floor posts JSON and takes the bytes."""
    for is_async in (False, True):
        with opened(server, "whole", 1, is_async=is_async) as clients:
            runs = {
                name: _calls(name, call, times) for name, (_, call) in clients.items() if not name.startswith("httpx")
            }
            values = in_turns(runs, rounds)
        targets = against({"floor": 1.20, "openai": 0.55})
        title = f"CPU, a small call that is not streamed, {colour(is_async)}"
        report.table(title, "µs a call", values, *targets, baseline="floor, native")


def limits(
    report: Report, server: str, rounds: int, times: int = 100, kilobytes: tuple[int, ...] = (64, 256, 1024)
) -> None:
    """Return the check of a prompt of 4 KB beside the call that follows, and of longer ones by the KB."""
    with opened(server, "whole", 1, is_async=False) as clients:
        runs = {"the call": _calls("cfai, native", clients["cfai, native"][1], times)}
        runs |= {f"check, {name}": _checks(model, 4, times) for name, model in _MODELS.items()}
        values = in_turns(runs, rounds)
    targets = [Target("to the call", f"check, {name}", 0.05, "the call") for name in _MODELS]
    report.table("CPU, limits of a prompt of 4 KB", "µs", values, *targets[:-1], baseline="the call")
    long = {f"{size} KB": _checks(_SMALL_WINDOW, size, 4, per=size) for size in kilobytes}
    linear = Target("linear", f"{kilobytes[-1]} KB", 1.3, f"{kilobytes[0]} KB")
    report.table(f"CPU, limits of long prompts, {_SMALL_WINDOW}", "µs a KB", in_turns(long, rounds), linear)


_MODELS = {"wide window": NATIVE_MODEL, "wide window, chat": CHAT_MODEL, "2048 tokens": _SMALL_WINDOW}


def _calls(name: str, call: Callable[[], str], times: int) -> Callable[[], float]:
    def work() -> None:
        for _ in range(times):
            if not call():
                raise AssertionError(f"{name} gave no answer")

    return lambda: cpu_us(work, times)


def _checks(model: str, kilobytes: int, times: int, per: int = 1) -> Callable[[], float]:
    # Limits are not raised here but found: a prompt that is too long is checked whole. What was counted of a text is
    # remembered, so each prompt is another one.
    prompt = (_PROSE * (kilobytes * 1024 // len(_PROSE) + 1))[: kilobytes * 1024]
    numbers = itertools.count()

    def work() -> None:
        for _ in range(times):
            check_unless_short(model, {"prompt": f"{next(numbers)} {prompt}", "stream": True}, LimitPolicy())

    return lambda: cpu_us(work, times * per)
