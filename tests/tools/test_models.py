"""The list of architectures, with torch and without."""

from __future__ import annotations

import subprocess
import sys

import pytest

from geoseg.errors import UsageError
from geoseg.specs import ARCHITECTURES
from geoseg.tools import models


def test_every_architecture_is_there_with_its_size() -> None:
    pytest.importorskip("torch")
    report = models.run()
    found = {row["name"]: row for row in report.models}
    assert list(found) == list(ARCHITECTURES) and report.warnings == () and report.encoders == ()
    # VGG16 with its fully connected layers as convolutions: http://arxiv.org/abs/1411.4038 gives
    # 134 M
    assert round(found["fcn8s"]["parameters"] / 1e6) == 134
    assert found["cnn"]["encoder"] is None and found["unet"]["encoder"] == "efficientnet_lite0"
    assert all(row["gflop_per_megapixel"] > 1 and 8 <= row["stride"] <= 32 for row in report.models)


def test_an_encoder_goes_with_most_architectures() -> None:
    pytest.importorskip("torch")
    report = models.run(encoder="tu-mobilenetv3_small_050", encoders=True)
    rows = {row["name"]: row for row in report.models}
    assert "unet" in rows and not {"cnn", "fcn8s"} & set(rows)
    assert rows["unet"]["encoder"] == "tu-mobilenetv3_small_050"
    assert {"resnet18", "mit_b0", "efficientnet_lite2"} < set(report.encoders)
    with pytest.raises(UsageError, match="nonesuch"):
        models.run(encoder="nonesuch")


def test_without_torch_the_names_are_told() -> None:
    code = """
import sys
sys.modules["torch"] = None
from geoseg.errors import ResourceError
from geoseg.tools import models
report = models.run()
assert {"name": "unet", "encoder": "efficientnet_lite0"} in report.models and len(report.models) == 13
assert "torch" in report.warnings[0]
try:
    models.run(encoders=True)
except ResourceError as error:
    assert "geoseg[train]" in str(error)
else:
    raise AssertionError
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
