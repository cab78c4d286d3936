import io
import warnings

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from dataengine_utils import plots
from dataengine_utils.errors import KitError
from dataengine_utils.records import Generated
from dataengine_utils.stats import wilson

TYPES = [
    "Scene Understanding",
    "Instances Counting",
    "Text Understanding",
    "A type of somebody's own, with a long name",
]


def score(right, n=200):
    low, high = wilson(right, n)
    return {
        "n": n,
        "right": right,
        "wrong": n - right,
        "unparsed": 0,
        "accuracy": right / n,
        "low": low,
        "high": high,
    }


def metrics(*rights):
    split = {
        "overall": score(sum(rights), 200 * len(rights)),
        "types": {name: score(right) for name, right in zip(TYPES, rights, strict=True)},
    }
    return {"diagnose": split, "sealed": split}


TURNS = [metrics(190, 100, 40, 0), metrics(188, 120, 150, 20), metrics(200, 132, 180, 30)]
SHARES = [
    {
        "question_type": name,
        "planned": 0.25,
        "drawn": 0.2 + i / 30,
        "low": 0.15 + i / 30,
        "high": 0.25 + i / 30,
    }
    for i, name in enumerate(TYPES)
]
LOG = [{"step": step, "loss": 2 / step, "lr": 1e-3} for step in range(1, 60)] + [{"train_seconds": 3.0}]

GAINED = [
    {"question_type": name, "share": 0.4 - i / 10, "change": change, "low": change - 4, "high": change + 4,
     "verdict": verdict}
    for i, (name, change, verdict) in enumerate(
        zip(TYPES, (20.0, 1.0, -9.0, 0.0), ("higher", "", "lower", ""), strict=True))
]  # fmt: skip
CLUSTERS = [
    {"question_type": name, "name": "how · many · above four", "n": 20 * i, "accuracy": 0.2 * i,
     "low": 0.2 * i - 0.1, "high": 0.2 * i + 0.1, "type_accuracy": 0.6}
    for i, name in enumerate(TYPES, start=1)
]  # fmt: skip


def replies(*reasons):
    return [
        Generated(str(i), "t", "7", "x", "rules", "", not reason, reason, None)
        for i, reason in enumerate(reasons)
    ]


FIGURES = {
    "progress": lambda: plots.progress(TURNS),
    "progress of one turn": lambda: plots.progress(TURNS[:1], "diagnose"),
    "progress with a student that was kept": lambda: plots.progress(TURNS, kept={2}),
    "heatmap": lambda: plots.heatmap(TURNS),
    "type_bars": lambda: plots.type_bars(TURNS[0]),
    "share_bars": lambda: plots.share_bars(SHARES),
    "loss_curve": lambda: plots.loss_curve(LOG),
    "loss_curve of one step": lambda: plots.loss_curve(LOG[:1]),
    "loss_curves": lambda: plots.loss_curves({"iteration 0": LOG, "iteration 1": LOG[:9]}),
    "picture_grid": lambda: plots.picture_grid(
        [(Image.new("RGB", (112, 90), "red"), "a <b> $1\n" + "word " * 20)] * 5
    ),
    "reasons_bars": lambda: plots.reasons_bars(replies("", "", "not true", "a very long reason " * 4)),
    "reasons_bars of nothing": lambda: plots.reasons_bars([]),
    "gain_points": lambda: plots.gain_points(GAINED),
    "gain_points that all could be chance": lambda: plots.gain_points(GAINED[1:2]),
    "cluster_points": lambda: plots.cluster_points(CLUSTERS),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_without_a_word_and_leaves_nothing_open(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name]()
        figure.savefig(io.BytesIO(), format="png", dpi=40)
        figure.savefig(io.BytesIO(), format="png", dpi=40, bbox_inches="tight")  # as a notebook does
    assert plt.get_fignums() == []


def texts(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text)]


def test_progress_shows_every_type_and_its_change():
    shown = texts(plots.progress(TURNS))
    assert {"All sealed questions", "Scene Understanding", "+5.0", "+70.0", "+16.0", "+26.5"} <= set(shown)
    assert "\N{MINUS SIGN}1.0" in texts(plots.progress([TURNS[0], metrics(188, 100, 40, 0)]))


def test_progress_lines_hold_the_shares():
    figure = plots.progress(TURNS)
    panel = next(
        axes for axes in figure.findobj(plt.Axes) if axes.get_title(loc="left") == "Text Understanding"
    )
    assert any(list(line.get_ydata()) == [0.2, 0.75, 0.9] for line in panel.lines)


def test_iterations_before_which_the_gate_kept_the_student_are_hollow():
    def hollow(figure):
        white = [line for line in figure.findobj(plt.Line2D) if line.get_markerfacecolor() == "white"]
        return [list(line.get_xdata()) for line in white if len(line.get_xdata())]

    kept = plots.progress(TURNS, kept={1})
    assert hollow(kept).count([1]) == 1 + len(TYPES) and "student kept" in texts(kept)
    plain = plots.progress(TURNS)
    assert not hollow(plain) and "student kept" not in texts(plain)


def test_the_heatmap_has_a_row_a_type_and_one_for_all():
    figure = plots.heatmap(TURNS)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [*TYPES, "All questions"]
    assert "75  (+55)" in texts(figure)


def test_bars_have_the_records_lengths():
    assert [bar.get_width() for bar in plots.type_bars(TURNS[0]).axes[0].patches] == [0.95, 0.5, 0.2, 0]
    assert [bar.get_width() for bar in plots.share_bars(SHARES).axes[0].patches] == [
        row["drawn"] for row in SHARES
    ]
    bars = plots.reasons_bars(replies("", "b", "a", "a", "", "")).axes[0]
    assert [bar.get_width() for bar in bars.patches] == [3, 2, 1]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["accepted", "a", "b"]


def test_gains_stand_beside_their_shares_with_their_intervals():
    left, right = plots.gain_points(GAINED).axes
    assert [bar.get_width() for bar in left.patches] == [row["share"] for row in GAINED]
    drawn = [list(line.get_xdata()) for line in right.lines]
    assert all([row["low"], row["high"]] in drawn and [row["change"]] in drawn for row in GAINED)
    words = [text.get_text() for text in right.get_legend().get_texts()]
    assert words == ["higher", "lower", "chance could make it"]
    marks = {line.get_marker() for line in right.lines if list(line.get_xdata()) in ([20.0], [-9.0], [1.0])}
    assert marks == {"^", "v", "o"}, "told apart without colour"


def test_clusters_stand_against_their_type():
    axes = plots.cluster_points(CLUSTERS).axes[0]
    inside, whole = axes.lines[-2:]
    assert list(inside.get_xdata()) == [row["accuracy"] for row in CLUSTERS]
    assert list(whole.get_xdata()) == [0.6] * len(CLUSTERS)
    assert "80% of 80" in texts(axes.figure)


def test_loss_curves_differ_without_colour():
    curves = plots.loss_curves({"one": LOG, "two": LOG, "three": LOG}).axes[0].lines[1::2]
    assert [line.get_linestyle() for line in curves] == ["-", "--", "-."]


def test_dollars_in_a_caption_are_text():
    assert any(
        "$5 or $6" in text for text in texts(plots.picture_grid([(Image.new("RGB", (9, 9)), "$5 or $6")]))
    )


def test_an_unknown_split_is_an_error_and_no_pictures_are_said_so():
    with pytest.raises(KitError, match="no split 'test'; there are: diagnose, sealed"):
        plots.progress(TURNS, "test")
    empty = plots.picture_grid([])
    assert empty.axes, "IPython shows no figure without axes"
    assert "nothing to show here" in texts(empty)
