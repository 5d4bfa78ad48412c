"""Fit classes to a few boxes or images, on a detector whose weights stay.

python tools/tune_vocabulary.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
