"""`ai.to_markdown` and `ai.markdown_formats`: what is sent of documents, and what comes of the answers."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from cfai import (
    Ai,
    AiInternalError,
    APIResponseValidationError,
    ConfigurationError,
    InputError,
    InternalServerError,
    NotFoundError,
    types,
)
from cfai.local import Emulator
from tests.bodies import read_form
from tests.conftest import ACCOUNT, TOKEN, row
from tests.resources.conftest import Invoke

URL = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai/tomarkdown"
PDF = b"%PDF-1.7 " + b"x" * 100
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def answer(*names: str) -> dict[str, Any]:
    """Return an answer with a result for each name."""
    item = {"mimeType": "application/pdf", "format": "markdown", "tokens": 0}
    return {"success": True, "result": [{"name": name, **item, "data": f"of {name}"} for name in names]}


@respx.mock
def test_one_document_gives_its_result(remote: Ai, invoke: Invoke) -> None:
    route = respx.post(URL).respond(json=answer("report.pdf"))
    result = invoke(remote, "to_markdown", {"name": "report.pdf", "blob": PDF})
    assert dict(result) == {
        "name": "report.pdf",
        "mimeType": "application/pdf",
        "format": "markdown",
        "tokens": 0,
        "data": "of report.pdf",
    }
    assert (str(result), result.ok, result.error) == ("of report.pdf", True, None)
    request = route.calls.last.request
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert int(request.headers["content-length"]) == len(request.content)
    assert read_form(request) == [("files", "report.pdf", "application/pdf", PDF)]


@respx.mock
def test_every_form_of_a_document_is_sent_with_name_and_type(remote: Ai, invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "Größe.docx"
    path.write_bytes(b"PK words")
    with os.scandir(os.fsencode(tmp_path)) as entries:
        [entry] = entries  # a path of bytes
    named = io.BytesIO(b"a,b")
    named.name = "/data/table.csv"
    late = io.BytesIO(b"..." + PDF)
    late.seek(3)
    rows: list[tuple[Any, str, str, bytes]] = [
        (path, "Größe.docx", DOCX, b"PK words"),
        (str(path), "Größe.docx", DOCX, b"PK words"),
        (entry, "Größe.docx", DOCX, b"PK words"),
        (("a.HTML", path), "a.HTML", "text/html", b"PK words"),
        (("a.csv", bytearray(b"1,2")), "a.csv", "text/csv", b"1,2"),
        ({"name": "x", "blob": io.BytesIO(b"y"), "mimeType": "text/csv"}, "x", "text/csv", b"y"),
        ({"name": "x.y", "blob": b"z", "mime_type": DOCX}, "x.y", DOCX, b"z"),
        (PDF, "document.pdf", "application/pdf", PDF),
        (b"<!DOCTYPE html><p>", "document.html", "text/html", b"<!DOCTYPE html><p>"),
        (
            types.Image(content=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
            "document.png",
            "image/png",
            b"\x89PNG\r\n\x1a\n",
        ),
        (named, "table.csv", "text/csv", b"a,b"),
        (late, "document.pdf", "application/pdf", PDF),
        (("new.format", b"?"), "new.format", "application/octet-stream", b"?"),
        (("scan", PDF), "scan", "application/pdf", PDF),
        (("\udcff.csv", b"1,2"), "?.csv", "text/csv", b"1,2"),  # a name of the disk that is no text
    ]
    for document, name, media_type, content in rows:
        route = respx.post(URL).respond(json=answer(name))
        with row(document):
            assert invoke(remote, "to_markdown", document).name == name
            [(field, _, found, sent)] = read_form(route.calls.last.request)
            assert (field, found, sent) == ("files", media_type, content)
            assert f'filename="{name}"'.encode() in route.calls.last.request.content
    with path.open("rb") as file:
        respx.post(URL).respond(json=answer("Größe.docx"))
        assert invoke(remote, "to_markdown", file).name == "Größe.docx"


@respx.mock
def test_several_documents_go_in_one_request_and_keep_their_order(remote: Ai, invoke: Invoke) -> None:
    route = respx.post(URL).respond(json=answer("a.pdf", "b.csv"))
    documents = [("a.pdf", PDF), ("b.csv", b"1,2")]
    for files in (documents, iter(documents)):
        results = invoke(remote, "to_markdown", files)
        assert [result.name for result in results] == ["a.pdf", "b.csv"]
        assert [part[:3] for part in read_form(route.calls.last.request)] == [
            ("files", "a.pdf", "application/pdf"),
            ("files", "b.csv", "text/csv"),
        ]
    assert invoke(remote, "to_markdown", []) == []
    assert route.call_count == 2


@respx.mock
def test_a_name_that_the_service_changes_does_not_swap_documents(remote: Ai, invoke: Invoke) -> None:
    rows = [
        (["dir/a.csv", "a.csv", "b.csv"], [("a.csv", "1"), ("a.csv", "2"), ("b.csv", "3")]),
        (["dir/a.csv", "a.csv", "b.csv"], [("b.csv", "3"), ("a.csv", "1"), ("a.csv", "2")]),
        (['a"b.csv', "a%22b.csv"], [("a%22b.csv", "1"), ("a%22b.csv", "2")]),
    ]
    for names, results in rows:
        respx.post(URL).respond(json={"result": [{"name": name, "data": data} for name, data in results]})
        with row(results):
            converted = invoke(remote, "to_markdown", [(name, b"1") for name in names])
            assert [each.data for each in converted] == ["1", "2", "3"][: len(names)]


@respx.mock
def test_results_find_their_documents_by_name_and_else_by_position(remote: Ai, invoke: Invoke) -> None:
    documents = [("a.pdf", PDF), ("b.pdf", PDF), ("a.pdf", PDF + b"2")]
    rows: list[tuple[list[Any], list[str]]] = [
        (
            [{"name": "b.pdf", "data": "2"}, {"name": "a.pdf", "data": "1"}, {"name": "a.pdf", "data": "3"}],
            ["1", "2", "3"],
        ),
        ([{"name": name, "data": "1"} for name in ("a.pdf", "b.pdf", "a.pdf")], ["1", "1", "1"]),
        ([{"data": "1"}, {"data": "2"}, {"data": "3", "name": None}], ["1", "2", "3"]),
        ([{"data": "1"}, {"data": "3"}, {"data": "2", "name": "b.pdf"}], ["1", "2", "3"]),
        ([{"name": "a.pdf", "data": "1"}, {"name": "b.pdf", "data": "2"}], ["1", "2", "a.pdf was not converted: the"]),
    ]
    for results, expected in rows:
        respx.post(URL).respond(json={"success": True, "result": results})
        with row(results):
            found = [str(result)[:28] for result in invoke(remote, "to_markdown", documents)]
            assert found == expected
    for count in (2, 4):
        respx.post(URL).respond(json={"success": True, "result": [{"data": "?"}] * count})
        with row(count), pytest.raises(APIResponseValidationError, match=f"{count} results for 3 documents"):
            invoke(remote, "to_markdown", documents)


@respx.mock
def test_a_result_stays_usable_whatever_its_fields_are(remote: Ai, invoke: Invoke) -> None:
    rows: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
        ({"tokens": "49", "data": "x", "format": "text", "new": [1]}, ("x", 49, True, "text")),
        ({"tokens": None, "data": None, "mimeType": None, "id": None}, ("", None, True, "")),
        ({"format": "error", "error": "broken"}, ("", None, False, "error")),
        ({"format": "error"}, ("", None, False, "error")),
        ({"error": "broken"}, ("", None, False, "")),
        ({"format": "markdown", "data": "x", "error": ""}, ("x", None, True, "markdown")),
    ]
    for fields, expected in rows:
        for shape in ([{"name": "a.pdf", **fields}], {"name": "a.pdf", **fields}):
            respx.post(URL).respond(json={"success": True, "result": shape})
            with row(shape):
                result = invoke(remote, "to_markdown", ("a.pdf", PDF))
                assert (result.data, result.tokens, result.ok, result.format) == expected
                assert result.get("new") == fields.get("new")
                assert str(result) == ("a.pdf was not converted: broken" if result.error else str(result))


@respx.mock
def test_options_are_sent_by_the_names_of_the_binding(remote: Ai, invoke: Invoke) -> None:
    route = respx.post(URL).respond(json=answer("a.pdf"))
    sent = {
        "output": {"format": "text"},
        "image": {"descriptionLanguage": "de"},
        "html": {"images": {"convert": True, "convertOGImage": False, "maxConvertedImages": 0}, "cssSelector": "main"},
        "pdf": {"metadata": False},
    }
    ours = {
        "output": {"format": "text"},
        "image": {"description_language": "de"},
        "html": {
            "images": {"convert": True, "convert_og_image": False, "max_converted_images": 0},
            "css_selector": "main",
            "hostname": None,
        },
        "pdf": {"metadata": False},
    }
    for options in ({"conversion_options": ours}, {"conversion_options": sent}, {"conversionOptions": sent}):
        with row(options):
            invoke(remote, "to_markdown", ("a.pdf", PDF), **options)
            [_, (field, filename, _, content)] = read_form(route.calls.last.request)
            assert (field, filename, json.loads(content)) == ("conversionOptions", None, sent)
    for options in ({"extra_headers": {"Example": "header"}}, {"extraHeaders": {"example": "header"}}):
        invoke(remote, "to_markdown", ("a.pdf", PDF), **options, conversion_options=None)
        request = route.calls.last.request
        assert request.headers["example"] == "header"
        assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert len(read_form(request)) == 1


@respx.mock
def test_options_that_cannot_work_are_refused_before_anything_is_sent(remote: Ai, invoke: Invoke) -> None:
    rows: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"conversion_options": {"pfd": {}}}, ConfigurationError, "has no option 'pfd', known are output, image, html"),
        (
            {"conversion_options": {"pdf": {"Metadata": True}}},
            ConfigurationError,
            "`conversion_options.pdf` has no option",
        ),
        (
            {"conversion_options": {"pdf": {"metadata": 0}}},
            ConfigurationError,
            "pdf.metadata` must be True or False, got 0",
        ),
        (
            {"conversion_options": {"output": {"format": "html"}}},
            ConfigurationError,
            "one of 'markdown', 'text', got 'html'",
        ),
        (
            {"conversion_options": {"docx": {"images": True}}},
            ConfigurationError,
            "docx.images` must be a dict of convert",
        ),
        (
            {"conversion_options": {"docx": {"images": {"max_converted_images": -1}}}},
            ConfigurationError,
            "a whole number of 0 or more, got -1",
        ),
        (
            {"conversion_options": {"docx": {"images": {"max_converted_images": True}}}},
            ConfigurationError,
            "a whole number of 0 or more, got True",
        ),
        ({"conversion_options": "text"}, ConfigurationError, "`conversion_options` must be a dict of output"),
        ({"extra_headers": {"authorization": "x"}}, ConfigurationError, "cfai sets it itself"),
        (
            {"extra_headers": {}, "extraHeaders": {}},
            ConfigurationError,
            "one of its two names, got `extra_headers` and `extraHeaders`",
        ),
        ({"gateway": "default"}, ConfigurationError, "`gateway` must be left out: over REST"),
        ({"language": "de"}, TypeError, "unexpected keyword argument 'language': its options are conversion_options"),
    ]
    for options, kind, said in rows:
        with row(options), pytest.raises(kind, match=said.replace("(", r"\(")):
            invoke(remote, "to_markdown", ("a.pdf", PDF), **options)
    assert not respx.calls


@respx.mock
def test_what_is_no_document_is_refused_with_its_place(remote: Ai, invoke: Invoke, tmp_path: Path) -> None:
    rows: list[tuple[Any, str]] = [
        ("https://example.com/a.pdf", "files must be a file or bytes: over REST the service fetches no address"),
        ([PDF, "http://example.com/a.pdf"], r"files\[1\] must be a file or bytes"),
        ("nowhere.pdf", "files: No such file or directory: nowhere.pdf"),
        ("<h1>Prices</h1>\n<p>1", r"got a text of 20 characters: pass it as .'a.html', text.encode\(\)"),
        ("1,2;" * 2000, "must be the path of a file if it is a string, got a text of 8,000 characters"),
        (tmp_path, "files must be a file, got a directory"),
        (b"PK\3\4 words", "files must have a name, which tells its format"),
        (b"", "files must not be empty, got 0 bytes: look at what made it"),
        (("a.pdf", io.BytesIO()), r"files must not be empty, got 0 bytes: call its `seek\(0\)` if it was read before"),
        (("a.pdf", "b.pdf"), "pass several paths as a list"),
        (("a.pdf", PDF, 1), "if it is a tuple, got 3: pass several as a list"),
        ((None, PDF), "files must have a string for its name, got None"),
        ({"name": "", "blob": PDF}, "files must have a string for its name, got ''"),
        ({"name": "a.pdf"}, r"must be \{'name': …, 'blob': …\} if it is a dict, got the keys 'name'"),
        ({"name": "a.pdf", "blob": PDF, "size": 3}, "got the keys 'name', 'blob', 'size'"),
        ({"name": "a.pdf", "blob": PDF, "mime_type": "a/b\r\nx: y"}, "its media type cannot be sent"),
        ([PDF, 7], r"files\[1\] must be a path, bytes, an open file or \(name, bytes\), got 7"),
        (("a.pdf", None), "an open file beside its name, got None"),
        (7, "files must be a path, bytes, an open file or .*, or a list of these, got 7"),
        (None, "or a list of these, got None"),
        (io.StringIO("x"), "must be a file opened in binary mode"),
    ]
    for document, said in rows:
        with row(document), pytest.raises(InputError, match=said):
            invoke(remote, "to_markdown", document)
    assert not respx.calls


class CountingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A service that counts the pieces in which a body comes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.announced = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.announced = int(request.headers["content-length"])
        stream: Any = request.stream
        self.sizes += [len(piece) for piece in stream]
        return httpx.Response(200, json=answer("large.pdf"))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.announced = int(request.headers["content-length"])
        stream: Any = request.stream
        self.sizes += [len(piece) async for piece in stream]
        return httpx.Response(200, json=answer("large.pdf"))


def test_a_large_file_is_read_in_pieces_while_it_is_sent(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, most = tmp_path / "large.pdf", 64 * 1024
    path.write_bytes(PDF + bytes(3_000_000))
    reads: list[int] = []

    class Watched(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(-1 if size is None else size)
            return super().read(size) or b""

    def open_watched(file: Path, mode: str) -> Watched:
        return Watched(str(file), mode.replace("b", ""))

    monkeypatch.setattr(Path, "open", open_watched)
    transport = CountingTransport()
    clients: dict[str, Any] = {
        "http_client": httpx.Client(transport=transport),
        "async_http_client": httpx.AsyncClient(transport=transport),
    }
    ai = Ai(account_id=ACCOUNT, api_token=TOKEN, **clients)
    with path.open("rb") as file:
        for document in (path, file):
            reads.clear()
            transport.sizes.clear()
            with row(document):
                assert invoke(ai, "to_markdown", document).ok
                assert 0 < min(reads) <= max(reads) <= most
                assert max(transport.sizes) <= most
                assert sum(transport.sizes) == transport.announced > path.stat().st_size


@respx.mock
def test_an_open_file_may_stand_twice_and_is_left_as_it_was(remote: Ai, invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"head" + b"1,2\n" * 50_000)
    route = respx.post(URL).respond(json=answer("a.csv", "b.csv"))
    with path.open("rb") as file:
        file.seek(4)
        invoke(remote, "to_markdown", [file, ("b.csv", file)])
        assert file.tell() == 4
    assert [part[3] for part in read_form(route.calls.last.request)] == [b"1,2\n" * 50_000] * 2


@respx.mock
def test_a_pipe_is_sent_whole(remote: Ai, invoke: Invoke) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.left = [PDF[:50], PDF[50:]]

        def read(self, size: int = -1, /) -> bytes:
            return self.left.pop(0) if self.left else b""

    route = respx.post(URL).respond(json=answer("document.pdf"))
    assert invoke(remote, "to_markdown", Pipe()).ok
    assert read_form(route.calls.last.request)[0][3] == PDF


def test_many_files_of_one_request_are_open_one_at_a_time(
    ai: Ai, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.csv" for number in range(20)]
    for path in paths:
        path.write_bytes(b"1,2")
    is_open, most = [0], [0]
    original = Path.open

    class Counted:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __enter__(self) -> Any:
            is_open[0] += 1
            most[0] = max(most[0], is_open[0])
            return self._file

        def __exit__(self, *_: object) -> None:
            is_open[0] -= 1
            self._file.close()

    def open_counted(path: Path, mode: str) -> Counted:
        return Counted(original(path, mode))

    monkeypatch.setattr(Path, "open", open_counted)
    assert [result.name for result in ai.to_markdown(paths)] == [path.name for path in paths]
    assert most == [1]


@respx.mock
def test_errors_are_those_of_run_under_the_name_of_the_binding(remote: Ai, invoke: Invoke) -> None:
    body = {"success": False, "errors": [{"code": 7002, "message": "Not Found"}]}
    rows: list[tuple[dict[str, Any], type[Exception], str]] = [
        (
            {"status_code": 500, "json": {"errors": [{"code": 1, "message": "Internal Error"}]}},
            InternalServerError,
            "Internal Error",
        ),
        ({"status_code": 500, "json": {"errors": []}}, InternalServerError, "InternalServerError: Internal Error "),
        ({"status_code": 502, "html": "<p>Bad</p>"}, InternalServerError, "502"),
        ({"status_code": 404, "json": body}, NotFoundError, "Not Found"),
        ({"html": "<p>"}, APIResponseValidationError, "the answer is no JSON"),
        ({"json": {}}, APIResponseValidationError, "a result has neither a text nor an error"),
        ({"json": [7]}, APIResponseValidationError, "cannot be read"),
        ({"json": {"status": "ok"}}, APIResponseValidationError, "a result has neither a text nor an error"),
        ({"json": [{"data": "x"}, {"status": "ok"}]}, APIResponseValidationError, "a result has neither a text nor an"),
        ({"json": {"success": True, "result": []}}, AiInternalError, "Internal Error Converting files into Markdown"),
        ({"json": {"success": True, "result": None}}, AiInternalError, "Internal Error Converting files into Markdown"),
    ]
    for response, kind, said in rows:
        for name, arguments, url in (
            ("to_markdown", [("a.pdf", PDF)], URL),
            ("markdown_formats", [], f"{URL}/supported"),
        ):
            if name == "markdown_formats" and "json" in response and "status_code" not in response:
                continue
            respx.route(url=url).respond(**response, headers={"cf-ai-req-id": "r-1"})
            with row((name, response)), pytest.raises(kind, match=said) as caught:
                invoke(remote, name, *arguments)
            assert getattr(caught.value, "name", "") == "AiInternalError"
            facts = (getattr(caught.value, "status_code", None), getattr(caught.value, "request_id", None))
            assert facts == (response.get("status_code", 200), "r-1")


def test_the_emulator_converts_what_it_knows_and_reports_the_rest(ai: Ai, invoke: Invoke, local: Emulator) -> None:
    files = [("a.pdf", PDF), ("b.exe", b"MZ"), ("bad.pdf", b"no pdf"), ("c.csv", b"1,2")]
    good, other, bad, table = invoke(ai, "to_markdown", files)
    assert good.data.startswith("# a.pdf\n\n## Metadata")
    assert "emulated conversion of 109 bytes" in good.data
    assert (other.format, other.error) == ("error", "Unsupported file type: application/octet-stream")
    assert (bad.ok, bad.data, table.ok) == (False, "", True)
    assert good.meta.request_id
    plain = invoke(ai, "to_markdown", ("a.pdf", PDF), conversion_options={"output": {"format": "text"}})
    assert (plain.format, plain.data.splitlines()[0]) == ("text", "a.pdf")
    assert "Metadata" not in invoke(ai, "to_markdown", PDF, conversion_options={"pdf": {"metadata": False}}).data
    assert local.requests[-1].path.endswith("/ai/tomarkdown")
    assert invoke(ai, "to_markdown", ("Größe.csv", b"1,2")).name == "Größe.csv"


def test_the_emulator_refuses_a_form_without_files(local: Emulator) -> None:
    url = f"{local.base_url}/accounts/{local.account_id}/ai/tomarkdown"
    headers = {"authorization": f"Bearer {local.api_token}"}
    rows: list[tuple[dict[str, Any], str]] = [
        ({"files": {"files[]": ("a.pdf", PDF)}}, "No files were provided"),
        ({"files": {"files": ("a.pdf", PDF)}, "data": {"conversionOptions": "{"}}, "Invalid conversionOptions"),
        ({"json": {}}, "Content-Type must be multipart/form-data"),
    ]
    with httpx.Client() as http:
        for body, said in rows:
            with row(body):
                response = http.post(url, headers=headers, **body)
                assert (response.status_code, response.json()["errors"][0]["message"]) == (400, said)
        assert http.delete(url, headers=headers).json()["errors"][0]["code"] == 7000


def test_formats_are_listed_by_suffix_and_type(ai: Ai, invoke: Invoke) -> None:
    formats = invoke(ai, "markdown_formats")
    assert (formats[0].extension, formats[0].mimeType) == (".pdf", "application/pdf")
    assert {".docx", ".png", ".csv"} <= {each.extension for each in formats}


def test_a_result_is_markdown_in_a_notebook(ai: Ai) -> None:
    page = ai.to_markdown(("a.csv", b"1,2"))._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage]
    assert "emulated conversion" in page["text/markdown"]
