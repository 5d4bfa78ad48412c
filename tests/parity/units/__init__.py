"""Parts without a model: each returns the arrays of its case, and may write files into a folder."""

from collections.abc import Callable
from pathlib import Path

from tests.parity.arrays import Arrays
from tests.parity.units.centernet import losses, targets
from tests.parity.units.classifier import text_encoder, zero_shot_classifier
from tests.parity.units.configuration import defaults, recipes
from tests.parity.units.datasets import lvis_style_file, registered
from tests.parity.units.federated import federated
from tests.parity.units.jitter import large_scale_jitter
from tests.parity.units.mapping import detr_mapper
from tests.parity.units.optimizer import optimizers
from tests.parity.units.sampling import sampling

UNITS: dict[str, Callable[[Path], Arrays]] = {
    "unit_config_defaults": defaults,
    "unit_config_files": recipes,
    "unit_centernet_gt": targets,
    "unit_centernet_losses": losses,
    "unit_fed_loss": federated,
    "unit_sampling": sampling,
    "unit_zeroshot": zero_shot_classifier,
    "unit_solver": optimizers,
    "unit_lvis_json": lvis_style_file,
    "unit_datasets": registered,
    "unit_text_encoder": text_encoder,
    "unit_lsj": large_scale_jitter,
    "unit_detr_mapper": detr_mapper,
}
