"""JupyterLab for the browser tests: started with settings of its own, its notebooks run by the menu."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest

SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
WAIT_MS = 90_000


@contextmanager
def jupyter_lab(folder, pythonpath):
    """JupyterLab on a folder with a folder `notebooks`; gives a function from their names to addresses."""
    private = folder / "jupyter"
    for name, values in SETTINGS.items():
        file = private / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, pythonpath)),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_TOKEN": token,
    }
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    more = ["--allow-root", "--LabApp.extension_manager=readonly"]
    with open(private / "lab.log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options, *more]
        server = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, private / "lab.log")
            yield lambda name: f"http://127.0.0.1:{port}/lab/tree/notebooks/{name}?token={token}&reset"
        finally:
            server.terminate()
            server.wait(30)


def run_to(page, address, cell, output):
    """Open a notebook and run it as far as the cell that contains a text, until its output is there.

    On a busy machine JupyterLab may lose its first connection to the kernel: cells are left undone then, or
    widgets stay at "Loading widget...". A person would load the page again, and so does this.
    """
    for _ in range(6):
        _open(page, address)
        _select(page, cell)
        if page.locator(".jp-CodeCell").count() > 1:
            _menu(page, "Run", "Run All Above Selected Cell")
        _select(page, cell)
        _menu(page, "Run", "Run Selected Cell and Do not Advance")
        if _done(page) and _appears(output, seconds=20):
            return
    pytest.fail(f"JupyterLab did not show the output of {cell!r}; cells: {_counts(page)}")


def run_all_below(page, cell):
    """Run the cell that contains a text, and all below it."""
    _select(page, cell)
    _menu(page, "Run", "Run Selected Cell and All Below")


def restart_kernel(page):
    """Restart the kernel of the notebook that is open; all its variables are gone."""
    _menu(page, "Kernel", "Restart Kernel…")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    page.wait_for_timeout(2000)


def wait_until(condition, page, seconds=60):
    """Wait for a condition while the page goes on."""
    for _ in range(4 * seconds):
        if condition():
            return
        page.wait_for_timeout(250)
    pytest.fail("waited in vain")


def _open(page, address):
    page.goto(address)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=WAIT_MS)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first.wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(2000)


def _select(page, cell):
    page.locator(".jp-CodeCell").filter(has_text=cell).locator(".cm-content").first.click()


def _menu(page, menu, item):
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=item).first.click()


def _done(page):
    """Whether the cells that were started came to an end within a minute."""
    page.wait_for_timeout(1000)
    for _ in range(240):
        if "[*]:" not in _counts(page):
            return True
        page.wait_for_timeout(250)
    return False


def _counts(page):
    return page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()


def _appears(locator, seconds):
    for _ in range(4 * seconds):
        if locator.is_visible():
            return True
        locator.page.wait_for_timeout(250)
    return False


def _wait_for(url, server, log):
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.25)
    pytest.fail(f"JupyterLab did not answer within a minute: {log.read_text()}")
