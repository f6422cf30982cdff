"""Items of AI Search: uploads that are read from disk, polling, downloads, chunks and logs."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import pytest
import respx

from cfai import (
    Ai,
    AiSearchInstance,
    AiSearchInternalError,
    AiSearchNotFoundError,
    BadRequestError,
    ConfigurationError,
    InputError,
    Retry,
    StreamTruncatedError,
)
from cfai.local import Emulator
from tests.bodies import read_form
from tests.conftest import ACCOUNT, TOKEN, row
from tests.resources.conftest import Invoke, list_requests

ITEMS = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai-search/namespaces/default/instances/docs/items"
TEXT = "New York is a city.\n\nBoston is another.\n"


@pytest.fixture
def remote_docs(remote: Ai) -> AiSearchInstance:
    return remote.search().get("docs")


@pytest.fixture
def docs(ai: Ai) -> AiSearchInstance:
    return ai.search().create({"id": "docs"})


class _Pipe:
    """A stream that can be read only once."""

    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read


@respx.mock
def test_an_upload_is_a_form_with_a_file_and_its_options(
    remote_docs: AiSearchInstance, invoke: Invoke, tmp_path: Path
) -> None:
    path = tmp_path / "on-disk.bin"
    path.write_bytes(TEXT.encode())
    with path.open("rb") as opened:
        opened.read(4)
        rows: list[tuple[Any, bytes]] = [
            (path, TEXT.encode()),
            (TEXT, TEXT.encode()),
            (TEXT.encode(), TEXT.encode()),
            (io.BytesIO(TEXT.encode()), TEXT.encode()),
            (opened, TEXT.encode()[4:]),
            ("naïve", "naïve".encode()),
            (_Pipe(TEXT.encode()), TEXT.encode()),
        ]
        for content, expected in rows:
            route = respx.post(ITEMS).respond(json={"success": True, "result": {"id": "i", "key": "usa.md"}})
            with row(content):
                options = {"metadata": {"year": 2024, "é": [1]}, "wait_for_completion": True}
                assert invoke(remote_docs.items, "upload", "usa.md", content, **options).id == "i"
                request = route.calls.last.request
                form = {part[0]: part[1:] for part in read_form(request)}
                assert form["file"] == ("usa.md", "text/markdown", expected)
                assert json.loads(form["metadata"][2]) == {"year": 2024, "é": [1]}
                assert form["wait_for_completion"][2] == b"true"
                assert int(request.headers["content-length"]) == len(request.content)
    invoke(remote_docs.items, "upload", "x" * 128, b"%PDF-1.7")
    assert read_form(respx.calls.last.request) == [("file", "x" * 128, "application/pdf", b"%PDF-1.7")]


def test_an_upload_is_read_from_disk_while_it_is_sent_and_again_for_a_retry(
    local: Emulator, invoke: Invoke, tmp_path: Path
) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"x" * 300_000 + b"\n\n" + b"the end of it")
    with local.ai(max_retries=Retry(max_retries=1, base=0)) as ai:
        docs = ai.search().create({"id": "docs"})
        local.script(["rate-limited", "ok"])
        info = invoke(docs.items, "upload", "large.txt", path, wait_for_completion=True)
        assert (info.file_size, info.chunks_count) == (300_015, 2)
        operation = docs.items._upload("large.txt", path, None, False)  # pyright: ignore[reportPrivateUsage]
        body: Any = operation.body
        assert max(map(len, body)) < 100_000


def test_what_cannot_be_uploaded_is_refused_before_it_is_sent(
    remote_docs: AiSearchInstance, invoke: Invoke, tmp_path: Path
) -> None:
    there = tmp_path / "there.md"
    there.write_text("x")
    rows: list[tuple[Any, Any, dict[str, Any], str]] = [
        ("", "x", {}, "`name` must have 1 to 128 characters, got 0 characters"),
        ("x" * 129, "x", {}, "got 129 characters"),
        (None, "x", {}, "`name` must have 1 to 128 characters, got None"),
        ("\ud800.md", "x", {}, "`name`"),
        ("a.md", "\ud800", {}, "`content`"),
        ("a.md", b"", {}, "content must not be empty, got 0 bytes"),
        ("a.md", None, {}, "`content` must be text, bytes, a Path or a file opened with 'rb', got None"),
        ("a.md", str(there), {}, r"`content` is the text itself: pass Path\('…'\)"),
        ("a.md", tmp_path / "none.md", {}, "content: No such file"),
        ("a.md", "x", {"metadata": ["x"]}, "`metadata` must be a dict, got list"),
        ("a.md", "x", {"metadata": {"year": {1}}}, r"metadata\['year'\]"),
    ]
    said = "`wait_for_completion` must be True or False, got 'false'"
    with respx.mock:
        for name, content, options, reason in rows:
            with row((name, content)), pytest.raises(InputError, match=reason):
                invoke(remote_docs.items, "upload", name, content, **options)
        with pytest.raises(ConfigurationError, match=said):
            invoke(remote_docs.items, "upload", "a.md", "x", wait_for_completion="false")
        with pytest.raises(ConfigurationError, match=said):
            remote_docs.items.get("i").sync(wait_for_completion=cast("Any", "false"))


def test_a_file_that_changes_while_it_is_sent_is_named(docs: AiSearchInstance, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    for after in (10, 400_000):
        path.write_bytes(b"x" * 300_000)
        body: Any = docs.items._upload("log.txt", path, None, False).body  # pyright: ignore[reportPrivateUsage]
        path.write_bytes(b"x" * after)
        with row(after), pytest.raises(InputError, match=r"content: the file '.*log.txt' changed while it was sent"):
            list(body)


def test_an_upload_is_polled_until_it_is_indexed(docs: AiSearchInstance, invoke: Invoke) -> None:
    info = invoke(docs.items, "upload_and_poll", "usa.md", TEXT, metadata={"year": 2024}, poll_interval=0.001)
    assert (info.status, info.chunks_count, info.metadata) == ("completed", 2, {"year": 2024})
    assert docs.search({"query": "New York"}).chunks[0].text == "New York is a city."
    again = invoke(docs.items, "upload", "usa.md", "Boston")
    assert (again.id, again.status) == (info.id, "queued"), "the same name is the same item"
    assert docs.stats().completed == 0


@respx.mock
def test_polling_ends_with_the_last_that_was_heard(remote_docs: AiSearchInstance, invoke: Invoke) -> None:
    def build(status: str | None) -> dict[str, Any]:
        return {"success": True, "result": {"id": "i", "status": status}}

    respx.post(ITEMS).respond(json=build("queued"))
    info = respx.get(f"{ITEMS}/i")
    rows: list[tuple[list[str | None], float | None, str | None]] = [
        (["queued", "running", "error"], 30.0, "error"),
        (["running", "skipped"], 30.0, "skipped"),
        ([None], 30.0, None),
        (["running"] * 1000, 0.2, "running"),
        (["running"] * 1000, 0.0005, "queued"),
        (["running", "running", "completed"], None, "completed"),
    ]
    for statuses, timeout, last in rows:
        info.mock(side_effect=[httpx.Response(200, json=build(status)) for status in statuses])
        with row((statuses[:3], timeout)):
            options = {"poll_interval": 0.001, "timeout": timeout}
            assert invoke(remote_docs.items, "upload_and_poll", "a.md", "x", **options).status == last
    respx.post(ITEMS).respond(json=build("completed"))
    calls = info.call_count
    assert invoke(remote_docs.items, "upload_and_poll", "a", "x").status == "completed"
    assert info.call_count == calls, "what is done at once is not asked about"
    uploads = len(respx.calls)
    for options in ({"poll_interval": 0}, {"poll_interval": None}, {"timeout": -1}):
        with pytest.raises(ConfigurationError, match="must be a positive number of seconds"):
            invoke(remote_docs.items, "upload_and_poll", "a.md", "x", **options)
    assert len(respx.calls) == uploads


@respx.mock
def test_polling_asks_every_second_for_thirty(
    remote_docs: AiSearchInstance, invoke: Invoke, sleeps: list[float]
) -> None:
    pending = {"success": True, "result": {"id": "i", "status": "running"}}
    respx.post(ITEMS).respond(json=pending)
    info = respx.get(f"{ITEMS}/i").respond(json=pending)
    invoke(remote_docs.items, "upload_and_poll", "a.md", "x")
    assert info.call_count == len(sleeps)
    assert {*sleeps} == {1.0}
    assert 29 <= len(sleeps) <= 30  # as the binding does; the upload itself takes a moment


def test_items_are_listed_by_every_filter_and_deleted(docs: AiSearchInstance, invoke: Invoke) -> None:
    usa = docs.items.upload("usa.md", TEXT, metadata={"year": 2024}, wait_for_completion=True)
    docs.items.upload("france/paris.md", "Paris", metadata={"year": 2020})
    rows: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["usa.md", "france/paris.md"]),
        ({"search": "paris"}, ["france/paris.md"]),
        ({"key": "usa.md"}, ["usa.md"]),
        ({"item_id": usa.id}, ["usa.md"]),
        ({"metadata_filter": {"year": {"$lt": 2024}}}, ["france/paris.md"]),
        ({"metadata_filter": '{"folder": "france/"}'}, ["france/paris.md"]),
        ({"metadata_filter": "null"}, ["usa.md", "france/paris.md"]),
        ({"source": "builtin", "sort_by": "status"}, ["usa.md", "france/paris.md"]),
        ({"source": "r2:other"}, []),
        ({"status": "completed"}, ["usa.md", "france/paris.md"]),
        ({"status": "error"}, []),
        ({"per_page": 1}, ["usa.md", "france/paris.md"]),
        ({"per_page": 1, "page": 2}, ["france/paris.md"]),
    ]
    for filters, keys in rows:
        with row(filters):
            assert [item.key for item in invoke(docs.items, "list", **filters)] == keys
    with pytest.raises(BadRequestError, match="metadata_filter: must be JSON"):
        invoke(docs.items, "list", metadata_filter="{")
    invoke(docs.items, "delete", usa.id)
    assert [item.key for item in docs.items.list()] == ["france/paris.md"]
    with pytest.raises(AiSearchNotFoundError, match="item"):
        invoke(docs.items.get(usa.id), "info")


def test_an_item_is_indexed_anew_and_says_what_was_done(docs: AiSearchInstance, invoke: Invoke) -> None:
    item = docs.items.get(docs.items.upload("usa.md", TEXT, wait_for_completion=True).id)
    assert item.sync().status == "queued"
    assert item.sync(wait_for_completion=True).status == "completed"
    assert anyio.run(item.async_).status == "queued"
    chunks = invoke(item, "chunks", limit=1)
    assert [(chunk.text, chunk.start_byte, chunk.end_byte) for chunk in chunks] == [
        ("New York is a city.", 0, 19),
        ("Boston is another.", 21, 39),
    ]
    assert [chunk.text for chunk in invoke(item, "chunks", limit=100, offset=1)] == ["Boston is another."]
    logs = invoke(item, "logs", limit=1)
    assert [log.action for log in logs][:3] == ["queued", "indexed", "queued"]
    assert (logs[1].fileKey, logs[1].chunkCount) == ("usa.md", 2)
    for offset in (-1, True, "x"):
        with pytest.raises(ConfigurationError, match="`offset` must be a whole number of 0 or more"):
            invoke(item, "chunks", offset=offset)
    for limit in (0, 101, "x", True):
        with pytest.raises(ConfigurationError, match="`limit` must be a whole number from 1 to 100"):
            invoke(item, "chunks", limit=limit)
        with pytest.raises(ConfigurationError, match="`limit` must be a whole number from 1 to 100"):
            invoke(item, "logs", limit=limit)


@respx.mock
def test_logs_follow_the_cursor_and_chunks_the_offset(remote_docs: AiSearchInstance, invoke: Invoke) -> None:
    item = remote_docs.items.get("i")

    def page(names: list[str], **info: Any) -> httpx.Response:
        return httpx.Response(
            200, json={"success": True, "result": [{"id": n, "message": n} for n in names], "result_info": info}
        )

    logs = respx.get(f"{ITEMS}/i/logs")
    logs.mock(side_effect=[page(["a", "b"], cursor="x y", truncated=True), page(["c"], cursor=None, truncated=False)])
    assert [log.message for log in invoke(item, "logs", limit=2)] == ["a", "b", "c"]
    sent = [request.url.query for request in list_requests(logs)]
    assert sent == [b"limit=2", b"limit=2&cursor=x+y"]
    logs.mock(side_effect=[httpx.Response(200, json={"success": True, "result": [{"message": "a"}]})])
    assert [log.message for log in invoke(item, "logs", cursor="z")] == ["a"], "without result_info it is the last page"
    assert logs.calls.last.request.url.query == b"limit=50&cursor=z"
    chunks = respx.get(f"{ITEMS}/i/chunks")
    chunks.mock(side_effect=[page(["a", "b"]), page(["c", "d"]), page([])])
    assert [chunk.id for chunk in invoke(item, "chunks", limit=2, offset=5)] == ["a", "b", "c", "d"]
    assert [request.url.query for request in list_requests(chunks)] == [
        b"limit=2&offset=5",
        b"limit=2&offset=7",
        b"limit=2&offset=9",
    ]
    for pages in ((["a", "b"], ["c"]), (["a", "b", "c"],), ([],)):  # fewer a page than were asked for, and no more
        chunks.mock(side_effect=[page(names, total=3) for names in pages])
        with row(pages):
            found = [chunk.id for chunk in invoke(item, "chunks", limit=3)]
            assert found == [name for names in pages for name in names]
    chunks.mock(side_effect=[page(["a", "b", "c"], total=0), page(["d"], total=0)])
    assert len([*invoke(item, "chunks", limit=3)]) == 4, "a total that cannot be loses no chunk"
    chunks.mock(side_effect=[page(["a"])])
    assert len(invoke(item, "chunks")) == 1
    assert chunks.calls.last.request.url.query == b"limit=20&offset=0"


@respx.mock
def test_equal_pages_of_the_log_are_all_given_and_one_cursor_is_asked_once(
    remote_docs: AiSearchInstance, invoke: Invoke
) -> None:
    rows: list[tuple[list[str | None], int]] = [(["2", "3", "4", None], 4), (["2", "2", "2"], 2)]
    for cursors, count in rows:
        replies = [{"result": [{"action": "x"}], "result_info": {"cursor": cursor}} for cursor in cursors]
        respx.get(f"{ITEMS}/i/logs").mock(side_effect=[httpx.Response(200, json=reply) for reply in replies])
        with row(cursors):
            assert len(invoke(remote_docs.items.get("i"), "logs", limit=1)) == count


def test_a_download_is_given_or_written_to_a_file(docs: AiSearchInstance, invoke: Invoke, tmp_path: Path) -> None:
    item = docs.items.get(docs.items.upload("né/usa.md", TEXT).id)
    file = invoke(item, "download")
    assert (file.content, file.content_type, file.filename, file.size) == (
        TEXT.encode(),
        "text/markdown",
        "né/usa.md",
        40,
    )
    assert file.path is None
    file = invoke(item, "download", to=tmp_path / "usa.md")
    assert (file.content, file.path, file.size, file.filename) == (b"", tmp_path / "usa.md", 40, "né/usa.md")
    assert (tmp_path / "usa.md").read_text() == TEXT
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        invoke(item, "download", to=tmp_path / "usa.md")
    invoke(item, "download", to=tmp_path / "usa.md", overwrite=True)
    with pytest.raises(IsADirectoryError):
        invoke(item, "download", to=tmp_path)
    docs.items.delete(item.id)
    for options in ({}, {"to": tmp_path / "gone.md"}):
        with pytest.raises(AiSearchNotFoundError):
            invoke(item, "download", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["usa.md"]


class _Breaking(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self) -> None:
        self._pieces = iter([b"New "])

    def __iter__(self) -> Any:
        yield from self._pieces
        raise httpx.ReadError("gone")

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise httpx.ReadError("gone")


@respx.mock
def test_a_download_that_breaks_off_leaves_no_file(
    remote_docs: AiSearchInstance, invoke: Invoke, tmp_path: Path
) -> None:
    route = respx.get(f"{ITEMS}/i/download")
    route.mock(side_effect=[httpx.Response(200, stream=_Breaking())])
    with pytest.raises(StreamTruncatedError, match="the connection broke"):
        invoke(remote_docs.items.get("i"), "download", to=tmp_path / "usa.md")
    assert list(tmp_path.iterdir()) == []
    assert route.calls.last.request.headers["accept"] == "application/octet-stream"


@respx.mock
def test_a_download_is_no_json_that_is_read(remote_docs: AiSearchInstance, invoke: Invoke, tmp_path: Path) -> None:
    content = b'{"success": false, "errors": [{"message": "as written"}]}'
    headers = {"content-type": "application/json", "content-disposition": 'attachment; filename="a b.json"'}
    respx.get(f"{ITEMS}/i/download").respond(200, content=content, headers=headers)
    file = invoke(remote_docs.items.get("i"), "download")
    assert (file.content, file.filename, file.content_type) == (content, "a b.json", "application/json")
    invoke(remote_docs.items.get("i"), "download", to=tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == content
    respx.get(f"{ITEMS}/i/download").respond(200, content=b"%PDF", headers={"content-type": "application/pdf; a=b"})
    assert invoke(remote_docs.items.get("i"), "download", to=tmp_path / "a").path == tmp_path / "a.pdf"
    packed = {"content": gzip.compress(b"# A"), "headers": {"content-encoding": "gzip"}}
    respx.get(f"{ITEMS}/i/download").respond(200, **packed)
    assert invoke(remote_docs.items.get("i"), "download", to=tmp_path / "b.md").path.read_bytes() == b"# A"
    respx.get(f"{ITEMS}/i/download").respond(200, content=b"\x00")
    plain = invoke(remote_docs.items.get("i"), "download")
    assert (plain.filename, plain.content_type, TOKEN in repr(file)) == ("", "application/octet-stream", False)


def test_a_download_touches_no_file_but_its_own(docs: AiSearchInstance, invoke: Invoke, tmp_path: Path) -> None:
    item = docs.items.get(docs.items.upload("usa.md", TEXT).id)
    (tmp_path / "usa.md.part").write_text("of the user")
    invoke(item, "download", to=tmp_path / "usa.md")
    files = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert files == {"usa.md": TEXT, "usa.md.part": "of the user"}


@respx.mock
def test_an_error_in_the_place_of_a_document_is_raised(
    remote_docs: AiSearchInstance, invoke: Invoke, tmp_path: Path
) -> None:
    body = {"success": False, "errors": [{"code": 7002, "message": "Not Found: item"}], "result": None}
    respx.get(f"{ITEMS}/i/download").respond(200, json=body)
    for options in ({}, {"to": tmp_path / "usa.md"}):
        with row(options), pytest.raises(AiSearchInternalError, match="Not Found: item"):
            invoke(remote_docs.items.get("i"), "download", **options)
    assert list(tmp_path.iterdir()) == []
    documents: list[Any] = [[1], {"success": False}, {"errors": []}]
    for document in documents:
        respx.get(f"{ITEMS}/i/download").respond(200, json=document)
        with row(document):
            invoke(remote_docs.items.get("i"), "download", to=tmp_path / "a.json", overwrite=True)
            assert json.loads((tmp_path / "a.json").read_text()) == document
    respx.get(f"{ITEMS}/i/download").respond(200, text=json.dumps(body))
    assert json.loads(invoke(remote_docs.items.get("i"), "download").content) == body


def test_what_is_no_text_is_indexed_as_a_text_that_says_so(docs: AiSearchInstance, invoke: Invoke) -> None:
    item = docs.items.get(docs.items.upload("a.pdf", b"%PDF\xff\xfe", wait_for_completion=True).id)
    assert [chunk.text for chunk in invoke(item, "chunks")] == [
        "This is the emulated text of a.pdf: no model has read it."
    ]
