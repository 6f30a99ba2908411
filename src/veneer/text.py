"""Small things with words."""

from __future__ import annotations

import re


def slugs(names: list[str]) -> dict[str, str]:
    """File name stems for any names, unique also where names differ only in odd characters.

    >>> slugs(["A red & white grid", "a red, white grid"])
    {'A red & white grid': 'a-red-white-grid', 'a red, white grid': 'a-red-white-grid-2'}
    """
    taken: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"[^\w.+]+", "-", name.lower()).strip("-.")[:80] or "picture"
        slug, number = stem, 2
        while slug in taken.values():
            slug, number = f"{stem}-{number}", number + 1
        taken[name] = slug
    return taken
