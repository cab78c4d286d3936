"""One real peer: `transformers serve` with a small random model, asked by the kit's teacher."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter

import pytest

from dataengine_utils import images, prompts, teachers
from dataengine_utils.errors import KitError
from dataengine_utils.generation import generate
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Query
from dataengine_utils.teachers.ledger import Ledger
from tests.tiny import train_tokenizer

NEEDED = ("fastapi", "uvicorn")
CHAT = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
START_S = 120.0
TOKENS = 24


def build_model(folder):
    """A random language model of two layers and its tokenizer with a chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(), pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", padding_side="left", chat_template=CHAT,
    )  # fmt: skip
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=8192, pad_token_id=0,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(address: str, process: subprocess.Popen, log) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"transformers serve did not start in {START_S} s:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """The address of `transformers serve`, and the name of its model: the folder it lies in."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"{missing} are not installed: pip install {' '.join(NEEDED)}")
        pytest.skip(f"transformers serve needs {' and '.join(missing)}: pip install {' '.join(NEEDED)}")
    folder = tmp_path_factory.mktemp("serve")
    model, log, port = build_model(folder / "model"), folder / "log.txt", free_port()
    program = "from transformers.cli.transformers import main; main()"
    where = ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-c", program, "serve", model, *where]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}/v1", model
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def load(peer, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "any")

    def one(model=peer[1], **options):
        usual = {"base_url": peer[0], "ledger": tmp_path / "ledger.sqlite", "max_tokens": TOKENS}
        usual |= {"concurrency": 2, "price": {"input": 0.0, "output": 0.0}}
        return teachers.load("openai", model=model, **usual | options)

    return one


def some(n):
    ids = images.load("picturebook").ids()
    return [Query(f"q{k}", QUESTION_TYPES[k % 9 + 1], ids[k], ()) for k in range(n)]


def test_every_query_has_an_outcome_and_the_ledger_what_was_used(load, tmp_path):
    """A random model writes no JSON: replies are not readable, and all of them are kept with their tokens."""
    source, written = images.load("picturebook"), []
    records = generate(some(4), source, load(), prompts.base_template(), write=written.append)
    assert [r.query_id for r in records] == ["q0", "q1", "q2", "q3"] and len(written) == 4
    assert Counter(r.reason for r in records) == {"not readable": 4}
    assert all(r.reply and r.request for r in records)
    with Ledger(tmp_path / "ledger.sqlite", for_reading=True) as ledger:
        totals = ledger.totals()
        answers = [ledger.answer(r.request) for r in records]
    assert (totals.requests, totals.answered, totals.open, totals.usd) == (4, 4, 0, 0.0)
    assert all(0 < answer.completion_tokens <= TOKENS and answer.prompt_tokens > 100 for answer in answers)
    assert [answer.text for answer in answers] == [r.reply for r in records]
    again = generate(some(4), source, load(), prompts.base_template(), write=written.append)
    assert [r.reply for r in again] == [r.reply for r in records]


def test_a_model_that_is_not_served_is_told(load):
    """The server answers 400 with a body of its own form; the run says so, and nothing is accepted."""
    source = images.load("picturebook")
    with pytest.raises(KitError, match="400"):
        generate(some(30), source, load("another"), prompts.base_template(), write=lambda record: None)
