"""Count images and boxes of each class: the class frequencies of MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH.

python tools/get_lvis_cat_info.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
