"""Twins: what is there twice, and what somebody decides of it."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from browser.visits import numbers, open_tab, set_number, wait_for_pictures

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture
def page(visit):
    """The tab, as the finished run left it."""
    page = visit()
    open_tab(page, "Twins")
    return page


def status(page):
    return page.locator("#twins").get_by_role("status")


def counts(page) -> tuple[int, ...]:
    """Groups, images in them, images in all, and how many would go and stay."""
    return tuple(numbers(status(page).inner_text())[:5])


def chosen(app) -> list[dict]:
    return pq.read_table(
        app.project.path / "data/08_reporting/textures/mini/twin_choices.parquet"
    ).to_pylist()


def test_groups_of_twins(page, shoot):
    groups, inside, total, going, staying = counts(page)
    assert page.locator(".veneer-group").count() == groups >= 12
    assert page.locator(".veneer-group li").count() == inside == going + staying
    assert total == 172
    assert page.locator(".veneer-keep[aria-pressed=true]").count() == staying
    wait_for_pictures(page, "#twins img")
    shoot(page, "twins")


def test_the_threshold_decides_what_is_a_twin(page):
    suggested = counts(page)
    set_number(page, "threshold", 0.85)
    expect(page.locator(".veneer-group")).not_to_have_count(suggested[0])
    alike = counts(page)
    set_number(page, "threshold", 1)
    expect(page.locator(".veneer-group")).not_to_have_count(alike[0])
    same = counts(page)
    assert same[1] <= suggested[1] < alike[1]
    assert same[2] == alike[2] == 172


def test_choices_are_kept_until_they_are_forgotten(page, app):
    _, _, _, going, staying = counts(page)
    group = page.locator(".veneer-group").first
    dropped = group.locator("li.dropped")
    path = dropped.locator("p[title]").get_attribute("title")
    group.get_by_role("button", name=f"Keep {path}").click()
    expect(status(page)).to_contain_text(f"{going - 1} would go, {staying + 1} would stay.")
    expect(status(page)).to_contain_text("1 by your choice")
    expect(dropped).to_have_count(0)
    (row,) = chosen(app)
    assert (row["path"], row["keep"]) == (path, True)

    page.reload()
    open_tab(page, "Twins")
    assert counts(page)[3:] == (going - 1, staying + 1)
    again = page.get_by_role("button", name=f"Keep {path}")
    expect(again).to_have_attribute("aria-pressed", "true")
    again.click()
    expect(status(page)).to_contain_text(f"{going} would go, {staying} would stay.")
    assert [row["keep"] for row in chosen(app)] == [False]

    page.get_by_role("button", name="Forget my choices").click()
    expect(status(page)).not_to_contain_text("by your choice")
    assert counts(page)[3:] == (going, staying)
    assert chosen(app) == []


def test_a_group_of_which_nothing_would_stay_is_told_of(page, app):
    group = page.locator(".veneer-group").first
    group.locator("li:not(.dropped) .veneer-keep").click()
    expect(status(page)).to_contain_text("Of 1 groups nothing would stay")
    page.get_by_role("button", name="Forget my choices").click()
    expect(status(page)).not_to_contain_text("nothing would stay")
    assert chosen(app) == []
