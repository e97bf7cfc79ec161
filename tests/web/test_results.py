"""What the page shows of errors and scenes: short, escaped, without control characters."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("gradio")
from geoseg.errors import InputError
from geoseg.web.results import about_scene, failure, note

ABOUT: dict[str, Any] = {
    "format": "GTiff", "width": 90, "height": 60, "bands": 3, "dtype": "uint8", "gsd": 0.3,
    "crs": "EPSG:32633", "valid_fraction": 1.0,
}  # fmt: skip
TEXTS = st.text(st.characters(), max_size=900)


@given(TEXTS, TEXTS | st.none())
def test_errors_of_any_words_are_short_and_plain(message: str, hint: str | None) -> None:
    shown = failure(InputError(message, hint))
    inside = unescape(re.sub("</?(div|small)[^>]*>", "", shown))
    assert len(inside) <= 600 and not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", inside)
    assert shown.count("<") == (4 if hint else 2)  # only our own elements
    shown.encode()  # no halves of characters


@given(TEXTS)
def test_a_crs_of_any_name_leaves_room_for_the_rest(name: str) -> None:
    shown = note(about_scene("town.tif", ABOUT | {"crs": name}))
    assert "town.tif · GTiff · 90 x 60 pixels" in shown and shown.count("<") == 2
    assert len(unescape(shown)) < 300
