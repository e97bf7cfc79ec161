"""Scenes as catalogues hand them out give the footprints of the plain file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import CRS
from rasterio.enums import ColorInterp

from geoseg.core.grid import Grid
from geoseg.errors import GeosegError
from geoseg.io.stac import asset_file
from geoseg.tools import extract
from tests.io.items import item
from tests.io.raster.pictures import save
from tests.io.raster.served import served, trust
from tests.io.raster.tiling import SIDE, cut, place
from tests.scenes import buildings, picture, write_scene

RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
MASK = buildings(3 * SIDE, 5 * SIDE)
GRID = Grid(CRS.from_epsg(3857), place(), *MASK.shape)


def footprints(path: Path) -> list[bytes]:
    layer = gpd.read_file(path)
    return sorted(shapely.normalize(layer.geometry.force_2d()).to_wkb())


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("plain") / "scene.tif", MASK, GRID)


@pytest.fixture(scope="module")
def expected(plain: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    output = tmp_path_factory.mktemp("expected") / "out.gpkg"
    report = extract.run([str(plain)], output, model=model)
    assert report.footprints > 20
    return footprints(output)


def extracted(scene: str, model: Path, output: Path, **environment: str) -> None:
    """Run `geoseg extract` in a process of its own: GDAL remembers what it was given."""
    command = [sys.executable, "-m", "geoseg", "extract", scene, "-o", str(output)]
    subprocess.run([*command, "-m", str(model)], env=os.environ | environment, check=True)


def test_a_folder_of_map_tiles(
    model: Path, plain: Path, expected: list[bytes], tmp_path: Path
) -> None:
    tiles = cut(tmp_path / "tiles", picture(MASK))
    report = extract.run([str(tiles)], tmp_path / "out.gpkg", model=model)
    assert footprints(tmp_path / "out.gpkg") == expected
    assert gpd.read_file(tmp_path / "out.gpkg").scene.unique().tolist() == ["tiles"]
    assert report.warnings == ()


def test_no_footprint_where_a_tile_is_missing(model: Path, tmp_path: Path) -> None:
    cut(tmp_path / "tiles", picture(MASK), without=((2, 1), (0, 2)))
    image = np.concatenate([picture(MASK), np.full((1, *MASK.shape), 255, "uint8")])
    image[3, SIDE : 2 * SIDE, 2 * SIDE : 3 * SIDE] = image[3, 2 * SIDE :, :SIDE] = 0
    save(tmp_path / "plain.tif", image, colours=RGBA, crs="EPSG:3857", transform=place())
    for scene in ("tiles", "plain.tif"):
        extract.run([str(tmp_path / scene)], tmp_path / f"{scene}.gpkg", model=model)
    assert footprints(tmp_path / "tiles.gpkg") == footprints(tmp_path / "plain.tif.gpkg")


def test_an_asset_of_a_stac_item(
    model: Path, plain: Path, expected: list[bytes], tmp_path: Path
) -> None:
    pytest.importorskip("pystac")
    (tmp_path / "visual.tif").write_bytes(plain.read_bytes())
    path = item(tmp_path / "flight.json", visual="./visual.tif", other="./other.tif")
    extract.run([f"{path}#visual"], tmp_path / "out.gpkg", model=model)
    assert footprints(tmp_path / "out.gpkg") == expected


def test_an_item_from_https_names_files_on_its_host(
    model: Path,
    plain: Path,
    expected: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pystac")
    local = item(tmp_path / "i.json", visual="s.tif", other="https://127.0.0.2/s.tif")
    files: dict[str, bytes | int | str] = {
        "/flights/i.json": local.read_bytes(),
        "/flights/s.tif": plain.read_bytes(),
        "/away.json": "https://127.0.0.2/i.json",
        "/gone.json": 404,
    }
    with served(tmp_path, files) as (address, certificate):
        there = f"{address}/flights/i.json"
        extracted(f"{there}#visual", model, tmp_path / "out.gpkg", **trust(certificate))
        assert footprints(tmp_path / "out.gpkg") == expected
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        for scene, code, message in (
            (f"{there}#other", 8, f"{there}: its asset other lies elsewhere, at https://127.0.0.2"),
            (f"{address}/away.json", 8, "leads to another host, https://127.0.0.2/i.json"),
            (f"{address}/gone.json", 3, "cannot be read: HTTP response code: 404"),
        ):
            with pytest.raises(GeosegError, match=message) as caught:
                asset_file(scene)
            assert caught.value.exit_code == code


def test_an_object_in_a_bucket(
    model: Path, plain: Path, expected: list[bytes], tmp_path: Path
) -> None:
    server = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    running = server.ThreadedMotoServer("127.0.0.1", 0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        keys = {"AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "two"}
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id="one",
            aws_secret_access_key="two",
        )
        client.create_bucket(Bucket="imagery")
        client.upload_file(str(plain), "imagery", "2026/scene.tif")
        local = {"AWS_S3_ENDPOINT": f"{host}:{port}", "AWS_HTTPS": "NO"}
        where = keys | local | {"AWS_VIRTUAL_HOSTING": "FALSE"}
        extracted("s3://imagery/2026/scene.tif", model, tmp_path / "out.gpkg", **where)
        assert footprints(tmp_path / "out.gpkg") == expected
    finally:
        running.stop()
