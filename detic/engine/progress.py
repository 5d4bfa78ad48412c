"""What a training says while it runs."""

import logging
from datetime import timedelta

import torch
from detectron2.utils.events import EventWriter, get_event_storage

logger = logging.getLogger(__name__)

_WINDOW = 20  # iterations


class ProgressLine(EventWriter):
    """A line in the log: how far, how long still, the losses, the speed.

    Losses are means over the last iterations. Where batches of several kinds take turns each has the
    losses of all kinds, 0 for those of others, so the last values alone would jump.
    """

    def __init__(self, max_iter: int):
        self.max_iter = max_iter

    def write(self) -> None:
        storage = get_event_storage()
        done = storage.iter + 1
        latest = {
            name: value for name, (value, _) in storage.latest_with_smoothing_hint(_WINDOW).items()
        }
        seconds = storage.history("time").avg(100)
        eta = timedelta(seconds=int(seconds * (self.max_iter - done)))
        losses = "  ".join(
            f"{name} {storage.history(name).avg(_WINDOW):.3f}" for name in _loss_names(latest)
        )
        parts = [
            f"iteration {done}/{self.max_iter}",
            f"eta {eta}",
            losses,
            f"{storage.history('images_per_second').avg(_WINDOW):.1f} img/s",
            f"waiting for data {100 * latest['data_time'] / max(latest['time'], 1e-9):.0f}%",
            f"lr {latest['lr']:.2e}",
        ]
        if torch.cuda.is_available():
            parts.append(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        logger.info("  ".join(part for part in parts if part))


def _loss_names(latest: dict[str, float]) -> list[str]:
    """Return the total and the losses that are not stages of the same one, in stable order."""
    names = [name for name in latest if "loss" in name and "/" not in name]
    return sorted(names, key=lambda name: (name != "total_loss", name))
