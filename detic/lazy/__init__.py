"""Trainings that Python files describe, with Detectron2's LazyConfig.

Such a file is a program: it is run. Its sections are those of Detectron2's own projects: ``model``,
``dataloader``, ``optimizer``, ``lr_multiplier`` and ``train``. Loop, checkpoints and evaluation are
those of all other trainings.
"""
