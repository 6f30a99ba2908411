"""A running app, and a browser that looks at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser.visits import CONTENTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request
    from projects import Project

TIMEOUT = 60_000  # milliseconds; the machine may be busy
DESKTOP = {"width": 1366, "height": 900}
# What Gradio's scripts say when a page is left for another. Where a stream breaks off otherwise,
# what should have come is missing on the page.
LEAVING = (
    "BodyStreamBuffer was aborted",
    "Connection errored out",
    "AbortError: signal is aborted without reason",
)


class App:
    """``kedro app`` in a process of its own."""

    def __init__(self, project: Project):
        self.project = project
        self.log: list[str] = []
        self._process = project.start("app", "--port", "0")
        for line in self._process.stderr:
            self.log.append(line)
            if found := re.search(r"http://\S+", line):
                self.url = found[0]
                break
        else:
            pytest.fail("The app did not start: " + "".join(self.log))
        # What nobody reads would stop it one day.
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stderr:
            self.log.append(line)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Press Ctrl-C; all that was told before that, and then, is in order."""
        self.interrupt()
        code = self._process.wait()
        self._reader.join()
        log = "".join(self.log)
        assert "Traceback" not in log and "ERROR" not in log, log
        assert code in (0, 130), f"{code}: {log}"


class Visitor:
    """Opens pages, and writes down what they should not have done."""

    def __init__(self, browser: Browser):
        self.troubles: list[str] = []
        self._browser = browser
        self._contexts = []

    def open(self, address: str, **options) -> Page:
        """A page in a browser that has seen nothing yet."""
        context = self._browser.new_context(**{"viewport": DESKTOP} | options)
        self._contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        context.on("request", self._requested)
        context.on("weberror", lambda error: self.troubles.append(str(error.error)))
        context.on("console", self._told)
        page = context.new_page()
        page.goto(address)
        return page

    def leave(self) -> None:
        for context in self._contexts:
            context.close()

    def _requested(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:http://127.0.0.1:")):
            self.troubles.append(f"asked for {request.url}")

    def _told(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(each in message.text for each in LEAVING):
            self.troubles.append(f"{message.text} ({message.location})")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser."""
    pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Debian's Chromium: apt-get install chromium")
    return path


@pytest.fixture(scope="module")
def browser(chromium):
    """One a module: as long as it is there, nothing else here can run an event loop."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def new_project(chromium, tmp_path_factory, compiled) -> Callable[[], Project]:
    """Makes a project in which nothing was run."""
    from projects import Project

    def make() -> Project:
        project = Project(tmp_path_factory.mktemp("app"))
        project.share_compiled(compiled)
        return project

    return make


@pytest.fixture(scope="session")
def start_app():
    """Starts the app over a project; at the end each one is ended, and was in order."""
    started = []

    def start(project: Project) -> App:
        started.append(App(project))
        return started[-1]

    yield start
    for app in started:
        app.interrupt()
    for app in started:
        app.end()


@pytest.fixture(scope="session")
def app(new_project, textures, start_app) -> App:
    """The app over a copy of the finished run, which it may write its choices into."""
    project = new_project()
    project.take_data(textures)
    shutil.copy(textures.path / "mlflow.db", project.path)
    return start_app(project)


@pytest.fixture
def visitor(browser):
    """Whose pages ask nobody but the app, and have no errors."""
    visitor = Visitor(browser)
    yield visitor
    visitor.leave()
    assert visitor.troubles == []


@pytest.fixture
def visit(visitor, app) -> Callable[..., Page]:
    """Opens the app at some address, and waits until there is something to see."""

    def open_(query: str = "", **options) -> Page:
        page = visitor.open(f"{app.url}/{query}", **options)
        page.locator(CONTENTS["Search"]).first.wait_for()
        return page

    return open_


@pytest.fixture
def shoot() -> Callable[[Page, str], None]:
    """Saves what can be seen, where VENEER_SCREENSHOTS names a folder for it."""
    folder = os.environ.get("VENEER_SCREENSHOTS")

    def save(page: Page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    return save
