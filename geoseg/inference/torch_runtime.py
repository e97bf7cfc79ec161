"""A network under torch: on a GPU in batches that are on their way while earlier ones are used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from geoseg.core.tiling import gpu_batch
from geoseg.errors import ResourceError
from geoseg.models.registry import is_too_large, load_weights, rebuild
from geoseg.models.store import load
from geoseg.parallel.threads import thread_limit
from geoseg.specs import ModelSpec, PredictSpec

# Of the memory that is free as much is planned with: the allocator leaves gaps
_USABLE = 0.8


def torch_runtime(path: Path, predict: PredictSpec, window: Callable[[bool], int]) -> TorchRuntime:
    """The network of the model file at ``path`` on the device of ``predict``; ``window`` gives the
    side of the windows, knowing whether they go to a GPU.

    Raises ModelError for a file that is no network of geoseg's, ResourceError for a device that is
    not there or too small.
    """
    device = find_device(predict.device)
    spec, state = load(path)
    if threads := thread_limit():
        torch.set_num_threads(threads)
    network = rebuild(spec, str(path))
    load_weights(network, state, str(path))
    return TorchRuntime(network, spec, predict, device, window(device.type == "cuda"))


class TorchRuntime:
    """A :class:`geoseg.inference.runtimes.Runtime` that takes images of uint8 too, whose values are
    brought to [0, 1] on the device: a quarter of the bytes to carry.

    A batch that does not fit into the device's memory is halved, and so are all that follow.
    """

    # On a GPU three things go on at once. `begin` returns when its kernels are in the queue, so
    # that batch 2 is read, brought to the device and queued while batch 1 is computed, and batch 1
    # is blended while batch 2 is computed:
    #
    #     this thread   begin 1   begin 2   blend 1   begin 3   blend 2   ...
    #     GPU                     forward 1 ........  forward 2 ........  ...
    #     copies        in 1      in 2                out 1  in 3         out 2
    def __init__(
        self,
        network: nn.Module,
        spec: ModelSpec,
        predict: PredictSpec,
        device: torch.device,
        size: int,
    ) -> None:
        self.spec = spec
        self.size = size
        self.border = 0
        self.takes_bytes = True
        self._device = device
        self._gpu = device.type == "cuda"
        self.ahead = 1 if self._gpu else 0
        self._dtype = autocast_dtype(predict.precision, device)
        dtype = str(self._dtype or torch.float32).removeprefix("torch.")
        self.name = f"torch {device} {dtype}"
        self.batch = predict.batch_size or 1
        self._copies = torch.cuda.Stream(device) if self._gpu else None
        # cuDNN's plans of convolutions, seconds of work, are kept by thread: another thread for
        # each scene would make them again
        self._thread = ThreadPoolExecutor(1) if self._gpu else None
        try:
            self._network = network.eval().to(device).to(memory_format=torch.channels_last)
        except torch.OutOfMemoryError as error:
            raise _too_small(device) from error
        if self._gpu and not predict.batch_size:
            self.batch = self._fitting()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.begin(images)()

    def begin(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        """Start on ``images``; what comes back waits for their probabilities and gives them.

        Raises ResourceError where not even a single window fits into the device's memory.
        """
        if self._thread:
            parts = self._thread.submit(self._launched, images).result()
        else:
            parts = self._launched(images)
        if len(parts) == 1:
            return parts[0]
        return lambda: np.concatenate([part() for part in parts])

    def _launched(self, images: np.ndarray) -> list[Callable[[], np.ndarray]]:
        while True:
            size = self.batch
            try:
                return [
                    self._launch(images[first : first + size])
                    for first in range(0, len(images), size)
                ]
            except RuntimeError as error:
                if not is_too_large(error):
                    raise
                if size == 1:
                    raise _too_small(self._device) from error
            # out here the error, and with it what it had allocated, is gone
            self.batch = max(1, min(size, len(images)) // 2)
            if self._gpu:
                torch.cuda.empty_cache()

    def _launch(self, images: np.ndarray) -> Callable[[], np.ndarray]:
        batch = torch.from_numpy(images)
        if self._gpu:
            # only memory that stays where it is can be copied while both sides go on
            batch = batch.pin_memory()
        with (
            torch.inference_mode(),
            torch.autocast(
                self._device.type, self._dtype or torch.bfloat16, enabled=self._dtype is not None
            ),
        ):
            batch = batch.to(self._device, non_blocking=True)
            if batch.dtype == torch.uint8:
                batch = batch.float() * (1 / 255)
            logits = self._network(batch.contiguous(memory_format=torch.channels_last)).float()
            found = logits.sigmoid() if self.spec.sigmoid else logits.softmax(1)
        found = found.contiguous()
        return found.numpy if self._copies is None else _to_host(found, self._copies)

    def _fitting(self) -> int:
        """Windows to a batch: a power of two that keeps the GPU busy, and fits into the memory by
        what a first batch takes.
        """
        # a single window would do, but plans are made for each size of a batch
        self.batch = gpu_batch(self.size)
        windows = np.zeros((self.batch, self.spec.bands, self.size, self.size), np.uint8)
        before = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        self(windows)
        each = (torch.cuda.max_memory_allocated(self._device) - before) / self.batch
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(self._device)
        return gpu_batch(self.size, int(_USABLE * free / each))


def _to_host(found: torch.Tensor, copies: torch.cuda.Stream) -> Callable[[], np.ndarray]:
    """Begin to copy ``found`` off the GPU, beside what it computes next."""
    host = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
    copies.wait_stream(torch.cuda.current_stream(found.device))
    with torch.cuda.stream(copies):
        host.copy_(found, non_blocking=True)
        # its memory must not be given to the next batch while it is copied
        found.record_stream(copies)
    done = copies.record_event()

    def result() -> np.ndarray:
        done.synchronize()
        return host.numpy()

    return result


def _too_small(device: torch.device) -> ResourceError:
    return ResourceError(
        f"{device}: the memory is too small for a single window", "lower `tile_size`"
    )


def find_device(name: str) -> torch.device:
    """``auto`` is a GPU where there is one. Raises ResourceError for one that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ResourceError(f"unknown device {name!r}", "auto, cpu or cuda[:N]") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ResourceError(f"there is no device {name} here", "see `geoseg doctor`")
    return device


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Type of autocast; None computes in float32."""
    if precision == "auto":
        native = device.type == "cuda" or getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
        precision = "bf16" if native else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
