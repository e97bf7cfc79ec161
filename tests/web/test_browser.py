"""The page in Chromium, on a desk and on a phone; and that it asks no other host for anything."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import geopandas as gpd
import pytest
from affine import Affine

from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from geoseg.web.server import Page
from tests.scenes import buildings, picture, red_model, write_scene
from tests.web.visitor import serving

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt-get install chromium)"),
]
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True,
    "device_scale_factor": 2,
}  # fmt: skip
SOON = 90_000  # milliseconds: machines are shared


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    model = red_model(tmp_path_factory.mktemp("model") / "red.onnx")
    with serving((model,)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as player:
        yield player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "town.tif", buildings(180, 260))


class Tab:
    """A tab of the browser with the page in it, that keeps all requests and errors."""

    def __init__(self, browser: Any, url: str, **device: Any) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(**device)
        self.page = self.context.new_page()
        self.page.set_default_timeout(SOON)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.get_by_role("button", name="Find buildings").wait_for()

    def upload(self, path: Path) -> None:
        self.page.locator("#inputs input[type=file]").first.set_input_files(path)

    def status(self, text: str) -> None:
        """Wait until the status reads ``text``, a regular expression."""
        self.page.locator("#status", has_text=re.compile(text)).wait_for()

    def find(self) -> int:
        self.page.get_by_role("button", name="Find buildings").click()
        self.status(r"\d+ buildings")
        return self.count()

    def count(self) -> int:
        """Footprints on the map."""
        label = self.page.locator("geoseg-map label", has_text="Footprints").inner_text()
        return int(re.sub(r"\D", "", label))

    def slide(self, label: str, part: float) -> None:
        """Drag a slider to ``part`` of its width."""
        slider = self.page.get_by_label(f"range slider for {label}")
        box = slider.bounding_box()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + 2, y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + part * box["width"], y, steps=4)
        self.page.mouse.up()

    def first_building(self) -> dict[str, float]:
        """Where on the map the first footprint lies."""
        ring = self.map("map.view.footprints.rings[0][0]")
        look = self.map("({zoom: map.look.zoom, x: map.look.x, y: map.look.y})")
        xs, ys = ring[0::2], ring[1::2]
        return {
            "x": sum(xs[:-1]) / (len(xs) - 1) * look["zoom"] + look["x"],
            "y": sum(ys[:-1]) / (len(ys) - 1) * look["zoom"] + look["y"],
        }

    def map(self, expression: str) -> Any:
        """A value of the map element."""
        return self.page.locator("geoseg-map").evaluate(f"map => {expression}")

    def hosts(self) -> set[str]:
        return {
            urlsplit(url).netloc for url in self.requests if not url.startswith(("data:", "blob:"))
        }


def test_on_a_desk(server: Page, browser: Any, scene: Path, tmp_path: Path) -> None:
    tab = Tab(browser, server.url, **DESK)
    tab.upload(scene)
    tab.status("town.tif · GTiff · 260 x 180")
    before = tab.find()
    assert before > 10
    forwards = server.jobs.started["find"]
    tab.page.locator("geoseg-map").get_by_label("Zoom in").click()
    zoom = tab.map("map.look.zoom")
    drawn = tab.map("map.panes[0].canvas.toDataURL()")

    tab.slide("Minimum area", 0.3)
    tab.page.wait_for_function(
        "before => !document.querySelector('geoseg-map').shadowRoot.textContent.includes(before)",
        arg=f"({before})",
    )
    assert tab.count() < before
    assert server.jobs.started["find"] == forwards
    assert tab.map("map.look.zoom") == zoom  # the reader's place is kept
    assert tab.map("map.panes[0].canvas.toDataURL()") != drawn

    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="GeoPackage").click()
    download.value.save_as(tmp_path / "found.gpkg")
    assert len(gpd.read_file(tmp_path / "found.gpkg", layer="footprints")) == tab.count()
    assert tab.hosts() == {urlsplit(server.url).netloc}
    assert tab.errors == []


def test_on_a_phone(server: Page, browser: Any) -> None:
    tab = Tab(browser, server.url, **PHONE)
    tab.page.get_by_label("Or choose a sample").click()
    tab.page.get_by_role("option", name=re.compile("Suburb")).click()
    tab.page.locator("geoseg-map canvas").nth(1).wait_for()
    assert tab.find() > 10
    tab.page.get_by_text("IoU of pixels").wait_for()
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    for canvas in tab.page.locator("geoseg-map canvas").all():  # one above the other
        box = canvas.bounding_box()
        assert box["width"] > 280 and box["x"] >= 0 and box["x"] + box["width"] <= 390
    tab.page.locator("geoseg-map canvas").first.tap(position=tab.first_building())
    tab.page.get_by_text(re.compile(r"Building 1 · [\d.]+ m² · confidence")).wait_for()
    assert tab.hosts() == {urlsplit(server.url).netloc} and tab.errors == []


def test_by_the_keyboard_alone(server: Page, browser: Any, scene: Path) -> None:
    tab = Tab(browser, server.url, **DESK)
    for _ in range(6):  # past the samples, of which none is chosen
        tab.page.keyboard.press("Tab")
    tab.upload(scene)
    tab.status("town.tif")
    before = tab.find()
    tab.page.get_by_label("range slider for Minimum area").focus()
    for _ in range(12):
        tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_function(
        "before => !document.querySelector('geoseg-map').shadowRoot.textContent.includes(before)",
        arg=f"({before})",
    )
    assert 0 < tab.count() < before
    assert tab.page.get_by_text("Error").count() == 0 and tab.errors == []


@pytest.mark.parametrize("width", [320, 390, 720, 1280])
def test_words_fit_their_buttons(server: Page, browser: Any, width: int) -> None:
    tab = Tab(browser, server.url, viewport={"width": width, "height": 844})
    wide = tab.page.locator("button:visible").evaluate_all(
        """buttons => buttons.filter(button => {
          const text = document.createRange();
          text.selectNodeContents(button);
          return text.getBoundingClientRect().width > button.getBoundingClientRect().width;
        }).map(button => button.textContent)"""
    )
    assert [text for text in wide if "Truth" not in text] == []  # its arrow is turned
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_building_of_a_photo_has_an_area_in_pixels(
    server: Page, browser: Any, tmp_path: Path
) -> None:
    mask = buildings(180, 260)
    write_array(tmp_path / "photo.png", picture(mask), Grid(None, Affine.identity(), *mask.shape))
    tab = Tab(browser, server.url, **DESK)
    tab.upload(tmp_path / "photo.png")
    tab.status("no coordinates")
    tab.find()
    tab.page.locator("geoseg-map canvas").first.click(position=tab.first_building())
    shown = tab.page.get_by_text(re.compile(r"Building 1 · [\d.]+ square pixels · confidence"))
    shown.wait_for()
    assert shown.is_visible()


def test_what_is_wrong_is_shown(server: Page, browser: Any, tmp_path: Path) -> None:
    tab = Tab(browser, server.url, **DESK)
    (tmp_path / "letter.tif").write_text("Dear all")
    tab.upload(tmp_path / "letter.tif")
    alert = tab.page.get_by_role("alert")
    alert.filter(has_text="letter.tif: is no image that this page reads").wait_for()
    assert tab.page.get_by_role("button", name="Find buildings").is_disabled()
