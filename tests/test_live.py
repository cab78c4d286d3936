"""What changes in place: the loop's bar and the time left, and the page of a loop that a notebook ran."""

import io
import json
import threading
import time

import pytest
import toy_loop
from nbformat import write
from nbformat.v4 import new_code_cell, new_notebook
from toy_loop import write_notebooks

from dataengine_utils import PROJECT, fingerprints, live, loop
from dataengine_utils.errors import KitError
from dataengine_utils.execution import execute
from dataengine_utils.live import LoopBar, Pace, Redrawn

EVALUATE, TRAIN = "01_evaluate", "06_train"


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


def test_the_time_left_is_what_the_same_notebooks_took_before():
    pace = Pace()
    pace.note((EVALUATE, 0), 10.0)
    rest = [(TRAIN, 0), (EVALUATE, 1)]
    assert pace.left(rest) is None, "nothing is known of training yet"
    pace.note((TRAIN, 0), 100.0)
    assert pace.left([(EVALUATE, 1), (TRAIN, 1)], begun_s=4.0) == 106.0
    assert pace.left([(EVALUATE, 1), (TRAIN, 1)], begun_s=1000.0) == 100.0, "late is not less than nothing"
    assert pace.left([]) == 0.0


def test_a_training_that_grows_with_every_round_is_expected_to_grow_on():
    pace = Pace()
    for number, seconds in enumerate((100.0, 150.0, 200.0)):
        pace.note((TRAIN, number), seconds)
    assert pace.expected((TRAIN, 3)) == pytest.approx(250.0)
    for number, seconds in enumerate((12.0, 4.0)):
        pace.note((EVALUATE, number), seconds)
    assert pace.expected((EVALUATE, 5)) == 4.0, "never less than the shortest"


def bar_texts(monkeypatch, work, terminal):
    """What a terminal was sent while `work` used a bar over two turns of two notebooks."""
    monkeypatch.setattr(live, "in_notebook", lambda: False)
    monkeypatch.setattr(live, "live_line", lambda: terminal)
    with LoopBar([(name, number) for number in (0, 1) for name in (EVALUATE, TRAIN)]) as bar:
        work(bar)
    return [text.strip() for text in terminal.getvalue().split("\r") if text.strip()]


def test_the_bar_names_iteration_and_notebook_and_moves_by_itself(monkeypatch):
    def work(bar):
        for seconds in (3.0, 5.0):
            bar.begin("iter_00 of it")
            bar.end(seconds)
        bar.begin("iter_01 01_evaluate")
        time.sleep(1.3)
        for seconds in (3.0, None):
            bar.end(seconds)

    told = bar_texts(monkeypatch, work, Terminal())
    assert told[1].startswith("iter_00 of it") and "left" not in told[1]
    moved = [text for text in told if text.startswith("iter_01 01_evaluate")]
    assert "2 of 4 notebooks" in moved[0] and "about 00:08 left" in moved[0]
    assert any("about 00:06 left" in text or "about 00:07 left" in text for text in moved[1:])
    assert told[-1].startswith("done") and "4 of 4 notebooks" in told[-1] and "left" not in told[-1]


def test_a_loop_that_fails_leaves_the_notebook_on_the_bar(monkeypatch):
    def work(bar):
        bar.begin("iter_00 06_train")
        raise KitError("no memory")

    before = threading.active_count()
    terminal = Terminal()
    with pytest.raises(KitError, match="no memory"):
        bar_texts(monkeypatch, work, terminal)
    last = [text for text in terminal.getvalue().split("\r") if text.strip()][-1]
    assert last.strip().startswith("iter_00 06_train") and last.strip().endswith("stopped")
    assert threading.active_count() == before, "nothing goes on moving"


def test_nothing_is_drawn_where_nobody_looks(monkeypatch, capfd):
    monkeypatch.setattr(live, "in_notebook", lambda: False)
    with LoopBar([(EVALUATE, 0)]) as bar:
        bar.begin("iter_00 01_evaluate")
        bar.write("a line")
        bar.end(1.0)
    assert capfd.readouterr() == ("a line\n", "")


def test_what_is_drawn_again_takes_the_place_of_what_was_there(monkeypatch):
    shown = []

    class Handle:
        def __init__(self, place):
            self.place = place

        def update(self, value):
            shown[self.place] = value

    def display(value, *, display_id):
        shown.append(value)
        return Handle(len(shown) - 1)

    monkeypatch.setattr("IPython.display.display", display)
    redraw = Redrawn(sum, lambda numbers, **more: sorted(more) or len(numbers))
    redraw([1, 2])
    assert shown == [3, 2]
    redraw([1, 2, 3])
    assert shown == [6, 3]


@pytest.fixture
def toy_world(monkeypatch):
    monkeypatch.setattr(loop, "check_names", lambda profile: None)
    monkeypatch.setattr(loop, "check_data", lambda profile: None)
    monkeypatch.setattr(loop, "check_notebooks", lambda folder, stages: None)
    monkeypatch.setattr(loop, "_execute", toy_loop.execute_here)
    monkeypatch.setattr(fingerprints, "hash_package", lambda: "code")


def test_every_evaluation_is_told_of_once_with_all_before_it(toy_world, tmp_path):
    notebooks, told = write_notebooks(tmp_path / "notebooks"), []

    def measured(metrics, kept):
        told.append(([table["sealed"]["overall"]["right"] for table in metrics], sorted(kept)))

    def run(iterations):
        loop.run_loop(tmp_path / "run", "picturebook", iterations=iterations, notebooks=notebooks,
                      measured=measured)  # fmt: skip

    run(1)
    assert told == [([5], []), ([5, 7], [])]
    told.clear()
    run(1)
    assert told == [([5, 7], [])], "a run that is complete is shown once"
    told.clear()
    run(2)
    assert told == [([5, 7], []), ([5, 7, 9], [])]


def test_where_the_gate_kept_the_student_it_is_said(toy_world, tmp_path, monkeypatch):
    notebooks, told = write_notebooks(tmp_path / "notebooks"), []
    monkeypatch.setattr(loop, "is_kept", lambda run, number: number == 1)
    loop.run_loop(tmp_path / "run", "picturebook", iterations=2, notebooks=notebooks,
                  measured=lambda metrics, kept: told.append((len(metrics), kept)))  # fmt: skip
    assert told == [(1, set()), (2, set()), (3, {2})]


def test_earlier_seconds_are_read_from_the_page_where_there_is_one(tmp_path):
    step = loop.plan(loop.open_run(tmp_path / "run", "picturebook"), 1)[0]
    page = loop._page(step)
    assert loop._earlier_seconds(step) is None
    page.parent.mkdir(parents=True)
    for text, seconds in (("{", None), ("{}", None), ('{"metadata": {"papermill": {"duration": 2.5}}}', 2.5)):
        page.write_text(text)
        assert loop._earlier_seconds(step) == seconds


LOOP = """
import sys
sys.path.insert(0, {tests!r})
import toy_loop
from dataengine_utils import fingerprints, loop
from dataengine_utils.live import Redrawn
from dataengine_utils.plots import progress
from dataengine_utils.tables import progress_table
loop.check_names = loop.check_data = lambda profile: None
loop.check_notebooks = lambda folder, stages: None
loop._execute = toy_loop.execute_here
fingerprints.hash_package = lambda: "code"
run = loop.run_loop({run!r}, "picturebook", iterations=2, notebooks=loop.Path({notebooks!r}),
                    measured=Redrawn(progress, progress_table))
"""


def test_a_page_keeps_one_line_one_figure_and_one_table(tmp_path):
    """The last state of each, with the seconds below; nothing on stderr."""
    notebooks = write_notebooks(tmp_path / "notebooks")
    names = {"tests": str(PROJECT / "tests"), "run": str(tmp_path / "run"), "notebooks": str(notebooks)}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [new_code_cell("A = 0", metadata={"tags": ["parameters"]}), new_code_cell(LOOP.format(**names))]
    write(new_notebook(cells=cells, metadata=kernel), tmp_path / "page.ipynb")
    execute(tmp_path / "page.ipynb", tmp_path / "executed.ipynb", {})
    outputs = json.loads((tmp_path / "executed.ipynb").read_text())["cells"][-1]["outputs"]
    shown = [output["data"] for output in outputs if output["output_type"] == "display_data"]
    assert len(shown) == 3 and list(shown[0]) == ["text/plain"]
    line = "".join(shown[0]["text/plain"])
    assert line.startswith("done") and "13 of 13 notebooks" in line and "\n" not in line
    assert "image/png" in shown[1] and "iteration 2" in "".join(shown[2]["text/html"])
    printed = [output for output in outputs if output["output_type"] == "stream"]
    assert {output["name"] for output in printed} == {"stdout"}, "".join(map(str, printed))
    assert "".join("".join(output["text"]) for output in printed).count(" s\n") == 13
    assert outputs[3:] == printed, "the seconds stand below"
