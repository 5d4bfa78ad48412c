"""What Detectron2 0.6 needs in order to run here, put in front of `PYTHONPATH` by `run.py`.

Python imports this file at its start. It changes modules of Detectron2 right after their import:

* names that newer releases of other packages have removed,
* a stand-in for the compiled extension, whose operations the detector does not use,
* options that later versions of Detectron2 have and the detector asks for (`ADDED`).
"""

import importlib.abc
import importlib.util
import sys
import types

ADDED = (
    "keys of the default configuration: ROI_BOX_HEAD.USE_FED_LOSS, USE_SIGMOID_CE, "
    "FED_LOSS_FREQ_WEIGHT_POWER and FED_LOSS_NUM_CLASSES, DATALOADER.REPEAT_SQRT, "
    "SOLVER.BASE_LR_END, NUM_DECAYS and RESCALE_INTERVAL, FLOAT32_PRECISION",
    "build_detection_test_loader(batch_size=)",
    "comm.create_local_process_group",
    "FrozenBatchNorm2d.convert_frozen_batchnorm keeps num_batches_tracked",
    "RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(sqrt=True)",
)


def _restore_pillow_names(image) -> None:
    image.LINEAR = image.Resampling.BILINEAR


def _stand_in_for_extension(detectron2) -> None:
    extension = types.ModuleType("detectron2._C")
    extension.get_compiler_version = extension.get_cuda_version = lambda: "not compiled"
    extension.has_cuda = lambda: False
    sys.modules["detectron2._C"] = detectron2._C = extension


def _add_keys(defaults) -> None:
    model, solver = defaults._C.MODEL, defaults._C.SOLVER
    model.ROI_BOX_HEAD.USE_FED_LOSS = model.ROI_BOX_HEAD.USE_SIGMOID_CE = False
    model.ROI_BOX_HEAD.FED_LOSS_FREQ_WEIGHT_POWER = 0.5
    model.ROI_BOX_HEAD.FED_LOSS_NUM_CLASSES = 50
    defaults._C.DATALOADER.REPEAT_SQRT = True
    solver.BASE_LR_END, solver.NUM_DECAYS, solver.RESCALE_INTERVAL = 0.0, 3, False
    defaults._C.FLOAT32_PRECISION = ""


def _add_test_batch_size(build) -> None:
    original = build.build_detection_test_loader

    def build_detection_test_loader(*args, batch_size=1, **kwargs):
        from torch.utils.data import DataLoader

        loader = original(*args, **kwargs)
        return DataLoader(
            loader.dataset,
            batch_size=batch_size,
            sampler=loader.batch_sampler.sampler,
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
        )

    build.build_detection_test_loader = build_detection_test_loader


def _add_local_groups(comm) -> None:
    def create_local_process_group(num_workers_per_machine):
        import torch.distributed as dist

        for first in range(0, dist.get_world_size(), num_workers_per_machine):
            ranks = list(range(first, first + num_workers_per_machine))
            group = dist.new_group(ranks)
            if dist.get_rank() in ranks:
                comm._LOCAL_PROCESS_GROUP = group

    comm.create_local_process_group = create_local_process_group


def _keep_counters(batch_norm) -> None:
    frozen_norm = batch_norm.FrozenBatchNorm2d
    original = frozen_norm.convert_frozen_batchnorm.__func__

    def convert_frozen_batchnorm(cls, module):
        counter = getattr(module, "num_batches_tracked", None)
        frozen = original(cls, module)
        if isinstance(frozen, frozen_norm) and frozen is not module:
            frozen.register_buffer("num_batches_tracked", counter)
        return frozen

    frozen_norm.convert_frozen_batchnorm = classmethod(convert_frozen_batchnorm)


def _add_square_root_option(samplers) -> None:
    sampler = samplers.RepeatFactorTrainingSampler
    original = sampler.repeat_factors_from_category_frequency

    def repeat_factors(dataset_dicts, repeat_thresh, sqrt=True):
        if not sqrt:
            raise TypeError("Detectron2 0.6 always takes the square root")
        return original(dataset_dicts, repeat_thresh)

    sampler.repeat_factors_from_category_frequency = staticmethod(repeat_factors)


AFTER_IMPORT = {
    "PIL.Image": _restore_pillow_names,
    "detectron2": _stand_in_for_extension,
    "detectron2.config.defaults": _add_keys,
    "detectron2.data.build": _add_test_batch_size,
    "detectron2.data.samplers.distributed_sampler": _add_square_root_option,
    "detectron2.layers.batch_norm": _keep_counters,
    "detectron2.utils.comm": _add_local_groups,
}


class _ChangeAfterImport(importlib.abc.MetaPathFinder):
    """Finds the modules of `AFTER_IMPORT` as usual, and changes them once they are loaded."""

    def find_spec(self, name, path=None, target=None):
        if name not in AFTER_IMPORT:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_change(module):
                execute(module)
                AFTER_IMPORT[name](module)

            spec.loader.exec_module = execute_and_change
        return spec


sys.meta_path.insert(0, _ChangeAfterImport())
