"""What several browser tests do with a page of the app."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TABS = ("Search", "Recognise", "Twins", "Map", "Report")
# What stands in each once it is there.
CONTENTS = {
    "Search": "#results .veneer-tile",
    "Recognise": "#cards .veneer-notice",
    "Twins": "#twins .veneer-group",
    "Map": "#map .veneer-map-entry",
    "Report": "#report figure img",
}

_RESULTS = """tiles => tiles.map(tile => ({
    id: tile.querySelector("img").src.split("/").pop(),
    label: tile.querySelector(".veneer-label").textContent,
    score: Number(tile.querySelector(".veneer-score").textContent),
}))"""

_ADDRESS_IS = """wanted => {
    const given = [...new URLSearchParams(location.search)].sort();
    return JSON.stringify(given) === JSON.stringify(wanted);
}"""

_LOADED = """selector => {
    const seen = [...document.querySelectorAll(selector)].filter(image => {
        const {top, bottom, width} = image.getBoundingClientRect();
        return width > 0 && bottom > 0 && top < innerHeight;
    });
    return seen.length > 0 && seen.every(image => image.complete && image.naturalWidth > 0);
}"""


def search(page: Page, words: str) -> None:
    """Type words, press Enter, and wait for what is found."""
    page.get_by_label("Look for").fill(words)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "words => new URLSearchParams(location.search).get('q') === words", arg=words
    )


def wait_for_address(page: Page, **wanted: str) -> None:
    """Wait until the search that the address tells is this one; results are there by then."""
    page.wait_for_function(_ADDRESS_IS, arg=sorted([*each] for each in wanted.items()))


def results(page: Page, grid: str = "#results") -> list[dict[str, Any]]:
    """What the grid shows: id, label and score of each, the first one first."""
    return page.locator(f"{grid} .veneer-tile").evaluate_all(_RESULTS)


def open_tab(page: Page, name: str) -> None:
    """Go to a tab, and wait until it is filled."""
    page.locator(CONTENTS["Search"]).first.wait_for(state="attached")
    tab = page.get_by_role("tab", name=name)
    if not tab.is_visible():  # there is no room for it beside the others
        page.locator(".overflow-menu > button").click()
        tab = page.locator(".overflow-dropdown").get_by_text(name)
    tab.click()
    page.locator(CONTENTS[name]).first.wait_for()


def message(page: Page) -> Locator:
    """What the page tells of something that went wrong."""
    return page.locator(".toast-wrap")


def set_number(page: Page, elem_id: str, value: float) -> None:
    """Type a number into the box beside a slider."""
    box = page.locator(f"#{elem_id} input[type=number]")
    box.fill(str(value))
    box.press("Tab")


def wait_for_pictures(page: Page, selector: str) -> None:
    """Wait until the pictures that can be seen are there, and each one is a picture."""
    page.wait_for_function(_LOADED, arg=selector)


def numbers(text: str) -> list[int]:
    """All whole numbers in a text."""
    return [int(each.replace(",", "")) for each in re.findall(r"\d[\d,]*", text)]
