"""Convert a detector's checkpoint to mmdetection's tensor names, or from them to ours.

python tools/convert_checkpoint.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
