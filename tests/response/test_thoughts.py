"""Thoughts in the text of a model end in `.reasoning`: whole and streamed, cut at every character."""

from __future__ import annotations

import doctest
import json
import warnings
from typing import Any

from cfai import CutAnswerWarning, types
from cfai._response import thoughts
from tests.conftest import SYNC_AND_ASYNC, Caller, Service, row

R1 = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b"
GLM = "@cf/zai-org/glm-4.7-flash"
REPORT = "Two and two.\n</think>\n\nThe answer is 4."


def event(fields: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def events(pieces: list[str]) -> bytes:
    return b"".join(event({"response": piece}) for piece in pieces) + b"data: [DONE]\n\n"


@SYNC_AND_ASYNC
def test_thoughts_before_the_closing_tag_are_reasoning_whole_and_streamed(caller: Caller, service: Service) -> None:
    for text, reasoning, answer in (
        (REPORT, "Two and two.\n", "The answer is 4."),
        ("<think>\nHm.\n</think>\n\n4", "\nHm.\n", "4"),
        ("<think>\n\n</think>\n\n4 </think> 5", "\n\n", "4 </think> 5"),
        ("</think>4", "", "4"),
        ("Hm </thin </think>\n", "Hm </thin ", ""),
        ("No thoughts < at all </thi", "", "No thoughts < at all </thi"),
        ("<thin", "", "<thin"),
        ("\n<think>\nHm.</think>4", "\nHm.", "4"),
        ("<think>\nHm <think> </thi", "\nHm <think> </thi", ""),  # cut, since they began
        ("<think>", "", ""),
        (" \n", "", " \n"),
        ("", "", ""),
    ):
        with row(text):
            service.answers(service.result({"response": text}))
            whole = caller.run(R1, {"prompt": "2+2"})
            assert isinstance(whole, types.TextOutput)
            assert (whole.reasoning, whole.text, whole["response"]) == (reasoning, answer, text)
            for pieces in ([text], [*text], [text[:9], text[9:]], *([text[:at], text[at:]] for at in range(len(text)))):
                service.answers(service.events(events(pieces)))
                stream = caller.stream(R1)
                tokens = list(stream)
                result = stream.result()
                assert "".join(token.text for token in tokens) == result.text == answer, pieces
                assert result.reasoning == reasoning, pieces
                if reasoning:
                    assert "".join(token.reasoning for token in tokens) == reasoning, pieces


@SYNC_AND_ASYNC
def test_thoughts_at_which_the_answer_was_cut_are_no_answer(caller: Caller, service: Service) -> None:
    # The default of the model, what is asked for, and a finish reason tell.
    cut: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {"usage": {"prompt_tokens": 3, "completion_tokens": 256, "total_tokens": 259}}),
        ({"max_tokens": 5}, {"usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}),
        ({}, {"finish_reason": "length"}),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CutAnswerWarning)
        for options, fields in cut:
            with row((options, fields)):
                service.answers(service.result({"response": "Two and two </th", **fields}))
                whole = caller.run(R1, {"prompt": "2+2", **options})
                assert (whole.reasoning, whole.text) == ("Two and two </th", "")
                end = event({"response": "", **fields}) + b"data: [DONE]\n\n"
                service.answers(service.events(event({"response": "Two and "}) + event({"response": "two </th"}) + end))
                stream = caller.run(R1, {"prompt": "2+2", "stream": True, **options})
                tokens = list(stream)
                assert ("".join(token.reasoning for token in tokens), stream.result().text) == ("Two and two </th", "")
                assert stream.result().reasoning == "Two and two </th"
                assert not any(token.text for token in tokens)
    service.answers(service.result({"response": "It is 4.", "usage": {"prompt_tokens": 3, "completion_tokens": 5}}))
    assert caller.run(R1, {"prompt": "2+2", "max_tokens": 6}).text == "It is 4."


@SYNC_AND_ASYNC
def test_tags_stay_in_the_text_of_other_models_and_in_json(caller: Caller, service: Service) -> None:
    for model, options in ((GLM, {}), (R1, {"response_format": {"type": "json_object"}}), (R1, {"raw": True})):
        with row((model, options)):
            service.answers(service.result({"response": REPORT}), service.events(events([REPORT])))
            assert caller.run(model, {"prompt": "2+2", **options}).text == REPORT
            # The service streams no JSON; an answer that came so all the same is read.
            stream = caller.run(model, {"prompt": "2+2", "stream": True, **options}, checks="off")
            assert stream.result().text == REPORT


@SYNC_AND_ASYNC
def test_a_field_of_thoughts_is_reasoning_under_any_of_its_names(caller: Caller, service: Service) -> None:
    for name in ("reasoning_content", "reasoning", "thought"):
        with row(name):
            message = {"role": "assistant", "content": "4", name: "Two and two."}
            service.answers(service.result({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
            answer = caller.run(GLM, {"prompt": "2+2"})
            assert (answer.text, answer.reasoning) == ("4", "Two and two.")
            chunks = [{"choices": [{"index": 0, "delta": {name: "Two and two."}}]}]
            chunks += [{"choices": [{"index": 0, "delta": {"content": "4"}, "finish_reason": "stop"}]}]
            service.answers(service.events(b"".join(map(event, chunks)) + b"data: [DONE]\n\n"))
            result = caller.stream(GLM).result()
            assert (result.text, result.reasoning) == ("4", "Two and two.")


def test_the_examples_in_docstrings_hold() -> None:
    failed, attempted = doctest.testmod(thoughts)
    assert (failed, attempted > 0) == (0, True)
