import io
from base64 import b64decode
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from geoseg.drawing.html import (
    facts,
    figure,
    figures,
    items,
    legend,
    section,
    table,
    text,
    write_page,
)
from geoseg.errors import OutputError

NASTY = """<script>alert("x")</script> & 'quotes'"""


class Read(HTMLParser):
    """Texts by tag, all attributes, and whether every tag that opens is closed."""

    VOID = ("meta", "img", "input")

    def __init__(self, html):
        super().__init__()
        self.texts, self.attributes, self.open = {}, [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.attributes.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data)

    def pictures(self):
        return [a for tag, a in self.attributes if tag == "img"]


def page(tmp_path, *pieces, title="Title", subtitle=""):
    write_page(tmp_path / "page.html", title, [section("Section", *pieces)], subtitle=subtitle)
    return Read((tmp_path / "page.html").read_text("utf-8"))


def png(height, width):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def test_all_text_is_escaped(tmp_path):
    pieces = (
        text(NASTY),
        items([NASTY]),
        facts({NASTY: NASTY}),
        table([{NASTY: NASTY}], NASTY),
        figure(png(3, 4), NASTY, NASTY),
    )
    read = page(tmp_path, *pieces, title=NASTY, subtitle=NASTY)
    tags = {tag for tag, _ in read.attributes}
    assert "script" not in tags
    for tag in ("title", "h1", "p", "li", "dt", "dd", "caption", "th", "td", "figcaption"):
        assert NASTY in read.texts[tag], tag
    assert read.pictures()[0]["alt"] == NASTY


def test_a_piece_that_was_not_made_here_is_escaped(tmp_path):
    read = page(tmp_path, NASTY, figures(NASTY))
    assert {"script", "a"} & {tag for tag, _ in read.attributes} == set()
    assert read.texts["div"][0].strip() == NASTY


def test_nothing_is_fetched(tmp_path):
    read = page(tmp_path, figures(figure(png(3, 4), "a", "b"), figure(png(4, 3), "c", "d")))
    assert all(picture["src"].startswith("data:image/png;base64,") for picture in read.pictures())
    (policy,) = (a["content"] for _, a in read.attributes if "http-equiv" in a)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert {tag for tag, _ in read.attributes} & {"link", "script", "iframe", "object"} == set()
    assert "url(" not in read.texts["style"][0] and "@import" not in read.texts["style"][0]


def test_pictures_come_out_as_they_went_in(tmp_path):
    plot = Figure(figsize=(4, 2))
    plot.subplots().plot([1, 3, 2])
    read = page(tmp_path, figure(png(5, 9), "caption", "alt"), figure(plot, "curve", "one line"))
    raster, drawing = (b64decode(picture["src"].partition(",")[2]) for picture in read.pictures())
    assert Image.open(io.BytesIO(raster)).size == (9, 5)
    root = ElementTree.fromstring(drawing)
    assert root.tag.endswith("svg") and root.attrib["width"] == "288pt"
    assert read.texts["figcaption"] == ["caption", "curve"]


def test_the_same_figure_gives_the_same_page(tmp_path):
    def drawn():
        plot = Figure()
        plot.subplots().plot([1, 2])
        return figure(plot, "", "")

    assert drawn() == drawn()


def test_a_page_is_dated_by_the_environment_where_that_fixes_the_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    page(tmp_path)
    assert "2023-11-1" in (tmp_path / "page.html").read_text("utf-8")


def test_a_table_lines_numbers_up_and_leaves_gaps(tmp_path):
    read = page(
        tmp_path,
        table(
            [
                {"class": "road", "iou": 0.5, "n": 1200},
                {"class": "sky", "iou": 0.8125, "more": True},
            ]
        ),
    )
    assert read.texts["th"] == ["class", "IoU", "n", "more"]
    assert read.texts["td"] == ["road", "0.500", "1,200", "sky", "0.812", "yes"]
    numbers = [a.get("class") for tag, a in read.attributes if tag == "td"]
    assert numbers[:3] == [None, "number", "number"]


def test_facts_without_a_value_are_left_out(tmp_path):
    assert page(tmp_path, facts({"f1": 0.5, "mean_iou": None})).texts["dt"] == ["F1"]


def test_a_page_is_not_overwritten_by_chance(tmp_path):
    page(tmp_path)
    with pytest.raises(OutputError, match="exists already"):
        page(tmp_path)
    write_page(tmp_path / "page.html", "Other", [], overwrite=True)
    assert "<h1>Other</h1>" in (tmp_path / "page.html").read_text()


def test_a_name_that_is_no_text_does_no_harm(tmp_path):
    assert "a?.tif" in page(tmp_path, text("a\udcff.tif")).texts["p"]


def test_a_legend_has_each_colour_beside_its_name(tmp_path):
    read = page(tmp_path, legend({"right": "#56b4e9", NASTY: "#000000"}))
    assert read.texts["li"] == ["right", NASTY]
    assert [a["style"] for tag, a in read.attributes if tag == "span"] == [
        "background:#56b4e9",
        "background:#000000",
    ]
