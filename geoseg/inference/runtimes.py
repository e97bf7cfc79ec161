"""What runs a model: OpenVINO (ONNX on CPUs), ONNX Runtime, torch. All behind one call."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from geoseg.errors import ModelError, ResourceError
from geoseg.inference.third_party import InputForm, OutputForm
from geoseg.models.openvinofile import import_openvino
from geoseg.models.store import bundled, kind, load, read_spec
from geoseg.parallel.threads import thread_limit
from geoseg.specs import ModelSpec, PredictSpec


class Runtime(Protocol):
    """A model ready to run.

    Called with float32 (batch, band, side, side) in [0, 1] it returns probabilities float32 (batch,
    channel, size, size): one channel, the building's, for two classes, else one a class. ``size``
    is the side of its windows in pixels, ``border`` the pixels around a window that it has to see
    too: ``side`` is ``size + 2 * border``. ``name`` says what computes and in what precision.
    """

    spec: ModelSpec
    size: int
    name: str
    border: int

    def __call__(self, batch: np.ndarray) -> np.ndarray: ...


def open_runtime(model: Path | None, spec: PredictSpec, extent: int) -> Runtime:
    """The runtime for ``model`` (the bundled one by default) and windows that need to be no larger
    than ``extent`` pixels.

    Raises ModelError (unreadable, malformed), ResourceError (a device or a package that is not
    there).
    """
    path = model or bundled()
    trained = kind(path) == "safetensors"
    if trained and spec.runtime not in ("auto", "torch"):
        raise ModelError(
            f"{path}: the runtime {spec.runtime} needs an exported model", "see `geoseg export`"
        )
    if trained or spec.runtime == "torch":
        return _torch(path, spec, extent)
    # where OpenVINO has no wheel, its lighter alternative
    light = spec.runtime == "auto" and find_spec("openvino") is None
    if spec.runtime == "onnx" or light:
        return _onnx(path, spec, extent)
    return _openvino(path, spec, extent)


def _window(spec: PredictSpec, preferred: int, extent: int) -> int:
    """Side of the windows: as asked for, else ``preferred`` or ``extent``, whichever is less; a
    multiple of 32.
    """
    size = spec.tile_size or min(preferred, extent)
    # encoders halve the resolution five times
    return max(64, -(-size // 32) * 32)


# OpenVINO

# its messages quote the file, and where that is not UTF-8 the text cannot be made
_OPENVINO_ERRORS = (RuntimeError, UnicodeDecodeError)


def _openvino_model(path: Path) -> tuple[Any, ModelSpec]:
    openvino = import_openvino()
    try:
        model = openvino.Core().read_model(path)
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
    if spec.architecture == "onnx" and sides[2] and not predict.tile_size:
        size = sides[2]  # other windows may not suit it
    try:
        model.reshape(form.shape(predict.batch_size, spec.bands, size))
    except _OPENVINO_ERRORS as error:
        raise ModelError(
            f"{path}: cannot run at windows of {size} pixels", f"try `tile_size` {spec.size}"
        ) from error
    # one batch at a time with all cores: throughput mode would hold several in memory
    hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if threads := thread_limit():
        hints["INFERENCE_NUM_THREADS"] = threads
    if predict.precision != "auto":
        hints["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[
            predict.precision
        ]
    compiled = import_openvino().Core().compile_model(model, "CPU", hints)
    request = compiled.create_infer_request()
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return _Graph(
        spec,
        size,
        f"openvino {precision}",
        lambda batch: request.infer({0: batch})[compiled.output(0)],
        path,
        form,
        predict.batch_size,
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
        sides[0] or predict.batch_size,
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

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        out = self._output.finish(self._raw(batch), self.spec.multilabel, self._path)
        if self.spec.channels == 1 and out.shape[1] == 2:
            out = out[:, 1:]
        if out.shape[1:] != (self.spec.channels, self.size, self.size):
            raise ModelError(
                f"{self._path}: gives {out.shape[1:]} for {len(self.spec.classes)} classes of "
                f"{(self.size, self.size)}"
            )
        # runtimes hand out memory that the next call writes to
        return out.copy()


# torch


def _torch(path: Path, predict: PredictSpec, extent: int) -> Runtime:
    spec, state = load(path)
    import torch

    from geoseg.models.registry import load_weights, rebuild

    if threads := thread_limit():
        torch.set_num_threads(threads)
    device = _device(predict.device)
    model = rebuild(spec, str(path))
    load_weights(model, state, str(path))
    model = model.eval().to(device).to(memory_format=torch.channels_last)
    dtype = _dtype(predict.precision, device)

    def infer(batch: np.ndarray) -> np.ndarray:
        with (
            torch.inference_mode(),
            torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None),
        ):
            logits = model(
                torch.from_numpy(batch).to(device, memory_format=torch.channels_last)
            ).float()
            return (logits.sigmoid() if spec.sigmoid else logits.softmax(1)).cpu().numpy()

    size = _window(predict, 1024 if device.type == "cuda" else 512, extent)
    name = f"torch {device} {str(dtype or torch.float32).removeprefix('torch.')}"
    return _Torch(spec, size, name, infer)


class _Torch:
    def __init__(
        self, spec: ModelSpec, size: int, name: str, infer: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        self.spec = spec
        self.size = size
        self.name = name
        self._infer = infer
        self.border = 0

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return self._infer(batch)


def _device(name: str) -> Any:
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ResourceError(f"unknown device {name!r}", "auto, cpu or cuda[:N]") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ResourceError(f"there is no device {name} here", "see `geoseg doctor`")
    return device


def _dtype(precision: str, device: Any) -> Any:
    """Type of autocast; None computes in float32."""
    import torch

    if precision == "auto":
        native = device.type == "cuda" or getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
        precision = "bf16" if native else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
