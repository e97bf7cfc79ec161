"""The site builds without a warning, has a page for everything, and asks no other host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import geoseg
from geoseg.cli.main import COMMANDS
from tests.test_docs import PAGES, ROOT, script

SITE = ROOT / "docs" / "site"
# Attributes by which a page loads something when it is looked at; a link is followed by a reader
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]+)\"|<link\b([^>]*)>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--config-file", str(SITE / "mkdocs.yml"), "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_command_function_and_page_is_there(site: Path) -> None:
    for name in COMMANDS:
        page = (site / "cli" / f"{name}.html").read_text("utf-8")
        assert f"geoseg {name} " in page and "--json" in page
    for name in set(geoseg.__all__) - {"__version__"}:
        assert f"geoseg.{name}" in (site / "reference" / f"{name}.html").read_text("utf-8")
    assert "min_confidence" in (site / "reference" / "extract.html").read_text("utf-8")
    start = (site / "start.html").read_text("utf-8")
    assert 'src="pictures/buildings.png"' in start
    titles = re.findall(r'class="md-ellipsis">\s*([^<]+?)\s*<', start)
    assert {"Home", "A five-minute start", "extract", "Changelog"} <= set(titles)
    assert "None" not in titles
    assert {page.stem for page in PAGES[1:]} <= {page.stem for page in site.glob("*.html")}


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        text = page.read_text("utf-8")
        for source, link in LOADED.findall(text):
            target = source or (
                re.search(r'href="([^"]+)"', link)[1]  # type: ignore[index]
                if re.search(r'rel="(?:stylesheet|icon|preload|preconnect|modulepreload)"', link)
                else ""
            )
            assert "//" not in target, (page.name, target)
            if target:  # the page of what is not found counts from the site's root
                base = site if target.startswith("/") else page.parent
                assert (base / re.split("[?#]", target.lstrip("/"))[0]).exists(), target
        assert 'class="mermaid"' not in text  # its script would come from another host
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", style.read_text("utf-8"))


def test_pictures_are_small_and_each_is_drawn_by_a_page() -> None:
    pictures = script("generate_pictures")
    texts = [page.read_text("utf-8") for page in PAGES]
    drawn = {name for text in texts for name in pictures.names(text)}
    assert {"buildings.png", "compared.png", "before.png"} <= drawn
    for path in pictures.FOLDER.iterdir():
        # the web page's are screenshots of a browser
        assert path.name in drawn or path.stem.startswith("serve"), path
        assert any(f"pictures/{path.name})" in text for text in texts), path
        assert path.stat().st_size < 400_000, path
