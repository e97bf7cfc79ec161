"""The running page, without a browser: what it finds, what it hands out, and attacks on it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

pytest.importorskip("gradio")
from geoseg.core.grid import Grid
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.specs import ModelSpec
from geoseg.web.server import Page
from tests.scenes import buildings, picture, red_model, write_scene
from tests.web.visitor import Visitor, file, serving

MASK = buildings(180, 260)
LARGEST = 2_000_000
CONTROLS = (0.5, 0, "Pixels", False)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    model = red_model(tmp_path_factory.mktemp("model") / "red.onnx")
    with serving((model,), max_upload=LARGEST, max_pixels=1) as running:
        yield running


@pytest.fixture
def visitor(page: Page) -> Visitor:
    return Visitor(page.url)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "town.tif", MASK)


def fetch(visitor: Visitor, handed: dict[str, Any], folder: Path) -> Path:
    answer = visitor.client.get(handed["url"]).raise_for_status()
    path = folder / Path(handed["path"]).name
    path.write_bytes(answer.content)
    return path


def shown(result: dict[str, Any]) -> dict[str, Any]:
    """What the map shows."""
    _, _, view = result["map"].partition('data-view="')
    return dict(json.loads(unescape(view.partition('"')[0])))


def test_buildings_are_found_changed_and_measured_without_another_forward_pass(
    page: Page, visitor: Visitor, scene: Path, tmp_path: Path
) -> None:
    write_array(tmp_path / "truth.tif", MASK[None].astype("uint8"), read_array(scene)[2])
    seen = visitor.act("upload_scene", visitor.uploaded(scene))
    assert (
        "town.tif · GTiff · 260 x 180 pixels · 3 bands of uint8 · 0.3 m a pixel" in seen["status"]
    )
    assert visitor.act("upload_truth", visitor.uploaded(tmp_path / "truth.tif"), *CONTROLS)
    before = page.jobs.started.copy()
    visitor.act("find", "red.onnx", None, "Pixels", False)
    result = visitor.act("trace", *CONTROLS)
    kept = visitor.act("trace", 0.5, 12, "Pixels", False)
    steps = page.jobs.started - before
    assert steps["find"] == 1 and steps["trace"] == 3

    footprints = gpd.read_file(fetch(visitor, kept["GeoPackage"], tmp_path), layer="footprints")
    assert footprints.crs.to_epsg() == 32633 and set(footprints["scene"]) == {"town"}
    assert 0 < len(footprints) < len(shown(result)["footprints"]["rings"])
    assert footprints.area.min() >= 12
    lonlat = gpd.read_file(fetch(visitor, kept["GeoJSON"], tmp_path))
    assert lonlat.crs.to_epsg() == 4326 and len(lonlat) == len(footprints)
    whole = visitor.act("trace", *CONTROLS)
    mask, _, grid = read_array(fetch(visitor, whole["Mask"], tmp_path))
    assert grid == read_array(scene)[2] and ((mask[0] > 0) == MASK).all()
    # a perfect model: the last column is that of the controls
    assert "1.000</td></tr>" in whole["scores"] and "noise filter" in whole["scores"]
    nothing = visitor.act("trace", 0.5, 200, "Right angles", True)
    assert "No buildings found" in nothing["status"] and "0.000</td></tr>" in nothing["scores"]
    empty = gpd.read_file(fetch(visitor, nothing["GeoPackage"], tmp_path), layer="footprints")
    assert len(empty) == 0 and empty.crs.to_epsg() == 32633


def test_several_classes_have_footprints_too(tmp_path: Path, scene: Path) -> None:
    weights = [(-20, 20, 0), (20, -20, 0), (0, -20, 0)]
    spec = ModelSpec("three", classes=("background", "building", "hall"), margin=0)
    model = red_model(tmp_path / "three.onnx", spec, weights)
    with serving((model,)) as page:
        visitor = Visitor(page.url)
        visitor.act("upload_scene", visitor.uploaded(scene))
        result = visitor.act("find", "three.onnx", None, "Pixels", False)
        assert "buildings ·" in result["status"], result["status"]
        assert shown(result)["probability"] is None


def test_the_map_is_warped_to_where_the_scene_lies(visitor: Visitor, scene: Path) -> None:
    visitor.act("upload_scene", visitor.uploaded(scene))
    view = shown(visitor.act("find", "red.onnx", None, "Pixels", False))
    width, height = view["size"]
    # true north leans from the grid's, so the frame is larger than the scene
    assert width > 260 and height > 180 and view["metres"] == pytest.approx(0.3, rel=0.02)
    assert all(view[name].startswith("data:image/webp") for name in ("scene", "probability"))
    rings = [
        np.array(part).reshape(-1, 2) for rings in view["footprints"]["rings"] for part in rings
    ]
    hull = shapely.total_bounds([shapely.Polygon(ring) for ring in rings])
    assert hull[0] >= -1 and hull[1] >= -1 and hull[2] <= width + 1 and hull[3] <= height + 1
    assert len(view["footprints"]["area_m2"]) == len(view["footprints"]["rings"])


def test_a_photo_has_pixels_for_coordinates(visitor: Visitor, tmp_path: Path) -> None:
    plain = Grid(None, Affine.identity(), *MASK.shape)
    write_array(tmp_path / "photo.png", picture(MASK), plain)
    write_array(tmp_path / "mask.png", MASK[None].astype("uint8"), plain)
    seen = visitor.act("upload_scene", visitor.uploaded(tmp_path / "photo.png"))
    assert "no coordinates" in seen["status"] and shown(seen)["metres"] is None
    visitor.act("upload_truth", visitor.uploaded(tmp_path / "mask.png"), *CONTROLS)
    visitor.act("find", "red.onnx", None, "Pixels", False)
    result = visitor.act("trace", *CONTROLS)
    assert "square pixels" in result["status"] and "1.000</td></tr>" in result["scores"]
    assert shown(result)["size"] == [260, 180]
    footprints = gpd.read_file(fetch(visitor, result["GeoPackage"], tmp_path), layer="footprints")
    assert footprints.area.sum() == MASK.sum()
    plainly = gpd.read_file(fetch(visitor, result["GeoJSON"], tmp_path))
    assert plainly["area_px"].sum() == MASK.sum()
    drawn = visitor.act("draw")["Scene, truth and prediction"]
    assert fetch(visitor, drawn, tmp_path).read_bytes().startswith(b"\x89PNG")


def test_a_grey_photo_is_taken_for_a_colour_picture(visitor: Visitor, tmp_path: Path) -> None:
    red = picture(MASK)[:1]
    write_array(tmp_path / "grey.png", red, Grid(None, Affine.identity(), *MASK.shape))
    visitor.act("upload_scene", visitor.uploaded(tmp_path / "grey.png"))
    result = visitor.act("find", "red.onnx", None, "Pixels", False)
    # as much red as green is a probability of a half, everywhere
    assert "1 building · 46,800 square pixels" in result["status"]
    assert "grey.png: is grey" in result["status"]
    # remarks name controls of the page, not options of the command line
    assert "the field Metres per pixel" in result["status"] and "`" not in result["status"]


def test_a_photo_with_a_palette_is_not_called_grey(visitor: Visitor, tmp_path: Path) -> None:
    codes = MASK.astype("uint8")
    with rasterio.open(
        tmp_path / "drawn.png", "w", driver="PNG", height=180, width=260, count=1, dtype="uint8"
    ) as file:
        file.write(codes, 1)
        file.write_colormap(1, {0: (20, 200, 30), 1: (230, 40, 50)})
    visitor.act("upload_scene", visitor.uploaded(tmp_path / "drawn.png"))
    result = visitor.act("find", "red.onnx", None, "Pixels", False)
    assert f"{MASK.sum():,} square pixels" in result["status"]
    assert "grey" not in result["status"]


@pytest.mark.parametrize(
    ("name", "error"), [("truth.tif", "no pixel has data in both"), ("truth.gpkg", "no overlap")]
)
def test_a_truth_of_another_place_is_refused_and_the_page_goes_on(
    visitor: Visitor, scene: Path, tmp_path: Path, name: str, error: str
) -> None:
    grid = read_array(scene)[2]
    far = Grid(grid.crs, grid.transform @ Affine.translation(9000, 40), *MASK.shape)
    if name.endswith(".tif"):
        write_array(tmp_path / name, MASK[None].astype("uint8"), far)
    else:
        gpd.GeoDataFrame(geometry=[shapely.box(*far.bounds)], crs=32633).to_file(tmp_path / name)
    visitor.act("upload_scene", visitor.uploaded(scene))
    visitor.act("find", "red.onnx", None, "Pixels", False)
    result = visitor.act("upload_truth", visitor.uploaded(tmp_path / name), *CONTROLS)
    assert 'role="alert"' in result["status"] and error in result["status"]
    assert "buildings ·" in visitor.act("trace", *CONTROLS)["status"]


def test_a_sample_brings_its_truth(visitor: Visitor) -> None:
    view = shown(visitor.act("choose_sample", "Suburb: GeoTIFF with truth"))
    assert len(view["truth"]["rings"]) > 100


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.tif", b'<VRTDataset rasterXSize="1"><SourceFilename>/etc/passwd', "a.tif: is a VRT"),
        ("a.tif", b"II*\0" + bytes(40), "a.tif: cannot be read"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"x" * 99, "a.png: cannot be read"),
        ("a.jpg", b"hello", "a.jpg: is no image that this page reads"),
    ],
)
def test_what_is_no_scene_is_refused_in_a_line(
    visitor: Visitor, tmp_path: Path, name: str, content: bytes, error: str
) -> None:
    (tmp_path / name).write_bytes(content)
    result = visitor.act("upload_scene", visitor.uploaded(tmp_path / name))
    assert error in result["status"] and 'role="alert"' in result["status"]
    assert "Traceback" not in result["status"] and "/tmp" not in result["status"]


def test_a_scene_that_is_too_large_is_refused(page: Page, visitor: Visitor, tmp_path: Path) -> None:
    large = np.zeros((1, 1000, 1200), "uint8")
    write_array(tmp_path / "large.tif", large, Grid(None, Affine.identity(), 1000, 1200))
    result = visitor.act("upload_scene", visitor.uploaded(tmp_path / "large.tif"))
    assert "large.tif: has 1.2 megapixels, this page takes up to 1" in result["status"]
    # nor by a request that no button of the page makes
    before = page.jobs.started["find"]
    assert "Upload a scene" in visitor.act("find", "red.onnx", None, "Pixels", False)["status"]
    assert page.jobs.started["find"] == before


def test_what_is_refused_replaces_the_scene_before_it(
    visitor: Visitor, scene: Path, tmp_path: Path
) -> None:
    visitor.act("upload_scene", visitor.uploaded(scene))
    visitor.act("find", "red.onnx", None, "Pixels", False)
    (tmp_path / "letter.tif").write_text("Dear all")
    assert visitor.act("upload_scene", visitor.uploaded(tmp_path / "letter.tif"))["map"] == ""
    result = visitor.act("trace", *CONTROLS)
    assert "Upload a scene" in result["status"] and not result["map"]


def test_names_are_shown_as_text(visitor: Visitor, tmp_path: Path) -> None:
    evil = tmp_path / "<img src=x onerror=alert(1)>.tif"
    evil.write_bytes(b"II*\0")
    result = visitor.act("upload_scene", visitor.uploaded(evil))
    assert "<img" not in result["status"]


def test_no_path_or_address_of_a_client_is_opened(
    page: Page, visitor: Visitor, scene: Path
) -> None:
    other = Visitor(page.url)
    other.act("upload_scene", other.uploaded(scene))
    theirs = next(page.storage.work.rglob("town.tif"))
    for path in (
        str(scene),
        str(theirs),
        "/etc/passwd",
        f"{page.storage.uploads}/../work/{theirs.parent.name}/town.tif",
        "https://example.com/a.tif",
        "/vsicurl/https://example.com/a.tif",
    ):
        assert visitor.join("upload_scene", file(path, "a.tif")).status_code == 403, path
        assert visitor.client.get(f"/gradio_api/file={path}").status_code == 403, path
    assert scene.exists() and theirs.exists()


def test_what_was_claimed_is_claimed_once(page: Page, visitor: Visitor, scene: Path) -> None:
    sent = visitor.uploaded(scene)
    assert "town.tif" in visitor.act("upload_scene", sent)["status"]
    assert visitor.client.get(f"/gradio_api/file={sent['path']}").status_code == 403
    stolen = Visitor(page.url).act("upload_scene", sent)
    assert "no file that was uploaded here" in stolen["status"]


@pytest.mark.parametrize(
    "name", ["../../../../tmp/geoseg_escape.tif", "/etc/geoseg_escape", "..", "a/b.tif"]
)
def test_uploads_stay_where_they_belong(page: Page, visitor: Visitor, name: str) -> None:
    before = set(page.storage.root.rglob("*"))
    visitor.upload(name, b"II*\0" + name.encode())
    assert not Path("/tmp/geoseg_escape.tif").exists() and not Path("/etc/geoseg_escape").exists()
    new = set(page.storage.root.rglob("*")) - before
    assert all(path.is_relative_to(page.storage.uploads) for path in new)


def test_a_file_that_is_too_large_is_not_kept(page: Page, visitor: Visitor) -> None:
    before = page.storage.used()
    assert visitor.upload("a.tif", bytes(LARGEST * 2)).status_code == 413
    content = (bytes(100_000) for _ in range(60))  # without a length
    headers = {"content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    answer = visitor.client.post(
        "/gradio_api/upload", content=(c for c in (part, *content)), headers=headers
    )
    assert answer.status_code == 413
    assert page.storage.used() - before <= LARGEST * 1.1  # of the second a part may lie there


def test_a_slow_upload_is_ended_and_others_go_on(page: Page, visitor: Visitor) -> None:
    page.application.uploads.idle_seconds = 0.5
    try:
        host, port = page.socket.getsockname()
        with socket.create_connection((host, port)) as slow:
            slow.sendall(
                f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n"
                "Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode()
            )
            start = time.monotonic()
            assert visitor.upload("a.tif", b"II*\0").status_code == 200
            slow.settimeout(10)
            assert b" 408 " in slow.recv(1000)
            assert time.monotonic() - start < 8
    finally:
        page.application.uploads.idle_seconds = 20


def test_many_at_once_are_answered_or_put_off(page: Page, scene: Path) -> None:
    content = scene.read_bytes()
    ready = threading.Barrier(24)

    def visit(number: int) -> int:
        with httpx.Client(base_url=page.url, timeout=60, trust_env=False) as client:
            ready.wait()
            files = {"files": (f"{number}.tif", content)}
            return client.post("/gradio_api/upload", files=files).status_code

    with ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(visit, range(24)))
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 4
    assert httpx.get(page.url, trust_env=False).status_code == 200
    assert page.application.uploads.uploading == 0


def test_a_foreign_host_gets_nothing(page: Page) -> None:
    for path in ("/", "/config", "/gradio_api/upload", "/static/img/logo.svg"):
        answer = httpx.get(page.url + path, headers={"host": "rebound.example"}, trust_env=False)
        assert answer.status_code == 403 and "geoseg" not in answer.text


def test_gradio_shares_counts_and_documents_nothing(visitor: Visitor) -> None:
    config = visitor.config
    assert config["analytics_enabled"] is False and not config.get("is_space")
    assert config.get("footer_links") == []
    for path in ("/gradio_api/info", "/docs", "/openapi.json", "/monitoring", "/gradio_api/runs"):
        assert visitor.client.get(path).status_code == 404
    html = visitor.client.get("/").text
    assert "fonts.googleapis" not in html


def test_after_a_step_that_is_ended_the_next_visitor_is_served(tmp_path: Path, scene: Path) -> None:
    large = write_scene(tmp_path / "large.tif", buildings(2400, 3600))  # seconds of work
    model = red_model(tmp_path / "red.onnx")
    with serving((model,), max_seconds=2) as page:
        visitor = Visitor(page.url)
        assert "large.tif ·" in visitor.act("upload_scene", visitor.uploaded(large))["status"]
        result = visitor.act("find", "Buildings (bundled)", None, "Pixels", False)
        assert "longer than the 2 s that the page allows" in result["status"]
        assert not page.jobs.running
        other = Visitor(page.url)
        other.act("upload_scene", other.uploaded(scene))
        assert "buildings ·" in other.act("find", "red.onnx", None, "Pixels", False)["status"]


def test_everything_goes_with_the_server(scene: Path) -> None:
    with serving(max_upload=LARGEST) as page:
        visitor = Visitor(page.url)
        visitor.act("upload_scene", visitor.uploaded(scene))
        assert page.storage.used() > 0
    assert not page.storage.root.exists()


def test_files_go_after_an_hour_of_nothing(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoseg.web.page._IDLE", 1)
    with serving(max_upload=LARGEST) as page:
        visitor = Visitor(page.url)
        visitor.act("upload_scene", visitor.uploaded(scene))
        assert list(page.storage.work.rglob("town.tif"))
        for _ in range(100):  # Gradio looks each second
            if not list(page.storage.work.iterdir()):
                break
            time.sleep(0.2)
        assert list(page.storage.work.iterdir()) == []
        assert "Upload a scene" in visitor.act("trace", *CONTROLS)["status"]
