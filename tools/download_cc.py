"""Fetch the images of Conceptual Captions and list them with their captions.

python tools/download_cc.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
