"""Whether a head is right as often as it says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from veneer.figures.canvas import MUTED, to_image
from veneer.figures.curves import COLOURS, DOT, RULE, panels, percent

_HEIGHT = 320
_COUNTS = 56  # height of the histogram


def reliability_diagram(
    bins: Mapping[str, np.ndarray],
    *,
    title: str,
    subtitle: str = "",
    before: float | None = None,
    after: float | None = None,
) -> Image.Image:
    """Draw accuracy against confidence, with how many images there are at each confidence.

    Parameters
    ----------
    bins : mapping
        What :func:`veneer.metrics.reliability_bins` gives.
    title, subtitle : str
    before, after : float, optional
        Expected calibration error without and with the temperature; told after the subtitle.

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    return to_image(
        reliability_figure(bins, title=title, subtitle=subtitle, before=before, after=after)
    )


def reliability_figure(
    bins: Mapping[str, np.ndarray],
    *,
    title: str,
    subtitle: str = "",
    before: float | None = None,
    after: float | None = None,
) -> Figure:
    """The matplotlib figure behind :func:`reliability_diagram`."""
    errors = [f"{error:.3f}" for error in (before, after) if error is not None]
    told = [f"expected calibration error {' → '.join(errors)}"] if errors else []
    plot, counts = panels(title, ", ".join([subtitle] * bool(subtitle) + told), [_HEIGHT, _COUNTS])
    shares = [0, 0.2, 0.4, 0.6, 0.8, 1]
    text = {"texts": (percent, percent)}
    plot.scale((0, 1), (0, 1), ("", "accuracy"), ticks=(shares, shares), **text)
    plot.remark("below the diagonal the head is surer than right")
    dashes = {"dashes": (4, 3), "dash_capstyle": "butt", "marker": ""}
    plot.axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, zorder=2, **dashes)
    style = {"color": COLOURS[0], "clip_on": False, "zorder": 3}
    plot.axes.vlines(bins["confidence"], bins["low"], bins["high"], linewidth=1.5, **style)
    plot.axes.plot(bins["confidence"], bins["accuracy"], linestyle="", **DOT | style)

    most = int(max(bins["count"], default=0))
    name = "confidence: the probability of the predicted class"
    above = f"images at each confidence, {most:,} of {int(sum(bins['count'])):,} at the most"
    counts.scale((0, 1), (0, max(most, 1)), (name, above), ticks=(shares, []), **text)
    counts.axes.grid(False)
    counts.axes.axhline(0, **RULE)
    width, middle = bins["end"] - bins["start"], (bins["start"] + bins["end"]) / 2
    counts.axes.bar(middle, bins["count"], width * 0.96, color=COLOURS[0], linewidth=0)
    return plot.page.figure
