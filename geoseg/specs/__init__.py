"""Every parameter a user can set: name, default, range, unit.

Frozen dataclasses of the standard library alone. A spec travels with what it made: the model file
carries its :class:`ModelSpec`, a probability raster and a chip index carry theirs in their tags.
"""

from geoseg.specs.chips import SPLIT, ChipSpec, PrepareSpec, TilingSpec, parse_rescale
from geoseg.specs.evaluate import (
    ComparedGround,
    EvaluateSpec,
    EvaluationOutput,
    FootprintChoice,
    LabelledData,
)
from geoseg.specs.job import JobSpec
from geoseg.specs.model import ARCHITECTURES, IMAGENET_MEAN, IMAGENET_STD, ModelSpec, Stretch
from geoseg.specs.output import (
    ExtractTarget,
    FolderTarget,
    PixelReference,
    RasterTarget,
    TrainTarget,
    VectorTarget,
)
from geoseg.specs.polygons import MASK_WIDTHS, ExtractSpec, MaskSpec, PolygonSpec, PredictSpec
from geoseg.specs.preview import PreviewSpec
from geoseg.specs.quantity import Area, Length, Memory
from geoseg.specs.scene import SceneSpec
from geoseg.specs.serve import ServeSpec
from geoseg.specs.train import TrainSpec

__all__ = [
    "ARCHITECTURES",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MASK_WIDTHS",
    "SPLIT",
    "Area",
    "ChipSpec",
    "ComparedGround",
    "EvaluateSpec",
    "EvaluationOutput",
    "ExtractSpec",
    "ExtractTarget",
    "FolderTarget",
    "FootprintChoice",
    "JobSpec",
    "LabelledData",
    "Length",
    "MaskSpec",
    "Memory",
    "ModelSpec",
    "PixelReference",
    "PolygonSpec",
    "PredictSpec",
    "PrepareSpec",
    "PreviewSpec",
    "RasterTarget",
    "SceneSpec",
    "ServeSpec",
    "Stretch",
    "TilingSpec",
    "TrainSpec",
    "TrainTarget",
    "VectorTarget",
    "parse_rescale",
]
