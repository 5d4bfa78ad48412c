"""Give LVIS and ImageNet-21K one class list: the 1203 classes of LVIS and 20844 more.

python tools/create_lvis_21k.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
