"""What runs a model: OpenVINO (ONNX on CPUs), ONNX Runtime, torch. All behind one call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from geoseg.errors import ModelError, ResourceError
from geoseg.inference.third_party import InputForm, OutputForm
from geoseg.models.openvinofile import import_openvino, openvino_core
from geoseg.models.store import bundled, kind, read_spec
from geoseg.parallel.threads import thread_limit
from geoseg.specs import ModelSpec, PredictSpec


class Runtime(Protocol):
    """A model ready to run.

    Called with float32 (batch, band, side, side) in [0, 1] it returns probabilities float32 (batch,
    channel, size, size): one channel, the building's, for two classes, else one a class. ``size``
    is the side of its windows in pixels, ``border`` the pixels around a window that it has to see
    too: ``side`` is ``size + 2 * border``. ``name`` says what computes and in what precision.

    ``batch`` is how many windows it wants at a time; it may become less when memory runs out. Of
    batches that :meth:`begin` starts, ``ahead`` should be on their way while the results of an
    earlier one are used. Where it ``takes_bytes``, images may be uint8 of 0..255 too.
    """

    spec: ModelSpec
    size: int
    name: str
    border: int
    batch: int
    ahead: int
    takes_bytes: bool

    def __call__(self, images: np.ndarray) -> np.ndarray: ...

    def begin(self, images: np.ndarray) -> Callable[[], np.ndarray]: ...


def open_runtime(model: Path | None, spec: PredictSpec, extent: int) -> Runtime:
    """The runtime for ``model`` (the bundled one by default) and windows that need to be no larger
    than ``extent`` pixels.

    Raises ModelError (unreadable, malformed), ResourceError (a device or a package that is not
    there).
    """
    path = model or bundled()
    if kind(path) == "safetensors" and spec.runtime not in ("auto", "torch"):
        raise ModelError(
            f"{path}: the runtime {spec.runtime} needs an exported model", "see `geoseg export`"
        )
    if runs_torch(path, spec):
        return _torch(path, spec, extent)
    gpu = spec.device.startswith("cuda")
    # where OpenVINO has no wheel, its lighter alternative
    light = find_spec("openvino") is None
    if spec.runtime == "onnx" or (spec.runtime == "auto" and (gpu or light)):
        return _onnx(path, spec, extent)
    return _openvino(path, spec, extent)


def runs_torch(path: Path, spec: PredictSpec) -> bool:
    """Whether torch runs the model at ``path``: trained ones, and on a GPU those that were exported
    by geoseg, whose weights fit the network they came from.
    """
    if spec.runtime != "auto":
        return spec.runtime == "torch"
    if kind(path) == "safetensors":
        return True
    return spec.device.startswith("cuda") and read_spec(path).architecture != "onnx"


def _window(spec: PredictSpec, preferred: int, extent: int) -> int:
    """Side of the windows: as asked for, else ``preferred``, but of ``extent`` at most; a multiple
    of 32.
    """
    # beyond a scene lies its mirror image, and the more of it a window holds, the more of what is
    # found depends on the size of the windows
    size = min(spec.tile_size or preferred, extent)
    # encoders halve the resolution five times
    return max(64, -(-size // 32) * 32)


def default_overlap(size: int) -> int:
    """Pixels that windows of ``size`` pixels share with their neighbours.

    A network sees as many pixels around one in any window, so that it is no share of the window:
    128, and of windows under 512 a quarter, which costs 1.8 times the scene already.
    """
    return min(size // 4, 128)


# OpenVINO

# its messages quote the file, and where that is not UTF-8 the text cannot be made
_OPENVINO_ERRORS = (RuntimeError, UnicodeDecodeError)


def _openvino_model(path: Path) -> tuple[Any, ModelSpec]:
    core = openvino_core()
    try:
        model = core.read_model(path)
    except _OPENVINO_ERRORS as error:
        raise ModelError(f"{path}: cannot be read as ONNX") from error
    return model, read_spec(path)


def _openvino(path: Path, predict: PredictSpec, extent: int) -> Runtime:
    if predict.device not in ("auto", "cpu"):
        raise ResourceError(
            f"{path}: ONNX models run on the CPU here, not on {predict.device}",
            "try `runtime` torch",
        )
    model, spec = _openvino_model(path)
    size = _window(predict, 1024, extent)
    if len(model.inputs) != 1 or len(model.input(0).partial_shape) != 4:
        raise ModelError(f"{path}: does not take one batch of images")
    if not model.outputs:
        raise ModelError(f"{path}: gives nothing")
    sides = [side.get_length() if side.is_static else 0 for side in model.input(0).partial_shape]
    form = InputForm(
        as_bytes=model.input(0).element_type == import_openvino().Type.u8,
        bands_last=_bands_last(sides, spec),
    )
    if spec.architecture == "onnx":  # other windows may not suit it
        size = _window(predict, 0, predict.tile_size) if predict.tile_size else sides[2] or size
    try:
        model.reshape(form.shape(predict.batch_size or 1, spec.bands, size))
    except _OPENVINO_ERRORS as error:
        raise ModelError(
            f"{path}: cannot run at windows of {size} pixels", f"try `tile_size` {spec.size}"
        ) from error
    # one batch at a time with all cores: throughput mode would hold several in memory
    hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    # else the threads of each process keep to the first processors, where those of another command
    # or of a cluster's other workers are too
    hints["ENABLE_CPU_PINNING"] = False
    if threads := thread_limit():
        hints["INFERENCE_NUM_THREADS"] = threads
    if predict.precision != "auto":
        hints["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[
            predict.precision
        ]
    compiled = openvino_core().compile_model(model, "CPU", hints)
    request = compiled.create_infer_request()
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return _Graph(
        spec,
        size,
        f"openvino {precision}",
        # without copies: the batch is only read, and of what comes out `finish` makes its own
        lambda batch: request.infer({0: batch}, share_inputs=True, share_outputs=True)[
            compiled.output(0)
        ],
        path,
        form,
        predict.batch_size or 1,
    )


def _bands_last(shape: list[int], spec: ModelSpec) -> bool:
    """Whether an input of ``shape``, 0 where it is open, has the bands behind rows and columns."""
    return shape[3] == spec.bands and shape[1] != spec.bands


# ONNX Runtime


def _onnx(path: Path, predict: PredictSpec, extent: int) -> Runtime:
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise ResourceError(
            "the runtime onnx needs onnxruntime", "pip install 'geoseg[ort]'"
        ) from error
    cuda = predict.device.startswith("cuda")
    if cuda and "CUDAExecutionProvider" not in ort.get_available_providers():
        raise ResourceError(
            "this onnxruntime has no CUDA", "pip install onnxruntime-gpu, or `device` cpu"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = thread_limit() or 0
    try:
        session = ort.InferenceSession(
            path, options, providers=["CUDAExecutionProvider" if cuda else "CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no public base
        raise ModelError(f"{path}: cannot be read as ONNX") from error
    spec = read_spec(path)
    taken = session.get_inputs()[0]
    if len(session.get_inputs()) != 1 or len(taken.shape) != 4:
        raise ModelError(f"{path}: does not take one batch of images")
    sides = [side if isinstance(side, int) else 0 for side in taken.shape]
    form = InputForm(taken.type == "tensor(uint8)", _bands_last(sides, spec))
    size = sides[2] or _window(predict, 1024, extent)
    return _Graph(
        spec,
        size,
        "onnxruntime fp32",
        lambda batch: session.run(None, {taken.name: batch})[0],
        path,
        form,
        sides[0] or predict.batch_size or 1,
    )


class _Graph:
    """An ONNX graph under either runtime: probabilities out, the building's channel alone where
    there are two classes.

    Those of other programs are run once on ``batch`` images to see what they give
    (:mod:`geoseg.inference.third_party`).
    """

    def __init__(
        self,
        spec: ModelSpec,
        size: int,
        name: str,
        infer: Callable[[np.ndarray], Any],
        path: Path,
        form: InputForm,
        batch: int,
    ) -> None:
        self.spec = spec
        self.name = name
        self.batch = batch
        self.ahead = 0
        self.takes_bytes = False
        self._infer = infer
        self._path = path
        self._form = form
        options = dict(spec.options)
        self._mean = np.array(options.get("mean", [0.0]), np.float32)[:, None, None]
        self._std = np.array(options.get("std", [1.0]), np.float32)[:, None, None]
        self._output = OutputForm()
        if spec.architecture == "onnx":
            shape = (batch, spec.bands, size, size)
            self._output = OutputForm.found(self._raw, shape, len(spec.classes), path)
        self.border = self._output.border
        self.size = size - 2 * self.border

    def _raw(self, batch: np.ndarray) -> np.ndarray:
        if self._mean.any() or (self._std != 1).any():
            batch = (batch - self._mean) / self._std
        return np.asarray(self._infer(self._form.prepare(batch)), np.float32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        count = len(images)
        if count < self.batch:  # the last windows of a scene: graphs are compiled for full batches
            empty = np.zeros((self.batch - count, *images.shape[1:]), images.dtype)
            images = np.concatenate([images, empty])
        out = self._output.finish(self._raw(images), self.spec.multilabel, self._path)
        if self.spec.channels == 1 and out.shape[1] == 2:
            out = out[:, 1:].copy()  # a view would hold both
        if out.shape[1:] != (self.spec.channels, self.size, self.size):
            raise ModelError(
                f"{self._path}: gives {out.shape[1:]} for {len(self.spec.classes)} classes of "
                f"{(self.size, self.size)}"
            )
        return out[:count]

    def begin(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        """All is computed when the result is asked for."""
        return partial(self, images)


# torch


def _torch(path: Path, predict: PredictSpec, extent: int) -> Runtime:
    return _torch_runtime().torch_runtime(
        path, predict, lambda gpu: _window(predict, 1024 if gpu else 768, extent)
    )


def runs_on_gpu(spec: PredictSpec) -> bool:
    """Whether torch runs models on a GPU. Raises ResourceError for a device that is not there."""
    return str(_torch_runtime().find_device(spec.device)).startswith("cuda")


def _torch_runtime() -> Any:
    try:
        from geoseg.inference import torch_runtime
    except ImportError as error:
        raise ResourceError(
            f"the runtime torch needs {error.name}", "pip install 'geoseg[train]'"
        ) from error
    return torch_runtime
