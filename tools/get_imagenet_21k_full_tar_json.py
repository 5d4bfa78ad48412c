"""List all images of an indexed ImageNet-21K with their labels.

python tools/get_imagenet_21k_full_tar_json.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
