"""Split COCO 2017 into the seen and unseen classes of open-vocabulary COCO.

python tools/get_coco_zeroshot.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
