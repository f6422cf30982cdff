# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What documents and fine-tunes are given and give. Checked by pyright and by mypy, never run."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, assert_type

from cfai import Ai, AsyncJob, Job
from cfai._resources import Pages
from cfai.types import ConversionResult, Finetune, Image, MarkdownFormat

ai = Ai()

assert_type(ai.to_markdown("a.pdf"), ConversionResult)
assert_type(ai.to_markdown(Path("a.pdf")), ConversionResult)
assert_type(ai.to_markdown(b"%PDF"), ConversionResult)
assert_type(ai.to_markdown(BytesIO()), ConversionResult)
assert_type(ai.to_markdown(("a.pdf", b"%PDF")), ConversionResult)
assert_type(ai.to_markdown({"name": "a.pdf", "blob": b"%PDF"}), ConversionResult)
assert_type(ai.to_markdown(["a.pdf", ("b.pdf", b"%PDF"), Path("c.pdf")]), list[ConversionResult])
assert_type(ai.to_markdown(Path().glob("*.pdf")), list[ConversionResult])
assert_type(
    ai.to_markdown("a.pdf", conversion_options={"pdf": {"images": {"max_converted_images": 3}, "metadata": False}}),
    ConversionResult,
)
ai.to_markdown("a.pdf", conversion_options={"output": {"format": "html"}})  # type: ignore
assert_type(ai.to_markdown("a.pdf", gateway="default"), ConversionResult)
assert_type(ai.markdown_formats(), list[MarkdownFormat])
assert_type(ai.to_markdown_many(Path().glob("*.pdf"), journal="a.jsonl"), Job[ConversionResult])
assert_type(ai.ato_markdown_many(["a.pdf"], concurrency=2), AsyncJob[ConversionResult])


async def awaited(image: Image, file: BinaryIO) -> None:
    assert_type(await ai.ato_markdown(file), ConversionResult)
    assert_type(await ai.ato_markdown(image), ConversionResult)
    assert_type(await ai.ato_markdown([image]), list[ConversionResult])
    assert_type(await ai.finetunes.aupload("adapter", model="@cf/google/gemma-2b-it-lora", name="a"), Finetune)
    assert_type([each async for each in ai.finetunes.apublic()], list[Finetune])


assert_type(ai.finetunes.list(), list[Finetune])
assert_type(ai.finetunes.public(limit=3), Pages[Finetune])
