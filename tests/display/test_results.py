"""What a notebook shows of each result."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import cfai.local
from cfai import models, types
from cfai._display import format_facts
from cfai.types import Binary, Meta
from tests.conftest import row
from tests.display.conftest import Shell

MEDIA = Path(cfai.local.__path__[0], "emulator", "media")
PROGRAM = Path(__file__).parents[1] / "programs" / "notebook.py"
GLM = "@cf/zai-org/glm-4.7-flash"
FACTS = r'<small style="color: gray">(?:[\d,]+ tokens, )?[\d.]+ neurons, \$0\.\d+, [\d.]+ m?s</small>$'
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>\x1b]0;title\x07 "\' &amp;'


@pytest.mark.usefixtures("account")
def test_each_line_of_the_program_shows_what_its_comment_says(
    notebook: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.png").write_bytes((MEDIA / "picture.png").read_bytes())
    (tmp_path / "a.wav").write_bytes((MEDIA / "speech.wav").read_bytes())
    source = PROGRAM.read_text("utf-8")
    lines = [ast.get_source_segment(source, each) or "" for each in ast.parse(source).body]
    _, *calls = [line for line in lines if line.startswith(("ai", "models", "vectors"))]
    for line in lines[: lines.index(calls[0])]:
        assert notebook(line).ok, line
    kinds = ["text/markdown", "text/markdown", "text/html", "", "text/html"]
    kinds += ["image/svg+xml", "image/svg+xml", "image/jpeg", "text/html"]
    expected = [
        "emulated answer",
        "emulated answer",
        "flux-1-schnell",
        "",
        "00:00.0",
        "EMULATED",
        "<rect",
        "",
        "<audio",
    ]
    for call, kind, part in zip(calls, kinds, expected, strict=True):
        with row(call):
            shown = notebook(call)
            if not kind:
                assert notebook("vectors.shape, str(vectors.dtype)").page["text/plain"] == "((1000, 1024), 'float32')"
                continue
            assert {*shown.page} == {kind, "text/plain"}
            assert part in str(shown.page[kind])
            assert len(shown.page["text/plain"]) <= 300 or "models" in call
    grown = notebook(calls[1]).looks
    assert [*grown[0]] == ["text/html", "text/plain"]
    assert len(grown) >= 3
    notebook("ai.close()")


def test_an_answer_is_markdown_with_a_grey_line_of_what_it_took(notebook: Shell, ai: Any) -> None:
    page = notebook(f'ai.run("{GLM}", {{"prompt": "Where is New York?"}})').text
    assert "This is an emulated answer to “Where is New York?”" in page
    assert re.search(rf"\n\n{FACTS}", page)
    assert page.startswith("<details><summary>Reasoning</summary>\n\nThis is emulated reasoning")


def test_the_grey_line_is_left_out_where_there_is_nothing_to_tell(notebook: Shell) -> None:
    notebook.set(answer=types.NativeText(response="*Hello*"))
    assert notebook("answer").text == "*Hello*"


def test_tools_and_objects_are_shown_as_code(notebook: Shell, ai: Any) -> None:
    call = {"name": "weather", "arguments": {"city": "<Oslo>"}}
    notebook.set(answer=types.NativeText(response=None, tool_calls=[call]))
    assert notebook("answer").text.strip() == (
        "<pre><code>weather&#40;&#123;&#34;city&#34;&#58;&#34;&#60;Oslo&#62;&#34;&#125;&#41;</code></pre>"
    )
    notebook.set(answer=types.StructuredOutput.of(types.NativeText(response='{"city": "Oslo"}'), {"city": "Oslo"}))
    assert notebook("answer").text == '```json\n{\n  "city": "Oslo"\n}\n```'
    assert notebook("answer").page["text/plain"].startswith("StructuredOutput(output={'city': 'Oslo'}, text=")


def test_labels_stand_beside_their_picture_and_objects_in_it(notebook: Shell, ai: Any) -> None:
    notebook.set(picture=MEDIA / "picture.jpg")
    for model, shapes in (("microsoft/resnet-50", 3), ("facebook/detr-resnet-50", 3)):
        for call in ("ai.run", "await ai.arun"):
            with row((model, call)):
                page = notebook(f'{call}("@cf/{model}", {{"image": picture}})').page["image/svg+xml"]
                svg = ElementTree.fromstring(page)
                image = svg.find("{*}image")
                assert image is not None
                assert (image.get("href") or "").startswith("data:image/jpeg;base64,/9j/")
                assert len([*svg]) >= shapes
                assert "emulated" in page.lower()
    boxes = ElementTree.fromstring(page)
    assert boxes.get("viewBox") == "0 0 512 512"
    box = boxes.find("{*}rect")
    assert box is not None
    assert [box.get(name) for name in ("x", "y", "width", "height")] == ["8", "8", "64", "48"]


def test_places_are_shown_in_their_picture(notebook: Shell, ai: Any) -> None:
    notebook.set(picture=MEDIA / "picture.jpg")
    for task, target, shape, values in (
        ("detect", "cat", "rect", {"x": "51.2", "width": "409.6"}),
        ("point", "cat", "circle", {"cx": "256", "cy": "256"}),
    ):
        with row(task):
            inputs = f'{{"image": picture, "task": "{task}", "target": "{target}"}}'
            page = notebook(f'ai.run("@cf/moondream/moondream3.1-9B-A2B", {inputs})').page["image/svg+xml"]
            found = ElementTree.fromstring(page).find(f"{{*}}{shape}")
            assert found is not None
            assert {name: found.get(name) for name in values} == values
    shown = notebook('ai.run("@cf/moondream/moondream3.1-9B-A2B", {"image": picture, "question": "What is it?"})')
    assert [*shown.page] == ["text/markdown", "text/plain"]


def test_a_picture_is_kept_in_a_notebook_alone(ai: Any, terminal: Shell) -> None:
    answer = ai.run("@cf/microsoft/resnet-50", {"image": MEDIA / "picture.jpg"})
    assert answer._picture is None
    ranking = ai.run("@cf/baai/bge-reranker-base", {"query": "a", "contexts": [{"text": "b"}]})
    assert ranking._contexts is None


def test_without_a_picture_labels_are_bars_and_objects_a_table(notebook: Shell) -> None:
    labels = types.Classification([{"label": "cat", "score": 0.25}, {"label": HOSTILE, "score": 0.75}])  # type: ignore
    box = {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}
    objects = types.DetectedObjects([{"label": HOSTILE, "score": 0.5, "box": box}])  # type: ignore
    notebook.set(labels=labels, objects=objects)
    svg = ElementTree.fromstring(notebook("labels").page["image/svg+xml"])
    texts = [each.text for each in svg.findall("{*}text")]
    assert texts[1::2] == ["75.0%", "25.0%"]
    assert texts[2] == "cat"
    assert svg.find("{*}image") is None
    assert svg.findtext("{*}title") is not None
    assert "<td" in notebook("objects").text
    for name in ("labels", "objects"):
        assert "<img" not in notebook(name).text
        assert "<script" not in notebook(name).text
        assert "\x1b" not in notebook(name).text


def test_what_was_ranked_stands_beside_its_score_the_best_first(notebook: Shell, ai: Any) -> None:
    notebook.set(contexts=[{"text": "Rain falls."}, {"text": "The <b>key</b> opens the door."}])
    page = notebook('ai.run("@cf/baai/bge-reranker-base", {"query": "Open the door", "contexts": contexts})').text
    assert page.index("The &lt;b&gt;key") < page.index("Rain falls.")
    assert re.search(FACTS, page)
    notebook.set(ranking=types.Reranking(response=[{"id": 4, "score": 0.5}]))  # type: ignore
    assert ">4<" in notebook("ranking").text


def test_a_transcript_has_its_times_by_segment_or_by_a_line_of_words(notebook: Shell, ai: Any) -> None:
    notebook.set(sound=MEDIA / "speech.mp3")
    for model in ("openai/whisper-large-v3-turbo", "deepgram/nova-3", "openai/whisper"):
        with row(model):
            page = notebook(f'ai.run("@cf/{model}", {{"audio": sound}})').text
            assert ">00:00.0</td>" in page
            assert ">This transcript is emulated by cfai.</td>" in page
    words = [{"word": word, "start": at, "end": at + 1} for at, word in enumerate(["<Yes>.", *"abcdefghijklmno"], 60)]
    notebook.set(answer=types.Transcription(text="Yes.", words=words), plain=types.Transcription(text="<b> Yes."))  # type: ignore
    page = notebook("answer").text
    assert re.findall(r">(\d\d:\d\d\.\d)</td>", page) == ["01:00.0", "01:01.0", "01:13.0"]
    assert "&lt;Yes&gt;." in page
    assert notebook("plain").text == "&lt;b> Yes."


def test_images_and_sounds_are_shown_whatever_type_they_claim(notebook: Shell) -> None:
    png = (MEDIA / "picture.png").read_bytes()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    for content, media_type, kind, part in (
        (png, "", "image/png", None),
        (svg, "image/svg+xml", "text/html", '<img src="data:image/svg+xml;base64,PHN2'),
        (b"x", 'image/"><script>', "text/html", '<img src="data:application/octet-stream;base64,eA=="'),
        (b"ID3", "", "text/html", '<audio controls preload="metadata" src="data:audio/mpeg;base64,SUQz"></audio>'),
        (b"x" * 2000, "audio/l16", "text/html", "2,000 bytes of audio/l16, which a browser does not play: .save(path)"),
        (b"x", 'audio/"><script>', "text/html", "audio/&quot;&gt;&lt;script&gt;"),
    ):
        with row(media_type or content[:4]):
            notebook.set(output=Binary.of(content, media_type, Meta()))
            page = notebook("output").page
            assert {*page} == {kind, "text/plain"}
            assert part is None or part in page[kind]
            assert "<script" not in str(page.get("text/html"))
    notebook.set(output=Binary.of(b"x", "application/x-own", Meta()))
    assert notebook("output").page == {"text/plain": "Binary(application/x-own, 1 bytes)"}


def test_texts_of_other_tasks_are_shown_as_texts(notebook: Shell, ai: Any) -> None:
    for model, inputs, text in (
        ("meta/m2m100-1.2b", {"text": "Good day", "target_lang": "fr"}, "translation of “Good day”"),
        ("meta/llama-guard-3-8b", {"messages": [{"role": "user", "content": "Hello"}]}, "safe"),
    ):
        with row(model):
            notebook.set(inputs=inputs)
            page = notebook(f'ai.run("@cf/{model}", inputs)').page
            assert {*page} == {"text/markdown", "text/plain"}
            assert text in page["text/markdown"]
    notebook.set(answer=types.Translation(translations=["<a>", "<b>"]), words=types.ImageDescription(description="<c>"))  # type: ignore
    notebook.set(summary=types.Summary(summary="<d>"))
    assert notebook("answer").text == "&lt;a>\n\n&lt;b>"
    assert notebook("words").text == "&lt;c>"
    assert notebook("summary").text == "&lt;d>"


def test_decisions_are_a_row_a_question(notebook: Shell) -> None:
    answers = {
        "<late>": {"type": "noul", "noul": 0.25},
        "team": {"type": "choice", "choice": "<b>sales</b>", "confidence": 0.5},
        "tone": {"type": "score", "score": 1.5, "confidence": 0.125},
    }
    notebook.set(answer=types.ClefOutput(answers=answers))  # type: ignore
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", notebook("answer").text)
    assert cells == [
        *("&lt;late&gt;", "25.0% yes", ""),
        *("team", "&lt;b&gt;sales&lt;/b&gt;", "50.0%"),
        *("tone", "1.50", "12.5%"),
    ]


def test_models_and_usage_are_tables(notebook: Shell, ai: Any) -> None:
    notebook("from cfai import models")
    page = notebook('models.list(task="text-to-image")').page["text/html"]
    assert page.startswith("<table><tr><th ")
    assert page.count("<tr>") > 10
    one = notebook(f'models.get("{GLM}")').page
    assert one["text/html"].count("<tr>") == 2
    assert len(one["text/plain"]) <= 300
    ai.run(GLM, {"prompt": "Hello"})
    assert f">{GLM}</td>" in notebook("ai.usage").page["text/html"]


def test_embeddings_are_short(notebook: Shell, ai: Any) -> None:
    page = notebook('ai.run("@cf/baai/bge-m3", {"text": ["a", "b", "c"]})').page
    assert page == {"text/plain": "Embeddings(shape=[3, 1024], pooling='mean')"}
    assert len(notebook('ai.embed("@cf/baai/bge-m3", ["a", "b", "c"])').page["text/plain"]) < 100


def test_an_answer_of_several_calls_tells_what_all_of_them_took(notebook: Shell, ai: Any) -> None:
    step = types.Step([], types.NativeText(response="a", usage={"prompt_tokens": 3, "completion_tokens": 4}), [], 1.5)  # type: ignore
    notebook.set(answer=types.ToolsOutput.from_steps([step, step], []))
    assert notebook("answer").text == 'a\n\n<small style="color: gray">14 tokens, 3.0 s</small>'


def test_amounts_have_the_digits_that_matter() -> None:
    for facts, expected in (
        ((131, 4.5, 4.5 * models.USD_PER_NEURON, 1.234), "131 tokens, 4.5 neurons, $0.00005, 1.2 s"),
        ((1, None, 0.0, 0.0), "1 token, $0"),
        ((12_345, 1234.5, 1.25, 3601.0), "12,345 tokens, 1,234 neurons, $1.25, 3,601.0 s"),
        ((None, 0.0, None, 0.0123), "0 neurons, 12 ms"),
        ((None, 57.6, 0.0006336, 0.0004), "58 neurons, $0.00063, 0 ms"),
        ((None, None, 123.456, 0.0), "$123.46"),
        ((None, None, None, 0.0), ""),
    ):
        with row(expected):
            assert format_facts(*facts) == expected
