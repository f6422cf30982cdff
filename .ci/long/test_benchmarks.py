"""The benchmarks themselves, in small: what is read is what was sent. No time is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest
from benchmarks import calls, embeddings, growth, many, streaming
from benchmarks.clients import AsyncCfai, check_texts, get_text, running_server, texts_in
from benchmarks.measure import Report, Target, in_turns
from benchmarks.server import answer, event, prepared, trailer, words


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    with running_server() as url:
        yield url


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("how", ["hot", "bursts"])
def test_every_client_reads_the_words_that_were_sent_in_their_order(server: str, how: str, is_async: bool) -> None:
    with streaming.opened(server, how, 300, is_async=is_async) as clients:
        read = {name: stream() for name, (stream, _) in clients.items() if not name.startswith("floor")}
    assert list(read) == ["cfai, native", "cfai, chat", "httpx-sse, native", "httpx-sse, chat", "openai"]
    assert all(texts == words(300) for texts in read.values())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_every_client_gets_the_whole_answer_and_tells_when_each_token_arrived(server: str, is_async: bool) -> None:
    with streaming.opened(server, "paced", 5, is_async=is_async) as clients:
        for stream, _ in clients.values():
            arrived: list[int] = []
            sent = [int(text) for text in stream(arrived)]
            assert len(sent) == 5
            assert all(left < there for left, there in zip(sent, arrived, strict=False))
    with streaming.opened(server, "whole", 1, is_async=is_async) as clients:
        read = {name: call() for name, (_, call) in clients.items() if name.startswith(("cfai", "openai"))}
    assert set(read.values()) == {"".join(words(12))}


def test_a_crowd_gets_its_tokens_in_step(server: str) -> None:
    async def crowd() -> list[list[str]]:
        client = AsyncCfai(server, "crowd-3", "native", 2)
        try:
            return await asyncio.gather(*(client.stream() for _ in range(3)))
        finally:
            await client.close()

    assert asyncio.run(crowd()) == [words(2)] * 3


@pytest.mark.parametrize("dialect", ["native", "chat"])
def test_a_stream_is_the_same_text_however_it_is_sent(dialect: str) -> None:
    bodies = [_join_chunks(prepared(how, dialect, 400)) for how in ("hot", "bursts")]
    assert bodies[0] == bodies[1]
    assert texts_in(bodies[0] + trailer(dialect)) == words(400)
    assert len(prepared("bursts", dialect, 400)) < len(prepared("hot", dialect, 400)) == 400


def test_an_answer_and_an_event_have_the_shape_of_their_dialect() -> None:
    assert answer("native").startswith(b'{"result":{"response":')
    assert answer("openai").startswith(b'{"id":')
    assert event("native", "a").startswith(b'data: {"response":"a","p":"')
    assert get_text({"choices": []}) is None
    with pytest.raises(AssertionError, match="a client gave other texts"):
        check_texts("a client", words(3)[1:], 3)


def test_runs_take_turns_and_the_first_turn_does_not_count() -> None:
    order: list[str] = []
    figures = iter(range(6))

    def run(name: str) -> float:
        order.append(name)
        return next(figures)

    values = in_turns({"one": lambda: run("one"), "two": lambda: run("two")}, 2)
    assert order == ["one", "two", "two", "one", "one", "two"]
    assert values == {"one": [3, 4], "two": [2, 5]}


def test_a_report_says_which_targets_were_met(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    values = {"one": [1.0, 2.0, 3.0], "two": [2.0, 4.0, 6.0]}
    report.table("title", "us", values, Target("half", "one", 0.5, "two"), Target("low", "two", 3.9), baseline="two")
    report.summary()
    printed = capsys.readouterr().out
    assert "met    half: one 0.5 x two" in printed
    assert "MISSED low: two 4 " in printed
    assert "1 targets met, 1 missed" in printed


def test_each_table_has_a_figure_for_every_target(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    streaming.hot(report, server, 1, count=20)
    streaming.bursts(report, server, 1, count=200)
    streaming.paced(report, server, 1, count=3)
    streaming.first_token(report, server, 1, times=1)
    calls.small(report, server, 1, times=1)
    calls.limits(report, server, 1, times=1, kilobytes=(1, 2))
    embeddings.vectors(report, server, 1)
    many.overhead(report, server, 1, count=20)
    many.growth(report, server, 1, counts=(20, 200))
    growth.one_event(report, server, 1, megabytes=1)
    growth.many_tokens(report, server, 1, count=1000)
    printed = capsys.readouterr().out
    assert "target ≤ 1.35" in printed
    assert "time to first token" in printed
    assert len(report.met) + len(report.missed) == 8 + 8 + 12 + 8 + 8 + 3 + 5 + 2 + 1 + 1


def _join_chunks(pieces: list[bytes]) -> bytes:
    """Return a body out of its chunks."""
    return b"".join(piece.partition(b"\r\n")[2][:-2] for piece in pieces)
