# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Open files of every kind as media. Checked by pyright; never run."""

import io
import tempfile
from pathlib import Path

from cfai import Ai


def pass_open_files(ai: Ai) -> None:
    with (
        tempfile.NamedTemporaryFile() as named,
        tempfile.SpooledTemporaryFile() as spooled,
        tempfile.TemporaryFile() as temporary,
        open("speech.wav", "rb") as file,
        Path("speech.txt").open() as text,
    ):
        for each in (named, spooled, temporary, file, io.BytesIO()):
            ai.run("@cf/deepgram/nova-3", {"audio": each})
            ai.run("@cf/microsoft/resnet-50", {"image": each})
        ai.run("@cf/deepgram/nova-3", {"audio": text})  # pyright: ignore[reportArgumentType, reportCallIssue]
