"""Search, as somebody does it who has only the page."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browser.visits import message, results, search, set_number, wait_for_address, wait_for_pictures
from PIL import Image
from web import Server

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect

STRIPES = "a striped texture"


def labels(page) -> set[str]:
    return {each["label"] for each in results(page)}


def look_at(page, number: int):
    """Open the dialog of a result."""
    page.locator("#results .veneer-tile").nth(number).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def fact(dialog, name: str) -> str:
    return dialog.locator(f"dt:text-is('{name}') + dd").inner_text()


def some_file(app, label: str) -> Path:
    return min((app.project.path / "data/01_raw/textures" / label).glob(f"{label}_*.jpg"))


def open_filters(page) -> None:
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_label("in words of your own")).to_be_visible()


def test_the_page_begins_with_some_images(visit):
    page = visit()
    expect(page.locator("#results .veneer-tile")).to_have_count(24)
    wait_for_pictures(page, "#results img")
    expect(page.locator("#results").get_by_role("status")).to_contain_text("24 of 172 images")
    expect(page.get_by_label("Look for")).to_be_focused()


def test_words_find_pictures_the_nearest_first(visit, shoot):
    page = visit()
    search(page, STRIPES)
    found = results(page)
    scores = [each["score"] for each in found]
    assert len(found) == 24
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1] > 0
    assert [each["label"] for each in found[:3]] == ["striped"] * 3
    expect(page.locator("#results").get_by_role("status")).to_have_text(
        "24 of 172 images, the nearest first."
    )
    counted = page.locator("#labels tr").first
    share = sum(each["label"] == "striped" for each in found)
    expect(counted).to_contain_text("striped")
    expect(counted.locator(".number")).to_have_text(str(share))
    assert page.evaluate("location.search") == "?" + urlencode({"q": STRIPES})
    wait_for_pictures(page, "#results img")
    shoot(page, "search")


def test_a_suggestion_searches(visit):
    page = visit()
    page.locator("#words").get_by_role("button", name="woven").click()
    wait_for_address(page, q="woven")
    expect(page.get_by_label("Look for")).to_have_value("woven")
    clicked = results(page)
    page = visit()
    search(page, "woven")
    assert results(page) == clicked
    share = sum(each["label"] == "woven" for each in clicked) / len(clicked)
    assert share > 2 * 8 / 172  # of all images


def test_as_many_results_as_are_wanted(visit):
    page = visit()
    search(page, STRIPES)
    many = results(page)
    set_number(page, "k", 3)
    wait_for_address(page, q=STRIPES, k="3")
    assert results(page) == many[:3]


def test_the_slider_obeys_the_keyboard(visit):
    page = visit()
    search(page, STRIPES)
    page.get_by_role("slider", name="Results").press("ArrowRight")
    wait_for_address(page, q=STRIPES, k="25")
    assert len(results(page)) == 25


def test_a_minimum_score(visit):
    page = visit()
    search(page, STRIPES)
    good = [each for each in results(page) if each["score"] > 0.25]
    set_number(page, "least", 0.25)
    wait_for_address(page, q=STRIPES, min="0.25")
    assert results(page) == good
    set_number(page, "least", 0.99)
    wait_for_address(page, q=STRIPES, min="0.99")
    assert results(page) == []
    expect(page.locator("#results").get_by_role("status")).to_contain_text("0.99")


def test_a_filter_in_words(visit):
    page = visit()
    search(page, STRIPES)
    open_filters(page)
    where = page.get_by_label("in words of your own")
    where.fill("label = 'knitted'")
    where.press("Enter")
    wait_for_address(page, q=STRIPES, where="label = 'knitted'")
    assert labels(page) == {"knitted"} and len(results(page)) == 8
    where.fill("colour = 'red'")
    where.press("Enter")
    expect(message(page)).to_contain_text("colour")
    assert labels(page) == {"knitted"}


def test_filters_of_the_columns_that_there_are(visit):
    page = visit()
    search(page, STRIPES)
    open_filters(page)
    for label in ("braided", "knitted"):
        choice = page.get_by_label("label is")
        choice.fill(label)
        choice.press("Enter")
        expect(page.locator("#results .veneer-label", has_text=label).first).to_be_visible()
    expect(page.locator("#results .veneer-label", has_not_text="knitted").first).to_be_visible()
    assert labels(page) == {"braided", "knitted"}


def test_nonsense_gets_advice(visit):
    page = visit()
    search(page, "asdfgh")
    notice = page.locator("#results .veneer-notice")
    expect(notice).to_contain_text("Nothing in this collection is very near")
    search(page, STRIPES)
    expect(notice).to_have_count(0)


def test_results_as_a_sheet_and_as_a_table(visit):
    page = visit()
    expect(page.get_by_role("link", name="Table")).to_have_count(0)
    search(page, STRIPES)
    with page.expect_download() as sheet:
        page.get_by_role("link", name="Contact sheet").click()
    with page.expect_download() as table:
        page.get_by_role("link", name="Table").click()
    assert sheet.value.suggested_filename == "contact-sheet.png"
    with Image.open(sheet.value.path()) as picture:
        picture.load()
        assert picture.format == "PNG" and min(picture.size) > 500
    assert table.value.suggested_filename == "results.csv"
    rows = list(csv.DictReader(table.value.path().read_text().splitlines()))
    assert [row["id"] for row in rows] == [each["id"] for each in results(page)]
    assert float(rows[0]["score"]) == pytest.approx(results(page)[0]["score"], abs=0.001)


def test_a_closer_look(visit, app, shoot):
    page = visit()
    search(page, STRIPES)
    dialog = look_at(page, 1)
    expect(dialog).to_contain_text("2 of 24")
    wait_for_pictures(page, "dialog[open] img")
    assert dialog.locator("img").evaluate("image => image.naturalWidth") == 224
    assert fact(dialog, "label") == "striped"
    file = app.project.path / "data/01_raw/textures" / fact(dialog, "path")
    assert fact(dialog, "size").startswith("224 × 224 px")
    shoot(page, "look")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == file.name
    assert download.value.path().read_bytes() == file.read_bytes()
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("3 of 24")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(dialog).to_contain_text("1 of 24")
    page.keyboard.press("ArrowLeft")
    expect(dialog).to_contain_text("1 of 24")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#results .veneer-tile").nth(1)).to_be_focused()


def test_more_like_this(visit):
    page = visit()
    search(page, "green scales")
    dialog = look_at(page, 0)
    id_ = fact(dialog, "id")
    dialog.get_by_role("link", name="More like this").click()
    wait_for_address(page, like=id_)
    expect(page.get_by_label("Look for")).to_have_value("")
    expect(page.locator("#like")).to_contain_text("Like this picture")
    assert id_ not in {each["id"] for each in results(page)[1:]}
    assert [each["label"] for each in results(page)[:3]] == ["scaly"] * 3


def test_a_picture_finds_itself(visit, app):
    page = visit()
    file = some_file(app, "honeycombed")
    page.locator("#picture input[type=file]").set_input_files(file)
    expect(page.locator("#results .veneer-score").first).to_have_text("1.000")
    dialog = look_at(page, 0)
    assert (app.project.path / "data/01_raw/textures" / fact(dialog, "path")).read_bytes() == (
        file.read_bytes()
    )


def test_words_and_a_picture_together(visit, app):
    page = visit()
    page.locator("#picture input[type=file]").set_input_files(some_file(app, "honeycombed"))
    expect(page.locator("#results .veneer-score").first).to_have_text("1.000")
    alone = results(page)
    search(page, "a red texture")
    assert [each["id"] for each in results(page)] != [each["id"] for each in alone]


def test_a_damaged_picture_is_told_of(visit, app, tmp_path):
    page = visit()
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(some_file(app, "woven").read_bytes()[:3000])
    page.locator("#picture input[type=file]").set_input_files(damaged)
    expect(message(page)).to_contain_text("truncated")


def test_inside_the_predicted_class(visit, app):
    page = visit()
    search(page, "zigzagged lines")
    assert len(labels(page)) > 1
    page.get_by_label("inside the predicted class").check()
    wait_for_address(page, q="zigzagged lines", head="auto")
    (label,) = labels(page)
    status = page.locator("#results").get_by_role("status")
    expect(status).to_contain_text(f"Inside the class {label}")
    expect(page.get_by_label("Class by")).to_be_visible()


def test_an_address_in_a_private_network_is_not_fetched(visit):
    page = visit()
    box = page.get_by_label("or its address")
    with Server({"/a.png": b"secret"}) as server:
        for address in (server.url("/a.png"), "http://127.0.0.1/b.png", "http://localhost/c.png"):
            box.fill(address)
            box.press("Enter")
            expect(message(page)).to_contain_text(f"{address}: no public server is found there")
    assert server.requests == []


def test_an_address_is_a_search(visit):
    wanted = {"q": STRIPES, "k": "5", "where": "label = 'striped'", "min": "0.1"}
    page = visit("?" + urlencode(wanted))
    expect(page.get_by_label("Look for")).to_have_value(STRIPES)
    expect(page.locator("#k input[type=number]")).to_have_value("5")
    wait_for_address(page, **wanted)
    found = results(page)
    assert len(found) == 5 and labels(page) == {"striped"} and found[0]["score"] > 0.1
    open_filters(page)
    expect(page.get_by_label("in words of your own")).to_have_value(wanted["where"])
    page.get_by_role("button", name="Clear").click()
    wait_for_address(page)
    expect(page.get_by_label("Look for")).to_have_value("")
    assert len(results(page)) == 24


@pytest.mark.parametrize(
    "query", ["?k=abc", "?q=a&k=0", "?q=a&where=label+like", "?like=nobody", "?q=a&head=none"]
)
def test_a_broken_address_is_a_sentence(visitor, app, query):
    page = visitor.open(f"{app.url}/{query}")
    notice = page.locator("#results .veneer-notice")
    expect(notice).to_be_visible()
    assert notice.inner_text().endswith(".") and "went wrong" not in notice.inner_text()
    page.get_by_role("button", name="Clear").click()
    expect(notice).to_have_count(0)
    expect(page.locator("#results .veneer-tile")).to_have_count(24)
