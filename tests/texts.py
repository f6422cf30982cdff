"""Texts in many scripts, and the tokenizers of the tests that make texts and conversations shorter."""

from __future__ import annotations

from collections import Counter

from cfai import tokens

FAMILIES = ["llama3", "gemma3", "qwen2", "o200k", "deepseek_v3"]
LOWEST = {True: 0.87, False: 0.71}
"""The share of an estimate that a real count is at least, of texts that are ASCII and of others."""

TEXTS = {
    "English": "The quick brown fox jumps over the lazy dog, and nobody knows what the dog thinks of it. ",
    "German": "Übermäßig große Fässer fließen über, sagte der Müller; niemand außer ihm hörte es. ",
    "Russian": "Съешь же ещё этих мягких французских булок да выпей чаю, пока он не остыл. ",
    "Chinese": "我能吞下玻璃而不伤身体。今天的天气很好\uff0c我们去公园散步吧。",
    "Japanese": "いろはにほへと ちりぬるを。カタカナと漢字も混ざっている文章です。",
    "Korean": "다람쥐 헌 쳇바퀴에 타고파. 오늘은 날씨가 참 좋습니다. ",
    "Korean in letters": "\u1103\u1161\u1105\u1161\u11b7\u110c\u1171 \u1112\u1165\u11ab ",
    "Arabic": "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر. ",
    "Hindi": "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले विष्णु। ",
    "Thai": "เป็นมนุษย์สุดประเสริฐเลิศคุณค่ากว่าบรรดาฝูงสัตว์เดรัจฉาน",
    "Vietnamese, decomposed": "Mo\u0323\u0302t ngu\u031bo\u031b\u0300i kho\u0302ng bie\u0302\u0301t gi\u0300. ",
    "emoji": "👩\u200d👩\u200d👧\u200d👦👍🏽🇩🇪🇫🇷❤\ufe0f🏴\U000e0067\U000e0062\U000e0065\U000e007f1\ufe0f\u20e3😀",
    "stacks": "Z\u0301\u0302\u0303\u0308a\u0323\u0324\u0325\u0316\u0317lgo\u0335\u0336 ",
    "base64": "aGVsbG8gd29ybGQsIHRoaXMgaXMgbm90IGEgc2VjcmV0",
    "JSON": '{"id":12345,"name":"caf\u00e9","tags":["a","b"],"ok":true},',
    "newlines": "one\r\ntwo\r\n\r\n\tthree   four\n\n\n",
}


class ByWords:
    """A tokenizer that has one token for each word."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def count_text(self, text: str, /) -> int:
        self.seen[text] += 1
        return len(text.split())


def words(count: int) -> str:
    return "word " * count


def dense(length: int) -> str:
    """A text of exactly so many bytes that is exactly so many tokens in every family: no token has letter and digit."""
    return ("a1" * (length // 2 + 1))[:length]


HAN = "我们今天去公园散步然后回家吃饭。"


def han(share: float) -> str:
    """Return a text whose estimate is that share of the window of Llama 3.3, less the answer."""
    return HAN * round((24_000 - 256) * share * 50 / tokens.estimate(HAN * 50, "llama3"))
