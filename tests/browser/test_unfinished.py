"""The app over a project in which something was not run yet."""

from __future__ import annotations

import pytest
from browser.visits import CONTENTS, message, open_tab, wait_for_pictures

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


def test_what_is_missing_is_told_with_the_command_that_makes_it(
    visitor, start_app, new_project, textures
):
    project = new_project()
    app = start_app(project)
    page = visitor.open(app.url)
    expect(page.locator("#results .veneer-notice")).to_contain_text("kedro run")
    for name in ("Twins", "Map"):
        page.reload()
        expect(page.locator("#results .veneer-notice")).to_be_visible()
        page.get_by_role("tab", name=name).click()
        expect(message(page)).to_contain_text("kedro run")
    page.get_by_role("tab", name="Report").click()
    expect(page.locator("#report .veneer-notice")).to_contain_text("kedro run")

    # Meanwhile a run was done in which no head was fitted.
    project.take_data(textures)
    models = project.path / "data/06_models/textures/mini"
    for head in [*models.glob("*.json"), *models.glob("*.skops"), *models.glob("*.safetensors")]:
        head.unlink()
    page.reload()
    page.locator(CONTENTS["Search"]).first.wait_for()
    wait_for_pictures(page, "#results img")
    open_tab(page, "Recognise")
    picture = min((project.path / "data/01_raw/textures/woven").glob("*.jpg"))
    page.locator("#unknown input[type=file]").set_input_files(picture)
    expect(page.locator("#unknown .file")).to_have_count(1)
    page.get_by_role("button", name="Recognise").click()
    expect(message(page)).to_contain_text("kedro run")
    assert "Traceback" not in page.content()

    # Ctrl-C ends it though somebody still looks.
    assert visitor.troubles == []
    app.end()
    visitor.troubles.clear()
