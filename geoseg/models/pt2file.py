"""A trained network as a ``.pt2`` of ``torch.export``: torch runs it without geoseg, from Python or
C++.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from geoseg.io.atomic import atomic
from geoseg.models.exportable import Exportable

KEY = "geoseg.json"  # of the description among the extra files of the archive


def export(model: Exportable, target: Path, *, overwrite: bool = False) -> None:
    """Write ``model`` for batches of any number of windows of its size.

    ``torch.export.load(path).module()`` takes float32 (batch, band, size, size) and gives what the
    ONNX gives.
    """
    # a batch of one would become a constant of the program
    image = model.image.repeat(2, 1, 1, 1)
    with warnings.catch_warnings(), atomic(target, overwrite) as temporary:
        warnings.simplefilter("ignore")
        program = torch.export.export(
            model.module, (image,), dynamic_shapes=({0: torch.export.Dim("batch")},)
        )
        torch.export.save(program, temporary, extra_files={KEY: model.spec.to_json()})
