import pytest

pytest.importorskip("torch")

from geoseg.models.registry import ARCHITECTURES
from geoseg.tools import models


def test_every_architecture_is_there_with_its_size() -> None:
    found = {row["name"]: row for row in models.run().models}
    assert found.keys() == ARCHITECTURES.keys()
    # VGG16 with its fully connected layers as convolutions: http://arxiv.org/abs/1411.4038 gives 134 M
    assert round(found["fcn8s"]["parameters"] / 1e6) == 134
    assert found["cnn"]["encoder"] is None and found["unet"]["encoder"] == "resnet34"
