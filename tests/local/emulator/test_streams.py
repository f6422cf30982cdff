"""Streams, in the dialect of each family."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.conftest import row
from tests.local.conftest import join
from tests.local.dialects import CHAT, COMPLETION, DUAL, KIMI, NATIVE, RESPONSES, TRAILER

if TYPE_CHECKING:
    from tests.local.conftest import Service

QWQ = "@cf/qwen/qwq-32b"
R1 = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b"
CHATS = (CHAT, COMPLETION, RESPONSES)
PADDING = "abdefghijklmnoprstuvxyz1234567890" * 2
TOOLS: list[Any] = [{"type": "function", "function": {"name": "get_time", "parameters": {"properties": {"zone": {}}}}}]


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def counts(usage: Any) -> tuple[int, ...]:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return tuple(int(usage[name]) for name in names)


def content(payloads: list[Any], field: str = "content") -> str:
    return join(entry["delta"].get(field) or "" for payload in payloads for entry in payload.get("choices", ()))


def finishes(payloads: list[Any]) -> list[Any]:
    return [entry["finish_reason"] for payload in payloads for entry in payload.get("choices", ())]


def test_native_events_are_deltas_with_padding_at_random_and_end_in_usage(service: Service) -> None:
    for text, number in (("hi", None), ("write 1000 words", 256)):
        with row(text):
            *tokens, last = service.payloads(NATIVE, ask(text))
            whole = service.result(NATIVE, ask(text))
            assert all(list(token) == ["response", "tool_calls", "p"] and token["tool_calls"] == [] for token in tokens)
            assert join(str(token["response"]) for token in tokens) == whole["response"]
            assert all(PADDING.startswith(token["p"]) for token in tokens)
            assert len({token["p"] for token in tokens}) > 10
            assert list(last) == ["response", "usage", "p"]
            assert last["response"] == ""
            assert counts(last["usage"]) == counts(whole["usage"])
            assert int(last["usage"]["completion_tokens"]) == len(tokens) == (number or len(tokens))


def test_every_event_is_one_data_line_in_which_digits_are_a_number_and_done_comes_last(service: Service) -> None:
    for model in (NATIVE, DUAL):
        with row(model):
            bodies = [event.data for event in service.events(model, ask("is it 007?"))]
            values = [json.loads(body)["response"] for body in bodies[:-1]]
            assert {42, 0, "007"} <= set(values)
            assert any('"response":42,' in body for body in bodies)
            assert {value for value in values if isinstance(value, str) and value.isdecimal()} <= {"007", "005"}
    body = service.run(NATIVE, ask("hi", stream=True)).text
    blocks = body.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    assert len(blocks) > 3
    assert all(block.startswith("data: {") and "\n" not in block for block in blocks[:-2])
    raw = service.run(NATIVE, ask("naïve 東京 🙂", stream=True)).content
    assert all(text.encode() in raw for text in ("ïve", "東京"))
    # Half a surrogate pair is an escape, for it has no bytes in UTF-8.
    assert rb'"response":"\ud83d"' in raw
    assert rb'"response":"\ude42"' in raw
    half = b'{"prompt": "half \\ud83d an emoji", "stream": true}'
    assert service.http.post(service.url(NATIVE), content=half).text.endswith("data: [DONE]\n\n")


def test_llama_3_3_writes_both_dialects_into_one_event_and_usage_in_increments(service: Service) -> None:
    result = service.result(DUAL, ask("hi"))
    *tokens, last = service.payloads(DUAL, ask("hi"))
    texts = [token["choices"][0]["delta"]["content"] for token in tokens]
    assert [str(token["response"]) for token in tokens] == texts
    assert join(texts) == result["response"]
    prompt, written, _ = counts(result["usage"])
    assert [counts(token["usage"]) for token in tokens] == [(prompt, 1, prompt + 1)] + [(0, 1, 1)] * (written - 1)
    assert all(float(token["usage"]["neurons"]) > 0 for token in tokens)
    assert "usage" not in last


def test_a_stream_finishes_once_at_the_end(service: Service) -> None:
    for model, options, before, reason in (
        (DUAL, {"max_tokens": 5}, None, "length"),
        (DUAL, {}, None, "stop"),
        (TRAILER, {}, "", "stop"),
    ):
        with row((model, options)):
            *between, last = finishes(service.payloads(model, ask("hi", **options)))
            assert (set(between), last) == ({before}, reason)


def test_a_native_tool_call_comes_in_the_order_of_the_service(service: Service) -> None:
    payloads = service.payloads(DUAL, ask("use get_time", tools=TOOLS))
    first, *fragments, nothing, finish, last = payloads
    [call] = first["tool_calls"]
    assert call | {"id": ""} == {"id": "", "type": "function", "index": "0", "function": {"name": "get_time"}}
    parts = [part["tool_calls"][0]["function"]["arguments"] for part in fragments]
    assert len(parts) > 1
    assert json.loads("".join(parts)) == {"zone": None}
    assert nothing["tool_calls"] == [{"id": None, "type": None, "function": {"name": None, "arguments": ""}}]
    assert finish["finish_reason"] == "tool_calls"
    assert int(last["usage"]["completion_tokens"]) == len(parts)


def test_chat_chunks_begin_with_the_role_and_end_with_usage_alone(service: Service) -> None:
    for model in CHATS:
        with row(model):
            payloads = service.payloads(model, ask("hi"))
            head = payloads[0]
            assert (head["object"], head["model"]) == ("chat.completion.chunk", model)
            assert int(head["created"]) > 1_700_000_000
            assert head["id"].startswith("chatcmpl-")
            assert {payload["id"] for payload in payloads} == {head["id"]}
            assert head["choices"][0]["delta"] == {"role": "assistant", "content": ""}
            assert finishes(payloads) == [None] * (len(payloads) - 2) + ["stop"]
            assert payloads[-2]["choices"][0]["delta"] == {}
            assert payloads[-1]["choices"] == []


def test_reasoning_comes_before_the_content_that_the_whole_answer_has(service: Service) -> None:
    for model in (*CHATS, TRAILER, KIMI):
        with row(model):
            field = "reasoning" if model == KIMI else "reasoning_content"
            payloads = service.payloads(model, ask("hi"))
            message = service.result(model, ask("hi"))["choices"][0]["message"]
            assert content(payloads) == message["content"]
            assert content(payloads, field) == message[field]
            kinds = [next(iter(payload["choices"][0]["delta"]), "") for payload in payloads if payload.get("choices")]
            assert kinds.index("content") == kinds.count(field) + 1
    assert "response" in service.result(QWQ, ask("hi"))
    assert content(service.payloads(QWQ, ask("hi")), "reasoning_content")


def test_r1_writes_its_thoughts_into_its_text_and_their_closing_tag(service: Service) -> None:
    whole = service.result(R1, ask("hi", max_tokens=300))["response"]
    payloads = service.payloads(R1, ask("hi", max_tokens=300))
    assert content(payloads, "content") == whole
    assert content(payloads, "reasoning_content") == ""
    thoughts, _, answer = whole.partition("\n</think>\n\n")
    assert (thoughts[:26], answer[:26]) == ("This is emulated reasoning", "This is an emulated answer")
    plain = service.result(R1, ask("hi", response_format={"type": "json_object"}))["response"]
    assert "think" not in str(plain)


def test_usage_of_most_chat_models_is_cumulative(service: Service) -> None:
    for model in (*CHATS, QWQ):
        with row(model):
            reports = [counts(payload["usage"]) for payload in service.payloads(model, ask("hi"))]
            prompt, total = reports[-1][:2]
            assert [report[1] for report in reports] == [*range(total + 1), total, total]
            assert all(report == (prompt, report[1], prompt + report[1]) for report in reports)


def test_usage_of_glm_5_3_flash_is_per_chunk_and_that_of_kimi_comes_twice_at_the_end(service: Service) -> None:
    *chunks, empty, trailer = service.payloads(TRAILER, ask("hi"))
    whole = counts(service.result(TRAILER, ask("hi"))["usage"])
    reports = [counts(chunk["usage"]) for chunk in chunks]
    assert reports[0] == (whole[0], 0, whole[0])
    assert {report[0] for report in reports[1:]} == {0}
    assert sum(report[1] for report in reports) == whole[1]
    assert (empty["choices"], counts(empty["usage"])) == ([], (0, 0, 0))
    assert PADDING.startswith(empty["p"])
    assert list(trailer) == ["response", "usage"]
    assert (trailer["response"], counts(trailer["usage"])) == ("", whole)
    assert float(trailer["usage"]["neurons"]) > 0
    *chunks, empty, trailer = service.payloads(KIMI, ask("hi"))
    whole = counts(service.result(KIMI, ask("hi"))["usage"])
    assert chunks
    assert not any("usage" in chunk for chunk in chunks)
    assert (empty["choices"], counts(empty["usage"])) == ([], whole)
    assert (trailer["response"], counts(trailer["usage"])) == ("", whole)


def test_chat_tool_calls_come_by_index_with_the_id_only_once(service: Service) -> None:
    payloads = service.payloads(CHAT, ask("use get_time", tools=TOOLS))
    deltas = [entry["delta"] for payload in payloads for entry in payload["choices"]]
    first, *rest = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert first["id"].startswith("chatcmpl-tool-")
    assert first["function"] == {"name": "get_time", "arguments": ""}
    assert all(part["index"] == "0" and part["id"] is None for part in rest)
    assert json.loads("".join(part["function"]["arguments"] for part in rest)) == {"zone": None}
    assert finishes(payloads)[-1] == "tool_calls"


def test_n_choices_stream_side_by_side(service: Service) -> None:
    payloads = service.payloads(CHAT, ask("hi", n=2))
    entries = [entry for payload in payloads for entry in payload["choices"]]
    assert [int(entry["index"]) for entry in entries[:8]] == [0, 0, 1, 1, 0, 1, 0, 1]
    whole = [choice["message"]["content"] for choice in service.result(CHAT, ask("hi", n=2))["choices"]]
    for index in (0, 1):
        mine = [entry["delta"].get("content") or "" for entry in entries if int(entry["index"]) == index]
        assert join(mine) == whole[index]


def test_qwen3_streams_a_text_completion_for_a_prompt(service: Service) -> None:
    payloads = service.payloads(COMPLETION, {"prompt": "hi"})
    entries = [entry for payload in payloads for entry in payload["choices"]]
    whole = service.result(COMPLETION, {"prompt": "hi"})["choices"][0]["text"]
    assert payloads[0]["object"] == "text_completion"
    assert join(entry["text"] for entry in entries) == whole
    assert entries[-1]["finish_reason"] == "stop"


def test_responses_events_are_typed_and_numbered_and_arguments_come_in_pieces(service: Service) -> None:
    *events, last = service.events(RESPONSES, {"input": "hi"})
    payloads = [event.json for event in events]
    assert last.data == "[DONE]"
    assert [event.name for event in events] == [payload["type"] for payload in payloads]
    assert [int(payload["sequence_number"]) for payload in payloads] == list(range(len(payloads)))
    kinds = "created output_item.added reasoning_text.delta reasoning_text.done output_item.done"
    kinds += " output_text.delta output_text.done completed"
    assert list(dict.fromkeys(payload["type"] for payload in payloads)) == [
        f"response.{kind}" for kind in kinds.split()
    ]
    text = join(payload["delta"] for payload in payloads if payload["type"] == "response.output_text.delta")
    done = payloads[-1]["response"]
    assert done["output"][1]["content"][0]["text"] == text
    assert int(done["usage"]["total_tokens"]) > 0
    begun = {"id": "", "status": "in_progress", "output": [], "usage": None}
    assert payloads[0]["response"] | {"id": ""} == done | begun
    items = [payload for payload in payloads if payload["type"].startswith("response.output_item.")]
    places = [(payload["output_index"], payload["item"]["type"]) for payload in items]
    assert places == [("0", "reasoning")] * 2 + [("1", "message")] * 2
    deltas = [payload for payload in payloads if payload["type"].endswith("_text.delta")]
    assert {(payload["output_index"], payload["content_index"]) for payload in deltas} == {("0", "0"), ("1", "0")}
    assert service.payloads(RESPONSES, {"input": "hi", "max_output_tokens": 3})[-1]["type"] == "response.incomplete"
    payloads = service.payloads(RESPONSES, {"input": "use get_time", "tools": TOOLS})
    kind = "response.function_call_arguments"
    deltas = [payload["delta"] for payload in payloads if payload["type"] == f"{kind}.delta"]
    [done] = [payload for payload in payloads if payload["type"] == f"{kind}.done"]
    assert len(deltas) > 1
    assert "".join(deltas) == done["arguments"]
    assert done["name"] == "get_time"


def test_what_does_not_stream_answers_with_json(service: Service) -> None:
    for name, model, inputs, status in (
        ("a judge", "@cf/meta/llama-guard-3-8b", ask("hi"), 200),
        ("a translator", "@cf/meta/m2m100-1.2b", {"text": "hi", "target_lang": "french"}, 200),
        ("an embedding model", "@cf/baai/bge-base-en-v1.5", {"text": "hi"}, 200),
        ("a failure before the first token", NATIVE, ask("hi", temperature=6), 400),
    ):
        with row(name):
            response = service.run(model, inputs | {"stream": True})
            assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
