"""How tuning an encoder went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from veneer.figures.canvas import to_image
from veneer.figures.curves import colour_of, panels, plain, whole_ticks
from veneer.figures.retrieval import precision_by_class


def tuning_curve(log: Sequence[Mapping], *, title: str, subtitle: str = "") -> Image.Image:
    """Draw loss and likeness by epoch, and mark the epoch whose weights were kept.

    Parameters
    ----------
    log : sequence of mappings
        Of :class:`veneer.finetuning.training.Trained`: entry 0 is from before any epoch and has
        no loss.
    title, subtitle : str

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    kept = max(log, key=lambda entry: (entry["likeness@5"], -entry["epoch"]))
    epochs = [entry["epoch"] for entry in log]
    last = max(epochs[-1], 1)
    likeness = [entry["likeness@5"] for entry in log]
    upper, lower = panels(title, subtitle, [230, 130])
    span = max(likeness) - min(likeness)
    low, high = (
        max(0.0, min(likeness) - 0.1 * span - 0.01),
        min(1.0, max(likeness) + 0.1 * span + 0.01),
    )
    upper.scale(
        (0, last),
        (low, high),
        ("", "likeness@5 of the images that stop it"),
        ticks=([0, *whole_ticks(last)], None),
        texts=(plain, lambda value: f"{100 * value:.3g}%"),
    )
    upper.line(epochs, likeness, colour_of(0))
    upper.mark(kept["epoch"], kept["likeness@5"], colour_of(0))
    upper.remark(f"weights kept: epoch {kept['epoch']}, {kept['likeness@5']:.1%}")
    losses = [(entry["epoch"], entry["loss"]) for entry in log if entry["loss"] is not None]
    values = [value for _, value in losses if np.isfinite(value)] or [0.0, 1.0]
    margin = 0.08 * (max(values) - min(values)) or 0.5
    lower.scale(
        (0, last),
        (min(values) - margin, max(values) + margin),
        ("epoch", "mean loss"),
        ticks=([0, *whole_ticks(last)], None),
        texts=(plain, lambda value: f"{value:.3g}"),
    )
    if losses:
        lower.line(*zip(*losses, strict=True), colour_of(1))
    return to_image(lower.page.figure)


def gain_chart(figures: Mapping[str, Mapping], *, title: str, subtitle: str = "") -> Image.Image:
    """Draw precision@5 before and after, a row for each label.

    Parameters
    ----------
    figures : mapping
        Of :func:`veneer.finetuning.likeness.figures`.
    title, subtitle : str

    Returns
    -------
    PIL.Image.Image of mode RGB.
    """
    labels = {name: each for name, each in figures.items() if "precision@5" in each}
    searches = {
        which: {
            name: {"n_queries": each["n_queries"], "precision@5": each["precision@5"][key]}
            for name, each in labels.items()
        }
        for which, key in (("tuned", "after"), ("frozen", "before"))
    }
    return precision_by_class(searches, title=title, subtitle=subtitle, figure="precision@5")
