"""Unpack the 997 tar files of ImageNet-21K whose classes LVIS has.

python tools/unzip_imagenet_lvis.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
