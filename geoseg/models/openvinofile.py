"""OpenVINO, and a trained network in its own format: ``.xml``, the graph, and ``.bin``, the
weights.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

from geoseg.errors import ResourceError
from geoseg.io.atomic import atomic_parts, check_output

if TYPE_CHECKING:
    from geoseg.models.exportable import Exportable

WEIGHTS = ".bin"
_making = Lock()


def stub_telemetry() -> None:
    """Before openvino is imported: its telemetry is replaced by its own stub, so that nothing is
    ever sent. It falls back to that where ``openvino_telemetry`` cannot be imported, as None makes
    it.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def import_openvino() -> Any:
    """The openvino package, without its telemetry. Raises ResourceError where it is not
    installed.
    """
    stub_telemetry()
    try:
        import openvino
    except ImportError as error:
        raise ResourceError("openvino is not installed", "pip install openvino") from error
    return openvino


def openvino_core() -> Any:
    """What reads and compiles networks, one for the process and until its end.

    Its plugin for CPUs sets the stack on which the thread that first compiles answers signals.
    Where another thread drops the last network of a Core, the plugin frees that stack and leaves
    it set: the next Ctrl-C would end the process by a segmentation fault.
    """
    with _making:
        return _core()


@cache
def _core() -> Any:
    return import_openvino().Core()


def export(model: Exportable, target: Path, *, overwrite: bool = False) -> None:
    """Write ``model`` by way of its ONNX, whose metadata the ``.xml`` keeps; weights are float16,
    as they are there.
    """
    from geoseg.models import onnxfile

    openvino = import_openvino()
    check_output(target.with_suffix(WEIGHTS), overwrite)
    with TemporaryDirectory() as folder, atomic_parts(target, overwrite, (WEIGHTS,)) as temporary:
        graph = Path(folder) / "model.onnx"
        onnxfile.export(model, graph)
        openvino.save_model(openvino_core().read_model(graph), temporary, compress_to_fp16=True)
