"""What each choice of the bundled model brings, one at a time:
python docs/recipes/default_model_ablation.py WORK DATA OUTPUT [VARIANT ...] [--steps 160]

WORK holds the chips of default_model_chips.py, DATA the public data sets. Every variant is a short
training on a CPU, the same but for what it is named by, and is scored on places that none of them
has seen, those of benchmarks/model.py. OUTPUT receives the models and their scores; variants that
it holds are not trained again, and the table has all that it holds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from default_model_gpu import (
    Atlas,
    Shares,
    coarse_or_grey,
    colours_of_another,
    panchromatic,
    paste,
    rate,
)
from rasterio.errors import NotGeoreferencedWarning
from torch import nn

import geoseg
from geoseg.models import modelfile, pretrained
from geoseg.specs import ModelSpec
from geoseg.training import losses
from geoseg.training.augment import Colour
from geoseg.training.average import moving_average

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import model as places

BATCH, CROP = 16, 256
GENERATED = "generated", "wooded", "bare"
UNSEEN = [place for place in places.PLACES if place.scored]


@dataclass(frozen=True)
class Variant:
    """A short training: the network and its weights at the start, the loss, the strength of the
    colour changes, the sets left out, how many times the share of generated scenes, whether crops
    are changed as the recipe does, how much of the average's past stays at each step, and the share
    of the learning rate that the encoder has.
    """

    architecture: str = "unet"
    encoder: str = "efficientnet_lite0"
    weights: str = "imagenet"
    options: dict[str, Any] = field(
        default_factory=lambda: {"decoder_channels": [128, 64, 32, 16, 8]}
    )
    boundary: bool = True
    loss: str = "auto"
    colour: float = 1.0
    without: tuple[str, ...] = ()
    generated: float = 1.0
    changed: bool = True
    average: float = 0.97
    longer: int = 1
    encoder_rate: float = 1.0
    seed: int = 0


VARIANTS = {
    "as it is": Variant(),
    "the same, another seed": Variant(seed=1),
    "EfficientNet-Lite2": Variant(encoder="efficientnet_lite2"),
    "ResNet-18, random start": Variant(encoder="resnet18", weights="none"),
    "random start": Variant(weights="none"),
    "decoder: FPN": Variant("fpn", options={}),
    "decoder: UNet++, 64-32-16-16-8": Variant(
        "unetplusplus", options={"decoder_channels": [64, 32, 16, 16, 8]}
    ),
    "no boundary class": Variant(boundary=False),
    "loss: cross entropy": Variant(loss="ce"),
    "loss: cross entropy and Lovász": Variant(loss="ce+lovasz"),
    "loss: focal and dice": Variant(loss="focal+dice"),
    "colours changed by 0.3": Variant(colour=0.3),
    "no pasted roofs, coarse, grey, and foreign colours": Variant(changed=False),
    "no averaged weights": Variant(average=0.0),
    "twice as long": Variant(longer=2),
    "the encoder at 0.3 of the rate": Variant(encoder_rate=0.3),
    "0.3, another seed": Variant(encoder_rate=0.3, seed=1),
    "the encoder at 0.1 of the rate": Variant(encoder_rate=0.1),
    "0.1, another seed": Variant(encoder_rate=0.1, seed=1),
    "no generated scenes": Variant(generated=0.0),
    "twice as many generated scenes": Variant(generated=2.0),
    "without Dubai's ground": Variant(without=("dubai",)),
    "without Zanzibar": Variant(without=("zanzibar",)),
    "without Banepa": Variant(without=("banepa", "centre", "north")),
    "without Dhaka": Variant(without=("dhaka",)),
    "without Nacala": Variant(without=("nacala",)),
    "without Lyon": Variant(without=("lyon",)),
}


def train(variant: Variant, atlas: Atlas, steps: int) -> tuple[ModelSpec, nn.Module]:
    """The averaged network after so many batches of crops, times ``longer``."""
    torch.manual_seed(variant.seed)
    np.random.seed(variant.seed)
    spec = ModelSpec(
        variant.architecture,
        variant.encoder,
        classes=("background", "building", "boundary")[: 3 if variant.boundary else 2],
        options=tuple(variant.options.items()),
        size=CROP,
    )
    network = pretrained.create_network(spec, variant.weights)[0]
    network = network.to(memory_format=torch.channels_last).train()
    average = moving_average(network, variant.average)
    loss_of = losses.build(variant.loss, spec.channels)
    optimizer = optimizer_of(network, variant.encoder_rate)
    colour, shares, steps = Colour(3, variant.colour), Shares(), steps * variant.longer
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate((step + 1) / steps) * group["share"]
        image, mask, empty = atlas.crops(BATCH, CROP)
        if variant.changed:
            image, mask = paste(image, mask, empty)
            image = coarse_or_grey(image, shares.coarse)
            image = panchromatic(colours_of_another(image, shares.transfer), shares.panchromatic)
        if not variant.boundary:
            mask = torch.where(mask == 2, 1, mask)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(colour(image).to(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), mask)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)
    return spec, average.module


def optimizer_of(network: nn.Module, encoder_rate: float) -> torch.optim.Optimizer:
    encoder, others = [], []
    for name, weights in network.named_parameters():
        (encoder if name.startswith("network.encoder.") else others).append(weights)
    groups = [
        {"params": others, "share": 1.0},
        {"params": encoder, "share": encoder_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.05)


def atlas_of(work: Path, variant: Variant, folder: Path) -> Atlas:
    """The chips of the sets that ``variant`` learns from, listed in ``folder``; never Geneva's,
    which an earlier model labelled, nor the coarse copies, for crops are made coarse here.
    """
    lines = []
    for line in (work / "sets.txt").read_text().splitlines():
        chips, share = line.rsplit(" ", 1)
        times = variant.generated if Path(chips).name in GENERATED else 1.0
        lines += [f"{chips} {float(share) * times}\n"] * (times > 0)
    (folder / "sets.txt").write_text("".join(lines))
    return Atlas.read(folder, ["geneva", "coarse", *variant.without])


def score(model: Path, data: Path, work: Path) -> dict[str, float]:
    """Mean pixel IoU of the unseen places at 0.5 and at the best threshold, mean footprint F1."""
    curves, f1 = [], []
    for place in UNSEEN:
        found = places.scenes(place, data, work)
        maps = places.probabilities(model, found, work)
        curves.append(places.ious(places.histograms(maps, [scene.truth for scene in found])))
        if place.footprints:
            geoseg.extract(found[0].path, work / "found.gpkg", model=model, overwrite=True)
            f1.append(geoseg.evaluate(work / "found.gpkg", found[0].footprints).object["f1"])
    mean = np.mean(curves, axis=0)
    return {"iou": mean[127], "best": mean.max(), "f1": float(np.mean(f1))}


def run(variant: Variant, stem: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Train, export and score ``variant``; its model lies beside ``stem``."""
    trained, exported = stem.with_suffix(".safetensors"), stem.with_suffix(".onnx")
    with tempfile.TemporaryDirectory() as folder:
        atlas = atlas_of(arguments.work, variant, Path(folder))
        spec, network = train(variant, atlas, arguments.steps)
        modelfile.save(trained, spec, network.state_dict(), True)
        geoseg.export(trained, exported, overwrite=True)
        return score(exported, arguments.data, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help="all by default")
    parser.add_argument("--steps", type=int, default=160)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    arguments.output.mkdir(parents=True, exist_ok=True)
    kept = {
        name: arguments.output / f"{''.join(filter(str.isalnum, name))}.json" for name in VARIANTS
    }
    for name in arguments.variants or VARIANTS:
        if not kept[name].is_file():
            scores = run(VARIANTS[name], kept[name], arguments)
            kept[name].write_text(json.dumps(scores, default=float))
    print("| | mean IoU at 0.5 | at the best threshold | footprint F1 |\n| --- | --- | --- | --- |")
    for name, path in kept.items():
        if path.is_file():
            print(f"| {name} |", *(f"{v:.3f} |" for v in json.loads(path.read_text()).values()))


if __name__ == "__main__":
    main()
