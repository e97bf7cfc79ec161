import io

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geoseg.drawing.sheet import Outlines, Panel, Sheet, draw, panel_pixels

RED, GREEN = (200, 30, 40), (30, 160, 60)


def flat(colour, height=60, width=90):
    return np.full((height, width, 3), colour, np.uint8)


def pixels(sheet, size=600):
    figure, buffer = draw(sheet, size), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi)
    return np.array(Image.open(buffer).convert("RGB"))


def place(drawn, colour):
    """Rows and columns, from first to last, where the colour is."""
    rows, cols = np.nonzero((drawn == colour).all(axis=2))
    return rows.min(), rows.max() + 1, cols.min(), cols.max() + 1


@settings(max_examples=10)
@given(st.integers(1, 7), st.integers(200, 900), st.floats(0.3, 3), st.booleans())
def test_the_longest_side_is_as_asked(count, size, ratio, more):
    panels = [Panel("name", flat(RED, int(60 * ratio), 60))] * count
    extra = (
        {
            "title": "Title",
            "keys": {f"class {i}": "#00ff00" for i in range(9)},
            "bar": "probability",
        }
        if more
        else {}
    )
    figure = draw(Sheet(panels, **extra), size)
    sides = figure.get_size_inches() * figure.dpi
    assert max(sides) == pytest.approx(size) and min(sides) > size / 9


def test_panels_keep_their_shape_and_stand_side_by_side():
    drawn = pixels(Sheet([Panel("one", flat(RED, 60, 70)), Panel("two", flat(GREEN, 60, 70))]), 700)
    top, bottom, left, right = place(drawn, RED)
    assert (right - left) / (bottom - top) == pytest.approx(7 / 6, rel=0.03)
    other = place(drawn, GREEN)
    assert other[0] == top and other[2] > right


def test_wide_panels_stand_below_one_another():
    drawn = pixels(Sheet([Panel("", flat(RED, 30, 120)), Panel("", flat(GREEN, 30, 120))]), 700)
    assert place(drawn, GREEN)[0] > place(drawn, RED)[1]


def test_columns_may_be_given():
    drawn = pixels(Sheet([Panel("", flat(RED)), Panel("", flat(GREEN))], columns=1))
    assert place(drawn, GREEN)[2] == place(drawn, RED)[2]


def test_outlines_lie_where_they_are_and_holes_stay_open():
    square = shapely.box(30, 10, 80, 50).difference(shapely.box(45, 20, 65, 40))
    panel = Panel("", flat((0, 0, 0)), (Outlines(np.array([square]), "#ffffff", 1.0),))
    drawn = pixels(Sheet([panel]), 942)
    scale = (942 - 24) / 90
    inside = drawn[12 : 12 + int(60 * scale), 12 : 12 + int(90 * scale)]

    def at(row, col):
        return tuple(inside[int(row * scale), int(col * scale)])

    assert at(15, 40) == at(45, 75) == (255, 255, 255)
    assert at(30, 55) == at(5, 40) == at(30, 20) == (0, 0, 0)


def test_a_table_and_a_legend_take_room_below():
    rows = [{"": "road", "colour": "#123456", "IoU": 0.5}, {"": "mean", "IoU": None}]
    sheet = Sheet([Panel("", flat(RED))], keys={"lane": "#654321"}, rows=rows)
    drawn = pixels(sheet)
    assert place(drawn, (0x65, 0x43, 0x21))[0] > place(drawn, RED)[1]
    assert place(drawn, (0x12, 0x34, 0x56))[0] > place(drawn, (0x65, 0x43, 0x21))[1]


def test_a_scale_bar_is_as_long_as_it_says():
    drawn = pixels(Sheet([Panel("", flat((0, 0, 0), 60, 100))], metres=0.5), 824)
    panel = drawn[12:492, 12:812]
    lengths = [
        np.ptp(np.nonzero((row > 250).all(axis=1))[0]) + 1
        for row in panel
        if (row > 250).all(axis=1).sum() > 60
    ]
    assert max(lengths) == pytest.approx(10 / 0.5 / 100 * 800, abs=3)


def test_odd_names_are_no_formulas():
    drawn = pixels(Sheet([Panel("a$b_$c^.tif", flat(RED))], title="$\\frac$"))
    assert (drawn == RED).all(axis=2).any()


def test_panels_of_another_shape_are_not_stretched():
    drawn = pixels(Sheet([Panel("", flat(RED))] * 2 + [Panel("", flat(GREEN, 60, 30))]), 900)
    top, bottom, left, right = place(drawn, GREEN)
    assert (bottom - top) / (right - left) == pytest.approx(2, rel=0.05)


def test_how_many_pixels_a_panel_will_have():
    assert panel_pixels(1, (60, 90), 600) == 600
    assert panel_pixels(4, (90, 60), 600) == pytest.approx(300, abs=60)
