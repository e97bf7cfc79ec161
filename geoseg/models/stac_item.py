"""An exported model as a STAC item of the Machine Learning Model extension (MLM), for catalogues.

stac-model checks what the extension asks for, pystac what STAC does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.io.atomic import save_text
from geoseg.models.exportable import Exportable
from geoseg.models.modelfile import sha256
from geoseg.specs import ModelSpec

if TYPE_CHECKING:
    from stac_model.input import ModelInput
    from stac_model.output import ModelOutput

FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
SHA256 = "1220"  # of a multihash: the function, and that 32 bytes follow
RED_GREEN_BLUE = ("red", "green", "blue")


@dataclass(frozen=True)
class Framework:
    """What runs an exported file: its name, the package whose version counts, and what MLM calls
    the kind of the file; ``media_type`` is that of the file.
    """

    name: str
    package: str
    artifact: str
    media_type: str


FRAMEWORKS = {
    ".onnx": Framework("ONNX", "onnx", "onnx", "application/octet-stream; application=onnx"),
    ".pt2": Framework(
        "PyTorch", "torch", "torch.export.save", "application/octet-stream; application=pytorch"
    ),
    ".xml": Framework("OpenVINO", "openvino", "openvino", "application/xml"),
}


def write(model: Exportable, files: tuple[Path, ...], overwrite: bool = False) -> Path:
    """Describe ``files``, the exported ``model`` and what belongs to it, as an item beside the
    first of them. Raises OutputError.
    """
    import pystac
    from stac_model.schema import MLModelExtension, MLModelProperties

    path = item_path(files[0])
    framework = FRAMEWORKS[files[0].suffix.lower()]
    spec = model.spec
    made = datetime.fromtimestamp(model.source.stat().st_mtime, UTC).replace(microsecond=0)
    bands = [{"name": name} for name in band_names(spec)]
    item = pystac.Item(
        id=files[0].stem,
        geometry=None,  # where the model serves is not known
        bbox=None,
        datetime=made,
        properties={"title": f"{spec.architecture} for {', '.join(spec.classes)}", "bands": bands}
        | ({"gsd": spec.gsd} if spec.gsd else {}),
    )
    item.stac_extensions.append(FILE_EXTENSION)
    properties = MLModelProperties(
        name=files[0].stem,
        architecture=spec.architecture,
        tasks={"semantic-segmentation"},
        framework=framework.name,
        framework_version=_three_parts(version(framework.package)),
        file_size=sum(file.stat().st_size for file in files),
        total_parameters=sum(p.numel() for p in model.module.parameters()),
        accelerator="cpu",
        input=[_input(model)],
        output=[_output(model)],
    )
    MLModelExtension.ext(item, add_if_missing=True).apply(properties)
    item.add_asset("model", _asset(files[0], framework, {"bands": bands}))
    for other in files[1:]:
        item.add_asset("weights", _asset(other, None, {}))
    content = item.to_dict(include_self_link=False)
    save_text(path, json.dumps(content, indent=2) + "\n", overwrite)
    return path


def item_path(output: Path) -> Path:
    """Where the item of an exported model lies: ``model.json`` beside ``model.onnx``."""
    return output.with_suffix(".json")


def band_names(spec: ModelSpec) -> tuple[str, ...]:
    """Names of the bands that a model takes, of three those of colours."""
    if spec.bands == len(RED_GREEN_BLUE):
        return RED_GREEN_BLUE
    return tuple(f"band {number}" for number in spec.source_bands or range(1, spec.bands + 1))


def _asset(file: Path, framework: Framework | None, more: Mapping[str, Any]) -> Any:
    import pystac

    about: dict[str, Any] = dict(more) | {
        "file:size": file.stat().st_size,
        "file:checksum": SHA256 + sha256(file),
    }
    if framework:
        about["mlm:artifact_type"] = framework.artifact
    return pystac.Asset(
        f"./{file.name}",
        media_type=framework.media_type if framework else "application/octet-stream",
        roles=["mlm:model", "mlm:weights"] if framework else ["mlm:weights"],
        extra_fields=about,
    )


def _input(model: Exportable) -> ModelInput:
    from stac_model.input import InputStructure, ModelInput

    spec = model.spec
    return ModelInput(
        name="image",
        bands=list(band_names(spec)),
        input=InputStructure(
            shape=[-1, spec.bands, model.size, model.size],
            dim_order=["batch", "bands", "height", "width"],
            data_type="float32",
        ),
        value_scaling=_scaling(spec),
        pre_processing_function=None,
    )


def _scaling(spec: ModelSpec) -> Any:
    """How values become those from 0 to 1 that the model takes; None where each scene has its own
    percentiles.
    """
    import numpy as np

    if spec.percentiles:
        return None
    if spec.stretch:
        ends = list(zip(spec.stretch.low, spec.stretch.high, strict=True))
    elif spec.dtype.startswith("float"):
        return None
    else:
        ends = [(0, int(np.iinfo(spec.dtype).max))] * spec.bands
    return [{"type": "min-max", "minimum": low, "maximum": high} for low, high in ends]


def _output(model: Exportable) -> ModelOutput:
    from stac_model.output import MLMClassification, ModelOutput, ModelResult

    spec = model.spec
    return ModelOutput(
        name="probabilities",
        tasks={"semantic-segmentation"},
        result=ModelResult(
            shape=[-1, len(spec.classes), model.size, model.size],
            dim_order=["batch", "class", "height", "width"],
            data_type="float32",
        ),
        classes=[
            MLMClassification(value=value, name=name) for value, name in enumerate(spec.classes)
        ],
        post_processing_function=None,
    )


def _three_parts(text: str) -> str:
    """``2.14.1`` of ``2.14.1+cpu``."""
    numbers = re.findall(r"\d+", text.split("+")[0])[:3]
    return ".".join([*numbers, "0", "0"][:3])
