"""What README says of other clients, tried once more: `python -m pytest .ci/comparison.py`.

Each client has a virtual environment of its own, and asks an emulator on which things go wrong. What a program prints
is the length of the text that it got, or the name of the error; what the emulator counts is how often it asked.
"""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

from cfai._credentials import BASE_URL
from cfai.local import Emulator, Fault
from tests.conftest import row

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
LONG = 900
"""Seconds after which an installation gives up."""

PROGRAMS = {
    "requests==2.34.2": """
import json, requests
url = f"{base}/accounts/{account}/ai/run/"
headers = {"Authorization": f"Bearer {token}"}
def ask(prompt):
    answer = requests.post(url + model, headers=headers, json={"prompt": prompt}, timeout=60)
    answer.raise_for_status()
    return answer.json()["result"]["response"]
def stream(prompt):
    body = {"prompt": prompt, "stream": True}
    answer = requests.post(url + model, headers=headers, json=body, stream=True, timeout=60)
    answer.raise_for_status()
    lines = [line[6:] for line in answer.iter_lines() if line.startswith(b"data: ") and line != b"data: [DONE]"]
    return "".join(json.loads(line).get("response", "") for line in lines)
def embed(texts):
    answer = requests.post(url + "@cf/baai/bge-m3", headers=headers, json={"text": texts}, timeout=60)
    answer.raise_for_status()
    return answer.json()["result"]["data"]
""",
    "openai==3.57.0": """
from openai import OpenAI
client = OpenAI(api_key=token, base_url=f"{base}/accounts/{account}/ai/v1")
def ask(prompt):
    messages = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(model=model, messages=messages).choices[0].message.content
def stream(prompt):
    messages = [{"role": "user", "content": prompt}]
    chunks = client.chat.completions.create(model=model, messages=messages, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
def embed(texts):
    return client.embeddings.create(model="@cf/baai/bge-m3", input=texts).data
""",
    "cloudflare==5.9.0": """
from cloudflare import Cloudflare
client = Cloudflare(api_token=token, base_url=base)
def ask(prompt):
    return client.ai.run(model, account_id=account, prompt=prompt)
""",
    "langchain-cloudflare==0.4.3": """
from langchain_cloudflare import ChatCloudflareWorkersAI, CloudflareWorkersAIEmbeddings
client = ChatCloudflareWorkersAI(account_id=account, api_token=token, model=model)
def ask(prompt):
    return client.invoke(prompt).content
def stream(prompt):
    return "".join(chunk.content for chunk in client.stream(prompt))
def embed(texts):
    embeddings = CloudflareWorkersAIEmbeddings(account_id=account, api_token=token, model_name="@cf/baai/bge-m3")
    return embeddings.embed_documents(texts)
""",
}
MAIN = """
import os, sys
base, account, token, model = sys.argv[1:5]
{program}
try:
    print(len({call}))
except Exception as error:
    print(type(error).__name__)
"""
WHOLE, TOO_LONG, MANY_TEXTS = "ask('Hi')", "ask('word ' * 40_000)", "embed(['a text'] * 250)"
USED_UP = [Fault(status=429, code=4006, message="you have used up your daily free allocation of 10,000 neurons")] * 5
SAYS: dict[str, dict[str, tuple[bool, int] | None]] = {
    "requests==2.34.2": {
        "whole": (True, 1), "stream": (True, 1), "cut": (True, 1), "error": (True, 1), "too long": (False, 1),
        "used up": (False, 1), "embeddings": (False, 1),
    },
    "openai==3.57.0": {
        "whole": (True, 1), "stream": (True, 1), "cut": (True, 1), "error": (True, 1), "too long": (False, 1),
        "used up": (False, 3), "embeddings": (False, 1),
    },
    "cloudflare==5.9.0": {"whole": (False, 0)},  # by a path that leads to no model
    "langchain-cloudflare==0.4.3": {
        "whole": (True, 1), "stream": (True, 1), "cut": (True, 1), "error": (True, 1), "too long": (False, 1),
        "used up": (False, 1), "embeddings": (True, 5),
    },
}  # fmt: skip
"""Whether a client gives an answer, and how often it asks, by what happens."""
CALLS = {
    "whole": (WHOLE, []),
    "stream": ("stream('Hi')", []),
    "cut": ("stream('Hi')", [Fault(truncate_after=12)]),
    "error": ("stream('Hi')", [Fault(error_after=12)]),
    "too long": (TOO_LONG, []),
    "used up": (WHOLE, USED_UP),
    "embeddings": (MANY_TEXTS, []),
}


@pytest.mark.parametrize("package", PROGRAMS)
def test_another_client_does_what_readme_says(package: str, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    venv.create(python.parents[1], with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", package], check=True, timeout=LONG)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    for case, said in SAYS[package].items():
        with row(case), Emulator() as service:
            call, faults = CALLS[case]
            for file in tmp_path.glob("venv/lib/*/site-packages/langchain_cloudflare/**/*.py"):
                original = file.with_suffix(".original")
                text = (original if original.exists() else file).read_text("utf-8")
                original.write_text(text, "utf-8")
                file.write_text(text.replace(BASE_URL, service.base_url), "utf-8")
            service.script(*faults)
            program = MAIN.format(program=PROGRAMS[package], call=call)
            arguments = [service.base_url, service.account_id, service.api_token, LLAMA]
            done = subprocess.run(
                [python, "-B", "-c", program, *arguments], env=kept, capture_output=True, text=True, timeout=LONG
            )
            assert (done.stdout.strip().isdigit(), len(service.requests)) == said, done.stdout + done.stderr
