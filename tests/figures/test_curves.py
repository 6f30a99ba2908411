"""Curves and diagrams show the figures they were given, and their texts stay legible."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest

from veneer.figures.curves import (
    coverage_curves,
    coverage_figure,
    learning_curve,
    learning_figure,
    spread,
    training_curve,
    training_figure,
    whole_ticks,
)
from veneer.figures.reliability import reliability_diagram, reliability_figure
from veneer.metrics import coverage_curve, reliability_bins


def check_texts(figure):
    """All texts are on the page and apart from each other."""
    figure.canvas.draw()
    texts = [*figure.texts]
    for axes in figure.axes:
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for a, b in itertools.combinations(boxes, 2):
        assert min(a.x1, b.x1) - max(a.x0, b.x0) <= 0.5 or min(a.y1, b.y1) - max(a.y0, b.y0) <= 0.5


def rings(axes) -> list[tuple[float, float]]:
    """The points that are marked as chosen."""
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in axes.lines
        if line.get_markersize() == 8
    ]


def written(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def answers(n: int, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    confidence = rng.random(n)
    return coverage_curve(confidence, rng.random(n) < confidence)


def test_coverage_lines_and_thresholds():
    curve = coverage_curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]))
    figure = coverage_figure({"svc": curve, "mlp": curve}, {"svc": 0.75, "mlp": np.inf}, title="t")
    [axes] = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [1, 1, 2 / 3, 3 / 4])
    assert rings(axes) == [(0.5, 1.0)]
    assert {"svc", "mlp"} <= set(written(figure))
    assert axes.get_ylim() == (0.6, 1)
    named = {text.get_text(): text.get_color() for text in figure.texts}
    assert named["svc"] == axes.lines[0].get_color()


@pytest.mark.parametrize(
    "curves",
    [
        {},
        {"svc": answers(0)},
        {"svc": answers(1)},
        {f"a head whose name is far too long {i}" * 3: answers(500, i) for i in range(8)},
        {"$a$": answers(300), "two\nlines": answers(300), "same": answers(300)},
    ],
)
def test_coverage_texts(curves):
    thresholds = dict.fromkeys(curves, 0.5)
    figure = coverage_figure(curves, thresholds, title="Coverage " * 30, subtitle="svc " * 90)
    check_texts(figure)


def epochs(n: int, stopping: bool = True) -> list[dict]:
    return [
        {
            "epoch": i,
            "train_loss": 2 / i,
            "stopping_loss": 1 + (i - 3) ** 2 / 10 if stopping else None,
            "stopping_accuracy": 0.5 + 0.4 * (i == 3) if stopping else None,
        }
        for i in range(1, n + 1)
    ]


def test_training_marks_the_epoch_whose_weights_were_kept():
    figure = training_figure(epochs(6), title="t")
    losses, accuracy = figure.axes
    np.testing.assert_allclose(losses.lines[0].get_ydata(), [2 / i for i in range(1, 7)])
    assert rings(losses) == [(3, 1.0)] and rings(accuracy) == [(3, 0.9)]
    assert "weights kept: epoch 3, stopping loss 1.000" in written(figure)
    assert "90.0% at epoch 3" in written(figure)


def test_training_without_stopping_rows_marks_nothing():
    figure = training_figure(epochs(6, stopping=False), title="t")
    assert len(figure.axes) == 1 and not rings(figure.axes[0])
    assert written(figure)[-1] == "training"
    check_texts(figure)


@pytest.mark.parametrize("n", [0, 1, 33, 1000])
def test_training_texts(n):
    log = epochs(n)
    check_texts(training_figure(log, title="Training " * 30, subtitle="stopped " * 40))


def test_training_survives_losses_that_are_not_finite():
    log = epochs(4)
    log[0] |= {"train_loss": float("nan"), "stopping_loss": float("inf")}
    figure = training_figure(log, title="t")
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata(), [2, 3, 4])
    check_texts(figure)


def learning(m: int, band: bool = True, shift: float = 0.0) -> dict:
    accuracy = np.linspace(0.4, 0.8, m) + shift
    band_ = {"low": accuracy - 0.05, "high": accuracy + 0.04} if band else {}
    return {"examples": [2**i for i in range(m)], "accuracy": accuracy, **band_}


def test_learning_curve_has_a_logarithmic_axis_and_bands():
    figure = learning_figure({"svc": learning(5), "mlp": learning(5, band=False)}, title="t")
    [axes] = figure.axes
    assert axes.get_xscale() == "log" and axes.get_xlim() == (1, 16)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "4", "8", "16"]
    assert len(axes.collections) == 1
    np.testing.assert_allclose(axes.lines[1].get_ydata(), np.linspace(0.4, 0.8, 5))


@pytest.mark.parametrize(
    "curves",
    [
        {},
        {"svc": learning(1)},
        {"svc": learning(1, band=False)},
        {"svc": {"examples": [1, 3, 100, 110, 120], "accuracy": [1.0] * 5}},
        {"svc": {"examples": [1, 2], "accuracy": [0.0, 0.0]}},
        {f"nearest class mean, variant {i}": learning(5, shift=i / 100) for i in range(7)},
    ],
)
def test_learning_texts(curves):
    check_texts(learning_figure(curves, title="Learning " * 30, subtitle="subtitle " * 40))


def test_names_are_moved_apart_no_farther_than_needed():
    assert spread([50, 10], 10, 0, 100) == [50, 10]
    assert spread([50, 50], 10, 0, 100) == [45, 55]
    assert spread([50, 54, 90], 10, 0, 100) == [47, 57, 90]
    assert spread([0, 0, 0], 10, 0, 100) == [0, 10, 20]
    assert spread([100, 100], 10, 0, 100) == [90, 100]
    assert spread([], 10, 0, 100) == []


@pytest.mark.parametrize(
    ("last", "ticks"), [(1, [1]), (3, [1, 2, 3]), (10, [1, 2, 4, 6, 8, 10]), (33, [1, 5, 10])]
)
def test_epochs_are_whole_numbers(last, ticks):
    assert whole_ticks(last)[: len(ticks)] == ticks
    assert len(whole_ticks(last)) <= 9


def test_reliability_shows_the_bins():
    confidence = np.array([0.91, 0.92, 0.93, 0.5, 0.51])
    bins = reliability_bins(confidence, np.array([True, True, False, True, False]))
    figure = reliability_figure(bins, title="t", subtitle="svc", before=0.25, after=0.1)
    plot, counts = figure.axes
    np.testing.assert_allclose(plot.lines[0].get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(plot.lines[1].get_xydata(), [[0.505, 0.5], [0.92, 2 / 3]])
    segments = plot.collections[0].get_segments()
    np.testing.assert_allclose([s[:, 1] for s in segments], np.stack([bins["low"], bins["high"]]).T)
    assert [bar.get_height() for bar in counts.patches] == [2, 3]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in counts.patches]
    np.testing.assert_allclose(middles, [7.5 / 15, 13.5 / 15])
    assert "svc, expected calibration error 0.250 → 0.100" in written(figure)
    assert "images at each confidence, 3 of 5 at the most" in written(figure)


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_reliability_texts(n):
    confidence = np.random.default_rng(0).random(n)
    bins = reliability_bins(confidence, confidence > 0.5)
    bins["count"] = bins["count"] * 1_000_003
    check_texts(reliability_figure(bins, title="Title " * 40, subtitle="s " * 150, after=0.01))


def test_settings_of_the_machine_change_nothing():
    bins = reliability_bins(np.array([0.3, 0.9]), np.array([True, False]))

    def draw():
        return [
            reliability_diagram(bins, title="t", after=0.1),
            coverage_curves({"svc": answers(50)}, {"svc": 0.5}, title="t"),
            training_curve(epochs(5), title="t"),
            learning_curve({"svc": learning(4)}, title="t"),
        ]

    before = draw()
    changed = {
        "font.size": 30,
        "grid.linestyle": ":",
        "grid.alpha": 0.3,
        "lines.linestyle": "--",
        "lines.markeredgewidth": 5,
        "lines.dash_capstyle": "round",
        "patch.linewidth": 5,
        "axes.formatter.use_mathtext": True,
        "xtick.minor.visible": True,
        "figure.facecolor": "black",
    }
    with mpl.rc_context(changed):
        for picture, unchanged in zip(draw(), before, strict=True):
            assert picture.mode == "RGB" and picture.tobytes() == unchanged.tobytes()
