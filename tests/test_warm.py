"""Kernels forked from a process that has imported the libraries."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dataengine_utils import warm
from dataengine_utils.errors import KitError
from dataengine_utils.execution import execute
from dataengine_utils.warm import KernelServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")


@pytest.fixture(scope="module")
def server():
    with KernelServer() as server:
        if not server.ready(wait=120):
            import torch

            assert torch.cuda.is_available(), "the libraries are imported, or there is a GPU"
            pytest.skip("with a GPU kernels are not forked")
        yield server


def write_page(code, folder):
    first = new_code_cell("X = None", metadata={"tags": ["parameters"]})
    page = new_notebook(cells=[first, new_code_cell(code)])
    page.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(page, folder / "page.ipynb")
    return folder / "page.ipynb"


def run_cell(code, folder, server, **parameters):
    execute(write_page(code, folder), folder / "run.ipynb", parameters, server=server)
    return "".join(output.text for output in outputs(folder))


def outputs(folder):
    return nbformat.read(folder / "run.ipynb", 4).cells[-1].outputs


LOOK = """
import sys, os
libraries = sorted({"torch", "pandas", "transformers.trainer"} & set(sys.modules))
ours = sorted(name for name in sys.modules if name.startswith("dataengine_utils."))
print(libraries, ours, os.getcwd() == X, os.getppid() == int(os.environ["JPY_PARENT_PID"]))
"""


def test_a_forked_kernel_has_the_libraries_and_none_of_our_code(server, tmp_path, capfd):
    told = run_cell(LOOK, tmp_path, server, X=str(tmp_path)).split("]")
    assert told[0] == "['pandas', 'torch', 'transformers.trainer'"
    assert told[1].strip() == ("['dataengine_utils.before_torch', 'dataengine_utils.kernel'")
    assert told[2].split() == ["True", "True"]
    assert capfd.readouterr() == ("", ""), "a kernel prints nothing into the terminal"


@pytest.mark.parametrize("warm", [True, False])
def test_figures_and_tables_are_shown_as_in_any_kernel(request, tmp_path, warm):
    code = "import pandas\nimport matplotlib.pyplot as plt\nfigure, _ = plt.subplots()\n"
    server = request.getfixturevalue("server") if warm else None
    for last, kind in (("figure", "image/png"), ("pandas.DataFrame([1]).style", "text/html")):
        execute(write_page(code + last, tmp_path), tmp_path / "run.ipynb", {}, server=server)
        assert any(kind in output.get("data", {}) for output in outputs(tmp_path)), outputs(tmp_path)


def test_forked_kernels_share_nothing_and_can_have_children(server, tmp_path):
    code = """
import os, subprocess, sys, torch
sys.modules.setdefault("left_behind", sys)
os.environ["LEFT_BEHIND"] = "1"
done = subprocess.run([sys.executable, "-c", "raise SystemExit(3)"])
print(done.returncode, float(torch.ones(600, 600).mm(torch.ones(600, 600)).sum()))
"""
    assert run_cell(code, tmp_path, server) == f"3 {600.0**3}\n"
    assert run_cell("import os, sys; print('left_behind' in sys.modules, 'LEFT_BEHIND' in os.environ)",
                    tmp_path, server) == "False False\n"


def test_a_killed_kernel_is_one_clear_error_and_the_next_one_starts(server, tmp_path):
    with pytest.raises(KitError, match="killed or crashed"):
        run_cell("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path, server)
    assert run_cell("print('here')", tmp_path, server) == "here\n"


LOOP = """
import sys
from pathlib import Path
from dataengine_utils.execution import execute
from dataengine_utils.warm import KernelServer
page, executed = map(Path, sys.argv[1:])
with KernelServer() as server:
    assert server.ready(wait=120)
    execute(page, executed, {"X": str(executed)}, server=server)
"""
SLEEP = """
import os, time
with open(X + ".pid", "w") as file:
    print(os.getpid(), file=file)
time.sleep(60)
"""


@pytest.mark.usefixtures("server")  # skipped where it is
def test_no_kernel_outlives_a_killed_loop(tmp_path):
    page = write_page(SLEEP, tmp_path)
    loop = subprocess.Popen([sys.executable, "-c", LOOP, page, tmp_path / "run.ipynb"])
    told = tmp_path / "run.ipynb.pid"
    wait_for(lambda: told.exists() and told.read_text().endswith("\n"), 120)
    os.kill(loop.pid, signal.SIGKILL)
    loop.wait()
    wait_for(lambda: warm.ForkedKernel(int(told.read_text())).poll() is not None, 60)


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_without_a_server_process_kernels_start_as_any_other(tmp_path):
    with KernelServer() as server:
        server.ready()
        server._process.kill()
        server._process.wait()
        assert run_cell("print('here')", tmp_path, server) == "here\n"
        assert not server.ready(wait=5)
