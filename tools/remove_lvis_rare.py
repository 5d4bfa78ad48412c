"""Withhold the boxes of LVIS's rare classes: the training set of the open-vocabulary benchmark.

python tools/remove_lvis_rare.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
