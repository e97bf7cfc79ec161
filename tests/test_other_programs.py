"""The bundled model, exported, finds in other programs what `geoseg extract` finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from rasterio.windows import Window

from geoseg.models.openvinofile import import_openvino
from geoseg.models.store import bundled, read_spec
from geoseg.specs import Area, ExtractSpec, PredictSpec
from geoseg.tools import export, extract

pytestmark = pytest.mark.slow
pytest.importorskip("torch")
PART = Window(1200, 200, 1000, 700)
SIDE = 512


def cut(scene: Path, window: Window, path: Path) -> Path:
    with rasterio.open(scene) as file:
        image = file.read(window=window)
        place = {"crs": file.crs, "transform": file.window_transform(window)}
    size = {"width": window.width, "height": window.height, "count": 3, "dtype": "uint8"}
    how = {"driver": "GTiff", "photometric": "RGB", "tiled": True}
    with rasterio.open(path, "w", **how, **size, **place) as out:
        out.write(image)
    return path


def mask(layer: gpd.GeoDataFrame, scene: Path) -> np.ndarray:
    with rasterio.open(scene) as like:
        shapes = layer.to_crs(like.crs).geometry
        return rasterize(shapes, like.shape, transform=like.transform) > 0


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def extracted(scene: Path, model: Path, output: Path) -> np.ndarray:
    """Pixels of the footprints as they are traced, small ones and small holes too."""
    window = PredictSpec(tile_size=SIDE, precision="fp32")
    all_of_them = ExtractSpec(raw=True, min_area=Area(0), min_hole=Area(0))
    extract.run([str(scene)], output, window, all_of_them, model=model)
    return mask(gpd.read_file(output), scene)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "buildings.onnx"
    export.run(bundled(), path, merge_boundary=True)
    return path


def test_geodeep(sample_scene: Path, merged: Path, tmp_path: Path) -> None:
    pytest.importorskip("geodeep")
    part = cut(sample_scene, PART, tmp_path / "part.tif")
    command = Path(sys.executable).with_name("geodeep")
    found = tmp_path / "found.geojson"
    options = ["--quiet", "--classes", "building", "--output", str(found)]
    subprocess.run([command, *options, str(part), str(merged)], check=True)
    layer = gpd.read_file(found)
    assert len(layer) > 30 and set(layer["class"]) == {"building"}
    agreement = iou(mask(layer, part), extracted(part, merged, tmp_path / "ours.gpkg"))
    print(f"GeoDeep: {agreement:.4f}")
    assert agreement > 0.95


def test_openvino(sample_scene: Path, merged: Path, tmp_path: Path) -> None:
    export.run(bundled(), tmp_path / "m.xml", merge_boundary=True)
    compiled = (
        import_openvino()
        .Core()
        .compile_model(tmp_path / "m.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    # square: one window, for windows of ours overlap
    scene = cut(sample_scene, Window(1500, 300, SIDE, SIDE), tmp_path / "window.tif")
    with rasterio.open(scene) as file:
        image = file.read() / np.float32(255)
    found = compiled(image[None])[0][0, 1] >= read_spec(merged).threshold
    agreement = iou(found, extracted(scene, merged, tmp_path / "ours.gpkg"))
    print(f"OpenVINO: {agreement:.4f}")
    assert found.mean() > 0.05 and agreement > 0.99
