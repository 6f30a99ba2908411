"""Recognise: pictures in, verdicts out; what cannot be read is told of beside what can."""

from __future__ import annotations

import pytest
from browser.visits import message, open_tab, wait_for_pictures

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture
def pictures(app) -> dict:
    """One file of each of some kinds, which a head was fitted to."""
    folder = app.project.path / "data/01_raw/textures"
    kinds = ("honeycombed", "striped", "scaly")
    return {kind: min((folder / kind).glob(f"{kind}_*.jpg")) for kind in kinds}


def give(page, *files) -> None:
    """Choose files, and wait until they are with the server."""
    page.locator("#unknown input[type=file]").set_input_files(files)
    expect(page.locator("#unknown .file")).to_have_count(len(files))


def choose_own_classes(page, names: str) -> None:
    page.get_by_label("By", exact=True).click()
    page.get_by_role("option", name="classes of your own").click()
    page.get_by_role("textbox", name="Classes").fill(names)


def recognise(page):
    page.get_by_role("button", name="Recognise").click()


def test_one_picture(visit, pictures, shoot):
    page = visit()
    open_tab(page, "Recognise")
    give(page, pictures["honeycombed"])
    recognise(page)
    card = page.get_by_role("region", name=pictures["honeycombed"].name)
    expect(card.get_by_role("heading")).to_contain_text("honeycombed")
    bars = card.locator(".veneer-bars tr")
    expect(bars).to_have_count(5)
    expect(bars.first).to_contain_text("honeycombed")
    shares = [int(each.removesuffix("%")) for each in bars.locator(".number").all_inner_texts()]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 102
    assert card.locator(".veneer-evidence img").count() == 6
    wait_for_pictures(page, ".veneer-card img")
    shoot(page, "recognise")


def test_many_pictures(visit, pictures):
    page = visit()
    open_tab(page, "Recognise")
    give(page, *pictures.values())
    recognise(page)
    expect(page.locator(".veneer-card")).to_have_count(3)
    for kind, file in pictures.items():
        card = page.get_by_role("region", name=file.name)
        expect(card.locator(".veneer-bars tr").first).to_contain_text(kind)


def test_classes_of_ones_own(visit, pictures):
    page = visit()
    open_tab(page, "Recognise")
    give(page, pictures["honeycombed"], pictures["striped"])
    choose_own_classes(page, "honeycombed, striped")
    recognise(page)
    for kind in ("honeycombed", "striped"):
        card = page.get_by_role("region", name=pictures[kind].name)
        expect(card.get_by_role("heading")).to_contain_text(kind)
        expect(card.locator(".veneer-bars tr")).to_have_count(2)


def test_one_class_alone_is_too_few(visit, pictures):
    page = visit()
    open_tab(page, "Recognise")
    give(page, pictures["striped"])
    choose_own_classes(page, "striped,")
    recognise(page)
    expect(message(page)).to_contain_text("name at least two")


def test_nothing_at_all_is_told_of(visit):
    page = visit()
    open_tab(page, "Recognise")
    recognise(page)
    expect(message(page)).to_contain_text("choose one picture or more")


def test_bad_files_beside_a_good_one(visit, pictures, tmp_path):
    good = pictures["striped"]
    bad = {
        "notes.jpg": b"This is a text.",
        "empty.jpg": b"",
        "truncated.jpg": good.read_bytes()[: good.stat().st_size // 2],
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    page = visit()
    open_tab(page, "Recognise")
    give(page, *(tmp_path / name for name in bad), good)
    recognise(page)
    expect(page.locator(".veneer-card")).to_have_count(4)
    reasons = set()
    for name in bad:
        card = page.get_by_role("region", name=name)
        expect(card.get_by_role("heading")).to_have_text("not read")
        reasons.add(card.locator("p").last.inner_text())
    assert len(reasons) == 3 and all(len(each) > 10 for each in reasons)
    card = page.get_by_role("region", name=good.name)
    expect(card.locator(".veneer-bars tr").first).to_contain_text("striped")
    assert "Traceback" not in page.content()
