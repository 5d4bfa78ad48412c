"""Give a split file of open-vocabulary COCO all 80 classes of COCO, in COCO's order.

python tools/get_coco_zeroshot_oriorder.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
