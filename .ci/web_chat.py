"""The chat of examples/web_chat in a real Chromium, against the emulator: `python -m pytest .ci/web_chat.py`.

`PYTHONPATH=. python .ci/web_chat.py FOLDER` takes pictures of it instead; FOLDER/web_chat.png is the one in the docs.

Needs the packages playwright and pillow, and Chromium: the machine's own, or that of `playwright install chromium`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cfai._streaming.event_stream import GONE_AFTER
from cfai.local import Emulator, Fault
from tests.pages import serve_example

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PHOTO = EXAMPLES / "photo.jpg"
GLM = "@cf/zai-org/glm-4.7-flash"
GEMMA = "gemma-4-26b-a4b-it"
expect.set_options(timeout=20_000)
AT_ONCE = GONE_AFTER - 1
"""Less than the seconds that it takes where nothing but the silence of a reader tells that there is none."""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run Chromium: the machine's own, or else the one that playwright brought."""
    own = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=own, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def serve_chat(file: str = "web_chat/app.py", **options: Any) -> Iterator[tuple[Emulator, str]]:
    """Serve an example whose models are an emulator's, and give its address."""
    with Emulator(**options) as local:
        os.environ["CLOUDFLARE_API_BASE_URL"] = local.base_url
        os.environ["CLOUDFLARE_ACCOUNT_ID"] = local.account_id
        os.environ["CLOUDFLARE_API_TOKEN"] = local.api_token
        with serve_example(EXAMPLES / file) as client:
            yield local, str(client.base_url)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def local_and_url() -> Iterator[tuple[Emulator, str]]:
    with serve_chat(tokens_per_second=40) as served:
        yield served


@pytest.fixture
def local(local_and_url: tuple[Emulator, str]) -> Emulator:
    return local_and_url[0]


@pytest.fixture
def url(local_and_url: tuple[Emulator, str]) -> str:
    return local_and_url[1]


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of, and dialogs: a test that expects any takes them out."""
    return []


@pytest.fixture
def page(browser: Browser, url: str, complaints: list[str]) -> Iterator[Page]:
    """The chat in a tab of its own."""
    with browser.new_context() as context:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        yield open_chat(page, url)
    assert complaints == []


def open_chat(page: Page, url: str) -> Page:
    page.goto(url)
    expect(page.get_by_role("option")).to_have_count(4)
    return page


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.keyboard.press("Enter")


def answer_of(page: Page) -> Any:
    """Return the text of the last answer, without its reasoning and its note."""
    return page.locator("article.assistant > div").last


def wait_for_more_than(page: Page, length: int) -> int:
    """Wait until the last answer has more than so many characters, and return how many it has."""
    script = "length => [...document.querySelectorAll('article.assistant > div')].at(-1)?.textContent.length > length"
    page.wait_for_function(script, arg=length)
    return len(answer_of(page).text_content())


def sent_messages(local: Emulator) -> list[dict[str, Any]]:
    return local.requests[-1].inputs["messages"][1:]


def write_answer(text: str, thoughts: str = "") -> Fault:
    """Return an answer in words of ours, as the model would send it."""
    pieces = [("reasoning_content", word) for word in re.findall(r"\S+\s*", thoughts)]
    pieces += [("content", word) for word in re.findall(r"\S+\s*", text)]
    usage = {"prompt_tokens": 38, "completion_tokens": len(pieces), "total_tokens": 38 + len(pieces)}
    chunks = [{"choices": [{"index": 0, "delta": {key: text}, "finish_reason": None}]} for key, text in pieces]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return Fault(body=f"{events}data: [DONE]\n\n".encode(), content_type="text/event-stream", trickle=0.0002)


def test_an_answer_is_seen_growing_with_its_reasoning_folded_and_the_context_that_it_takes(
    page: Page, local: Emulator
) -> None:
    ask(page, "Where is New York?")
    expect(page.get_by_text("Thinking…")).to_be_visible()
    lengths = [wait_for_more_than(page, 0)]
    for _ in range(5):
        lengths.append(wait_for_more_than(page, lengths[-1]))
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    assert len({*lengths}) == 6
    assert len(answer_of(page).text_content()) > lengths[-1]
    reasoning = page.locator("article.assistant details > div")
    expect(reasoning).to_be_hidden()
    page.locator("article.assistant summary").click()
    expect(reasoning).to_be_visible()
    used = local.requests[0].inputs
    with local.ai() as ai:
        usage = ai.run(GLM, {"messages": used["messages"], "max_tokens": used["max_tokens"]}).usage
    assert usage is not None
    expect(page.locator("#used")).to_have_text(f"{usage.total_tokens} of 131,072 tokens")


def test_stop_keeps_the_part_that_came_and_the_conversation_goes_on_from_it(page: Page, local: Emulator) -> None:
    for number, stop in enumerate(
        (lambda: page.keyboard.press("Escape"), page.get_by_role("button", name="Stop").click)
    ):
        ask(page, f"Write 500 words, {number}.")
        wait_for_more_than(page, 10)
        stop()
        expect(page.locator("article.assistant small").last).to_have_text("Stopped.")
        assert local.wait_for_disconnects(number + 1, timeout=AT_ONCE)
        expect(page.get_by_label("Message")).to_be_focused()
    part = answer_of(page).text_content()
    ask(page, "Go on.")
    wait_for_more_than(page, 0)
    roles = [message["role"] for message in sent_messages(local)]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert sent_messages(local)[3]["content"] == part


def test_a_reload_keeps_the_conversation_the_model_and_what_is_being_typed(page: Page, local: Emulator) -> None:
    page.get_by_label("Model").select_option(GEMMA)
    ask(page, "Where is New York?")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    whole = answer_of(page).text_content()
    ask(page, "Write 500 words.")
    wait_for_more_than(page, 10)
    page.get_by_label("Message").type("And then")
    page.reload()
    expect(page.locator("article")).to_have_count(4)
    assert local.wait_for_disconnects(1, timeout=AT_ONCE)
    assert page.locator("article.assistant > div").first.text_content() == whole
    assert len(answer_of(page).text_content()) > 10
    expect(page.get_by_label("Message")).to_have_value("And then")
    expect(page.get_by_label("Model")).to_have_value(f"@cf/google/{GEMMA}")
    expect(page.locator("#used")).not_to_have_text(re.compile("^0 of"))
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("article")).to_have_count(0)
    page.reload()
    expect(page.locator("article")).to_have_count(0)


def test_an_error_is_told_in_plain_words_and_the_question_can_be_sent_again(
    page: Page, local: Emulator, complaints: list[str]
) -> None:
    problem = page.get_by_role("alert")
    local.script(Fault(code=3040, retry_after=100), [Fault(error_after=60, code=3040)])
    ask(page, "Where is New York?")
    expect(problem).to_have_text("The model is busy. Try again in 2 minutes, or choose another one.")
    expect(page.locator("article")).to_have_count(0)
    expect(page.get_by_label("Message")).to_have_value("Where is New York?")
    expect(page.locator("#used")).to_have_text("0 of 131,072 tokens")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("article.assistant small")).to_have_text("The answer broke off. Please ask again.")
    assert answer_of(page).text_content().startswith("This is an emulated answer")
    expect(problem).to_have_text("")
    page.context.set_offline(True)
    ask(page, "And London?")
    expect(problem).to_have_text("The connection was lost. Please ask again.")
    expect(page.get_by_label("Message")).to_have_value("And London?")
    assert "ERR_INTERNET_DISCONNECTED" in complaints.pop()


def test_what_is_too_large_is_told_in_plain_words(page: Page, complaints: list[str]) -> None:
    page.evaluate("text => (document.getElementById('text').value = text)", "x" * 10_500_000)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_text("This is more than the model takes. Shorten it, and try again.")
    assert "413" in complaints.pop()


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> **<b onclick=alert(3)>** `<svg/onload=alert(4)>`"


def test_a_script_in_an_answer_is_shown_and_not_run(page: Page, local: Emulator, complaints: list[str]) -> None:
    local.script(write_answer(HOSTILE, HOSTILE))
    ask(page, HOSTILE)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    for text in page.locator("article div").all_text_contents():
        assert text in ("", HOSTILE.replace("**", "").replace("`", ""), HOSTILE)
    assert page.locator("article").locator("script, img, svg, b, a").count() == 0
    assert complaints == []
    # If it were an element, the browser would still refuse to run it.
    add = "code => document.body.append(Object.assign(document.createElement('script'), { textContent: code }))"
    with page.expect_console_message():
        page.evaluate(add, "document.title = 'run'")
    assert page.title() == "Workers AI chat"
    assert "Content Security Policy" in complaints.pop()


def test_characters_that_turn_the_order_of_others_are_shown_and_do_not_act(page: Page, local: Emulator) -> None:
    local.script(write_answer("a\u202eb \u0633 `c\u2067d`", "e\u2066f"))
    ask(page, "g\u202eh")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    assert answer_of(page).text_content() == "a\\u202eb \u0633 c\\u2067d"
    assert page.locator("article details > div").last.text_content() == r"e\u2066f"
    assert page.locator("article.user > div").text_content() == r"g\u202eh"


def test_code_and_bold_type_are_shown_as_such(page: Page, local: Emulator) -> None:
    local.script(write_answer("**bold** `code` 2 * 3 ** 4\n```python\nprint('<b>')\n```\n```one``` and ```cut"))
    ask(page, "Hello")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    texts = {kind: answer_of(page).locator(kind).all_text_contents() for kind in ("strong", "code", "pre")}
    assert texts == {"strong": ["bold"], "code": ["code"], "pre": ["print('<b>')\n", "one", "cut"]}


def test_ten_readers_at_once_see_their_own_answers(browser: Browser, url: str, local: Emulator) -> None:
    local.script([Fault(silence_after=50)] * 10)
    pages = [open_chat(browser.new_page(), url) for _ in range(10)]
    for number, page in enumerate(pages):
        ask(page, f"Where is city {number}?")
    for number, page in enumerate(pages):
        expect(answer_of(page)).to_contain_text(f"city {number}")
    assert [page.get_by_role("button", name="Stop").is_visible() for page in pages] == [True] * 10
    for page in pages:
        page.keyboard.press("Escape")
    assert local.wait_for_disconnects(10, timeout=AT_ONCE)
    for number, page in enumerate(pages):
        ask(page, f"And city 1{number}?")
    for number, page in enumerate(pages):
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        expect(answer_of(page)).to_contain_text(f"city 1{number}")
        page.close()


def test_closing_the_tab_stops_the_model_at_once(browser: Browser, url: str, local: Emulator) -> None:
    for number, fault in enumerate(("ok", Fault(silence_after=60))):
        local.script(fault)
        page = open_chat(browser.new_page(), url)
        ask(page, "Write 5000 words.")
        wait_for_more_than(page, 0)
        page.close()
        assert local.wait_for_disconnects(number + 1, timeout=AT_ONCE)


def test_pictures_go_to_a_model_that_sees_made_smaller(page: Page, local: Emulator) -> None:
    expect(page.get_by_label("Add pictures")).to_be_hidden()
    page.get_by_label("Model").select_option(GEMMA)
    large = BytesIO()
    Image.open(PHOTO).resize((3000, 1500)).save(large, "PNG")
    for name, picture in (("photo.jpg", PHOTO.read_bytes()), ("large.png", large.getvalue())):
        page.get_by_label("Add pictures").set_input_files({"name": name, "mimeType": "", "buffer": picture})
    expect(page.get_by_role("button", name="Remove this picture")).to_have_count(2)
    page.get_by_role("button", name="Remove this picture").first.click()
    ask(page, "What is in this picture?")
    expect(page.get_by_role("img", name="A picture of yours")).to_have_count(1)
    expect(page.get_by_role("button", name="Remove this picture")).to_have_count(0)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    text, picture = sent_messages(local)[0]["content"]
    assert text == {"type": "text", "text": "What is in this picture?"}
    data = base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(BytesIO(data)).size == (1024, 512)
    page.get_by_label("Add pictures").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Hello"}
    )
    expect(page.get_by_role("alert")).to_have_text("notes.txt is no picture that this browser can read.")
    page.reload()
    expect(page.get_by_role("img", name="A picture of yours")).to_have_count(1)


def test_a_picture_waits_while_a_model_is_chosen_that_sees_none(page: Page, local: Emulator) -> None:
    model, pictures = page.get_by_label("Model"), page.get_by_role("button", name="Remove this picture")
    model.select_option(GEMMA)
    page.get_by_label("Add pictures").set_input_files(PHOTO)
    expect(pictures).to_have_count(1)
    model.select_option(GLM)
    expect(page.get_by_text("Kept for a model that sees pictures: this one does not.")).to_be_visible()
    for fault in (Fault(code=3040, retry_after=100), "ok"):
        local.script(fault)
        ask(page, "Hello")
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        assert sent_messages(local)[-1]["content"] == "Hello"
        expect(pictures).to_have_count(1)
    model.select_option(GEMMA)
    expect(page.get_by_text("Kept for a model")).to_have_count(0)
    for fault in (Fault(code=3040, retry_after=100), "ok"):
        local.script(fault)
        ask(page, "What is in this picture?")
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        assert len(sent_messages(local)[-1]["content"]) == 2
        expect(pictures).to_have_count(int(fault != "ok"))


def test_a_long_conversation_goes_on_and_says_what_is_left_out(page: Page, local: Emulator) -> None:
    page.get_by_label("Model").select_option("llama-3.3-70b-instruct-fp8-fast")
    for text in ("word " * 12_000, "word " * 12_000):
        ask(page, text)
        expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=60_000)
    expect(page.locator("small").last).to_have_text("Without the 2 oldest messages, which no longer fit.")
    assert len(sent_messages(local)) == 1
    meter = page.get_by_label("Context")
    assert 0.4 < meter.evaluate("meter => meter.value / meter.max") < 1


def test_keyboard_and_screen_reader_find_everything(page: Page, local: Emulator) -> None:
    message = page.get_by_role("textbox", name="Message")
    expect(message).to_be_focused()
    message.type("one")
    page.keyboard.press("Shift+Enter")
    message.type("two")
    expect(message).to_have_value("one\ntwo")
    assert local.requests == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("The model is answering. Escape stops it.")
    expect(page.get_by_role("article", name="Answer")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(message).to_be_focused()
    page.get_by_label("Model").focus()
    names: list[str] = []
    for _ in range(5):
        names.append(
            page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText.split('\\n')[0]")
        )
        page.keyboard.press("Tab")
    assert names[1:3] == ["New chat", "Conversation"]
    assert page.get_by_role("log", name="Conversation").get_attribute("aria-live") == "polite"


CONTRAST = """() => {
  const luminance = (color) => {
    const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const background = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? background(element.parentElement) : color;
  };
  const texts = [...document.querySelectorAll("label, span, button, select, textarea, div, small, summary")];
  return Math.min(...texts.map((each) => {
    const [high, low] = [luminance(getComputedStyle(each).color), luminance(background(each))].sort().reverse();
    return (high + 0.05) / (low + 0.05);
  }));
}"""
"""The least contrast of a text in the page."""


def test_it_fits_a_phone_and_can_be_read_in_the_light_and_in_the_dark(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    ask(page, "`" + "x" * 500 + "` and Where is New York?")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.get_by_role("button", name="Send").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 360
    assert box["y"] + box["height"] <= 640
    backgrounds: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        backgrounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.evaluate(CONTRAST) >= 4.5, scheme
    assert len({*backgrounds}) == 2


def test_the_short_example_streams_by_the_browsers_own_event_source_and_asks_once(browser: Browser) -> None:
    with serve_chat("fastapi_sse.py", tokens_per_second=40) as (local, url):
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("button", name="Ask").click()
        grown = "length => document.querySelector('#answer').textContent.length > length"
        page.wait_for_function(grown, arg=0)
        page.wait_for_function(grown, arg=len(page.locator("#answer").text_content() or "") + 20)
        expect(page.locator("#answer")).to_contain_text("no model has read it")
        # An EventSource that is left open connects again after three seconds.
        page.wait_for_timeout(4000)
        assert len(local.requests) == 1
        page.close()


# Pictures


THOUGHTS = "The user wants a Python function for leap years. Gregorian rule: divisible by 4, but centuries only by 400."
ANSWER = """A year is a leap year if **4** divides it; of the centuries only those that **400** divides:

```python
def is_leap_year(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
```

So `is_leap_year(2000)` is true and `is_leap_year(1900)` is not. Python has it too: `calendar.isleap`."""


def take_pictures(folder: Path) -> None:
    with open_browser() as browser, serve_chat(tokens_per_second=30) as (local, url):
        page = browser.new_page(viewport={"width": 760, "height": 600}, color_scheme="light")
        open_chat(page, url)
        local.script(write_answer(ANSWER, THOUGHTS))
        ask(page, "How do I tell a leap year in Python?")
        expect(page.get_by_text("So is_leap_year(2000)")).to_be_visible(timeout=60_000)
        page.screenshot(path=folder / "web_chat_middle.png")
        expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=60_000)
        page.screenshot(path=folder / "web_chat_desktop.png")
        local.script(Fault(code=3040, retry_after=100))
        ask(page, "And in JavaScript?")
        expect(page.get_by_role("alert")).not_to_have_text("")
        page.screenshot(path=folder / "web_chat_error.png")
        phone = browser.new_page(viewport={"width": 360, "height": 600}, color_scheme="dark")
        open_chat(phone, url)
        phone.get_by_label("Model").select_option(GEMMA)
        phone.get_by_label("Add pictures").set_input_files(PHOTO)
        ask(phone, "What is in this picture?")
        wait_for_more_than(phone, 60)
        phone.screenshot(path=folder / "web_chat_phone.png")
    desktop, phone = (Image.open(folder / f"web_chat_{name}.png").convert("RGB") for name in ("middle", "phone"))
    desktop, phone = (ImageOps.expand(each, 1, "#b9bec7") for each in (desktop, phone))
    both = Image.new("RGB", (desktop.width + phone.width + 24, desktop.height), "white")
    both.paste(desktop, (0, 0))
    both.paste(phone, (desktop.width + 24, 0))
    both.quantize(128, dither=Image.Dither.NONE).save(folder / "web_chat.png", optimize=True)


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]))
