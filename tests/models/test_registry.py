"""The contract that every architecture keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from geoseg.errors import ModelError, UsageError  # noqa: E402
from geoseg.models import modelfile  # noqa: E402
from geoseg.models.registry import ARCHITECTURES, build, describe, load_weights  # noqa: E402
from geoseg.specs import ModelSpec  # noqa: E402


class Architecture:
    """Tests of one architecture; subclasses name its ``spec``."""

    spec: ModelSpec

    def model(self, **changes: object) -> torch.nn.Module:
        torch.manual_seed(1)
        return build(ModelSpec(**{**vars(self.spec), **changes}))

    @pytest.mark.parametrize("shape", [(64, 96), (75, 101)])
    def test_logits_have_the_size_of_the_image(self, shape: tuple[int, int]) -> None:
        with torch.no_grad():
            out = self.model().eval()(torch.rand(2, 3, *shape))
        assert out.shape == (2, 1, *shape)
        assert (out.amin() < 0) or (out.amax() > 1) or out.std() > 0

    def test_bands_and_classes(self) -> None:
        model = self.model(bands=5, classes=("a", "b", "c"), mean=(0.5,) * 5, std=(0.2,) * 5).eval()
        with torch.no_grad():
            assert model(torch.rand(1, 5, 64, 96)).shape == (1, 3, 64, 96)

    def test_every_parameter_learns(self) -> None:
        model = self.model().train()
        model(torch.rand(2, 3, 96, 64)).sigmoid().mean().backward()
        silent = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert not silent

    def test_saved_and_loaded_it_is_the_same(self, tmp_path: Path) -> None:
        model = self.model().eval()
        path = tmp_path / "model.safetensors"
        modelfile.save(path, self.spec, model.state_dict())
        spec, state = modelfile.load(path)
        torch.manual_seed(2)
        again = build(spec).eval()
        load_weights(again, state, str(path))
        image = torch.rand(1, 3, 64, 96)
        with torch.no_grad():
            assert torch.equal(model(image), again(image))


class TestCNN(Architecture):
    spec = ModelSpec("cnn")


class TestUNet(Architecture):
    spec = ModelSpec("unet", "resnet18", options=(("decoder_channels", (32, 32, 16, 16, 8)),))


class TestFCN8s(Architecture):
    spec = ModelSpec("fcn8s", "vgg16", options=(("hidden", 64),))


class TestFPN(Architecture):
    spec = ModelSpec("fpn", "resnet18")


def test_models_are_described_without_their_weights() -> None:
    rows = {row["name"]: row["parameters"] for row in describe()}
    assert set(rows) == set(ARCHITECTURES)
    assert rows["cnn"] == 1_403_233
    assert rows["fcn8s"] > 134_000_000


def test_fcn8s_starts_as_bilinear_interpolation() -> None:
    up = build(ModelSpec("fcn8s", options=(("hidden", 64),))).network.up8
    column = torch.rand(1, 1, 6, 1).expand(1, 1, 6, 9)
    with torch.no_grad():
        out = up(column)
    expected = torch.nn.functional.interpolate(column, scale_factor=8, mode="bilinear", align_corners=False)
    assert torch.allclose(out[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8], atol=1e-5)


def test_fcn8s_gradients_are_finite_in_bfloat16_on_the_smallest_crops() -> None:
    """A crop of 64 pixels ends as a map of 2x2. Stale memory full of NaN shows whether a kernel reads what nobody wrote."""
    network = build(ModelSpec("fcn8s", options=(("hidden", 32),))).network.to(memory_format=torch.channels_last).train()
    for seed in range(12):
        torch.manual_seed(seed)
        stale = [torch.full((500_000,), float("nan")) for _ in range(3)]
        del stale
        with torch.autocast("cpu", torch.bfloat16):
            out = network._classify(torch.rand(2, 512, 2, 2).to(memory_format=torch.channels_last))
        network.zero_grad()
        out.float().mean().backward()
        assert all(p.grad.isfinite().all() for p in network.classifier.parameters())


@pytest.mark.parametrize("spec", [ModelSpec("nonesuch"), ModelSpec("unet", "nonesuch"), ModelSpec("cnn", options=(("x", 1),))])
def test_unknown_names_are_usage_errors(spec: ModelSpec) -> None:
    with pytest.raises(UsageError):
        build(spec)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        load_weights(build(ModelSpec("cnn")), build(TestUNet.spec).state_dict(), "other.safetensors")


def test_normalisation_is_inside() -> None:
    image = torch.rand(1, 3, 64, 96)
    plain = build(ModelSpec("cnn", mean=(0.0,) * 3, std=(1.0,) * 3)).eval()
    shifted = build(ModelSpec("cnn", mean=(0.25,) * 3, std=(0.5,) * 3)).eval()
    shifted.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert torch.allclose(shifted(image), plain((image - 0.25) / 0.5), atol=1e-5)
