"""The course of the learning rate, and what moves the weights."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from geoseg.errors import UsageError  # noqa: E402
from geoseg.specs import TrainSpec  # noqa: E402
from geoseg.specs.settings import settings  # noqa: E402
from geoseg.training.optim import optimizer, rate_share, restart, schedule  # noqa: E402


def rates(steps: int, **given: object) -> list[float]:
    spec = TrainSpec(**given)
    return [rate_share(spec, steps, step) for step in range(steps)]


@given(
    st.sampled_from(settings(TrainSpec)["schedule"].choices),
    st.integers(1, 300),
    st.none() | st.floats(0, 0.9) | st.integers(1, 400),
)
def test_it_rises_to_the_top_through_the_warmup_and_never_after(
    name: str, steps: int, warmup: float | None
) -> None:
    shares = rates(steps, schedule=name, warmup=warmup)
    top = shares.index(max(shares))
    assert all(0 < share <= 1 for share in shares)
    assert shares[: top + 1] == sorted(shares[: top + 1]) and shares[top:] == sorted(
        shares[top:], reverse=True
    )


def test_one_cycle_is_torchs() -> None:
    over = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], 1.0)
    torchs = torch.optim.lr_scheduler.OneCycleLR(
        over, 1.0, total_steps=20, pct_start=0.35, cycle_momentum=False
    )
    expected = []
    for _ in range(20):
        expected.append(over.param_groups[0]["lr"])
        over.step()
        torchs.step() if len(expected) < 20 else None
    found = rates(20, schedule="onecycle", warmup=6)  # torch's top is at 0.35 * 20 - 1
    assert found == pytest.approx(expected, abs=1e-9)


def test_cosine_poly_and_constant_after_a_warmup() -> None:
    assert rates(8, schedule="constant", warmup=3) == pytest.approx(
        [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    )
    assert rates(4, schedule="poly") == pytest.approx([1, 0.75**0.9, 0.5**0.9, 0.25**0.9])
    assert rates(5, schedule="cosine", warmup=0.2) == pytest.approx(
        [0.5, 1, 0.85355, 0.5, 0.14645], abs=1e-4
    )


def test_steps_beyond_the_plan_are_no_error() -> None:
    for name in settings(TrainSpec)["schedule"].choices:
        spec = TrainSpec(schedule=name)
        assert rate_share(spec, 10, 14) == rate_share(spec, 10, 10)


def test_the_schedule_scales_the_rate() -> None:
    spec = TrainSpec(
        optimizer="sgd", momentum=0.8, nesterov=True, lr=0.5, schedule="poly", weight_decay=0.01
    )
    over = optimizer(spec, [torch.nn.Parameter(torch.ones(3))])
    course = schedule(spec, over, 4)
    over.step()
    course.step()
    group = over.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.8, True, 0.01)
    assert group["lr"] == pytest.approx(0.5 * 0.75**0.9)
    assert isinstance(
        optimizer(TrainSpec(), [torch.nn.Parameter(torch.ones(3))]), torch.optim.AdamW
    )


def test_other_settings_hold_from_the_first_step_of_a_resumed_run() -> None:
    begun = TrainSpec(lr=0.1, schedule="cosine", weight_decay=0.5)
    given = replace(begun, lr=0.02, weight_decay=0.25)
    before = optimizer(begun, [torch.nn.Parameter(torch.ones(3))])
    course = schedule(begun, before, 4)
    for _ in range(3):
        before.step()
        course.step()
    after = optimizer(given, [torch.nn.Parameter(torch.ones(3))])
    longer = schedule(given, after, 9)
    after.load_state_dict(before.state_dict())
    longer.load_state_dict(course.state_dict())
    restart(after, longer)
    for step in range(3, 9):
        assert after.param_groups[0]["lr"] == pytest.approx(0.02 * rate_share(given, 9, step))
        assert after.param_groups[0]["weight_decay"] == 0.25
        after.step()
        longer.step()


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimizer": "lion"},
        {"schedule": "step"},
        {"nesterov": True},
        {"warmup": -1.0},
        {"clip": -1.0},
        {"ema": 1.0},
        {"accumulate": 0},
        {"devices": 0},
        {"momentum": 1.0},
        {"log": ("csv", "paper")},
    ],
)
def test_settings_that_make_no_sense_are_usage_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        TrainSpec(**wrong)
