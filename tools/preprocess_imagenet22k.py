"""Index the tar files of ImageNet-21K, so that images can be read without unpacking them.

python tools/preprocess_imagenet22k.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
