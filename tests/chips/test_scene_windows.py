"""Training straight from scenes: the windows hold what chips of `geoseg tile` would, in the same
splits.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

pytest.importorskip("torch")
pytest.importorskip("lightning")

from geoseg.chips.scene_windows import example_sets, windows_of
from geoseg.errors import InputError, UnsuitableError, UsageError
from geoseg.io.chip_index import read_index
from geoseg.io.raster.scene import read_array
from geoseg.io.raster.write import write_array
from geoseg.models.modelfile import read_spec
from geoseg.report import Remarks
from geoseg.specs import ChipSpec, TrainSpec
from geoseg.specs.vectors import VectorFiles
from geoseg.tools import tile, train
from tests.scenes import buildings, grid, picture, write_scene

MASK = buildings(230, 340, 61)
SPEC = ChipSpec(size=64, split=(0.6, 0.2, 0.2), block_size=2, seed=4)
QUICK = TrainSpec(
    arch="cnn", epochs=1, batch_size=2, samples=4, crop=32, precision="fp32", augment="light"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    write_scene(folder / "scene.tif", MASK)
    write_array(folder / "mask.tif", MASK.astype("uint8"), grid(*MASK.shape))
    here = grid(*MASK.shape)
    boxes = [shapely.box(*here.window(w).bounds) for w in _places()]
    gpd.GeoDataFrame(geometry=boxes, crs=here.crs).to_file(folder / "footprints.gpkg")
    # of two images in pixels, one of them the scene
    rows = ["ImageId,BuildingId,PolygonWKT_Pix"]
    for i, w in enumerate(_places()):
        box = shapely.box(w.col_off, w.row_off, w.col_off + w.width, w.row_off + w.height)
        rows.append(f'{"scene" if i % 3 else "other"},{i},"{box.wkt}"')
    (folder / "footprints.csv").write_text("\n".join(rows))
    return folder


def _places() -> list:
    from rasterio.windows import Window

    return [Window(col, row, 21, 13) for row in range(5, 210, 34) for col in range(7, 310, 47)]


@pytest.mark.parametrize("labels", ["mask.tif", "footprints.gpkg", "footprints.csv"])
def test_windows_are_the_chips_that_tile_cuts(labels: str, folder: Path, tmp_path: Path) -> None:
    scene = str(folder / "scene.tif")
    tile.run([scene], tmp_path / "chips", SPEC, labels=folder / labels)
    index = read_index(tmp_path / "chips")
    found = windows_of([scene], folder / labels, SPEC, [])
    assert found.info == index.info
    for split in ("train", "val", "test"):
        table = index.split(split)
        assert len(table) == len(found.splits[split]) > 0
        for window, image, mask in zip(
            found.splits[split], table["image"], table["mask"], strict=True
        ):
            pixels, classes = pickle.loads(pickle.dumps(window)).read()
            assert (pixels == read_array(tmp_path / "chips" / image)[0]).all()
            assert (classes == read_array(tmp_path / "chips" / mask)[0][0]).all()
            assert (
                (window.labels() == classes).all()
                and window.missing() is None
                and scene in window.name
            )


def test_sixteen_bits_are_stretched_over_all_scenes_alike(folder: Path, tmp_path: Path) -> None:
    wide = picture(MASK).astype("uint16") * 40 + 300
    for number, factor in enumerate((1, 2)):
        write_array(tmp_path / f"{number}.tif", wide * np.uint16(factor), grid(*MASK.shape))
    found = windows_of(
        [str(tmp_path / "0.tif"), str(tmp_path / "1.tif")], folder / "footprints.gpkg", SPEC, []
    )
    assert found.info.dtype == "uint16" and found.info.stretch is not None
    first, second = (
        next(w for w in found.splits["train"] if f"{n}.tif" in w.name).read()[0] for n in (0, 1)
    )
    assert first.dtype == np.uint8 and first.mean() < second.mean()


def test_a_model_is_trained_on_scenes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    report = train.run(
        [str(folder / "scene.tif")],
        out,
        QUICK,
        labels=folder / "footprints.gpkg",
        split=(0.5, 0.5, 0.0),
    )
    assert np.isfinite(report.epochs[0]["loss"]) and "iou" in report.best
    assert read_spec(out).gsd == pytest.approx(0.3, rel=1e-2)
    note = (tmp_path / "m.safetensors.run" / "run.toml").read_text()
    assert "footprints.gpkg" in note and "split = [0.5, 0.5, 0.0]" in note


def test_chips_and_scenes_go_together_by_weight(folder: Path, tmp_path: Path) -> None:
    scene, chips = str(folder / "scene.tif"), str(tmp_path / "chips")
    tile.run([scene], chips, SPEC, labels=folder / "mask.tif")
    labels = VectorFiles.of(folder / "footprints.gpkg")
    sets = example_sets([chips, scene], labels, SPEC, (1.0, 3.0), Remarks())
    weights = [sum(example.weight for example in each.splits["train"]) for each in sets]
    assert weights == pytest.approx([1.0, 3.0])
    with pytest.raises(UsageError, match="data_weights: must be 1 numbers"):
        train.run([chips], tmp_path / "m.safetensors", TrainSpec(data_weights=(1.0, 2.0)))


def test_chips_that_cannot_be_read_stop_the_run_or_are_left_out(
    folder: Path, tmp_path: Path
) -> None:
    chips, out = tmp_path / "chips", tmp_path / "m.safetensors"
    tile.run([str(folder / "scene.tif")], chips, SPEC, labels=folder / "mask.tif")
    table = read_index(chips).split("train")
    gone, cut = (chips / name for name in list(table["image"])[:2])
    gone.unlink()
    with pytest.raises(InputError, match=f"{gone.name}: does not exist"):
        train.run([str(chips)], out, QUICK)
    cut.write_bytes(cut.read_bytes()[:300])
    report = train.run([str(chips)], out, TrainSpec(**vars(QUICK) | {"on_error": "skip"}))
    assert len(report.warnings) == 2
    assert gone.name in report.warnings[0] and cut.name in report.warnings[1]


def test_scenes_without_buildings_or_labels_are_refused(folder: Path, tmp_path: Path) -> None:
    write_array(tmp_path / "empty.tif", np.zeros(MASK.shape, "uint8"), grid(*MASK.shape))
    with pytest.raises(UnsuitableError, match="single class"):
        train.run(
            [str(folder / "scene.tif")],
            tmp_path / "m.safetensors",
            QUICK,
            labels=tmp_path / "empty.tif",
        )
    with pytest.raises(
        UsageError, match=r"scene\.tif: is not a folder of chips, and a scene needs `labels`"
    ):
        train.run([str(folder / "scene.tif")], tmp_path / "m.safetensors", QUICK)
    tile.run([str(folder / "scene.tif")], tmp_path / "chips", SPEC, labels=folder / "mask.tif")
    with pytest.raises(UsageError, match="`labels` applies to scenes"):
        train.run(
            [str(tmp_path / "chips")], tmp_path / "m.safetensors", QUICK, labels=folder / "mask.tif"
        )
    with pytest.raises(InputError, match="nowhere"):
        train.run([str(tmp_path / "nowhere")], tmp_path / "m.safetensors", QUICK)
