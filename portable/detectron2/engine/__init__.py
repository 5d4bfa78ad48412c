"""The outside of a run: arguments, processes, set-up, and prediction on single images."""

from detectron2.engine.defaults import (
    DefaultPredictor,
    create_ddp_model,
    default_argument_parser,
    default_setup,
    default_writers,
)
from detectron2.engine.launch import DEFAULT_TIMEOUT, launch
