"""The report in headless Chromium: no errors, no requests, nothing sticking out, readable by all, printable.

Left out with a message on a machine without Chromium, playwright or axe; where CI=true is set that is a
failure.
"""

import importlib.util
import os

import pytest

from dataengine_utils.report import build_report
from tests.test_browser import browser  # noqa: F401  (a fixture)
from tests.test_report_published import seed_run
from tests.toy_run import make_run

PRINTED = {"width": 688, "height": 1000}  # A4 less its margins, in CSS pixels
SERIOUS = {"serious", "critical"}
AXE = "axe_playwright_python"


@pytest.fixture(scope="module", params=["picturebook", "paid", "seed_bench"])
def report(request, tmp_path_factory):
    """A whole run's report, one of three rounds with spend, and one with published rows and little else."""
    folder = tmp_path_factory.mktemp("outputs") / request.param
    if request.param == "seed_bench":
        return build_report(seed_run(folder))
    if request.param == "paid":
        return build_report(make_run(folder, is_paid=True, gains=(0.0, 0.2, 0.5, 0.6)))
    return build_report(make_run(folder))


@pytest.fixture
def told():
    """What the page asked for and complained about."""
    return []


@pytest.fixture
def page(browser, report, told):  # noqa: F811
    """The report in a page of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url))
    page.goto(report.as_uri())
    yield page
    context.close()


def test_it_opens_without_a_word_and_asks_nobody(page, report, told):
    page.wait_for_load_state("networkidle")
    assert [line for line in told if not line.startswith("data:")] == [report.as_uri()]
    widths = page.eval_on_selector_all("img", "images => images.map(image => image.naturalWidth)")
    assert widths and all(widths), "every picture could be drawn"


@pytest.mark.parametrize("width", [1280, 900, 390])
def test_nothing_sticks_out_on_a_screen(page, tmp_path, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=tmp_path / f"report_{width}.png", full_page=True)


def test_nothing_is_cut_off_in_print(page, tmp_path):
    page.emulate_media(media="print")
    page.set_viewport_size(PRINTED)
    assert page.evaluate("document.documentElement.scrollWidth") <= PRINTED["width"]
    assert page.locator("nav").is_hidden()
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_axe_finds_nothing_serious(page):
    if importlib.util.find_spec(AXE) is None:
        message = "no axe (pip install axe-playwright-python): accessibility is not looked at"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    sync = pytest.importorskip(f"{AXE}.sync_playwright")
    found = sync.Axe().run(page).response
    assert [one["id"] for one in found["violations"] if one["impact"] in SERIOUS] == []
    assert [one["id"] for one in found["incomplete"] if one["impact"] in SERIOUS] == []
    assert {"color-contrast", "image-alt", "heading-order"} <= {one["id"] for one in found["passes"]}


def test_parts_are_reached_by_keyboard(page):
    """Tab goes from link to link, and Enter to the part."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "What to do next"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#next"
