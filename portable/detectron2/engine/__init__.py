"""The outside of a run: arguments, processes, set-up, and prediction on single images."""

from detectron2.engine.defaults import DefaultPredictor, default_argument_parser, default_setup
from detectron2.engine.launch import launch
