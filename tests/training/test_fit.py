"""Runs in one process and in two, with little memory, with loggers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from geoseg.errors import ResourceError, UnsuitableError  # noqa: E402
from geoseg.io.run_folder import BEST, read_epochs  # noqa: E402
from geoseg.models.modelfile import load  # noqa: E402
from geoseg.training.fit import LAST, TrainingRun, check_devices, fit, train  # noqa: E402
from geoseg.training.launch import launch, rank  # noqa: E402
from geoseg.training.module import SegmentationModule  # noqa: E402
from tests.training.jobs import QUICK, job  # noqa: E402


def silent(label: object, total: int):
    return lambda count: None


def limit_memory(monkeypatch: pytest.MonkeyPatch, most: int, epoch: int) -> None:
    """From ``epoch`` on, batches of more than ``most`` images do not fit."""
    loss = SegmentationModule.batch_loss

    def limited(self: SegmentationModule, batch: list[torch.Tensor]) -> torch.Tensor:
        if len(batch[0]) > most and self.current_epoch >= epoch:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(self, batch)

    monkeypatch.setattr(SegmentationModule, "batch_loss", limited)


def test_when_memory_runs_out_it_goes_on_with_half_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(job(tmp_path / "whole", batch_size=4, samples=8), resume=False, progress=silent)
    limit_memory(monkeypatch, most=1, epoch=1)
    done = train(job(tmp_path / "little", batch_size=4, samples=8), resume=False, progress=silent)
    assert (done.spec.batch_size, done.spec.accumulate) == (1, 4)
    whole, little = (read_epochs(tmp_path / name) for name in ("whole", "little"))
    assert [epoch["epoch"] for epoch in little] == [1, 2, 3]
    assert little[0]["loss"] == whole[0]["loss"] and little[2]["lr"] == whole[2]["lr"]
    steps = torch.load(tmp_path / "little" / LAST, weights_only=True)["global_step"]
    assert steps == 6  # of 4 images each, as without


def test_when_not_even_one_image_fits_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(monkeypatch, most=0, epoch=0)
    with pytest.raises(ResourceError, match="ran out of memory") as caught:
        train(job(tmp_path), resume=False, progress=silent)
    assert caught.value.exit_code == 7


def test_a_step_is_taken_every_so_many_batches(tmp_path: Path) -> None:
    train(job(tmp_path, samples=12, accumulate=3, epochs=2), resume=False, progress=silent)
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 2 * 2


def test_the_average_is_what_is_scored_and_kept(tmp_path: Path) -> None:
    train(job(tmp_path, ema=0.9, epochs=1), resume=False, progress=silent)
    best, last = (
        load(tmp_path / BEST)[1],
        torch.load(tmp_path / LAST, weights_only=True)["state_dict"],
    )
    name = next(name for name in best if best[name].is_floating_point())
    assert torch.equal(best[name], last[f"average.module.{name}"])
    assert not torch.equal(best[name], last[f"network.{name}"])


def test_it_stops_where_nothing_gets_better(tmp_path: Path) -> None:
    train(job(tmp_path, epochs=9, early_stop=2, lr=1e-12, samples=2), resume=False, progress=silent)
    assert len(read_epochs(tmp_path)) == 3


def test_a_run_that_lost_its_patience_goes_on_with_more_of_it_alone(tmp_path: Path) -> None:
    settings = {"epochs": 9, "lr": 1e-12, "samples": 2}
    for patience, resume, epochs in ((2, False, 3), (2, True, 3), (4, True, 5)):
        train(job(tmp_path, early_stop=patience, **settings), resume=resume, progress=silent)
        assert len(read_epochs(tmp_path)) == epochs


def test_a_resumed_run_takes_the_rate_and_the_decay_it_is_given(tmp_path: Path) -> None:
    given = {"schedule": "onecycle", "epochs": 1, "lr": 0.1, "weight_decay": 0.5, "samples": 8}
    train(job(tmp_path, **given), resume=False, progress=silent)
    given |= {"schedule": "constant", "epochs": 2, "lr": 0.003, "weight_decay": 0.25}
    train(job(tmp_path, **given), resume=True, progress=silent)
    state = torch.load(tmp_path / LAST, weights_only=True)
    (group,) = state["optimizer_states"][0]["param_groups"]
    assert [group[name] for name in ("lr", "initial_lr", "weight_decay")] == [0.003, 0.003, 0.25]


def test_tensorboard_has_the_scores(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(job(tmp_path, log=("csv", "tensorboard"), epochs=2), resume=False, progress=silent)
    read = events.EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    epochs = read_epochs(tmp_path)
    for name in ("loss", "iou"):
        assert [(e.step, e.value) for e in read.Scalars(name)] == [
            (e["epoch"], pytest.approx(e[name])) for e in epochs
        ]
    assert [e.value for e in read.Scalars("iou_building")] == pytest.approx(
        [e["iou"] for e in epochs]
    )


def test_mlflow_has_the_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy", reason="mlflow's database needs sqlalchemy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    train(job(tmp_path, log=("mlflow",), epochs=2), resume=False, progress=silent)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("geoseg").experiment_id])
    assert [m.value for m in client.get_metric_history(run.info.run_id, "iou")] == [
        e["iou"] for e in read_epochs(tmp_path)
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_what_is_not_there_is_said_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ResourceError, match="fp16 needs a GPU"):
        check_devices(replace(QUICK, precision="fp16"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"pip install tensorboard") as caught:
        check_devices(replace(QUICK, log=("csv", "tensorboard")))
    assert caught.value.exit_code == 7


def fit_and_look(job: TrainingRun) -> None:
    """Train in one process of several, and write down whether it is still joined to the others."""
    fit(job, False, silent)
    (job.run_dir / f"joined_{rank()}").write_text(str(torch.distributed.is_initialized()))


@pytest.mark.slow
def test_processes_part_when_all_is_done(tmp_path: Path) -> None:
    launch(2, fit_and_look, job(tmp_path, devices=2, samples=8, epochs=1))
    joined = {path.name: path.read_text() for path in tmp_path.glob("joined_*")}
    assert joined == {"joined_0": "False", "joined_1": "False"}


@pytest.mark.slow
def test_two_processes_share_the_work(tmp_path: Path) -> None:
    train(job(tmp_path, devices=2, samples=8, ema=0.5, epochs=2), resume=False, progress=silent)
    epochs = read_epochs(tmp_path)
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    # every validation pixel once, whoever looked at it
    assert sum(map(sum, epochs[-1]["confusion"])) == 5 * 40 * 56
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 2 * 2
    files = {LAST, BEST, "start.json", "epochs.json", "metrics.csv"}
    assert {path.name for path in tmp_path.iterdir()} == files


@pytest.mark.slow
def test_two_processes_agree_on_what_is_hard(tmp_path: Path) -> None:
    train(job(tmp_path, devices=2, samples=12, hard=0.9, epochs=1), resume=False, progress=silent)
    state = torch.load(tmp_path / LAST, weights_only=True)["callbacks"]
    losses = next(value for name, value in state.items() if name.startswith("HardExampleSampler"))[
        "losses"
    ]
    assert (~losses.isnan()).sum() > 6  # one process alone saw six at the most
    assert losses.nan_to_num().min() >= 0


@pytest.mark.slow
def test_the_error_of_one_process_is_the_runs(tmp_path: Path) -> None:
    with pytest.raises(
        UnsuitableError, match=r"^the loss became nan in epoch \d, batch \d+ \(lower `lr`"
    ):
        train(
            job(tmp_path, devices=2, lr=1e30, schedule="constant", samples=12),
            resume=False,
            progress=silent,
        )
