"""Any model file: where it lies, its kind, its ModelSpec, its weights."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.errors import ModelError, ResourceError
from geoseg.io.formats import model_format
from geoseg.io.safety import first_bytes
from geoseg.models import modelfile
from geoseg.models.metadata import onnx_metadata
from geoseg.specs import ARCHITECTURES, ModelSpec

if TYPE_CHECKING:
    import torch

BUNDLED = "bundled"  # what a user types instead of a path
FAST = "fast"

_WEIGHTS = Path(str(resources.files("geoseg"))) / "weights"
_FILES = {BUNDLED: _WEIGHTS / "default.onnx", FAST: _WEIGHTS / "fast.onnx"}
_SCORES = {BUNDLED: (11.0, 0.662, 0.768, 5.6), FAST: (4.5, 0.624, 0.762, 11.4)}


def bundled(name: str = BUNDLED) -> Path:
    """A model that comes with geoseg. Raises ModelError where the package was built without it."""
    if not _FILES[name].is_file():
        raise ModelError(
            f"the model {name} is missing from this installation", "name one with `model`"
        )
    return _FILES[name]


def bundled_models() -> dict[str, dict[str, Any]]:
    """The models that come with geoseg by what users type: file, megabytes, mean pixel IoU and
    footprint F1 on places that they were not trained on (``weights/default.md``), megapixels a
    second on two CPU cores.
    """
    columns = ("megabytes", "mean_iou", "footprint_f1", "megapixels_a_second")
    return {
        name: {"file": _FILES[name].name} | dict(zip(columns, scores, strict=True))
        for name, scores in _SCORES.items()
    }


def model_path(name: str) -> Path:
    """The file of a model as users name it: by a path, or a bundled one by its word."""
    return bundled(name) if name in _FILES else Path(name)


def model_name(path: Path) -> str:
    """What :func:`model_path` takes, wherever it is run."""
    return as_typed(path.absolute())


def as_typed(path: Path) -> str:
    """What a user typed for ``path``: one model has one name, never a place in site-packages."""
    return next((name for name, file in _FILES.items() if file == path), str(path))


def short_name(path: Path) -> str:
    """The name of a model in reports and provenance: the word of a bundled one, or its file's."""
    return Path(as_typed(path)).name


def kind(path: Path) -> str:
    """``safetensors`` or ``onnx``, by the first bytes."""
    if found := model_format(first_bytes(path, 9)):
        return found
    raise ModelError(
        f"{path}: is not a model", "geoseg reads .safetensors of `geoseg train` and .onnx"
    )


def read_spec(path: Path) -> ModelSpec:
    """ModelSpec of a model file of any kind, without loading its weights into a runtime."""
    if kind(path) == "safetensors":
        return modelfile.read_spec(path)
    return _spec_of(onnx_metadata(path), path)


def read_network_spec(path: Path) -> ModelSpec:
    """As :func:`read_spec`, of a model whose network torch can build. Raises ModelError for ONNX of
    other programs.
    """
    spec = read_spec(path)
    if spec.architecture not in ARCHITECTURES:
        raise ModelError(f"{path}: does not describe its network; only an export of geoseg does")
    return spec


def load(path: Path) -> tuple[ModelSpec, dict[str, torch.Tensor]]:
    """ModelSpec and weights of a model file of any kind, for :func:`geoseg.models.registry.build`.

    Raises InputError (missing), ModelError (malformed, or not of geoseg), ResourceError (a package
    that is not there).
    """
    if kind(path) == "safetensors":
        return modelfile.load(path)
    try:
        from geoseg.models import onnx_weights
    except ImportError as error:
        raise ResourceError(f"{path}: needs {error.name}", "pip install 'geoseg[train]'") from error
    return onnx_weights.load(path, read_network_spec(path))


def _spec_of(metadata: dict[str, str], path: Path) -> ModelSpec:
    """geoseg's own description, else what QGIS Deepness and GeoDeep write into ONNX models for
    themselves.
    """
    try:
        if "geoseg" in metadata:
            return ModelSpec.from_json(metadata["geoseg"])
        # values are JSON where they begin like it; others, such as names of tools, are text
        plain = {
            key: json.loads(value)
            for key, value in metadata.items()
            if value[:1] in '{["0123456789'
        }
        if plain.get("model_type") != "Segmentor":
            raise ModelError(
                "does not say what it expects",
                "it lacks the metadata of geoseg, Deepness or GeoDeep",
            )
        names = plain["class_names"]
        return ModelSpec(
            "onnx",
            classes=tuple(str(names[str(i)]) for i in range(len(names))),
            # Deepness counts in centimetres a pixel
            gsd=float(plain["resolution"]) / 100,
            size=int(plain.get("tile_size") or plain["tiles_size"]),
            # outside of that a threshold finds all or nothing
            threshold=min(max(float(plain.get("seg_thresh", 0.5)), 0.01), 0.99),
            options=(
                ("mean", plain.get("standardization_mean", [0.0])),
                ("std", plain.get("standardization_std", [1.0])),
            ),
        )
    except ModelError as error:
        raise ModelError(f"{path}: {error.message}", error.hint) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: its metadata is malformed") from error
