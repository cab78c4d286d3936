"""The panel and the report in a real browser: JupyterLab and headless Chromium, driven by playwright.

Left out with a message on a machine without Chromium or playwright; where CI=true is set that is a failure.
"""

import importlib.util
import json
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dataengine_utils import images
from dataengine_utils.artifacts import create_run, open_run
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Prediction
from dataengine_utils.report import build_report
from dataengine_utils.sampling import sample_queries
from dataengine_utils.weakness import type_table

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "04_prompt_optimization.ipynb"
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
WAIT_MS = 90_000


def find_chromium():
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


@pytest.fixture(scope="module")
def browser():
    """Chromium, headless."""
    missing = [
        name
        for name, there in (
            ("Chromium (apt-get install chromium)", find_chromium()),
            ("playwright (pip install playwright)", importlib.util.find_spec("playwright")),
        )
        if not there
    ]
    if missing:
        message = f"no {' and no '.join(missing)}: nothing is looked at in a browser"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page; at the end it must have asked nobody but this machine, and no script on it may have failed."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    asked, errors = set(), []
    page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert asked <= {"127.0.0.1", "localhost", None, ""}, f"requests left the machine: {asked}"
    assert not errors


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with the notebooks beside a run that has got as far as its queries."""
    folder = tmp_path_factory.mktemp("kit")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    run = create_run(folder / "outputs" / "picturebook", "picturebook", overrides={"probe_queries": 8})
    predictions = [Prediction(str(n), name, "", "", "wrong") for n, name in QUESTION_TYPES.items()]
    ids = images.load("picturebook").ids()
    run.iteration(0).save(
        "queries",
        sample_queries(type_table(predictions), [], ids, budget=20, in_context=0, rng=random.Random(0)),
    )
    return folder


@pytest.fixture(scope="module")
def lab(workplace):
    """JupyterLab's address, serving the workplace with settings of its own."""
    private = workplace / "jupyter"
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
        "PYTHONPATH": str(ROOT),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_TOKEN": token,
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--ServerApp.root_dir={workplace}",
        "--allow-root",
        "--LabApp.extension_manager=readonly",
    ]
    with open(private / "lab.log", "w") as log:
        server = subprocess.Popen(command, env=env, cwd=workplace, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, private / "lab.log")
            yield f"http://127.0.0.1:{port}/lab/tree/notebooks/{NOTEBOOK}?token={token}"
        finally:
            server.terminate()
            server.wait(30)


def wait_for(url, server, log):
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.25)
    pytest.fail(f"JupyterLab did not answer within a minute: {log.read_text()}")


def run_menu(page, item):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=item).first.click()


def open_lab(page, lab):
    """Open the notebook in JupyterLab and wait until its kernel is idle."""
    page.goto(lab)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=WAIT_MS)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first.wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(2000)


def run_all(page, lab, panel):
    """Run All Cells until the panel is there.

    On a busy machine JupyterLab may lose its first connection to the kernel: cells are left undone then, or
    the panel stays at "Loading widget...". A person would load the page again, and so does this.
    """
    for _ in range(6):
        open_lab(page, lab)
        run_menu(page, "Run All Cells")
        page.wait_for_timeout(2000)
        wait_until(lambda: "[*]:" not in prompts(page), page)
        if "[ ]:" not in prompts(page) and appears(panel, seconds=10):
            return
    pytest.fail(f"JupyterLab did not show the panel; cells: {prompts(page)}")


def appears(locator, seconds):
    for _ in range(4 * seconds):
        if locator.is_visible():
            return True
        locator.page.wait_for_timeout(250)
    return False


def prompts(page):
    return page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()


def wait_until(condition, page, seconds=60):
    for _ in range(4 * seconds):
        if condition():
            return
        page.wait_for_timeout(250)
    pytest.fail("waited in vain")


def test_a_person_reviews_and_chooses_in_jupyterlab(page, lab, workplace, tmp_path):
    page.on("dialog", lambda dialog: dialog.accept())
    panel = page.locator(".jp-OutputArea-output").filter(
        has=page.get_by_role("button", name="Use this version")
    )
    run_all(page, lab, panel)
    iteration = open_run(workplace / "outputs" / "picturebook").iteration(0)
    wait_until(lambda: iteration.has("template"), page)
    assert iteration.load("decision").chosen_by == "policy best", "nobody has clicked yet"
    page.set_viewport_size({"width": 1280, "height": 1100})
    panel.scroll_into_view_if_needed()
    assert panel.locator("img").evaluate("image => image.naturalWidth") > 0, "the picture is there"
    page.screenshot(path=tmp_path / "page.png")
    panel.screenshot(path=tmp_path / "panel.png")
    panel.get_by_role("button", name="Accept").click()
    panel.get_by_text(re.compile(r"2 of \d+")).wait_for()
    panel.get_by_placeholder("why rejected").fill("<b>unclear</b>")
    panel.get_by_role("button", name="Reject").click()
    panel.get_by_text(re.compile(r"3 of \d+")).wait_for()
    panel.locator("select").first.select_option(index=2)
    panel.get_by_placeholder("why (kept").fill("reads better")
    panel.get_by_role("button", name="Use this version").click()
    panel.get_by_text("chosen by person").wait_for()
    panel.screenshot(path=tmp_path / "chosen.png")
    page.locator(".jp-CodeCell").filter(has_text="decision_table(panel.value)").locator(".cm-content").click()
    run_menu(page, "Run Selected Cell and All Below")
    wait_until(lambda: iteration.load("decision").chosen_by == "person", page)
    assert iteration.load("decision").reason == "reads better"
    wait_until(lambda: iteration.load("template").id == iteration.load("decision").template_id, page)
    verdicts = [(trial.verdict, trial.verdict_reason) for trial in iteration.load("trials") if trial.verdict]
    assert verdicts == [("accept", ""), ("reject", "<b>unclear</b>")]
    assert not page.locator(".jp-RenderedText[data-mime-type*='stderr']").count(), "no warnings on the page"


@pytest.mark.parametrize("width", [1280, 900])
def test_the_report_opens_without_asking_anybody(page, workplace, tmp_path, width):
    report = build_report(open_run(workplace / "outputs" / "picturebook"), tmp_path / "report.html")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(report.as_uri())
    page.get_by_role("heading", name="Progress").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
    page.screenshot(path=tmp_path / f"report_{width}.png", full_page=True)
