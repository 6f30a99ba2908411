"""Small things with words."""

from __future__ import annotations

import re

from veneer.images import sha_of


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


def natural(name: str) -> list[str | int]:
    """What names are sorted by, so that numbers in them count as numbers.

    >>> sorted(["cluster 10", "cluster 9"], key=natural)
    ['cluster 9', 'cluster 10']
    """
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def text_sha(text: str | None) -> str | None:
    """The key of a text's vector: SHA-1 of its UTF-8; None where there is nothing to read."""
    return sha_of(text.encode()) if text and text.strip() else None


def prompts_of(label: str, templates: list[str]) -> list[str]:
    """A class in words: its label, with spaces for underscores and hyphens, in each template.

    >>> prompts_of("polka-dotted", ["a photo of a {} texture", "{}"])
    ['a photo of a polka dotted texture', 'polka dotted']
    """
    words = " ".join(re.sub(r"[_-]+", " ", label).split())
    return [template.format(words) for template in templates]
