"""The map as a page: opened from the disk, it needs nothing else."""

from __future__ import annotations

import re

import pytest
from browser.test_map_and_report import COLOURS, DOT

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


def test_it_works_from_the_disk_and_asks_nobody(browser, textures, shoot):
    file = textures.path / "data/08_reporting/textures/mini/map.html"
    context = browser.new_context(viewport={"width": 1366, "height": 950})
    asked, troubles = [], []
    context.on("request", lambda request: asked.append(request.url))
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    context.on("console", lambda told: told.type == "error" and troubles.append(told.text))
    page = context.new_page()
    page.goto(file.as_uri())
    dots = page.locator(".veneer-map-canvas").first
    expect(page.locator(".veneer-map-entry")).to_have_count(20)
    # The page lets nothing be evaluated, which waiting for a function would be.
    page.evaluate("new Promise(requestAnimationFrame).then(() => null)")

    # A picture beside a point.
    page.mouse.move(*dots.evaluate(DOT))
    card = page.locator(".veneer-map-card")
    expect(card).to_be_visible()
    picture = card.locator("img")
    expect(picture).to_have_attribute("src", re.compile("^data:image/webp;base64,"))
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 40
    assert card.locator(".veneer-map-title").inner_text().endswith(".jpg")
    shoot(page, "map-page")

    # Other colours, and a closer look.
    before = dots.evaluate(COLOURS)
    page.get_by_label("Coloured by").select_option("split")
    expect(page.locator(".veneer-map-entry")).to_have_count(2)
    assert dots.evaluate(COLOURS) != before
    page.get_by_role("button", name="Zoom in").click()
    whole = page.get_by_role("button", name="Zoom out")
    expect(whole).to_be_enabled()
    expect(page.get_by_text("Drag to move the map.")).to_be_visible()

    context.close()
    assert troubles == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
