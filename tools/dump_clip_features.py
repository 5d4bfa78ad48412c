"""Embed class names with CLIP's text encoder: the .npy files of the classifiers.

python tools/dump_clip_features.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
