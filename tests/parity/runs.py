"""What is done with the detector of a case, and which numbers are kept.

Each run returns arrays by ``<run>.<what>/<name>``.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.parity.arrays import Arrays, coarse, every_nth, statistics, to_array
from tests.parity.batches import box_batch, eval_batch, label_batch
from tests.parity.determinism import fixed_choices, without_dropout
from tests.parity.models import build, case_config, embedding_file, replace_classes
from tests.parity.noise import class_embeddings
from tests.parity.ours import EventStorage, Instances, read_embeddings
from tests.parity.recorded import Case
from tests.parity.values import first_names

# Recorded in place of the norm of a gradient
NO_GRADIENT, FROZEN = -1.0, -2.0


@dataclass(frozen=True)
class Subject:
    """The detector that the runs of a case share."""

    model: nn.Module
    num_classes: int
    num_box_classes: int  # classes with boxes come first
    with_masks: bool
    folder: Path  # for files


def run_case(case: Case, folder: Path) -> Arrays:
    """Return the numbers of all runs of a model case."""
    cfg = case_config(case, folder)
    subject = Subject(
        build(cfg),
        case.num_classes,
        min(case.num_classes, case.num_counted),
        cfg.MODEL.MASK_ON,
        folder,
    )
    arrays = {"model.state/names": state_names(subject.model)}
    for run in case.runs:
        arrays |= RUNS[run](subject)
    return arrays


def state_names(model: nn.Module) -> np.ndarray:
    """Return names and shapes of all tensors but the text encoder's."""
    return np.array(
        sorted(
            f"{name} {'x'.join(map(str, tensor.shape))}"
            for name, tensor in model.state_dict().items()
            if not name.startswith("text_encoder.")
        )
    )


def evaluate(subject: Subject, run: str, batch: list[dict], with_features: bool = True) -> Arrays:
    """Return features, proposals and detections."""
    model = subject.model.eval()
    with torch.no_grad(), fixed_choices(0), intermediate(model, run, with_features) as arrays:
        outputs = model(batch)
    for i, output in enumerate(outputs):
        arrays |= _detections(f"{run}.dets/{i}", output["instances"])
    return arrays


def train(subject: Subject, run: str, batch: list[dict], with_gradients: bool) -> Arrays:
    """Return losses, proposals and, if asked for, the norm of each parameter's gradient."""
    model = without_dropout(subject.model.train())
    with (
        EventStorage(0),
        fixed_choices(7),
        torch.set_grad_enabled(with_gradients),
        intermediate(model, run, with_features=False) as arrays,
    ):
        losses = model(batch)
    arrays |= {f"{run}.losses/{name}": np.array(loss.item()) for name, loss in losses.items()}
    if with_gradients:
        sum(losses.values()).backward()
        arrays |= _gradients(run, model)
        model.zero_grad(set_to_none=True)
    return arrays


@contextlib.contextmanager
def intermediate(model: nn.Module, run: str, with_features: bool) -> Iterator[Arrays]:
    """Yield a dict that receives the feature maps, if asked for, and the proposals of a pass."""
    arrays: Arrays = {}

    def keep_features(module, inputs, maps) -> None:
        for name, x in maps.items():
            prefix = f"{run}.features/{name}"
            arrays[f"{prefix}.shape"] = np.array(x.shape)
            arrays[f"{prefix}.stats"] = statistics(x)
            arrays[f"{prefix}.sample"] = every_nth(x)

    def keep_proposals(module, inputs, outputs) -> None:
        for i, p in enumerate(outputs[0]):
            prefix = f"{run}.proposals/{i}"
            arrays[f"{prefix}.boxes"] = to_array(p.proposal_boxes.tensor)
            arrays[f"{prefix}.scores"] = to_array(p.objectness_logits)

    hooks = []
    if with_features:
        hooks.append(model.backbone.register_forward_hook(keep_features))
    if hasattr(model, "proposal_generator"):
        hooks.append(model.proposal_generator.register_forward_hook(keep_proposals))
    try:
        yield arrays
    finally:
        for hook in hooks:
            hook.remove()


def _detections(prefix: str, found: Instances) -> Arrays:
    arrays = {
        f"{prefix}.boxes": to_array(found.pred_boxes.tensor),
        f"{prefix}.scores": to_array(found.scores),
        f"{prefix}.classes": found.pred_classes.cpu().numpy(),
        f"{prefix}.size": np.array(found.image_size),
    }
    if found.has("pred_masks"):
        arrays[f"{prefix}.maskarea"] = to_array(found.pred_masks.sum(dim=(1, 2)))
        arrays[f"{prefix}.maskgrid"] = coarse(found.pred_masks)
    return arrays


def _gradients(run: str, model: nn.Module) -> Arrays:
    names = first_names(model)
    norms = {
        names[name]: _gradient_norm(p)
        for name, p in model.named_parameters()
        if not name.startswith("text_encoder.")
    }
    return {
        f"{run}.grads/names": np.array(list(norms)),
        f"{run}.grads/norms": np.array(list(norms.values())),
    }


def _gradient_norm(parameter: nn.Parameter) -> float:
    if not parameter.requires_grad:
        return FROZEN
    return NO_GRADIENT if parameter.grad is None else float(parameter.grad.double().norm())


def _train_boxes(
    run: str, with_masks: bool = True, second_is_empty: bool = False, with_gradients: bool = False
) -> Callable[[Subject], Arrays]:
    def on(subject: Subject) -> Arrays:
        batch = box_batch(
            subject.num_box_classes, with_masks and subject.with_masks, second_is_empty
        )
        return train(subject, run, batch, with_gradients)

    return on


def _train_labels(subject: Subject) -> Arrays:
    return train(subject, "image", label_batch("image", subject.num_classes), with_gradients=True)


def _change_vocabulary(run: str, num_classes: int, tag: str, through_file: bool):
    """Return a run that replaces the classes, then evaluates."""

    def on(subject: Subject) -> Arrays:
        embeddings = torch.from_numpy(class_embeddings(num_classes, tag))
        if through_file:
            path = embedding_file(subject.folder, num_classes, tag)
            embeddings = read_embeddings(path, embeddings.shape[1], num_classes).embeddings
        replace_classes(subject.model, embeddings)
        heads = subject.model.roi_heads
        weights = [predictor.cls_score.zs_weight for predictor in heads.box_predictor]
        return {
            f"{run}.zs/shape": np.array(weights[0].shape),
            f"{run}.zs/sample": every_nth(weights[0]),
            f"{run}.zs/equal_stages": np.array([int(w.equal(weights[0])) for w in weights]),
            f"{run}.zs/num_classes": np.array([heads.num_classes]),
        } | evaluate(subject, run, eval_batch(), with_features=False)

    return on


# By the names in the manifest. Runs of a case follow each other on one model.
RUNS: dict[str, Callable[[Subject], Arrays]] = {
    "eval": lambda subject: evaluate(subject, "eval", eval_batch()),
    "box": _train_boxes("box", with_gradients=True),
    "boxempty": _train_boxes("boxempty", second_is_empty=True),
    "boxnomask": _train_boxes("boxnomask", with_masks=False),
    "image": _train_labels,
    "reset:file": _change_vocabulary("resetfile", 37, "reset", through_file=True),
    "reset:tensor": _change_vocabulary("resettensor", 5, "custom", through_file=False),
}
