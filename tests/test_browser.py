"""The panel and the report in a real browser: JupyterLab and headless Chromium, driven by playwright.

Left out with a message on a machine without Chromium or playwright; where CI=true is set that is a failure.
"""

import importlib.util
import json
import os
import random
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from jupyter_lab import jupyter_lab, restart_kernel, run_all_below, run_to, wait_until
from panel_session import NASTY

from dataengine_utils import images
from dataengine_utils.artifacts import create_run, open_run
from dataengine_utils.files import read_lines
from dataengine_utils.ipo import REASONS
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import Act, Prediction
from dataengine_utils.report import build_report
from dataengine_utils.sampling import sample_queries
from dataengine_utils.weakness import type_table

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "04_prompt_optimization.ipynb"
SCREENSHOTS = ROOT / "outputs" / "screenshots"  # looked at by people, kept out of git
SIZES = {1280: 800, 900: 700}


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
    overrides = {"probe_queries": 20, "prompt_test": 10}
    run = create_run(folder / "outputs" / "picturebook", "picturebook", overrides=overrides)
    table = type_table([Prediction(str(n), name, "", "", "wrong") for n, name in QUESTION_TYPES.items()])
    ids = images.load("picturebook").ids()
    queries = sample_queries(table, [], ids, budget=40, in_context=0, rng=random.Random(0))
    run.iteration(0).save("weakness", table)
    run.iteration(0).save("queries", queries)
    return folder


@pytest.fixture(scope="module")
def lab(browser, workplace):
    """JupyterLab serving the workplace: a notebook's address by its name."""
    with jupyter_lab(workplace, pythonpath=[ROOT, ROOT / "tests"]) as address_of:
        yield address_of


def shoot(page, panel, name):
    """Pictures of the page with the panel at its top, in both sizes; nothing of the panel sticks out."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        panel.evaluate("element => element.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(500)
        page.screenshot(path=SCREENSHOTS / f"{name}_{width}.png")
        assert panel.evaluate("element => element.scrollWidth - element.clientWidth") <= 1, "it sticks out"
    page.set_viewport_size({"width": 1280, "height": SIZES[1280]})


class Journal:
    """The acts of a session as its file has them, read while the notebook writes."""

    def __init__(self, page, path):
        self._page, self._path = page, path

    def acts(self, kind):
        return [act for act in read_lines(self._path, Act) if act.kind == kind] if self._path.exists() else []

    def wait(self, kind, n):
        wait_until(lambda: len(self.acts(kind)) >= n, self._page)
        assert len(self.acts(kind)) == n
        return self.acts(kind)


def review_by_keyboard(page, panel, journal):
    """Five samples without the mouse but for the first click; keys typed faster than the panel draws."""
    panel.get_by_placeholder("keys: click here").click()
    page.keyboard.type("a2a3", delay=15)
    journal.wait("review", 4)
    page.keyboard.type("nbu", delay=15)
    journal.wait("undo", 1)
    page.keyboard.type("3a", delay=15)
    acts = journal.wait("review", 6)
    assert [act.verdict for act in acts] == ["accept", "reject", "accept", "reject", "reject", "accept"]
    assert [act.reasons for act in acts[3:5]] == [(REASONS[2],)] * 2
    assert acts[3].query_id == acts[4].query_id, "undo went back to the sample"


def review_by_mouse(page, panel, journal):
    """Five more samples; after a click the keys work without a click into their field."""
    for n, button in enumerate(["A Accept", f"✗ 6 {REASONS[5]}", "A Accept"], start=7):
        panel.get_by_role("button", name=button).click()
        journal.wait("review", n)
    panel.get_by_role("button", name="✗ 8 other").click()
    wait_for_focus(page, panel.get_by_placeholder("in your own words"))
    page.keyboard.type("<b>unclear</b> to me")
    page.keyboard.press("Enter")
    acts = journal.wait("review", 10)
    assert (acts[-1].reasons, acts[-1].text) == (("other",), "<b>unclear</b> to me")
    wait_for_focus(page, panel.get_by_placeholder("keys: click here"))
    page.keyboard.type("a")
    journal.wait("review", 11)
    assert len(journal.acts("undo")) == 1, "no word was taken for keys"


def wait_for_focus(page, field):
    wait_until(lambda: field.evaluate("element => element === document.activeElement"), page)


def revise(page, panel, journal):
    """Ask, take the first change, drop the second, and try the candidate."""
    panel.get_by_role("tab", name="2 Revise").click()
    panel.get_by_role("button", name="Ask the teacher").click()
    panel.get_by_role("button", name="Take").first.wait_for()
    shoot(page, panel, "revise")
    panel.get_by_role("button", name="Take").first.click()
    journal.wait("take", 1)
    panel.get_by_role("button", name="Drop").nth(1).click()
    journal.wait("drop", 1)
    panel.get_by_text("✗ dropped").wait_for()
    panel.get_by_role("button", name="Try the candidate").click()
    panel.get_by_text("blinded").first.wait_for()


def review_the_rest(page, panel):
    """Accept what is left, blinded, by keyboard."""
    wait_for_focus(page, panel.get_by_placeholder("keys: click here"))
    while (left := re.search(r"\d+ to go", panel.inner_text())) is not None:
        before = left.group()
        page.keyboard.type("a")
        wait_until(lambda: before not in panel.inner_text(), page)  # noqa: B023 (called in this turn only)


def test_a_person_improves_the_prompt_in_jupyterlab(page, lab, workplace):
    iteration = open_run(workplace / "outputs" / "picturebook").iteration(0)
    panel = page.locator(".jp-OutputArea-output").filter(has=page.get_by_role("tab", name="1 Review"))
    journal = Journal(page, iteration.path_of("session"))
    run_to(page, lab(NOTEBOOK), "PromptPanel(session", panel)
    panel.get_by_label("reviewer").fill("Ann")
    panel.get_by_label("reviewer").press("Enter")
    shoot(page, panel, "review")
    assert panel.locator("img").first.evaluate("image => image.naturalWidth") > 0, "the picture is there"
    review_by_keyboard(page, panel, journal)
    review_by_mouse(page, panel, journal)
    shoot(page, panel, "reviewed")
    revise(page, panel, journal)
    shoot(page, panel, "blinded")
    review_the_rest(page, panel)
    panel.get_by_role("tab", name="3 Compare").click()
    panel.get_by_text("The candidate's samples are accepted").wait_for()
    shoot(page, panel, "compare")
    panel.get_by_placeholder("why (kept").fill("reads better")
    panel.get_by_role("button", name="Promote the candidate").click()
    promoted = journal.wait("promote", 1)[0]
    shoot(page, panel, "promoted")
    assert (promoted.who, promoted.text) == ("Ann", "reads better")
    before = read_lines(iteration.path_of("session"), Act)

    restart_kernel(page)
    run_to(page, lab(NOTEBOOK), "PromptPanel(session", panel)
    assert panel.get_by_label("reviewer").input_value() == "Ann"
    panel.get_by_text("Round 2").wait_for()
    panel.get_by_role("tab", name="History").click()
    panel.get_by_text("✓ promoted, round 1").wait_for()
    shoot(page, panel, "history")
    panel.get_by_role("tab", name="3 Compare").click()
    panel.get_by_text("reads better").wait_for()
    assert read_lines(iteration.path_of("session"), Act) == before

    run_all_below(page, "ipo.run_policy")
    wait_until(lambda: iteration.has("template"), page)
    decision = iteration.load("decision")
    assert (decision.template_id, decision.chosen_by) == (promoted.template_id, "Ann")
    assert iteration.load("template").id == promoted.template_id
    reasons = [trial.verdict_reason for trial in iteration.load("trials")]
    assert any("<b>unclear</b> to me" in reason for reason in reasons)
    assert not page.locator(".jp-RenderedText[data-mime-type*='stderr']").count(), "no warnings on the page"


NASTY_CELL = """
from pathlib import Path
from PIL import Image
from panel_session import NASTY, nasty_session
from dataengine_utils.widgets import PromptPanel
session = nasty_session(Path("nasty"), " ".join(NASTY.values()))
PromptPanel(session, lambda query_id: Image.new("RGB", (112, 112), "grey"))
"""


def test_nothing_written_by_others_is_more_than_text(page, lab, workplace):
    write_notebook(workplace / "notebooks" / "nasty.ipynb", NASTY_CELL.strip())
    panel = page.locator(".jp-OutputArea-output").filter(has=page.get_by_role("tab", name="1 Review"))
    run_to(page, lab("nasty.ipynb"), "PromptPanel(session", panel)
    shoot(page, panel, "nasty_review")
    for tab in ("2 Revise", "3 Compare", "History", "1 Review"):
        panel.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(1000)
        check_only_text(page, panel)
        if tab == "2 Revise":
            shoot(page, panel, "nasty_revise")
            panel.get_by_role("button", name="Take").nth(1).click()
            panel.get_by_text("✓ taken").wait_for()
            panel.get_by_role("button", name="Try the candidate").click()
            panel.get_by_text("blinded").first.wait_for()


def check_only_text(page, panel):
    """The mischief is there to read, did nothing, and made no element of the page."""
    text = panel.inner_text()
    as_written = [NASTY[name] for name in ("script", "handler", "link", "escaped", "markdown", "latex")]
    for part in (*as_written, "␛[31mred␛[0m␀␇", "[U+202E]thgir ot tfel[U+202C]"):
        assert part in text
    assert page.evaluate("window.hacked") is None
    made = panel.locator("script, style, a, h1, strong, em, mjx-container, .MathJax, img[onerror], [onclick]")
    assert made.count() == 0


def write_notebook(path, cell):
    """A notebook of one code cell."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    code = {
        "cell_type": "code",
        "id": "one",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": cell,
    }
    path.write_text(json.dumps({"cells": [code], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


@pytest.mark.parametrize("width", [1280, 900])
def test_the_report_opens_without_asking_anybody(page, workplace, tmp_path, width):
    report = build_report(open_run(workplace / "outputs" / "picturebook"), tmp_path / "report.html")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(report.as_uri())
    page.get_by_role("heading", name="Progress").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
    page.screenshot(path=tmp_path / f"report_{width}.png", full_page=True)
