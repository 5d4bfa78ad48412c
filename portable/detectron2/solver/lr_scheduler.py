"""Learning rates from schedules over the progress of training, with a warm-up at the start."""

import bisect
import math

from fvcore.common.param_scheduler import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    LinearParamScheduler,
    ParamScheduler,
)
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class WarmupParamScheduler(CompositeParamScheduler):
    """A schedule that is approached from a small value during the first part of training."""

    def __init__(
        self,
        scheduler: ParamScheduler,
        warmup_factor: float,
        warmup_length: float,
        warmup_method: str = "linear",
        rescale_interval: bool = False,
    ):
        """
        Args:
            scheduler: the schedule after the warm-up.
            warmup_factor: first value, as a fraction of the first value of `scheduler`.
            warmup_length: length of the warm-up as a fraction of training, in [0, 1].
            warmup_method: "linear" rises to the value that `scheduler` has when the warm-up ends;
                "constant" stays at the first value.
            rescale_interval: squeeze the whole of `scheduler` into the time after the warm-up;
                otherwise the warm-up replaces its beginning.
        """
        first = warmup_factor * scheduler(0.0)
        last = scheduler(0.0 if rescale_interval else warmup_length)
        if warmup_method == "linear":
            warmup = LinearParamScheduler(first, last)
        elif warmup_method == "constant":
            warmup = ConstantParamScheduler(first)
        else:
            raise ValueError(f"unknown warm-up method '{warmup_method}'; choose linear or constant")
        super().__init__(
            [warmup, scheduler],
            lengths=[warmup_length, 1 - warmup_length],
            interval_scaling=["rescaled", "rescaled" if rescale_interval else "fixed"],
        )


class LRMultiplier(LRScheduler):
    """Sets the learning rates to their initial values times a schedule of the progress."""

    def __init__(
        self, optimizer: Optimizer, multiplier: ParamScheduler, max_iter: int, last_iter: int = -1
    ):
        """
        Args:
            optimizer: its learning rates are the initial values.
            multiplier: from progress in [0, 1] to a factor.
            max_iter: iterations of the whole training.
            last_iter: the last iteration that was done; -1 at the start.
        """
        self._multiplier = multiplier
        self._max_iter = max_iter
        super().__init__(optimizer, last_epoch=last_iter)

    def state_dict(self) -> dict:
        """Return the iteration and the initial rates: a resumed run may have another schedule."""
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}

    def get_lr(self) -> list[float]:
        """Return the learning rate of each parameter group in the current iteration."""
        factor = self._multiplier(self.last_epoch / self._max_iter)
        return [base_lr * factor for base_lr in self.base_lrs]


class _WarmupLR(LRScheduler):
    """A schedule over iterations whose first ones are multiplied by a rising factor."""

    def __init__(self, optimizer: Optimizer, warmup: tuple[str, int, float], last_epoch: int):
        """Take the method, the iterations and the first factor of the warm-up."""
        self._warmup = warmup
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the learning rate of each parameter group in the current iteration."""
        factor = _get_warmup_factor_at_iter(self._warmup[0], self.last_epoch, *self._warmup[1:])
        return [base_lr * factor * self._factor() for base_lr in self.base_lrs]

    def _factor(self) -> float:
        """Return the factor of the schedule itself in the current iteration."""
        raise NotImplementedError


class WarmupMultiStepLR(_WarmupLR):
    """Multiplies the learning rate by `gamma` at each milestone; new code uses `LRMultiplier`."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: list[int],
        gamma: float = 0.1,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
    ):
        """
        Args:
            milestones: rising iterations.
            warmup_factor: first value of a factor that rises to 1 in `warmup_iters` iterations.
            warmup_method: "linear", or "constant" until the end of the warm-up.
        """
        if list(milestones) != sorted(milestones):
            raise ValueError(f"milestones must rise, got {list(milestones)}")
        self._milestones = milestones
        self._gamma = gamma
        super().__init__(optimizer, (warmup_method, warmup_iters, warmup_factor), last_epoch)

    def _factor(self) -> float:
        return self._gamma ** bisect.bisect_right(self._milestones, self.last_epoch)


class WarmupCosineLR(_WarmupLR):
    """0.5 (1 + cos(pi * progress)) over `max_iters`; new code uses `LRMultiplier`."""

    def __init__(
        self,
        optimizer: Optimizer,
        max_iters: int,
        warmup_factor: float = 0.001,
        warmup_iters: int = 1000,
        warmup_method: str = "linear",
        last_epoch: int = -1,
    ):
        """See `WarmupMultiStepLR`; the warm-up multiplies the cosine."""
        self._max_iters = max_iters
        super().__init__(optimizer, (warmup_method, warmup_iters, warmup_factor), last_epoch)

    def _factor(self) -> float:
        return 0.5 * (1 + math.cos(math.pi * self.last_epoch / self._max_iters))


def _get_warmup_factor_at_iter(
    method: str, iter: int, warmup_iters: int, warmup_factor: float
) -> float:
    """Return the factor of a warm-up: `warmup_factor` at first, 1 from `warmup_iters` on."""
    if method not in ("linear", "constant"):
        raise ValueError(f"unknown warm-up method '{method}'; choose linear or constant")
    if iter >= warmup_iters:
        return 1.0
    progress = iter / warmup_iters if method == "linear" else 0.0
    return warmup_factor + (1 - warmup_factor) * progress
