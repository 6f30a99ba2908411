"""The collection at a glance, and what the last run gave."""

from __future__ import annotations

import json

import pytest
from browser.visits import numbers, open_tab, results, wait_for_pictures

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect

# Where a dot is, on the page; null where nothing is drawn.
DOT = """canvas => {
    const {width, height} = canvas;
    const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
    const at = [...Array(width * height).keys()].find(each => data[4 * each + 3] > 250);
    if (at === undefined) return null;
    const box = canvas.getBoundingClientRect();
    const scale = box.width / width;
    return [box.left + (at % width) * scale, box.top + Math.floor(at / width) * scale + 3];
}"""
# How many pixels there are of each colour.
COLOURS = """canvas => {
    const {width, height} = canvas;
    const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
    const found = {};
    for (let i = 0; i < data.length; i += 4) {
        const colour = [data[i], data[i + 1], data[i + 2]].join();
        if (data[i + 3] > 250) found[colour] = (found[colour] ?? 0) + 1;
    }
    return found;
}"""


@pytest.fixture
def page(visit):
    page = visit()
    open_tab(page, "Map")
    page.wait_for_function(f"({DOT})(document.querySelector('.veneer-map-canvas')) !== null")
    return page


def dots(page):
    return page.locator(".veneer-map-canvas").first


def test_a_point_shows_its_picture(page):
    page.mouse.move(*dots(page).evaluate(DOT))
    card = page.locator(".veneer-map-card")
    expect(card).to_be_visible()
    wait_for_pictures(page, ".veneer-map-card img")
    assert card.locator(".veneer-map-title").inner_text()


def test_a_box_fills_the_grid(page, shoot):
    box = dots(page).bounding_box()
    across, down = box["width"], min(box["height"], 890 - box["y"])
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + across / 2, box["y"] + down / 2, steps=4)
    page.mouse.up()
    told = page.locator("#selected").get_by_role("status")
    expect(told).to_contain_text("images in the box")
    some = len(results(page, "#selected"))
    assert 0 < some == numbers(told.inner_text())[0] < 172
    wait_for_pictures(page, "#selected img")
    shoot(page, "map")
    page.locator("#selected .veneer-tile").first.click()
    like = page.get_by_role("dialog").get_by_role("link", name="More like this")
    expect(like).to_be_visible()
    like.click()
    expect(page.locator("#results .veneer-score").first).not_to_be_empty()
    expect(page.get_by_role("tab", name="Search")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize(
    "colour, names", [("split", ["train", "validation"]), ("cluster", ["cluster 1", "cluster 12"])]
)
def test_colours(page, colour, names):
    before = dots(page).evaluate(COLOURS)
    page.get_by_label("Coloured by").click()
    page.get_by_role("option", name=colour).click()
    for name in names:
        expect(page.locator(".veneer-map-name", has_text=name).first).to_be_visible()
    expect(page.locator(".veneer-map-heading")).to_have_text(colour.capitalize())
    shown = page.locator(".veneer-map-count").all_inner_texts()
    assert sum(map(int, shown)) == 172
    assert dots(page).evaluate(COLOURS) != before


def test_the_report(visit, app, shoot):
    page = visit()
    open_tab(page, "Report")
    report = page.locator("#report")
    metrics = app.project.path / "data/08_reporting/textures/mini/metrics.json"
    for name, values in json.loads(metrics.read_text()).items():
        row = report.get_by_role("row", name=name).first
        expect(row).to_contain_text(f"{values['accuracy']:.4f}")
    expect(report).to_contain_text("172 images")
    assert report.locator("figure img").first.evaluate("image => image.naturalWidth") > 300
    shoot(page, "report")
    with page.expect_popup() as opened:
        report.get_by_role("link", name="The whole report").click()
    whole = opened.value
    expect(whole.get_by_role("heading", level=1)).to_contain_text("textures")
    assert whole.evaluate("location.pathname") == "/report"
    wait_for_pictures(whole, "img")
