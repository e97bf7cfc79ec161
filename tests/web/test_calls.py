"""What controls send, and what others may send in their place: absurd settings are answered on the
page, calls that the page does not make with a 400, and who comes next is served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import pytest
import shapely
from affine import Affine

pytest.importorskip("gradio")
from geoseg.core.grid import Grid
from geoseg.io.raster.write import write_array
from geoseg.web.server import Page
from tests.scenes import buildings, grid, picture, red_model, write_scene
from tests.web.visitor import Visitor, file, serving

MASK = buildings(60, 90)
LONG = "a" * 100_000
JSON = {"content-type": "application/json"}
CONTROLS = (0.5, 0, "Pixels", False)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    model = red_model(tmp_path_factory.mktemp("model") / "red.onnx")
    with serving((model,)) as running:
        yield running


@pytest.fixture(scope="module")
def visitor(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    """One whose scene, a photo without coordinates, has its footprints."""
    path = tmp_path_factory.mktemp("scene") / "photo.png"
    write_array(path, picture(MASK), Grid(None, Affine.identity(), *MASK.shape))
    visitor = Visitor(page.url)
    visitor.act("upload_scene", visitor.uploaded(path))
    assert "building" in visitor.act("find", "red.onnx", None, "Pixels", False)["status"]
    return visitor


@pytest.fixture(autouse=True)
def quiet(page: Page, visitor: Visitor, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No traceback in the server's log, and no process at work."""
    yield
    assert not page.jobs.running
    err = capfd.readouterr().err
    assert "Traceback" not in err and "ERROR" not in err, err


def alert(status: str) -> str:
    """The line of an error on the page, which is short and plain."""
    assert 'role="alert"' in status
    line = unescape(re.sub("<[^>]+>", " ", status)).strip()
    assert len(line) < 600 and line.isprintable(), line
    return line


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (0, None, "Threshold: there is no number"),
        (0, -1, "threshold: must be above 0"),
        (0, 1e300, "threshold: must be above 0"),
        (1, None, "Minimum area: there is no number"),
        (1, -1, "'-1.0px' is not an area"),
        (2, None, "Outlines: this page does not offer None"),
        (2, "Round\0", "Outlines: this page does not offer"),
        (2, LONG, "Outlines: this page does not offer"),
    ],
)
def test_absurd_settings_are_answered_on_the_page(
    visitor: Visitor, place: int, value: Any, error: str
) -> None:
    values = list(CONTROLS)
    values[place] = value
    assert error in alert(visitor.act("trace", *values)["status"])


@pytest.mark.parametrize("area", [1_000_000, 1e300, 0.1])
def test_areas_of_any_size_are_areas(visitor: Visitor, area: float) -> None:
    status = visitor.act("trace", 0.5, area, "Pixels", False)["status"]
    assert ("No buildings found" in status) == (area > 1)


@pytest.mark.parametrize("gsd", [-1, 1e-300, 1e300])
def test_absurd_pixels_are_answered_on_the_page(visitor: Visitor, gsd: float) -> None:
    alert(visitor.act("find", "red.onnx", gsd, "Pixels", False)["status"])


@pytest.mark.parametrize("name", [None, "", "/etc/passwd", "red.onnx\0", LONG])
def test_models_and_samples_that_are_not_offered(visitor: Visitor, name: str | None) -> None:
    sent = visitor.join("find", name, None, "Pixels", False)
    if sent.status_code == 200:
        status = visitor._results(sent.json()["event_id"])["status"]
        assert "Model: this page does not offer" in alert(status)
    other = Visitor(visitor.url)
    if name is not None:
        assert "this page does not offer" in alert(other.act("choose_sample", name)["status"])


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("value", [[], {}, [0.5], {"a": 1}, 10**400, LONG])
def test_values_of_another_type_are_refused(visitor: Visitor, place: int, value: Any) -> None:
    values = list(CONTROLS)
    values[place] = value
    if (place, value) != (2, LONG):  # text, though it is none of the choices
        assert visitor.join("trace", *values).status_code == 400
    assert visitor.join("trace", *CONTROLS[:place]).status_code == 400


@pytest.mark.parametrize(
    "sent", [True, "x", [], {}, {"path": None}, {"meta": None}, {"url": 5}, {"size": "x"}, {"is_stream": True}]
)  # fmt: skip
@pytest.mark.parametrize("handler", ["upload_scene", "upload_truth"])
def test_what_is_no_uploaded_file_is_refused(
    page: Page, visitor: Visitor, handler: str, sent: Any
) -> None:
    if isinstance(sent, dict) and sent:
        sent = file(str(page.storage.uploads / "a.tif"), "a.tif") | sent
    more = CONTROLS if handler == "upload_truth" else ()
    assert visitor.join(handler, sent, *more).status_code in (400, 403)


@pytest.mark.parametrize("name", ["", "none.tif", "none/" + "a" * 300, "none\0.tif"])
def test_files_that_are_not_there_are_refused(page: Page, name: str) -> None:
    other = Visitor(page.url)
    answer = other.join("upload_scene", file(f"{page.storage.uploads}/{name}", "a.tif"))
    if answer.status_code == 200:
        status = other._results(answer.json()["event_id"])["status"]
        assert "no file that was uploaded here" in alert(status)
    else:
        assert answer.status_code == 403


GOOD: dict[str, Any] = {"data": [None, None], "fn_index": 0, "session_hash": "abc"}


BAD: list[str | bytes] = [
    b"", b"null", b"[]", b"1", b"{", b"\xff\xfe{}", b"[" * 200_000, b"{}",
    json.dumps(GOOD).replace("0", "1e999"),
    *(
        json.dumps(GOOD | other)
        for other in [
            {"fn_index": 99}, {"fn_index": -1}, {"fn_index": True}, {"fn_index": [0]},
            {"fn_index": float("nan")}, {"data": None}, {"data": []}, {"data": [None, float("inf")]},
            {"data": [None, "\ud800"]}, {"session_hash": "\ud800"}, {"session_hash": "a\0"},
            {"session_hash": LONG}, {"session_hash": 5}, {"session_hash": None},
            {"batched": True}, {"trigger_id": "x"}, {"event_id": ["x"]},
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize("path", ["queue/join", "cancel", "reset"])
def test_calls_that_the_page_does_not_make_are_refused(visitor: Visitor, path: str) -> None:
    for content in BAD:
        answer = visitor.client.post(f"/gradio_api/{path}", content=content, headers=JSON)
        assert answer.status_code == 400 and len(answer.text) < 100, (content[:90], answer.text)
    assert 'role="status"' in visitor.act("trace", *CONTROLS)["status"]


def test_what_is_read_oddly_is_no_fault_of_the_server(visitor: Visitor) -> None:
    nobody = visitor.client.get("/gradio_api/queue/data", params={"session_hash": "nobody"})
    assert "session_not_found" in nobody.text
    assert visitor.client.get(f"/static/{'a' * 300}").status_code == 404
    handed = visitor.act("trace", *CONTROLS)["GeoJSON"]
    whole = visitor.client.get(handed["url"]).content
    for wanted, status in {
        "bytes=9-5-7": 200, "bytes=a-b": 200, "bytes=²-³": 200, "bytes=-": 200,
        "bytes=0-4": 206, "bytes=99999999-5": 416,
    }.items():  # fmt: skip
        headers = {"range": wanted.encode()}
        answer = httpx.get(handed["url"], headers=headers, trust_env=False)
        assert answer.status_code == status, wanted
        assert answer.status_code != 200 or answer.content == whole
        assert answer.status_code != 206 or answer.content == whole[:5]


@pytest.mark.parametrize("reach", [1e9, 1e14])
def test_a_truth_that_reaches_beyond_the_earth_is_shown(
    page: Page, tmp_path: Path, reach: float
) -> None:
    place = grid(*MASK.shape)
    other = Visitor(page.url)
    other.act("upload_scene", other.uploaded(write_scene(tmp_path / "a.tif", MASK, place)))
    left, bottom, _, top = place.bounds
    wide = shapely.box(left - reach, bottom - reach, left + 9, top + reach)
    gpd.GeoDataFrame(geometry=[wide], crs=place.crs).to_file(tmp_path / "wide.gpkg")
    seen = other.act("upload_truth", other.uploaded(tmp_path / "wide.gpkg"), *CONTROLS)
    assert "The truth is on the map." in seen["status"]


def test_names_in_a_file_are_shown_short_and_plain(page: Page, tmp_path: Path) -> None:
    other = Visitor(page.url)
    other.act("upload_scene", other.uploaded(write_scene(tmp_path / "a.tif", MASK)))
    box = gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 9, 5)], crs=32633)
    for number in range(9):
        box.to_file(tmp_path / "b.gpkg", layer=f"\x1b[31m\u202e{number}" + "n" * 300)
    seen = other.act("upload_truth", other.uploaded(tmp_path / "b.gpkg"), *CONTROLS)
    assert "has several layers" in alert(seen["status"])
