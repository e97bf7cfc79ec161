"""Weights of a file: found by name and shape, told of strictly, refused where they are another
network's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
import timm  # noqa: E402
import torchvision  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from geoseg.errors import InputError, ModelError, UsageError  # noqa: E402
from geoseg.models import pretrained  # noqa: E402
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
    model, told = create_network(UNET, str(path))
    assert told == "encoder: 100 of 102 tensors matched; left: fc.*"
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
    model, told = create_network(spec, str(path))
    assert told is not None and told.startswith("encoder: 100 of 102")
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
        told = load_file(same, tmp_path / f"{name}.safetensors")
        count = int(told.split()[1])
        assert told == f"network: {count} of {count} tensors matched"
        assert all(
            torch.equal(a, b) for a, b in zip(same.parameters(), source.parameters(), strict=True)
        )
    other = build(ModelSpec("unet", "resnet18", classes=("a", "b", "c"), options=SMALL))
    told = load_file(other, tmp_path / "smp.safetensors")
    assert (
        told
        == f"network: {count - 2} of {count} tensors matched; left: segmentation_head.*; not in the file: segmentation_head.*"
    )


def test_timm_whose_names_change_with_its_features(tmp_path: Path) -> None:
    torch.manual_seed(7)
    classifier = timm.create_model("convnext_atto")
    torch.save(classifier.state_dict(), tmp_path / "atto.pth")
    model, told = create_network(ModelSpec("fpn", "tu-convnext_atto"), str(tmp_path / "atto.pth"))
    assert told is not None and told.endswith("left: head.*")
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
    model, told = create_network(spec, str(tmp_path / "vgg.safetensors"))
    assert told == f"encoder: {count} of {count} tensors matched; not in the file: classifier.*"
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
    model, told = create_network(ModelSpec("fcn8s", "vgg16"), "imagenet")
    assert (
        told
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
