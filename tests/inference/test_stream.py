"""Scenes through models: the same for any tiling, and only where there is data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from rasterio.windows import Window

from geoseg.errors import UnsuitableError
from geoseg.geometry.burn import Burner
from geoseg.inference.plan import GSD_TOLERANCE, plan, working_gsd
from geoseg.inference.runtimes import Runtime, open_runtime
from geoseg.inference.stream import ProbabilityStrip, Wanted, predict_strips
from geoseg.io.raster.scene import open_scene
from geoseg.io.raster.write import write_array
from geoseg.parallel.clock import Clock
from geoseg.parallel.prefetch import ahead
from geoseg.specs import ModelSpec, PredictSpec, Stretch
from tests.scenes import buildings, grid, picture, red_model, write_scene

pytest.importorskip("onnx")
SHAPE = (210, 333)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scene") / "scene.tif", buildings(*SHAPE))


def whole(
    model: Path, path: Path, spec: PredictSpec, **keywords: object
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    with open_scene(path) as scene:
        runtime = open_runtime(model, spec, max(scene.grid.shape))
        items: Iterator[ProbabilityStrip] = predict_strips(
            scene, runtime, plan(scene, runtime, spec), spec, clock=Clock(), **keywords
        )  # type: ignore[arg-type]
        rows, probability, valid = zip(*items, strict=True)
    return np.concatenate(probability, 1), np.concatenate(valid, 0), list(rows)


@pytest.mark.parametrize(("size", "overlap"), [(64, 0), (64, 16), (96, 40), (128, 8), (352, 0)])
def test_any_tiling_gives_the_same(model: Path, scene: Path, size: int, overlap: int) -> None:
    probability, valid, rows = whole(
        model, scene, PredictSpec(tile_size=size, overlap=overlap, precision="fp32")
    )
    assert probability.shape == (1, *SHAPE) and valid.all()
    assert rows == sorted(rows) and rows[0] == 0
    assert ((probability[0] >= 0.5) == buildings(*SHAPE)).all()
    image = picture(buildings(*SHAPE)).astype("float32") / 255
    expected = 1 / (1 + np.exp(-40 * (image[0] - image[1])))
    assert np.abs(probability[0] - expected).max() < 1e-4


@pytest.mark.parametrize("tta", ["flips", "d4"])
def test_turned_windows_are_turned_back(model: Path, scene: Path, tta: str) -> None:
    plain, _, _ = whole(model, scene, PredictSpec(tile_size=96, precision="fp32"))
    turned, _, _ = whole(model, scene, PredictSpec(tile_size=96, precision="fp32", tta=tta))
    assert np.abs(plain - turned).max() < 1e-5


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
@pytest.mark.parametrize("batch", [2, 3, 5])  # of 35 windows: two of them leave a part of a batch
def test_batches_do_not_change_the_result(
    model: Path, scene: Path, runtime: Any, batch: int
) -> None:
    spec = PredictSpec(tile_size=64, overlap=16, precision="fp32", runtime=runtime)
    plain, _, _ = whole(model, scene, spec)
    batched, _, _ = whole(model, scene, replace(spec, batch_size=batch))
    assert np.array_equal(plain, batched)


def test_nodata_is_not_valid_and_empty_windows_are_not_computed(
    model: Path, tmp_path: Path
) -> None:
    image = picture(buildings(*SHAPE))
    image[:, :, 100:] = 0
    path = tmp_path / "holed.tif"
    write_array(path, image, grid(*SHAPE), nodata=0)
    calls: list[int] = []
    with open_scene(path) as scene:
        spec = PredictSpec(tile_size=64, overlap=0, precision="fp32")
        runtime = open_runtime(model, spec, 64)

        class Counting:
            spec, size, name, border = runtime.spec, runtime.size, runtime.name, 0
            batch, ahead, takes_bytes = runtime.batch, runtime.ahead, runtime.takes_bytes

            def __call__(self, images: np.ndarray) -> np.ndarray:
                calls.append(len(images))
                return runtime(images)

            def begin(self, images: np.ndarray) -> Callable[[], np.ndarray]:
                return partial(self, images)

        planned = plan(scene, Counting(), spec)
        items = list(predict_strips(scene, Counting(), planned, spec, clock=Clock()))
    valid = np.concatenate([v for _, _, v in items])
    assert valid[:, :100].all() and not valid[:, 100:].any()
    assert planned.tiles == 24 and len(calls) == 4 * 2


def test_an_area_limits_what_is_valid(model: Path, scene: Path) -> None:
    on = grid(*SHAPE)
    area = shapely.box(*on.window(Window(40, 60, 100, 50)).bounds)
    _, valid, _ = whole(
        model, scene, PredictSpec(tile_size=64), wanted=Wanted(area=Burner(np.array([area])))
    )
    expected = np.zeros(SHAPE, bool)
    expected[60:110, 40:140] = True
    assert (valid == expected).all()


def test_progress_counts_every_window(model: Path, scene: Path) -> None:
    done: list[int] = []
    whole(model, scene, PredictSpec(tile_size=64, overlap=0), advance=done.append)
    assert sum(done) == 4 * 6


def test_sixteen_bits_are_stretched_over_the_scene(model: Path, tmp_path: Path) -> None:
    image = picture(buildings(*SHAPE)).astype("uint16") * 11 + 300
    write_array(tmp_path / "deep.tif", image, grid(*SHAPE))
    probability, _, _ = whole(
        model, tmp_path / "deep.tif", PredictSpec(tile_size=64, precision="fp32")
    )
    agreed = ((probability[0] >= 0.5) == buildings(*SHAPE)).mean()
    assert agreed > 0.999
    with open_scene(tmp_path / "deep.tif") as scene:
        planned = plan(scene, open_runtime(model, PredictSpec(), 64), PredictSpec())
    assert planned.stretch is not None and "uint16" in planned.warnings[0]


def described(path: Path, **description: Any) -> Runtime:
    """The red model, of another description."""
    return open_runtime(
        red_model(path, ModelSpec("red", margin=0, **description)), PredictSpec(), 64
    )


@pytest.mark.parametrize("percentiles", [(2.0, 98.0), (0.0, 100.0), (5.0, 80.0)])
def test_a_scene_is_stretched_by_the_rule_that_training_had(
    percentiles: tuple[float, float], tmp_path: Path
) -> None:
    """Over the whole scene, of whose margin nobody knows, and without a doubt where it is of the
    kind trained on.
    """
    image = picture(buildings(*SHAPE)).astype("uint16") * 11 + 300
    image[:, :, -20:] = 0
    write_array(tmp_path / "deep.tif", image, grid(*SHAPE))
    model = described(tmp_path / "red.onnx", dtype="uint16", percentiles=percentiles)
    with open_scene(tmp_path / "deep.tif") as scene:
        planned = plan(scene, model, PredictSpec())
    low, high = np.percentile(
        image[:, :, :-20].reshape(3, -1), percentiles, axis=1, method="inverted_cdf"
    )
    assert planned.stretch == Stretch(tuple(low), tuple(high)) and not planned.warnings


@pytest.mark.parametrize(
    "rule", [{"percentiles": (2.0, 98.0)}, {"stretch": Stretch((300, 300, 300), (900, 900, 900))}]
)
def test_eight_bits_are_taken_as_they_are_by_a_model_of_stretched_ones(
    rule: dict[str, Any], scene: Path, tmp_path: Path
) -> None:
    model = described(tmp_path / "red.onnx", dtype="uint16", **rule)
    with open_scene(scene) as opened:
        planned = plan(opened, model, PredictSpec())
    assert planned.stretch is None and "uint8 is taken as stretched already" in planned.warnings[0]


@pytest.mark.parametrize("batches_ahead", [0, 1])
@pytest.mark.parametrize("network_fails", [False, True])
def test_nothing_reads_on_in_a_scene_that_was_given_up(
    model: Path,
    scene: Path,
    batches_ahead: int,
    network_fails: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GDAL would crash where the scene is closed next; and a traceback holds whatever reads."""
    before = threading.active_count()
    spec = PredictSpec(tile_size=64, precision="fp32")
    with open_scene(scene) as opened:
        runtime = open_runtime(model, spec, 64)
        runtime.ahead = batches_ahead
        held = predict_strips(opened, runtime, plan(opened, runtime, spec), spec, clock=Clock())
        if network_fails:
            monkeypatch.setattr(runtime, "_infer", lambda batch: 1 / 0)
        with pytest.raises(ZeroDivisionError) as caught, closing(ahead(held)) as strips:
            next(strips)
            1 / 0  # noqa: B018
        assert threading.active_count() == before and caught.tb


def test_a_scene_without_data_has_no_stretch_and_no_error(model: Path, tmp_path: Path) -> None:
    write_array(tmp_path / "empty.tif", np.full((3, *SHAPE), 7, "uint16"), grid(*SHAPE), nodata=7)
    with open_scene(tmp_path / "empty.tif") as scene:
        assert plan(scene, open_runtime(model, PredictSpec(), 64), PredictSpec()).stretch is None


def test_bands_that_do_not_fit_are_refused(model: Path, tmp_path: Path) -> None:
    write_array(tmp_path / "grey.tif", picture(buildings(*SHAPE))[:1], grid(*SHAPE))
    with open_scene(tmp_path / "grey.tif") as scene:
        runtime = open_runtime(model, PredictSpec(), 64)
        with pytest.raises(
            UnsuitableError,
            match=r"grey\.tif: has 1 band; the model needs 3 \(grey imagery: `bands` 1,1,1",
        ):
            plan(scene, runtime, PredictSpec())
        assert plan(scene, runtime, PredictSpec(), (1, 1, 1)).bands == (1, 1, 1)


def test_a_fourth_band_is_left_out_and_said_so(model: Path, tmp_path: Path) -> None:
    image = picture(buildings(*SHAPE))
    write_array(tmp_path / "four.tif", np.concatenate([image, image[:1]]), grid(*SHAPE))
    with open_scene(tmp_path / "four.tif") as scene:
        planned = plan(scene, open_runtime(model, PredictSpec(), 64), PredictSpec())
    assert planned.bands == (1, 2, 3) and "first 3" in planned.warnings[0]


@pytest.mark.parametrize(("count", "doubts"), [(8, 0), (5, 0), (3, 1)])
def test_the_bands_that_training_chose_are_taken(count: int, doubts: int, tmp_path: Path) -> None:
    write_array(
        tmp_path / "many.tif", picture(buildings(*SHAPE))[np.arange(count) % 3], grid(*SHAPE)
    )
    chosen = (3, 2, 1) if count == 3 else (5, 3, 2)
    model = described(tmp_path / "red.onnx", source_bands=chosen)
    with open_scene(tmp_path / "many.tif") as scene:
        planned = plan(scene, model, PredictSpec())
        assert planned.bands == chosen and len(planned.warnings) == doubts
        assert plan(scene, model, PredictSpec(), (1, 2, 3)).bands == (1, 2, 3)


def test_chips_of_the_bands_that_training_chose_are_taken_as_they_are(tmp_path: Path) -> None:
    write_array(tmp_path / "three.tif", picture(buildings(*SHAPE)), grid(*SHAPE))
    with open_scene(tmp_path / "three.tif") as scene:
        planned = plan(
            scene, described(tmp_path / "red.onnx", source_bands=(5, 3, 2)), PredictSpec()
        )
    assert planned.bands == (1, 2, 3) and not planned.warnings


def test_the_gsd_to_work_at() -> None:
    model = ModelSpec("red", gsd=0.3)
    assert working_gsd(model, grid(10, 20, gsd=0.3 * GSD_TOLERANCE * 0.999), "x") is None
    assert working_gsd(model, grid(10, 20, gsd=0.07), "x") == 0.3
    assert working_gsd(model, grid(10, 20, gsd=0.6), "x") == 0.3
    with pytest.raises(UnsuitableError, match="too coarse"):
        working_gsd(model, grid(10, 20, gsd=10), "x")
    assert working_gsd(model, grid(10, 20, gsd=0.016), "x") == 0.3
    with pytest.raises(UnsuitableError, match=r"all of it is less than a pixel of 0\.30 m"):
        working_gsd(model, grid(10, 20, gsd=0.01), "x")
