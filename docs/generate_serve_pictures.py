"""Draw docs/pictures/serve*.png: the web page with its sample scene, by Playwright and Chromium.

python docs/generate_serve_pictures.py
"""

from __future__ import annotations

import io
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.web.visitor import serving

FOLDER = Path(__file__).with_name("pictures")
DEVICES: dict[str, dict[str, Any]] = {
    "serve": {"viewport": {"width": 1200, "height": 900}},
    "serve-phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True},
}


def save(page: Any, name: str) -> None:
    """The whole page, in 200 colours: a third of the bytes."""
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture.quantize(200).save(FOLDER / f"{name}.png", optimize=True)


def find(page: Any, url: str) -> None:
    page.goto(url)
    page.get_by_label("Or choose a sample").click()
    page.get_by_role("option", name=re.compile("Suburb")).click()
    page.locator("geoseg-map canvas").nth(1).wait_for()
    page.get_by_role("button", name="Find buildings").click()
    page.get_by_text("IoU of pixels").wait_for()
    page.mouse.move(5, 5)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with serving() as server, sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, device in DEVICES.items():
            page = browser.new_context(**device).new_page()
            page.set_default_timeout(120_000)
            find(page, server.url)
            save(page, name)
            if name == "serve":
                field = page.get_by_label("number input for Threshold")
                field.fill("0.9")
                field.press("Enter")
                field.blur()
                page.wait_for_timeout(8000)
                save(page, "serve-threshold")
