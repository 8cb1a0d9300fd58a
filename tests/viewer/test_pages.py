"""The pages in a real Chromium: what they show, what keys do, and that the console stays silent."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import viewer.routes
from tests.viewer.browser import Browser, needs_chromium
from tests.viewer.conftest import Serve, Served
from tests.viewer.planted_run import FRAMES, plant_curve, plant_run
from viewer.routes import has_three

pytestmark = [pytest.mark.slow, needs_chromium]
needs_three = pytest.mark.skipif(not has_three(), reason="three.js is not installed: make viewer")
_PICTURES = "Array.from(document.images).every((i) => i.complete && i.naturalWidth > 0)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One window for all tests."""
    with Browser() as window:
        yield window


@pytest.fixture
def run(serve: Serve, tmp_path: Path) -> Served:
    """A served run of a study, as it is while it goes on."""
    plant_run(tmp_path)
    return serve(tmp_path)


def _open(browser: Browser, served: Served, page: str, **fields: str) -> None:
    browser.open("about:blank")
    browser.complaints()
    hash = "&".join([f"page={page}", *(f"{name}={value}" for name, value in fields.items())])
    browser.open(f"{served.server.guard.url}#{hash}")
    _ready(browser, page)


def _ready(browser: Browser, page: str) -> None:
    browser.wait(f"document.body.dataset.ready === '{page}'")


def _state(browser: Browser) -> dict[str, str]:
    return browser.run("return Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")


def test_frames_are_looked_through_by_mouse_and_keys(browser: Browser, run: Served):
    _open(browser, run, "frames", role="eval")
    browser.wait("document.querySelectorAll('.tile').length > 0")
    assert f"{FRAMES} frames" in browser.run("return document.body.innerText")
    thumbnails = "performance.getEntriesByType('resource').filter((e) => e.name.includes('thumbnails'))"
    browser.wait(f"{thumbnails}.length === 3 && {thumbnails}.every((e) => e.responseStatus === 200)")
    assert browser.wait("document.querySelectorAll('.plan canvas').length") == 1
    browser.press("ArrowDown")
    browser.wait("document.querySelector('select[name=modality]').value === 'depth'")
    browser.run("document.querySelectorAll('.tile')[5].click()")
    _ready(browser, "frame")
    browser.wait(_PICTURES)
    assert _state(browser)["frame"] == "5"
    assert browser.run("return document.querySelectorAll('figure img').length") == 4
    browser.press("ArrowRight")
    browser.wait("document.body.innerText.includes('7 of 40')")
    _ready(browser, "frame")
    browser.press("ArrowDown")
    browser.wait("document.querySelector('figure.chosen')?.innerText === 'edges'")
    _ready(browser, "frame")
    assert (_state(browser)["frame"], _state(browser)["modality"]) == ("6", "edges")
    browser.press("Escape")
    _ready(browser, "frames")
    assert browser.complaints() == []


def test_an_address_opens_the_frame_that_it_names(browser: Browser, run: Served):
    (store,) = run.server.opened.found.stores
    _open(browser, run, "frame", store=store, part="eval-a", frame="11", modality="semantic")
    browser.wait(_PICTURES)
    assert "12 of 40" in browser.run("return document.body.innerText")
    assert browser.run("return document.querySelector('figure.chosen').innerText") == "semantic"
    _open(browser, run, "frames", store=store, **{"class": "1"})
    browser.wait("/^\\d+ frames$/m.test(document.body.innerText)")
    found = int(browser.run("return document.body.innerText.match(/^(\\d+) frames$/m)[1]"))
    assert found == browser.run("return document.querySelectorAll('.tile').length")
    assert 0 < found <= FRAMES
    assert browser.complaints() == []


@needs_three
def test_the_house_is_drawn_with_its_cameras(browser: Browser, run: Served, tmp_path: Path):
    _open(browser, run, "house", coverage="1")
    told = browser.run("return document.querySelector('.over').textContent")
    assert "triangles" in told
    assert f"{FRAMES} of {FRAMES} cameras" in told
    assert "coverage of 40 frames" in told
    colours = _colours(browser, tmp_path)
    assert colours > 100, "walls, cameras and cubes"
    browser.press("ArrowRight")
    browser.wait("document.querySelector('aside figure img')?.naturalWidth > 0")
    assert browser.complaints() == []


def test_without_three_js_the_page_says_so(
    browser: Browser, run: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(viewer.routes, "THREE", tmp_path)
    _open(browser, run, "house")
    assert "make viewer" in browser.run("return document.getElementById('no-three').textContent")
    assert browser.complaints() == []


def test_predictions_curves_and_report_are_shown(browser: Browser, run: Served, tmp_path: Path):
    _open(browser, run, "predictions")
    heads = browser.run("return Array.from(document.querySelectorAll('th')).map((e) => e.innerText)")
    assert heads == ["image", "truth", "scratch\nmIoU 50.0 %", "mm\nmIoU 50.0 %"]
    assert browser.run("return document.images.length") == 2 * 4
    browser.run("for (const image of document.images) image.loading = 'eager'")
    browser.wait(_PICTURES)
    _open(browser, run, "curves")
    points = "document.querySelector('.running polyline')?.getAttribute('points').split(' ').length"
    browser.wait(f"{points} === 20")
    plant_curve(tmp_path, 30)
    browser.wait(f"{points} === 30")
    assert browser.complaints() == []
    _open(browser, run, "report")
    loads = "performance.getEntriesByType('resource').filter((e) => e.name.includes('api/report'))"
    browser.wait(f"{loads}.some((e) => e.initiatorType === 'iframe' && e.responseEnd > 0)")
    assert browser.run("return document.title") == "tst view", "its script does not run"
    assert all("Blocked script" in complaint for complaint in browser.complaints())


def test_a_page_of_another_origin_learns_nothing(browser: Browser, run: Served):
    """The browser's own page asks: it may not read the answer, and the server refuses its origin."""
    browser.open("data:text/html,<title>another</title>")
    address = json.dumps(f"{run.server.guard.url}api/summary")
    browser.run(f"window.got = ''; fetch({address}).then(() => (got = 'read'), () => (got = 'refused'))")
    assert browser.wait("window.got") == "refused"


def _colours(browser: Browser, folder: Path) -> int:
    """Number of colours in the window."""
    browser.screenshot(folder / "window.png")
    return len(np.unique(np.asarray(Image.open(folder / "window.png").convert("RGB")).reshape(-1, 3), axis=0))
