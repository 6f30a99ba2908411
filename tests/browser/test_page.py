"""The page for everybody: small screens, dark rooms, keyboards, screen readers."""

from __future__ import annotations

import re

import pytest
from browser.visits import TABS, numbers, open_tab, results, search, wait_for_pictures

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

# What can be seen and lies across the right or left edge, but for what scrolls by itself.
OVER_THE_EDGE = """() => [...document.querySelectorAll("main *")].filter(each => {
    const {left, right, width, height} = each.getBoundingClientRect();
    if (width < 2 || height < 2 || getComputedStyle(each).visibility === "hidden") return false;
    for (let up = each.parentElement; up.tagName !== "MAIN"; up = up.parentElement) {
        if (["auto", "scroll"].includes(getComputedStyle(up).overflowX)) return false;
    }
    return left < -1 || right > innerWidth + 1;
}).map(each => each.outerHTML.slice(0, 200))"""

# Texts whose contrast is below 4.5 (3 where they are large), with the ratio.
PALE = """() => {
    const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const channels = colour => {
        paint.clearRect(0, 0, 1, 1);
        paint.fillStyle = colour;
        paint.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], below) =>
        [r, g, b].map((each, i) => each * a + below[i] * (1 - a));
    const light = rgb => {
        const [r, g, b] = rgb.map(each => {
            const share = each / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        if (!element) return [255, 255, 255];
        const own = channels(getComputedStyle(element).backgroundColor);
        return own[3] === 1 ? own.slice(0, 3) : over(own, behind(element.parentElement));
    };
    const pale = [];
    for (const element of document.querySelectorAll("body *")) {
        const written = [...element.childNodes]
            .filter(each => each.nodeType === 3).map(each => each.textContent.trim()).join("");
        const text = written || (element.value ? "" : element.placeholder);
        if (!text || !element.checkVisibility({checkVisibilityCSS: true})) continue;
        if (element.closest(":disabled, svg, script, style, .sr-only")) continue;
        const style = getComputedStyle(element, written ? null : "::placeholder");
        const ground = behind(element);
        const [a, b] = [light(over(channels(style.color), ground)), light(ground)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        if (ratio < (large ? 3 : 4.5)) pale.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return pale;
}"""

NAMELESS = re.compile(
    r"^\s*- (?:button|checkbox|combobox|link|listbox|radio|searchbox|slider|spinbutton"
    r"|switch|tab|textbox)(?: \[.*\])*(?::.*)?$",
    re.MULTILINE,
)


def press_until(page, key: str, condition: str, most: int) -> None:
    """Press a key until the focused element is what is meant."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate(f"document.activeElement.matches({condition!r})"):
            return
    pytest.fail(f"{most} times {key} did not lead to {condition}")


def test_a_phone(visit, shoot):
    page = visit(**PHONE)
    search(page, "red and white stripes")
    assert len(results(page)) == 24
    page.locator("#results .veneer-tile").first.scroll_into_view_if_needed()
    wait_for_pictures(page, "#results img")
    shoot(page, "phone")
    page.locator("#results .veneer-tile").first.tap()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    box = dialog.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    dialog.get_by_role("button", name="Close").tap()
    expect(dialog).to_be_hidden()


def test_every_tab_fits_a_phone(visit):
    page = visit(**PHONE)
    for name in TABS:
        open_tab(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        assert page.evaluate(OVER_THE_EDGE) == [], name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(visit, shoot, theme):
    page = visit(f"?__theme={theme}")
    search(page, "red and white stripes")
    wait_for_pictures(page, "#results img")
    ink = page.get_by_role("heading", level=1).evaluate("each => getComputedStyle(each).color")
    assert (sum(numbers(ink)[:3]) > 500) == (theme == "dark"), ink
    if theme == "dark":
        shoot(page, "dark")
    pale = []
    for name in TABS:
        open_tab(page, name)
        pale += [f"{name}: {text}" for text in page.evaluate(PALE)]
    assert pale == []


def test_keys_alone_are_enough(visit):
    page = visit()
    page.evaluate("const top = document.querySelector('h1'); top.tabIndex = -1; top.focus()")
    press_until(page, "Tab", "#prompt input", 15)
    page.keyboard.type("woven")
    page.keyboard.press("Enter")
    page.wait_for_function("location.search === '?q=woven'")
    press_until(page, "Tab", ".veneer-tile", 60)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#results .veneer-tile").first).to_be_focused()


def test_everything_has_a_name(visit):
    page = visit()
    page.get_by_role("button", name="Filters").click()
    for name in TABS:
        open_tab(page, name)
        assert NAMELESS.findall(page.locator("body").aria_snapshot()) == [], name
        assert page.locator("img:not([alt])").count() == 0, name
