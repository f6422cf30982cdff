"""`ai.finetunes`, and `lora` among the inputs of `run`: what is checked, what is sent, and what comes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from cfai import (
    Ai,
    AiSearchInternalError,
    APIResponseValidationError,
    BadRequestError,
    ConfigurationError,
    InputError,
    InternalServerError,
    NotFoundError,
    Retry,
    models,
)
from cfai.local import Emulator
from cfai.types import Finetune
from tests.bodies import read_form
from tests.conftest import ACCOUNT, TOKEN, row
from tests.resources.conftest import Invoke

URL = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai/finetunes"
MISTRAL = "@cf/mistral/mistral-7b-instruct-v0.2-lora"
GEMMA = "@cf/google/gemma-7b-it-lora"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
WEIGHTS = (10).to_bytes(8, "little") + b'{"a": {}} ' + bytes(1000)
WIDE = b'{"model_type": "mistral", "r": 64}'
RECORD = {"id": "1-2", "name": "tickets", "model": MISTRAL, "description": "d", "public": False}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as training leaves it."""
    config = {"peft_type": "LORA", "model_type": "mistral", "r": 8}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    (tmp_path / "adapter_model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "training_args.bin").write_bytes(b"more")
    return tmp_path


@respx.mock
def test_lists_are_read_in_each_shape_that_is_seen(remote: Ai, invoke: Invoke) -> None:
    assert repr(remote.finetunes) == "<Finetunes: list, create, upload>"
    rows: list[tuple[Any, list[str]]] = [
        ([RECORD, RECORD | {"name": "b"}], ["tickets", "b"]),
        ([[RECORD], [RECORD | {"name": "b", "new": 1, "description": None}]], ["tickets", "b"]),
        ([[]], []),
        ([], []),
        (None, []),
        ({}, []),
        (RECORD, ["tickets"]),
        ([{"id": 7}], [""]),
    ]
    for result, names in rows:
        if result == [{"id": 7}]:
            result = [{"id": None, "public": 1}]
        respx.get(URL).respond(json={"success": True, "result": result})
        with row(result):
            assert [each.name for each in invoke(remote.finetunes, "list")] == names
    for address, name in ((URL, "list"), (f"{URL}/public", "public")):
        for answer, said in (
            ({"text": "<html>"}, "the answer is no JSON"),
            *(({"json": value}, "cannot be read") for value in ([7], 0, False, "")),
            ({"content": b" "}, "cannot be read"),
        ):
            respx.get(address).respond(**answer)
            with row((name, answer)), pytest.raises(APIResponseValidationError, match=said):
                invoke(remote.finetunes, name)


@respx.mock
def test_public_ones_are_fetched_until_a_page_is_empty(remote: Ai, invoke: Invoke) -> None:
    pages = [[{"name": "a"}, {"name": "b"}], [{"name": "c"}], []]
    replies = [httpx.Response(200, json={"success": True, "result": page}) for page in pages]
    route = respx.get(f"{URL}/public").mock(side_effect=replies)
    found = invoke(remote.finetunes, "public", order_by="name", offset=5)
    assert [each.name for each in found] == ["a", "b", "c"]
    assert [str(call.request.url.query, "ascii") for call in route.calls] == [
        f"limit=50&offset={offset}&orderBy=name" for offset in (5, 7, 8)
    ]
    route.mock(side_effect=None)
    route.respond(json={"success": True, "result": pages[0]})
    assert len(invoke(remote.finetunes, "public")) == 2  # of a service that knows no pages
    before = route.call_count
    assert len(invoke(remote.finetunes, "public", limit=2)) == 2
    assert [str(call.request.url.query, "ascii") for call in [*route.calls][before:]] == ["limit=2&offset=0"]


@respx.mock
def test_a_folder_becomes_a_fine_tune_with_both_files(
    remote: Ai, invoke: Invoke, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    created = respx.post(URL).respond(json={"success": True, "result": RECORD})
    uploaded = respx.post(f"{URL}/1-2/finetune-assets").respond(json={"success": True})
    record = {"model": MISTRAL, "name": "tickets", "description": "d", "public": False}
    for method, arguments in (("create", ()), ("upload", (folder,))):
        made = invoke(remote.finetunes, method, *arguments, **record)
        assert (made.id, made.name, made.public) == ("1-2", "tickets", False)
        assert json.loads(created.calls.last.request.content) == record
    sent = [read_form(call.request) for call in uploaded.calls]
    assert [[part[:2] for part in parts] for parts in sent] == [
        [("file_name", None), ("file", "adapter_config.json")],
        [("file_name", None), ("file", "adapter_model.safetensors")],
    ]
    assert [parts[0][3] for parts in sent] == [b"adapter_config.json", b"adapter_model.safetensors"]
    assert sent[1][1][3] == WEIGHTS
    created.respond(json={"success": True, "result": {}})
    by_name = respx.post(f"{URL}/tickets/finetune-assets").respond(json={"success": True, "result": None})
    invoke(remote.finetunes, "upload", folder, model=MISTRAL, name="tickets", progress=True)
    assert by_name.call_count == 2
    assert "adapter_config.json, MB" in capsys.readouterr().err
    config = folder / "adapter_config.json"
    invoke(remote.finetunes, "upload_asset", Finetune(name="tickets"), config)
    assert by_name.call_count == 3
    for rank, size in ((1, 100), (32, 1_000_000)):
        config.write_text(json.dumps({"model_type": "mistral", "r": rank}).ljust(size), "utf-8")
        invoke(remote.finetunes, "upload_asset", "1-2", config)
        assert read_form(uploaded.calls.last.request)[1][3] == config.read_bytes()
    for call in uploaded.calls:
        assert int(call.request.headers["content-length"]) == len(call.request.content)


@respx.mock
def test_files_are_checked_before_anything_is_sent(remote: Ai, invoke: Invoke, folder: Path) -> None:
    config, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    good = {"model_type": "mistral", "r": 8}
    rows: list[tuple[Path, bytes | None, str]] = [
        (config, None, "must have adapter_config.json and adapter_model.safetensors, and .* lacks adapter_config.json"),
        (weights, None, "lacks adapter_model.safetensors"),
        (config, b"{", "must be the configuration that PEFT wrote, a JSON object, got no JSON: save it anew"),
        (config, b"[" * 100_000, "must be the configuration that PEFT wrote"),
        (config, b"[]", "must be the configuration that PEFT wrote, a JSON object, got list"),
        (config, b"", "must have 1 to 500,000,000 bytes, got 0: copy it again"),
        (config, json.dumps(good | {"x": "a" * 1_000_000}).encode(), "must have 1,000,000 bytes at most, got 1,000,0"),
        (config, json.dumps({"r": 8}).encode(), 'a "model_type" of mistral, gemma, llama, qwen2, got None: add the'),
        (config, json.dumps(good | {"model_type": "phi"}).encode(), "got 'phi'"),
        (config, json.dumps(good | {"model_type": "qwen2"}).encode(), "of the family of @cf/mistral/.*got 'qwen2'"),
        (config, json.dumps(good | {"model_type": "gemma"}).encode(), "of the family of @cf/mistral/.*got 'gemma'"),
        (config, json.dumps(good | {"r": 33}).encode(), 'a rank "r" of 1 to 32, got 33'),
        (config, json.dumps(good | {"r": 0}).encode(), 'a rank "r" of 1 to 32, got 0'),
        (config, json.dumps({"model_type": "mistral"}).encode(), 'a rank "r" of 1 to 32, got None'),
        (
            weights,
            b"version https://git-lfs.github.com/spec/v1\n",
            "must be a safetensors file: fetch it by `git lfs pull`",
        ),
        (weights, b"", "must have 1 to 500,000,000 bytes, got 0"),
    ]
    for path, content, said in rows:
        before = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)
        with row((path.name, content)), pytest.raises(InputError, match=said):
            invoke(remote.finetunes, "upload", folder, model=MISTRAL, name="tickets")
        path.write_bytes(before)
    with pytest.raises(
        InputError, match=r"must be named adapter_config.json or adapter_model.safetensors, got 'a.bin'"
    ):
        invoke(remote.finetunes, "upload_asset", "1-2", folder / "a.bin")
    with pytest.raises(InputError, match=r"adapter_config\.json cannot be read: No such file"):
        invoke(remote.finetunes, "upload_asset", "1-2", folder / "none" / config.name)
    for method, arguments, options in (
        ("upload", (7,), {"model": MISTRAL, "name": "x"}),
        ("upload_asset", ("1-2", b"{}"), {}),
    ):
        with row(method), pytest.raises(InputError, match="must be uploaded from the disk, by a path, got"):
            invoke(remote.finetunes, method, *arguments, **options)
    with weights.open("ab") as file:
        file.truncate(500_000_001)  # of which the disk holds nothing
    with pytest.raises(InputError, match="got 500,000,001"):
        invoke(remote.finetunes, "upload_asset", "1-2", weights)
    assert not respx.calls


@respx.mock
def test_what_cannot_be_created_is_refused_before_it_is_sent(remote: Ai, invoke: Invoke, folder: Path) -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        ({"model": LLAMA, "name": "x"}, f"`model` must be one that takes a LoRA, got {LLAMA}. Choose one of @cf/"),
        ({"model": "", "name": "x"}, "`model` must be a name"),
        ({"model": MISTRAL, "name": ""}, "`name` must be a string, and not empty, got ''"),
        ({"model": MISTRAL, "name": 7}, "`name` must be a string, and not empty, got 7"),
    ]
    for options, said in rows:
        for arguments, method in (((), "create"), ((folder,), "upload")):
            with row((method, options)), pytest.raises(ConfigurationError, match=said) as caught:
                invoke(remote.finetunes, method, *arguments, **options)
            assert "gemma-3-12b-it" not in str(caught.value), "which is retired"
            assert str(caught.value).count(LLAMA) <= 1
    for options in ({"limit": 0}, {"limit": "2"}, {"limit": True}, {"offset": -1}, {"offset": None}):
        said = f"`{next(iter(options))}` must be a whole number of . or more, got"
        with row(options), pytest.raises(ConfigurationError, match=said):
            invoke(remote.finetunes, "public", **options)
    with pytest.raises(ConfigurationError, match="an id must be a string"):
        invoke(remote.finetunes, "upload_asset", "a/b", folder / "adapter_config.json")
    assert not respx.calls


@respx.mock
def test_an_upload_that_fails_says_how_to_go_on(remote: Ai, invoke: Invoke, folder: Path) -> None:
    respx.post(URL).respond(json={"success": True, "result": RECORD})
    error = {"success": False, "errors": [{"code": 7003, "message": "No"}]}
    replies = [httpx.Response(200, json={"success": True}), httpx.Response(400, json=error)] * 3
    route = respx.post(f"{URL}/1-2/finetune-assets").mock(side_effect=replies)
    with pytest.raises(BadRequestError) as caught:
        invoke(remote.finetunes, "upload", folder, model=MISTRAL, name="tickets")
    path = str(folder / "adapter_model.safetensors")
    assert caught.value.__notes__[-1].startswith("The fine-tune was made, and may lack this file")
    assert f"go on with ai.finetunes.upload_asset('1-2', {path!r}); if" in caught.value.__notes__[-1]
    assert route.call_count == 2
    invoke(remote.finetunes, "upload_asset", Finetune(name="a", id="1-2"), path)


@respx.mock
def test_a_fine_tune_without_an_id_has_to_be_looked_for(remote: Ai, invoke: Invoke, folder: Path) -> None:
    respx.post(URL).respond(json={"success": True, "result": {}})
    with pytest.raises(ConfigurationError) as caught:
        invoke(remote.finetunes, "upload", folder, model=MISTRAL, name="team/t")
    assert "upload_asset('<its id in ai.finetunes.list()>', " in caught.value.__notes__[-1]


@respx.mock
def test_what_a_broken_answer_may_have_made_is_not_sent_again(invoke: Invoke, folder: Path) -> None:
    patient = Ai(account_id=ACCOUNT, api_token=TOKEN, max_retries=Retry(2, base=0))
    config, namespace = folder / "adapter_config.json", patient.search()
    rows: list[tuple[Any, str, tuple[Any, ...], dict[str, Any]]] = [
        (patient.finetunes, "create", (), {"model": MISTRAL, "name": "tickets"}),
        (patient.finetunes, "upload_asset", ("1-2", config), {}),
        (namespace, "create", ({"id": "docs"},), {}),
        (namespace.get("docs").jobs, "create", (), {}),
    ]
    for owner, name, arguments, options in rows:
        route = respx.post(url__startswith=URL.removesuffix("/ai/finetunes"))
        with row((owner, name)):
            status = 500 if name == "create" else 502
            route.mock(side_effect=[httpx.Response(429), httpx.Response(status), httpx.Response(400)])
            before = route.call_count
            with pytest.raises((InternalServerError, AiSearchInternalError)) as caught:
                invoke(owner, name, *arguments, **options)
            assert (caught.value.status_code, caught.value.retryable) == (status, False)
            assert caught.value.__notes__[0].startswith("It may have been done all the same")
            assert route.call_count - before == 2  # too many requests: that one was not run


@respx.mock
def test_weights_are_read_in_pieces_and_the_bar_follows(
    remote: Ai, invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(WEIGHTS + bytes(3_000_000))
    reads: list[int] = []

    class Watched(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(-1 if size is None else size)
            return super().read(size) or b""

    def open_watched(file: Path, mode: str) -> Watched:
        return Watched(str(file), mode.replace("b", ""))

    monkeypatch.setattr(Path, "open", open_watched)
    route = respx.post(f"{URL}/mine/finetune-assets").respond(json={"success": True, "result": {"id": "x"}})
    assert invoke(remote.finetunes, "upload_asset", "mine", path, progress=True) is None
    assert 0 < min(reads) <= max(reads) <= 64 * 1024
    assert len(reads) > 45
    assert len(read_form(route.calls.last.request)[1][3]) == path.stat().st_size
    assert "adapter_model.safetensors, MB" in (shown := capsys.readouterr().err)
    assert "3/3" in shown


def test_a_fine_tune_is_made_listed_and_run(ai: Ai, invoke: Invoke, folder: Path) -> None:
    assert invoke(ai.finetunes, "list") == []
    made = invoke(ai.finetunes, "upload", folder, model=MISTRAL, name="tickets")
    assert [(each.id, each.name) for each in invoke(ai.finetunes, "list")] == [(made.id, "tickets")]
    assert made.created_at
    assert made.meta.request_id
    for lora in ("tickets", made.id):
        assert invoke(ai, "run", MISTRAL, {"prompt": "Hi", "lora": lora, "raw": True}).text
    public = invoke(ai.finetunes, "public")
    assert public
    assert all(each.name.startswith("cf-public-") for each in public)
    assert invoke(ai, "run", public[0].model, {"prompt": "Hi", "lora": public[0].name}).text
    with pytest.raises(BadRequestError, match="was uploaded already"):
        invoke(ai.finetunes, "upload_asset", made, folder / "adapter_config.json")
    with pytest.raises(BadRequestError, match="taken name"):
        invoke(ai.finetunes, "create", model=MISTRAL, name="tickets")
    with pytest.raises(NotFoundError, match="Finetune other not found"):
        invoke(ai.finetunes, "upload_asset", "other", folder / "adapter_config.json")


def test_each_model_that_takes_a_lora_takes_one_of_its_family(ai: Ai, invoke: Invoke, folder: Path) -> None:
    for model in models.list(capability="lora", live=True):
        families = [each for each in ("mistral", "gemma", "llama", "qwen") if each in model.name]
        kind = {"qwen": "qwen2"}.get(families[0], families[0])
        (folder / "adapter_config.json").write_text(json.dumps({"model_type": kind, "r": 8}), "utf-8")
        with row(model.name):
            made = invoke(ai.finetunes, "upload", folder, model=model.name, name=model.name.replace("/", "-"))
            assert made.model == model.name


def test_a_fine_tune_that_cannot_run_is_refused_by_the_emulator(ai: Ai, invoke: Invoke) -> None:
    made = invoke(ai.finetunes, "create", model=GEMMA, name="bare")
    rows: list[tuple[str, str, type[Exception], str]] = [
        (MISTRAL, "nothing", NotFoundError, "3037 .*there is no 'nothing' .*ai.finetunes.list"),
        (MISTRAL, "bare", NotFoundError, "3037"),
        (GEMMA, "bare", BadRequestError, "3039 .*upload adapter_config.json"),
        (GEMMA, made.id, BadRequestError, "3039"),
    ]
    for model, lora, kind, said in rows:
        with row((model, lora)), pytest.raises(kind, match=said):
            invoke(ai, "run", model, {"prompt": "Hi", "lora": lora})


def test_a_fine_tune_is_run_by_its_record_on_its_model_alone(local: Emulator, invoke: Invoke, folder: Path) -> None:
    with local.ai() as ai:
        made = invoke(ai.finetunes, "upload", folder, model=MISTRAL, name="tickets")
        assert invoke(ai, "run", MISTRAL, {"prompt": "Hi", "lora": made}).text
        assert local.requests[-1].inputs["lora"] == made.id
        before = len(local.requests)
        said = f"lora` must be a fine-tune of {GEMMA}, .* got one of {MISTRAL}: run that model"
        with pytest.raises(InputError, match=said):
            invoke(ai, "run", GEMMA, {"prompt": "Hi", "lora": made})
        with pytest.raises(InputError, match=r"`requests\[1\]\.lora` must be"):
            invoke(ai, "run", GEMMA, {"requests": [{"prompt": "a"}, {"prompt": "b", "lora": made}]}, queue_request=True)
        for lora in (Finetune(), {}, {"id": None, "name": ""}):
            with row(lora), pytest.raises(InputError, match=r"`lora` must be .*, got a record without an id or a name"):
                invoke(ai, "run", MISTRAL, {"prompt": "Hi", "lora": lora})
        with pytest.raises(InputError, match=said):
            ai.check(GEMMA, {"prompt": "Hi", "lora": made})
        assert ai.check(MISTRAL, {"prompt": "Hi", "lora": made}).verdict == "fits"
        assert len(local.requests) == before
        # A service may say no more of a record than its name.
        for lora in (Finetune(name="tickets"), {"name": "tickets", "model": None}):
            invoke(ai, "run", MISTRAL, {"prompt": "Hi", "lora": lora})
            assert local.requests[-1].inputs["lora"] == "tickets"


def test_a_lora_for_a_model_that_takes_none_is_refused_before_it_is_sent(local: Emulator, invoke: Invoke) -> None:
    inputs = {"prompt": "Hi", "lora": "tickets"}
    said = f"`lora` must be left out, since {LLAMA} takes no fine-tune .code 5005., got one"
    with local.ai() as ai:
        for value in (inputs, {"messages": [{"role": "user", "content": "Hi"}], "lora": "tickets"}):
            with row(value), pytest.raises(InputError, match=said):
                invoke(ai, "run", LLAMA, value)
        with pytest.raises(InputError, match=r"`requests\[0\].lora` must be left out"):
            invoke(ai, "run", LLAMA, {"requests": [inputs]}, queue_request=True)
        assert ai.check(LLAMA, inputs).verdict == "wrong input"
        assert not local.requests
        with pytest.raises(BadRequestError, match="5005"):
            invoke(ai, "run", LLAMA, inputs, checks="off")


def test_the_emulator_refuses_records_and_files_that_are_none(local: Emulator) -> None:
    url = f"{local.base_url}/accounts/{local.account_id}/ai/finetunes"
    headers = {"authorization": f"Bearer {local.api_token}"}
    good = {"file_name": (None, "adapter_config.json"), "file": ("x", b"{}")}
    rows: list[tuple[str, dict[str, Any], str]] = [
        ("", {"json": {"model": LLAMA, "name": "x"}}, f"Model {LLAMA} does not support fine-tunes"),
        ("", {"json": {"model": MISTRAL}}, "Invalid or taken name: None"),
        ("", {"json": {"model": MISTRAL, "name": "b", "public": "yes"}}, "description must be a string, and public"),
        ("", {"json": {"model": MISTRAL, "name": "b", "description": 7}}, "description must be a string"),
        ("/x/finetune-assets", {"files": good}, "Finetune x not found"),
        ("/bare/finetune-assets", {"files": {"file": ("x", b"{}")}}, "file and file_name are required"),
        ("/bare/finetune-assets", {"files": good | {"file_name": (None, "a.bin")}}, "Invalid file a.bin"),
        ("/bare/finetune-assets", {"files": good}, "Invalid adapter_config.json: model_type must be mistral, gemma"),
        ("/bare/finetune-assets", {"files": good | {"file": ("x", b"[]")}}, "Invalid adapter_config.json"),
        ("/bare/finetune-assets", {"files": good | {"file": ("x", b"{")}}, "Invalid adapter_config.json"),
        ("/bare/finetune-assets", {"files": good | {"file": ("x", WIDE)}}, "Invalid adapter_config.json"),
        ("/bare/other", {"files": good}, "No route for that URI"),
    ]
    with httpx.Client(headers=headers) as http:
        http.post(url, json={"model": MISTRAL, "name": "bare"}).raise_for_status()
        assert http.get(f"{url}/public?limit=x").json()["errors"][0]["message"] == "limit must be from 0 to 1000000000"
        for path, body, said in rows:
            with row(said):
                response = http.post(url + path, **body)
                assert response.is_error
                assert response.json()["errors"][0]["message"].startswith(said)
