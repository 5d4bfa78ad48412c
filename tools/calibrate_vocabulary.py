"""Give each class of a vocabulary file the score from which on its detections are shown.

python tools/calibrate_vocabulary.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
