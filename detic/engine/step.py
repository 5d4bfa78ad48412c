"""One optimization step: losses of one or several batches, their gradients, the update."""

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from detectron2.utils import comm
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from detic.errors import InputError, some_of
from detic.plan.optimization import PrecisionParams
from detic.transfer import Fetched

Batch = list[dict]


class TrainingStep:
    """One step of training: the losses, then an update of the weights.

    All random draws of the model depend on the seed, the iteration and the batch's place among the
    batches of the step alone, so that a resumed run, or one process in place of several,
    repeats the same numbers.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: PrecisionParams,
        accumulate: int,
        seed: int,
    ):
        """``accumulate``: batches per step of this process."""
        self.model = model
        self.optimizer = optimizer
        self.precision = precision
        self.accumulate = accumulate
        self.seed = seed
        self.device = next(model.parameters()).device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision.scale_gradients)
        self._unchecked: list[_LossReading] = []

    def __call__(self, iteration: int, batches: Sequence[Batch]) -> dict[str, Tensor]:
        """Update the weights and return each loss, averaged over the batches of this process.

        The losses, scalars, stay on the device. On a GPU those of a step are checked in the next
        one, before it updates the weights, since the GPU is still at work when this returns.

        Raises:
            InputError: a loss is not finite; names it, its iteration and the images.
        """
        self.optimizer.zero_grad(set_to_none=True)
        readings: list[_LossReading] = []
        counts = self._shared_counts(batches)
        for i, batch in enumerate(batches):
            is_last = i == len(batches) - 1
            with self._synchronized(is_last):
                losses = self._losses(iteration, i, batch, counts)
                total: Any = sum(losses.values())
                self.scaler.scale(total / len(batches)).backward()
            names = readings[0].names if readings else list(losses)  # kinds of batches order them
            in_order = {name: losses[name] for name in names}
            readings.append(_LossReading(in_order, iteration, batch))
        self.check_losses()  # of the step before
        self._unchecked = readings
        if self.device.type == "cpu":
            self.check_losses()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        mean = torch.stack([r.on_device for r in readings]).mean(dim=0)
        return dict(zip(readings[0].names, mean.unbind(), strict=True))

    def check_losses(self) -> None:
        """Check the losses of the last step.

        Raises:
            InputError: one is not finite; names it, its iteration and the images.
        """
        for reading in self._unchecked:
            reading.check()
        self._unchecked = []

    def _losses(
        self, iteration: int, place: int, batch: Batch, object_counts: Tensor | None
    ) -> dict[str, Tensor]:
        place += comm.get_rank() * self.accumulate
        torch.manual_seed(derived_seed(self.seed, iteration, place))
        with torch.autocast(
            self.device.type, self.precision.dtype, enabled=self.precision.whole_model
        ):
            return self.model(batch, *([] if object_counts is None else [object_counts]))

    def _synchronized(self, enabled: bool) -> contextlib.AbstractContextManager:
        """Return a context in which gradients are averaged over processes only if ``enabled``."""
        if isinstance(self.model, DistributedDataParallel) and not enabled:
            return self.model.no_sync()
        return contextlib.nullcontext()

    def _shared_counts(self, batches: Sequence[Batch]) -> Tensor | None:
        """Return the mean counts of objects over the step's batches; None for one batch.

        The losses of all batches are normalised by them, as those of processes are.
        """
        if len(batches) == 1:
            return None
        model: Any = unwrap(self.model)
        counts = [model.count_targets(batch) for batch in batches]
        return None if counts[0] is None else torch.stack(counts).mean(dim=0)


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside DistributedDataParallel."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def derived_seed(*numbers: int) -> int:
    """Return a seed that is a mix of ``numbers``; equal numbers give equal seeds."""
    mixed = 0
    for number in numbers:
        # splitmix64's multiplier spreads neighbouring numbers over all bits.
        mixed = ((mixed ^ number) * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64
        mixed ^= mixed >> 29
    return mixed % 2**63


class _LossReading:
    """The losses of a batch on their way from the device."""

    def __init__(self, losses: dict[str, Tensor], iteration: int, batch: Batch):
        self.names = list(losses)
        self.on_device = torch.stack([loss.detach().float() for loss in losses.values()])
        self._iteration = iteration
        self._images = [str(x.get("file_name", x.get("image_id"))) for x in batch]
        self._values = Fetched(self.on_device)

    def check(self) -> None:
        """Raise an InputError if a loss is not finite."""
        finite = torch.isfinite(self._values.get()).tolist()
        broken = [name for name, is_finite in zip(self.names, finite, strict=True) if not is_finite]
        if broken:
            raise InputError(
                f"iteration {self._iteration}: {', '.join(broken)} is not finite in the batch of "
                f"images {some_of(self._images)}; look at their annotations, lower SOLVER.BASE_LR or "
                "lengthen the warm-up, then continue from the last checkpoint with --resume"
            )
