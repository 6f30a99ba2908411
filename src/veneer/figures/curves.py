"""Curves with their names written beside them: coverage, training, learning.

:func:`panels` are also what the reliability diagram stands on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from veneer.figures.canvas import (
    LINE,
    MUTED,
    Page,
    header_height,
    header_lines,
    properties,
    shorten,
    text_width,
    to_image,
)

# Of about equal lightness and far apart in hue, also for the colour blind (after Okabe & Ito).
COLOURS = ("#2f6db0", "#c4560f", "#0f8461", "#a5478a", "#7a6a00", "#5d6670")

# Everything is said that matplotlibrc could say otherwise.
RULE = {"color": "#e4e8eb", "linewidth": 1, "linestyle": "-", "alpha": 1}
DOT = {"marker": "o", "markersize": 5.5, "markeredgewidth": 0}

WIDTH = 640
MARGIN = 28
SIZE = 10.5
GAP = 7
_HEIGHT = 300
_WIDEST_NAME = 180
_ABOVE = 24  # room for the name of what is upward
_UNDER = 30  # room for the ticks of what is to the right


class Panel:
    """Axes with a light grid, the name of each axis, and names beside the ends of lines.

    Parameters
    ----------
    page : Page
    left, top, width, height : int
        Of the axes, in points.
    """

    def __init__(self, page: Page, left: int, top: int, width: int, height: int):
        self.page = page
        self.left, self.top, self.width, self.height = left, top, width, height
        self.bottom = top + height
        self.axes = page.axes(left, top, width, height)

    def scale(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        names: tuple[str, str],
        *,
        ticks: tuple[Sequence[float] | None, Sequence[float] | None] = (None, None),
        texts: tuple[Callable[[float], str], Callable[[float], str]],
    ) -> None:
        """Limits, names and ticks of both axes; ``texts`` say how a tick is written."""
        from matplotlib.ticker import MaxNLocator

        axes = self.axes
        axes.set(xlim=x, ylim=y, axisbelow=True)
        most = 3 if self.height < 150 else 6
        for which, (low, high), given, text, intervals in zip(
            (axes.xaxis, axes.yaxis), (x, y), ticks, texts, (5, most), strict=True
        ):
            slack = 1e-9 * (high - low)
            round_ones = MaxNLocator(intervals, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
            chosen = [t for t in round_ones if low - slack <= t <= high + slack]
            chosen = chosen if given is None else list(given)
            which.set_ticks(chosen, labels=[text(t) for t in chosen])
            for tick in which.get_ticklabels():
                tick.set(fontproperties=properties(SIZE), parse_math=False, color=MUTED)
            which.set_tick_params(pad=GAP)
        for tick in axes.get_yticklabels():
            tick.set_va("center_baseline")
        axes.grid(which="major", **RULE)
        self.write(self.left, self.top - SIZE, names[1])
        if names[0]:
            x_middle = self.left + self.width / 2
            self.write(x_middle, self.bottom + _UNDER + SIZE, names[0], ha="center")

    def write(self, x: float, y: float, text: str, **style) -> None:
        """A small muted line at a place of the page, in points."""
        self.page.write(x, y, text, SIZE, **{"color": MUTED, **style})

    def remark(self, text: str) -> None:
        """A line above the axes, at their right end."""
        self.write(self.left + self.width, self.top - SIZE, text, ha="right")

    def line(self, x: Sequence[float], y: Sequence[float], colour: str, **style) -> None:
        """A curve, with a dot where it is a single point."""
        plain_line = {"linewidth": 2, "linestyle": "-", "solid_capstyle": "round", "marker": ""}
        dot = DOT if len(x) == 1 else {}
        self.axes.plot(x, y, color=colour, clip_on=False, zorder=3, **plain_line | dot | style)

    def mark(self, x: float, y: float, colour: str) -> None:
        """A ring around a point that was chosen."""
        ring = {"markerfacecolor": "none", "markeredgecolor": colour, "markeredgewidth": 2}
        self.axes.plot([x], [y], "o", markersize=8, clip_on=False, zorder=4, **ring)

    def name_lines(self, names: Sequence[str], ends: Sequence[float]) -> None:
        """Write the names at the heights where the lines end, moved until they are apart."""
        if not names:
            middle = (self.left + self.width / 2, self.top + self.height / 2)
            self.write(*middle, "nothing to show", ha="center")
        low, high = self.axes.get_ylim()
        wanted = [self.bottom - (end - low) / (high - low) * self.height for end in ends]
        places = spread(wanted, SIZE * LINE, self.top, self.bottom)
        for index, (name, y) in enumerate(zip(names, places, strict=True)):
            x = self.left + self.width + GAP + 3
            style = {"color": colour_of(index), "va": "center_baseline"}
            self.write(x, y, shorten(name, _WIDEST_NAME, SIZE), **style)


def panels(
    title: str, subtitle: str, heights: Sequence[int], names: Sequence[str] = ()
) -> list[Panel]:
    """A page of panels one below the other, with a header.

    Parameters
    ----------
    title, subtitle : str
    heights : sequence of int
        Of the axes of each panel, in points.
    names : sequence of str
        What :meth:`Panel.name_lines` will write at the most; room for it is left.
    """
    header = header_lines(title, subtitle, WIDTH - 2 * MARGIN, 15)
    left = MARGIN + round(text_width("100%", SIZE)) + GAP
    shown = [shorten(name, _WIDEST_NAME, SIZE) for name in names]
    beside = max((GAP + 3 + round(text_width(name, SIZE)) for name in shown), default=0)
    # Half of the last tick's label is wider than nothing at all.
    width = WIDTH - left - MARGIN - max(beside, GAP)
    tops = []
    y = MARGIN + header_height(header)
    for height in heights:
        tops.append(y + _ABOVE)
        y += _ABOVE + height + _UNDER
    page = Page(WIDTH, y + round(SIZE * LINE) + MARGIN)
    page.write_header(MARGIN, MARGIN, header)
    return [
        Panel(page, left, top, width, height) for top, height in zip(tops, heights, strict=True)
    ]


def spread(wanted: Sequence[float], pitch: float, top: float, bottom: float) -> list[float]:
    """Places at least ``pitch`` apart, as near to the wanted ones as can be, in their order.

    They stay between ``top`` and ``bottom`` if there is room for all; equal ones keep the order
    given. Groups that touch are moved as one to their mean (isotonic regression by pooling).
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    groups: list[list[float]] = []  # (offsets from rank times pitch, pooled)
    for rank, index in enumerate(order):
        groups.append([wanted[index] - rank * pitch])
        while len(groups) > 1 and np.mean(groups[-2]) >= np.mean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    highest = max(top, bottom - (len(order) - 1) * pitch)
    bases = [min(max(float(np.mean(g)), top), highest) for g in groups for _ in g]
    places = [0.0] * len(order)
    for rank, (index, base) in enumerate(zip(order, bases, strict=True)):
        places[index] = base + rank * pitch
    return places


def percent(value: float) -> str:
    """A share as a tick: 0.5 is 50%, and 0.925 is 92.5%."""
    return f"{100 * value:.4g}%"


def plain(value: float) -> str:
    """A number as a tick."""
    return f"{value:.4g}"


def colour_of(index: int) -> str:
    """Colours are used again where there are more lines than colours."""
    return COLOURS[index % len(COLOURS)]


def coverage_curves(
    curves: Mapping[str, Mapping[str, np.ndarray]],
    thresholds: Mapping[str, float] | None = None,
    *,
    title: str,
    subtitle: str = "",
) -> Image.Image:
    """Draw the accuracy of what is answered against its share, a line a head.

    Parameters
    ----------
    curves : mapping of head to :func:`veneer.metrics.coverage_curve`
    thresholds : mapping of head to float, optional
        The confidence from which on a head answers; where it is met first is marked by a ring.
        Infinity, and heads without one, have none.
    title, subtitle : str

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    return to_image(coverage_figure(curves, thresholds, title=title, subtitle=subtitle))


def coverage_figure(
    curves: Mapping[str, Mapping[str, np.ndarray]],
    thresholds: Mapping[str, float] | None = None,
    *,
    title: str,
    subtitle: str = "",
) -> Figure:
    """The matplotlib figure behind :func:`coverage_curves`."""
    curves = {head: curve for head, curve in curves.items() if len(curve["coverage"])}
    thresholds = thresholds or {}
    [plot] = panels(title, subtitle, [_HEIGHT], list(curves))
    lowest = min((float(c["accuracy"].min()) for c in curves.values()), default=0.0)
    plot.scale(
        (0, 1),
        (min(np.floor(lowest * 10) / 10, 0.9), 1),
        ("share of images answered, the surest first", "accuracy of what is answered"),
        texts=(percent, percent),
    )
    for index, (head, curve) in enumerate(curves.items()):
        plot.line(curve["coverage"], curve["accuracy"], colour_of(index))
        answered = np.flatnonzero(curve["threshold"] >= thresholds.get(head, np.inf))
        if len(answered):
            last = answered[-1]
            plot.mark(curve["coverage"][last], curve["accuracy"][last], colour_of(index))
    ends = [float(curve["accuracy"][-1]) for curve in curves.values()]
    plot.name_lines(list(curves), ends)
    return plot.page.figure


def training_curve(log: Sequence[Mapping], *, title: str, subtitle: str = "") -> Image.Image:
    """Draw the losses of the MLP by epoch, and the accuracy it stopped at.

    Parameters
    ----------
    log : sequence of mappings
        Rows of :data:`veneer.schema.TRAIN_LOG`. Stopping figures may be None; the epoch of the
        lowest stopping loss, whose weights were kept, is marked.
    title, subtitle : str

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    return to_image(training_figure(log, title=title, subtitle=subtitle))


def training_figure(log: Sequence[Mapping], *, title: str, subtitle: str = "") -> Figure:
    """The matplotlib figure behind :func:`training_curve`; its axes hold losses and accuracy."""
    training, stopping, accuracy = (
        [(row["epoch"], row[key]) for row in log if row[key] is not None and np.isfinite(row[key])]
        for key in ("train_loss", "stopping_loss", "stopping_accuracy")
    )
    lines = {name: line for name, line in (("training", training), ("stopping", stopping)) if line}
    heights = [230, 110] if accuracy else [_HEIGHT]
    losses, *others = panels(title, subtitle, heights, ["stopping"])
    first, last = (log[0]["epoch"], log[-1]["epoch"]) if log else (1, 1)
    x = (first - (first == last), last + (first == last))
    highest = max((loss for line in lines.values() for _, loss in line), default=1.0)
    losses.scale(
        x,
        (0, _round_up(highest)),
        ("" if others else "epoch", "mean cross-entropy, nats"),
        ticks=(whole_ticks(last), None),
        texts=(plain, plain),
    )
    for index, line in enumerate(lines.values()):
        losses.line(*zip(*line, strict=True), colour_of(index))
    losses.name_lines(list(lines), [line[-1][1] for line in lines.values()])
    for panel in others:
        lowest = np.floor(min(share for _, share in accuracy) * 10) / 10
        panel.scale(
            x,
            (min(lowest, 0.9), 1),
            ("epoch", "accuracy on the stopping images"),
            ticks=(whole_ticks(last), None),
            texts=(plain, percent),
        )
        panel.line(*zip(*accuracy, strict=True), colour_of(1))
    if stopping:
        kept, loss = min(stopping, key=lambda point: point[1])
        losses.mark(kept, loss, colour_of(len(lines) - 1))
        losses.remark(f"weights kept: epoch {kept}, stopping loss {loss:.3f}")
        for panel in others:
            share = dict(accuracy).get(kept)
            if share is not None:
                panel.mark(kept, share, colour_of(1))
                panel.remark(f"{share:.1%} at epoch {kept}")
    return losses.page.figure


def _round_up(value: float) -> float:
    """The next 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
    return float(power * next(step for step in steps if step * power >= value * (1 - 1e-9)))


def whole_ticks(last: int) -> list[int]:
    """Whole numbers from 1 to ``last``, at most about eight."""
    step = next(s * 10**p for p in range(9) for s in (1, 2, 5) if last <= 8 * s * 10**p)
    return sorted({1, *range(step, last + 1, step)})


def learning_curve(
    curves: Mapping[str, Mapping[str, Sequence[float]]], *, title: str, subtitle: str = ""
) -> Image.Image:
    """Draw accuracy against the number of examples a class, a line with a band a head.

    Parameters
    ----------
    curves : mapping of head to mapping
        ``examples`` [m], rising, at least 1; ``accuracy`` [m]; and, where a band is to be drawn,
        ``low`` and ``high`` [m].
    title, subtitle : str

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    return to_image(learning_figure(curves, title=title, subtitle=subtitle))


def learning_figure(
    curves: Mapping[str, Mapping[str, Sequence[float]]], *, title: str, subtitle: str = ""
) -> Figure:
    """The matplotlib figure behind :func:`learning_curve`."""
    curves = {head: curve for head, curve in curves.items() if len(curve["examples"])}
    [plot] = panels(title, subtitle, [_HEIGHT], list(curves))
    examples = sorted({float(x) for curve in curves.values() for x in curve["examples"]}) or [1.0]
    lowest = min((min(c.get("low", c["accuracy"])) for c in curves.values()), default=0)
    highest = max((max(c.get("high", c["accuracy"])) for c in curves.values()), default=1)
    low = min(np.floor(lowest * 10) / 10, 0.9)
    high = max(np.ceil(highest * 10) / 10, low + 0.1)
    aside = 2 if len(examples) == 1 else 1
    plot.axes.set_xscale("log", base=2)
    plot.axes.minorticks_off()
    plot.scale(
        (examples[0] / aside, examples[-1] * aside),
        (low, high),
        ("training images per class", "accuracy"),
        ticks=(_apart(examples, plot.width), None),
        texts=(plain, percent),
    )
    for index, curve in enumerate(curves.values()):
        colour = colour_of(index)
        if "low" in curve and len(curve["examples"]) > 1:
            plot.axes.fill_between(
                curve["examples"], curve["low"], curve["high"], color=colour, alpha=0.14, lw=0
            )
        elif "low" in curve:
            plot.axes.vlines(curve["examples"], curve["low"], curve["high"], color=colour, lw=2)
        plot.line(curve["examples"], curve["accuracy"], colour, **DOT)
    ends = [float(curve["accuracy"][-1]) for curve in curves.values()]
    plot.name_lines(list(curves), ends)
    return plot.page.figure


def _apart(values: Sequence[float], width: float) -> list[float]:
    """Those of the rising ``values`` whose texts have room on a logarithmic axis."""
    kept: list[float] = []
    end = -np.inf
    for value in values:
        half = text_width(plain(value), SIZE) / 2
        place = width * np.log(value / values[0]) / max(np.log(values[-1] / values[0]), 1e-9)
        if place - half >= end + GAP:
            kept.append(value)
            end = place + half
    return kept
