"""The contract that every architecture keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from geoseg.errors import ModelError, UsageError  # noqa: E402
from geoseg.inference.runtimes import open_runtime  # noqa: E402
from geoseg.models import modelfile  # noqa: E402
from geoseg.models.registry import build, describe, has_global_context, load_weights  # noqa: E402
from geoseg.models.store import load  # noqa: E402
from geoseg.specs import ARCHITECTURES, ModelSpec, PredictSpec  # noqa: E402


class Architecture:
    """Tests of one architecture; subclasses name its ``spec``. Exports that take long wait for
    --slow.
    """

    spec: ModelSpec
    quick_export = False

    def model(self, **changes: object) -> torch.nn.Module:
        torch.manual_seed(1)
        return build(ModelSpec(**{**vars(self.spec), **changes}))

    def settled(self) -> torch.nn.Module:
        """The model with statistics of batches in its normalisations, without which it answers
        alike to everything.
        """
        model = self.model().train()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            model(torch.rand(4, 3, 96, 160))
        return model

    def test_logits_have_the_size_of_the_image_whatever_it_is(self) -> None:
        model = self.model().eval()
        for height, width in ((64, 96), (75, 101), (32, 33)):
            with torch.no_grad():
                out = model(torch.rand(2, 3, height, width))
            assert out.shape == (2, 1, height, width)
            assert out.isfinite().all() and out.std() > 0

    def test_bands_and_classes(self) -> None:
        model = self.model(bands=5, classes=("a", "b", "c"), mean=(0.5,) * 5, std=(0.2,) * 5).eval()
        with torch.no_grad():
            assert model(torch.rand(1, 5, 64, 96)).shape == (1, 3, 64, 96)

    @pytest.mark.parametrize("batch", [1, 2])
    def test_every_parameter_learns(self, batch: int) -> None:
        model = self.model().train()
        model(torch.rand(batch, 3, 96, 64)).sigmoid().mean().backward()
        assert not [name for name, p in model.named_parameters() if p.grad is None]
        assert all(p.grad.isfinite().all() for p in model.parameters())

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

    def test_its_export_gives_the_same(self, tmp_path: Path, pytestconfig: pytest.Config) -> None:
        if not (self.quick_export or pytestconfig.getoption("--slow")):
            pytest.skip("heavy; runs with --slow")
        pytest.importorskip("onnx")
        from geoseg.models.exportable import exportable
        from geoseg.models.onnxfile import export

        path = tmp_path / "model.safetensors"
        modelfile.save(path, self.spec, self.settled().state_dict())
        export(exportable(path, 160), path.with_suffix(".onnx"))
        window = PredictSpec(precision="fp32", tile_size=160)
        image = np.random.default_rng(0).random((1, 3, 160, 160), "float32")  # square: windows are
        ours, theirs = (
            open_runtime(p, window, 160)(image) for p in (path, path.with_suffix(".onnx"))
        )
        # the export keeps its weights as float16
        assert ours.std() > 1e-3 and abs(ours - theirs).mean() < 0.05 * ours.std()
        state, again = (load(p)[1] for p in (path, path.with_suffix(".onnx")))
        assert state.keys() == again.keys()
        counts = {name for name in state if name.endswith("num_batches_tracked")}
        for name in state.keys() - counts:
            torch.testing.assert_close(again[name], state[name], rtol=2**-11, atol=2**-24)


class TestCNN(Architecture):
    spec = ModelSpec("cnn")
    quick_export = True


class TestFCN8s(Architecture):
    spec = ModelSpec("fcn8s", "vgg16", options=(("hidden", 32),))


class TestFCN8sWithBatchNorm(Architecture):
    spec = ModelSpec("fcn8s", "vgg16_bn", options=(("hidden", 32),))


class TestUNet(Architecture):
    spec = ModelSpec("unet", "resnet18", options=(("decoder_channels", (32, 32, 16, 16, 8)),))
    quick_export = True


class TestUNetPlusPlus(Architecture):
    spec = ModelSpec(
        "unetplusplus", "resnet18", options=(("decoder_channels", (32, 32, 16, 16, 8)),)
    )


class TestFPN(Architecture):
    spec = ModelSpec("fpn", "tu-mobilenetv3_small_050", options=(("decoder_pyramid_channels", 32),))


class TestLinknet(Architecture):
    spec = ModelSpec("linknet", "tu-mobilenetv3_small_050")


class TestMAnet(Architecture):
    spec = ModelSpec(
        "manet", "tu-mobilenetv3_small_050", options=(("decoder_channels", (16, 16, 8, 8, 8)),)
    )


class TestPAN(Architecture):
    spec = ModelSpec("pan", "tu-mobilenetv3_small_050")


class TestPSPNet(Architecture):
    spec = ModelSpec("pspnet", "resnet18")
    quick_export = True


class TestDeepLabV3(Architecture):
    spec = ModelSpec("deeplabv3", "tu-mobilenetv3_small_050", options=(("decoder_channels", 32),))


class TestDeepLabV3Plus(Architecture):
    spec = ModelSpec("deeplabv3plus", "tu-mobilenetv3_small_050")


class TestUPerNet(Architecture):
    spec = ModelSpec("upernet", "tu-mobilenetv3_small_050", options=(("decoder_channels", 32),))


class TestSegFormer(Architecture):
    spec = ModelSpec("segformer", "mit_b0", options=(("decoder_segmentation_channels", 32),))


def test_every_architecture_has_its_contract() -> None:
    assert {kind.spec.architecture for kind in Architecture.__subclasses__()} == set(ARCHITECTURES)


@pytest.mark.parametrize(
    ("name", "encoder", "parameters", "stride"),
    [
        ("cnn", None, 1_403_233, 8),
        ("fcn8s", "vgg16", 134_265_699, 32),
        ("deeplabv3plus", "mit_b0", 4_136_049, 16),
    ],
)
def test_a_model_is_described_without_its_weights(
    name: str, encoder: str | None, parameters: int, stride: int
) -> None:
    row = describe(name, encoder)
    assert (row["parameters"], row["stride"]) == (parameters, stride)


@pytest.mark.parametrize(
    ("encoder", "parameters"),
    [("resnet34", 1_548_945), ("mobilenet_v2", 651_409), ("tu-resnet18", 884_113)],
)
def test_an_encoder_of_less_depth_holds_and_trains_no_more_than_it_uses(
    encoder: str, parameters: int
) -> None:
    options = (("encoder_depth", 3), ("decoder_channels", (64, 32, 16)))
    model = build(ModelSpec("unet", encoder, options=options)).train()
    model(torch.rand(2, 3, 64, 96)).mean().backward()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert all((p.grad is not None) == p.requires_grad for p in model.parameters())


def test_operations_are_those_of_the_layers() -> None:
    """The study's CNN at 512 pixels: two for each weight of a convolution and pixel that it
    gives.
    """
    layers = [
        (3, 64, 510),
        (64, 96, 508),
        (96, 128, 252),
        (128, 256, 250),
        (256, 256, 62),
        (128, 128, 122),
        (64, 64, 242),
    ]
    convolutions = sum(2 * 9 * inputs * outputs * side**2 for inputs, outputs, side in layers)
    up = 2 * 4 * (256 * 128 * 62**2 + 128 * 64 * 122**2) + 2 * 64 * 242**2
    assert describe("cnn", None)["gflop_per_megapixel"] == pytest.approx(
        (convolutions + up) / 512**2 / 1e3, abs=0.06
    )


def test_fcn8s_starts_as_bilinear_interpolation() -> None:
    up = build(ModelSpec("fcn8s", options=(("hidden", 64),))).network.up8
    column = torch.rand(1, 1, 6, 1).expand(1, 1, 6, 9)
    with torch.no_grad():
        out = up(column)
    expected = torch.nn.functional.interpolate(
        column, scale_factor=8, mode="bilinear", align_corners=False
    )
    assert torch.allclose(out[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8], atol=1e-5)


def test_fcn8s_gradients_are_finite_in_bfloat16_on_the_smallest_crops() -> None:
    """A crop of 64 pixels ends as a map of 2x2. Stale memory full of NaN shows whether a kernel
    reads what nobody wrote.
    """
    network = (
        build(ModelSpec("fcn8s", options=(("hidden", 32),)))
        .network.to(memory_format=torch.channels_last)
        .train()
    )
    for seed in range(12):
        torch.manual_seed(seed)
        stale = [torch.full((500_000,), float("nan")) for _ in range(3)]
        del stale
        with torch.autocast("cpu", torch.bfloat16):
            out = network.classify(torch.rand(2, 512, 2, 2).to(memory_format=torch.channels_last))
        network.zero_grad()
        out.float().mean().backward()
        assert all(p.grad.isfinite().all() for p in network.classifier.parameters())


@pytest.mark.parametrize(
    "spec",
    [ModelSpec("nonesuch"), ModelSpec("unet", "nonesuch"), ModelSpec("cnn", options=(("x", 1),))],
)
def test_unknown_names_are_usage_errors(spec: ModelSpec) -> None:
    with pytest.raises(UsageError):
        build(spec)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        load_weights(
            build(ModelSpec("cnn")), build(TestUNet.spec).state_dict(), "other.safetensors"
        )


def test_normalisation_is_inside() -> None:
    image = torch.rand(1, 3, 64, 96)
    plain = build(ModelSpec("cnn", mean=(0.0,) * 3, std=(1.0,) * 3)).eval()
    shifted = build(ModelSpec("cnn", mean=(0.25,) * 3, std=(0.5,) * 3)).eval()
    shifted.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert torch.allclose(shifted(image), plain((image - 0.25) / 0.5), atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        (ModelSpec("cnn"), False),
        (ModelSpec("fcn8s", size=64), False),
        (ModelSpec("unet"), False),
        (ModelSpec("unet", "mobilenet_v2", bands=1, mean=(0.5,), std=(0.2,)), False),
        (ModelSpec("unet", "efficientnet-b0"), True),  # squeeze-and-excitation by a function
        (ModelSpec("unet", "tu-mobilenetv3_small_100"), True),  # by a module
        (ModelSpec("unet", "resnet18", options=(("decoder_attention_type", "scse"),)), True),
        (ModelSpec("unet", "mit_b0"), True),  # attention
        (ModelSpec("fpn", "resnet18"), True),  # group norms
        (ModelSpec("pspnet", "resnet18"), True),
        (ModelSpec("deeplabv3plus", "resnet18"), True),
    ],
)
def test_which_networks_look_at_the_whole_image(spec: ModelSpec, known: bool) -> None:
    assert has_global_context(build(spec), spec) is known
