"""Networks under torch: any batch, bytes and floats, memory that runs out, and the GPU where there
is one.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from geoseg.core.tiling import BATCH_PIXELS, gpu_batch  # noqa: E402
from geoseg.errors import ResourceError  # noqa: E402
from geoseg.inference.plan import plan  # noqa: E402
from geoseg.inference.runtimes import open_runtime, runs_torch  # noqa: E402
from geoseg.inference.session import LoadedModel  # noqa: E402
from geoseg.inference.stream import predict_strips  # noqa: E402
from geoseg.inference.torch_runtime import TorchRuntime  # noqa: E402
from geoseg.io.raster.scene import open_scene  # noqa: E402
from geoseg.models import modelfile  # noqa: E402
from geoseg.models.registry import Segmenter, build  # noqa: E402
from geoseg.models.store import bundled  # noqa: E402
from geoseg.parallel.clock import Clock  # noqa: E402
from geoseg.report import no_progress  # noqa: E402
from geoseg.specs import ModelSpec, PredictSpec  # noqa: E402
from tests.scenes import buildings, write_scene  # noqa: E402

SHAPE = (110, 333)
FP32 = PredictSpec(tile_size=64, precision="fp32", device="cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    spec = ModelSpec("cnn", classes=("background", "building", "boundary"))
    path = tmp_path_factory.mktemp("model") / "cnn.safetensors"
    modelfile.save(path, spec, build(spec).state_dict())
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scene") / "scene.tif", buildings(*SHAPE))


def images(count: int, size: int = 64) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, 3, size, size)).astype(np.uint8)


def opened(path: Path, spec: PredictSpec) -> TorchRuntime:
    runtime = open_runtime(path, spec, 64)
    assert isinstance(runtime, TorchRuntime)
    return runtime


def probabilities(
    model: Path, path: Path, spec: PredictSpec, ahead: int | None = None
) -> np.ndarray:
    """Those of the whole scene, float32 (channel, row, col)."""
    runtime = opened(model, spec)
    if ahead is not None:
        runtime.ahead = ahead
    with open_scene(path) as scene:
        strips = predict_strips(scene, runtime, plan(scene, runtime, spec), spec, clock=Clock())
        return np.concatenate([strip.probability for strip in strips], 1)


def test_bytes_are_the_same_as_floats(trained: Path) -> None:
    runtime = opened(trained, FP32)
    found = runtime(images(3))
    assert found.shape == (3, 3, 64, 64) and found.dtype == np.float32
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    floats = runtime(images(3).astype(np.float32) * np.float32(1 / 255))
    assert np.array_equal(found, floats)


@pytest.mark.parametrize("tta", ["none", "flips"])
def test_batches_on_their_way_come_out_in_their_order(tta: str, trained: Path, scene: Path) -> None:
    spec = PredictSpec(tile_size=64, batch_size=5, precision="fp32", device="cpu", tta=tta)
    in_turn = probabilities(trained, scene, spec)
    for ahead in (1, 3, 50):
        assert np.array_equal(probabilities(trained, scene, spec, ahead), in_turn), ahead


def test_batches_are_halved_until_they_fit(
    trained: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = probabilities(trained, scene, FP32)
    forward, seen, most = Segmenter.forward, list[int](), 3

    def limited(self: Segmenter, image: torch.Tensor) -> torch.Tensor:
        if len(image) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(len(image))
        return forward(self, image)

    monkeypatch.setattr(Segmenter, "forward", limited)
    spec = PredictSpec(tile_size=64, batch_size=8, precision="fp32", device="cpu")
    assert np.abs(probabilities(trained, scene, spec) - expected).max() < 1e-5
    # the first batch as four and four does not fit either; all later ones are read as twos
    assert set(seen) == {2}
    runtime = opened(trained, spec)
    assert runtime(images(5)).shape[0] == 5 and runtime.batch == 2
    most = 0
    with pytest.raises(ResourceError, match="cpu: the memory is too small for a single window"):
        runtime(images(2))
    assert runtime.batch == 1


def test_a_batch_for_a_gpu_is_a_power_of_two_that_keeps_it_busy() -> None:
    assert [gpu_batch(size) for size in (64, 256, 512, 1024, 4096)] == [64, 64, 32, 8, 1]
    for size in (96, 288, 1024):
        for fit in (0, 1, 3, 6, 100):
            found = gpu_batch(size, fit)
            assert found & (found - 1) == 0 and 1 <= found <= max(1, fit)
            assert found == 1 or found * size**2 <= BATCH_PIXELS


def test_on_a_gpu_torch_runs_what_geoseg_has_exported(trained: Path) -> None:
    gpu = PredictSpec(device="cuda:1")
    assert runs_torch(bundled(), gpu) and not runs_torch(bundled(), PredictSpec())
    assert not runs_torch(bundled(), PredictSpec(device="cuda", runtime="onnx"))
    assert runs_torch(trained, PredictSpec())


def test_a_row_of_windows_finds_room_where_a_gpu_computes(trained: Path, scene: Path) -> None:
    loaded = LoadedModel(trained, PredictSpec(tile_size=160, device="cpu"))
    with loaded.open(str(scene), None) as run:
        assert run.strips_ahead == 1
        assert isinstance(run.runtime, TorchRuntime)
        run.runtime.ahead = 1
        assert run.strips_ahead == 2  # of 128 rows each


def test_on_a_cpu_a_batch_is_one_window_by_default(trained: Path) -> None:
    runtime = opened(trained, FP32)
    assert (runtime.batch, runtime.ahead) == (1, 0)


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_computes_what_a_cpu_computes(precision: str, scene: Path) -> None:
    spec = PredictSpec(tile_size=64, precision=precision, device="cuda")  # type: ignore[arg-type]
    found = probabilities(bundled(), scene, spec)
    expected = probabilities(bundled(), scene, PredictSpec(64, device="cpu", runtime="torch"))
    assert np.abs(found - expected).mean() < 0.01
    assert opened(bundled(), spec).batch == 64


@needs_gpu
def test_a_gpu_whose_memory_runs_out_goes_on_with_less(trained: Path) -> None:
    spec = PredictSpec(tile_size=1024, batch_size=64, device="cuda")
    runtime = open_runtime(trained, spec, 1024)
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        torch.cuda.set_per_process_memory_fraction(2e9 / total)
        assert runtime(images(64, 1024)).shape[0] == 64
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert 1 <= runtime.batch < 64


@needs_gpu
def test_a_gpu_is_given_all_scenes_by_one_thread(
    trained: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Segmenter.forward
    seen: set[int] = set()

    def watched(self: Segmenter, image: torch.Tensor) -> torch.Tensor:
        seen.add(threading.get_ident())
        return forward(self, image)

    monkeypatch.setattr(Segmenter, "forward", watched)
    loaded = LoadedModel(trained, PredictSpec(tile_size=64, device="cuda"))
    for _ in range(2):
        with loaded.open(str(scene), None) as run:
            assert list(run.strips(Clock(), no_progress))
    assert len(seen) == 1
