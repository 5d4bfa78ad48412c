"""Add to LVIS's training set the boxes that COCO has in addition.

python tools/merge_lvis_coco.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
