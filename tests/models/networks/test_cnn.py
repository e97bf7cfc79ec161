"""The WHU study's CNN, layer by layer."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from geoseg.models.networks.cnn import CNN  # noqa: E402

PARAMETERS = [
    1_792, 128, 55_392, 192, 110_720, 256, 295_168, 512, 590_080, 131_200, 147_584, 256, 32_832, 36_928, 128, 65,
]  # fmt: skip
SIZES = [510, 508, 254, 252, 250, 125, 62, 124, 122, 244, 242, 242, 512]


def test_parameters_of_every_layer() -> None:
    model = CNN()
    counts = [sum(p.numel() for p in layer.parameters()) for layer in model.layers]
    assert [count for count in counts if count] == PARAMETERS
    assert sum(counts) == 1_403_233


def test_sizes_of_every_layer() -> None:
    model = CNN().eval()
    sizes: list[int] = []
    resizing = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.MaxPool2d)
    for layer in model.layers:
        if isinstance(layer, resizing):
            layer.register_forward_hook(lambda _, __, out: sizes.append(out.shape[-2]))
    with torch.no_grad():
        sizes.append(model(torch.zeros(1, 3, 512, 480)).shape[-2])
    assert sizes == SIZES


def test_relu_then_batch_norm_after_every_convolution_but_the_strided_one() -> None:
    layers = list(CNN().layers)
    for i, layer in enumerate(layers):
        if type(layer) is torch.nn.Conv2d:
            assert isinstance(layers[i + 1], torch.nn.ReLU)
            assert isinstance(layers[i + 2], torch.nn.BatchNorm2d) == (layer.stride == (1, 1))


def test_features_lie_where_they_were_seen() -> None:
    """What the network knows of a pixel stands at that pixel: a gradient sent back from a place
    arrives around it.
    """
    torch.manual_seed(0)
    model = CNN().eval()
    image = torch.rand(1, 3, 200, 264, requires_grad=True)
    for row, col in ((60, 201), (130, 40), (101, 132)):
        (gradient,) = torch.autograd.grad(model(image)[0, 0, row, col], image)
        weight = gradient[0].abs().sum(0)
        rows, cols = torch.meshgrid(torch.arange(200.0), torch.arange(264.0), indexing="ij")
        centre = (
            float((weight * rows).sum() / weight.sum()),
            float((weight * cols).sum() / weight.sum()),
        )
        assert abs(centre[0] - row) < 4 and abs(centre[1] - col) < 4
