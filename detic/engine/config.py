"""Configuration keys of training and evaluation that published recipes do not set."""

from detectron2.config import CfgNode as CN


def add_engine_config(cfg: CN) -> None:
    """Add the engine's keys to ``cfg`` in place."""
    cfg.SOLVER.ACCUMULATE = 1  # batches per process and step; they stand for as many processes
    cfg.SOLVER.AMP.DTYPE = "float16"  # or bfloat16; for SOLVER.AMP.ENABLED, the whole model
    cfg.SOLVER.EMA_DECAY = 0.0  # average the weights with this decay per step; 0: off
    # Total batch of the first dataset that BASE_LR was tuned for; BASE_LR scales with ours. 0: off
    cfg.SOLVER.LR_REFERENCE_BATCH = 0
    cfg.SOLVER.CHECKPOINT_MINUTES = 20.0  # besides CHECKPOINT_PERIOD, a rolling checkpoint; 0: off
    cfg.MODEL.COMPILE_BACKBONE = False  # torch.compile, in training
    cfg.MODEL.ALLOW_PARTIAL_WEIGHTS = False  # run although detector weights are missing

    cfg.MODEL.TEXT_ENCODER = CN()
    cfg.MODEL.TEXT_ENCODER.WEIGHTS = "openai"  # or a file: turns class names into embeddings
    cfg.MODEL.TEXT_ENCODER.PROMPT = "a"  # a template's name, or a text with {} for the class name

    cfg.TEST.FIXED_AP = False  # LVIS: AP of the best 10 000 detections of each class too
    # A vocabulary (name or file) per test set instead of TEST_CLASSIFIERS; "": the model's own
    cfg.TEST.VOCABULARIES = []
