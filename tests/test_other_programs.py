"""The bundled model, exported, finds in other programs what `geoseg extract` finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.windows import Window

from geoseg.models.openvinofile import openvino_core
from geoseg.models.store import bundled, read_spec
from geoseg.specs import Area, ExtractSpec, PredictSpec
from geoseg.tools import export, extract

pytestmark = pytest.mark.slow
pytest.importorskip("torch")
PART = Window(1200, 200, 1000, 700)
LARGER = Window(900, 100, 1153, 790)  # with less beside it that Deepness fills with black
SIDE = 512
# Where QGIS puts plugins; Deepness comes from its list of plugins alone, in no package
PLUGINS = Path.home() / ".local/share/QGIS/QGIS3/profiles/default/python/plugins"
DEEPNESS = Path(os.environ.get("GEOSEG_TEST_DEEPNESS") or PLUGINS)


def cut(scene: Path, window: Window, path: Path) -> Path:
    """A part of the scene, at the resolution of the model: programs that read any scene at that
    would resample it otherwise, where geoseg does not yet.
    """
    with rasterio.open(scene) as file:
        zoom = file.res[0] / read_spec(bundled()).gsd
        height, width = round(window.height * zoom), round(window.width * zoom)
        image = file.read(
            window=window, out_shape=(3, height, width), resampling=Resampling.bilinear
        )
        transform = file.window_transform(window)
        scale = Affine.scale(window.width / width, window.height / height)
        place = {"crs": file.crs, "transform": transform * scale}
    size = {"width": width, "height": height, "count": 3, "dtype": "uint8"}
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

    def found(*options: str) -> gpd.GeoDataFrame:
        output = tmp_path / "found.geojson"
        words = [*options, "--quiet", "--output", str(output), str(part), str(merged)]
        subprocess.run([command, *words], check=True)
        return gpd.read_file(output)

    layer = found("--classes", "building")
    assert len(layer) > 30 and set(layer["class"]) == {"building"}
    agreement = iou(mask(layer, part), extracted(part, merged, tmp_path / "ours.gpkg"))
    print(f"GeoDeep: {agreement:.4f}")
    assert agreement > 0.95
    # GeoDeep's own choice, for any model; docs/interop.md says so, and should not when this fails
    assert set(found()["class"]) == {"background", "building"}


def as_deepness(scene: Path, model: Path) -> np.ndarray:
    """(height, width) of classes as the processor of QGIS Deepness finds them where scene and model
    have the same metres per pixel, after its sources, written on its own for this test.

    Scenes grow to whole strides, by black on the right and on top, for its extents begin at the
    lower left. Of each window the inner part is kept, half an overlap from its neighbours.
    """
    session = pytest.importorskip("onnxruntime").InferenceSession(model)
    settings = {
        name: json.loads(text)
        for name, text in session.get_modelmeta().custom_metadata_map.items()
        if name in ("tile_size", "tiles_overlap", "seg_thresh", "seg_small_segment")
    }
    assert settings["seg_small_segment"] == 0  # else a median filter follows
    size = settings["tile_size"]
    assert session.get_outputs()[0].shape[2:] == [size, size]  # else it refuses the model
    overlap = int(size * settings["tiles_overlap"] / 100 * 2) // 2
    stride = size - overlap
    with rasterio.open(scene) as file:
        image = file.read()
    height, width = image.shape[1:]
    above, beside = (max(size - n, 0) or -(n - size) % stride for n in (height, width))
    image = np.pad(image, ((0, 0), (above, 0), (0, beside)))
    found = np.zeros(image.shape[1:], "uint8")
    rows, columns = (range(0, n - size + 1, stride) for n in found.shape)
    for row in rows:
        for column in columns:
            window = image[None, :, row : row + size, column : column + size]
            (scores,) = session.run(
                None, {session.get_inputs()[0].name: np.float32(window / 255.0)}
            )
            scores[scores < settings["seg_thresh"]] = 0
            inner = [
                slice(
                    0 if start == 0 else overlap // 2,
                    size if start == all_starts[-1] else size - overlap // 2,
                )
                for start, all_starts in ((row, rows), (column, columns))
            ]
            place = tuple(
                slice(start + part.start, start + part.stop)
                for start, part in zip((row, column), inner, strict=True)
            )
            found[place] = scores[0].argmax(axis=0)[tuple(inner)]
    return found[above:, :width]


def test_deepness_by_its_rules(sample_scene: Path, merged: Path, tmp_path: Path) -> None:
    part = cut(sample_scene, LARGER, tmp_path / "part.tif")
    ours = extracted(part, merged, tmp_path / "ours.gpkg")
    agreement = iou(as_deepness(part, merged) == 1, ours)
    print(f"Deepness, by its rules: {agreement:.4f}")
    assert agreement > 0.95


@pytest.mark.skipif(
    not (DEEPNESS / "deepness").is_dir(),
    reason="needs the QGIS plugin Deepness in QGIS, or its folder's parent in GEOSEG_TEST_DEEPNESS",
)
def test_deepness(sample_scene: Path, merged: Path, tmp_path: Path) -> None:
    part = cut(sample_scene, LARGER, tmp_path / "part.tif")
    script = Path(__file__).with_name("deepness_in_qgis.py")
    words = ["/usr/bin/python3", script, DEEPNESS, part, merged, tmp_path / "mask.npy"]
    screenless = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(words, env=screenless, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = np.load(tmp_path / "mask.npy")
    agreement = iou(theirs == 1, extracted(part, merged, tmp_path / "ours.gpkg"))
    print(f"Deepness: {agreement:.4f}")
    assert agreement > 0.95
    # what the test above goes by; QGIS reads some windows a fraction of a pixel beside the grid
    assert (theirs == as_deepness(part, merged)).mean() > 0.995


def test_openvino(sample_scene: Path, merged: Path, tmp_path: Path) -> None:
    export.run(bundled(), tmp_path / "m.xml", merge_boundary=True)
    compiled = openvino_core().compile_model(
        tmp_path / "m.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    # square: one window, for windows of ours overlap
    with rasterio.open(sample_scene) as file:
        side = round(SIDE * read_spec(bundled()).gsd / file.res[0])
    scene = cut(sample_scene, Window(1500, 300, side, side), tmp_path / "window.tif")
    with rasterio.open(scene) as file:
        image = file.read() / np.float32(255)
    found = compiled(image[None])[0][0, 1] >= read_spec(merged).threshold
    agreement = iou(found, extracted(scene, merged, tmp_path / "ours.gpkg"))
    print(f"OpenVINO: {agreement:.4f}")
    assert found.mean() > 0.05 and agreement > 0.99
