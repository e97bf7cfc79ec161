"""Draw the pictures of the pages by the pages' own commands: python docs/generate_pictures.py

A page that shows ``pictures/NAME.png`` has a command that writes ``NAME.png``. Pages are played
from their first command to the last that draws, in a temporary folder, and the pictures are stored
with a palette, a third of the size. Needs the extra `train` where a page trains.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from play import examples, run

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def names(text: str) -> list[str]:
    """The pictures that a page shows and draws; of screenshots of browsers it draws none."""
    shown = re.findall(r"\]\((?:docs/)?pictures/([^)]+\.png)\)", text)
    return [name for name in shown if f"-o {name}" in text]


def with_palette(png: bytes) -> bytes:
    """``png`` in 256 colours."""
    small = BytesIO()
    with Image.open(BytesIO(png)) as picture:
        # the colours of a legend are few pixels, which other methods merge
        colours = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    colours.save(small, "png", optimize=True)
    return small.getvalue()


def draw(page: Path) -> None:
    """Play ``page`` up to its last picture and keep them."""
    text = page.read_text("utf-8")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(ROOT / "sample_data", folder / "sample_data")
        for example in examples(text):
            command = example.without_installing()
            if all((folder / name).exists() for name in names(text)):
                break
            if command and (failure := run(example, folder, command)):
                sys.exit(failure)
        for name in names(text):
            (FOLDER / name).write_bytes(with_palette((folder / name).read_bytes()))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or PAGES
    for page in chosen:
        if names(page.read_text("utf-8")):
            draw(page)
