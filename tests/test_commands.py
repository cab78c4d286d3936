"""How command lines end: errors are sentences, and a reader who leaves early is none."""

import os
import subprocess
import sys

import pytest

from dataengine_utils.commands import exit_code
from dataengine_utils.errors import KitError


def test_the_code_is_the_works_own_and_1_for_an_error(capsys):
    def failing():
        raise KitError("no such thing")

    assert exit_code(lambda: None) == 0 and exit_code(lambda: 2) == 2
    assert exit_code(failing) == 1 and capsys.readouterr().err == "error: no such thing\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "command", [["benchmarks", "list"], ["images", "show", "folder", "--data", "."]], ids=lambda one: one[0]
)
def test_a_reader_who_leaves_is_no_error(tmp_path, command, unbuffered):
    """As in `... | head -1`: no traceback, and the code that the system gives such programs."""
    (tmp_path / "annotations.jsonl").write_text(
        '{"image_id": "1", "image": "1.png", "width": 3, "height": 3}'
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", f"dataengine_utils.{command[0]}", *command[1:]],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
