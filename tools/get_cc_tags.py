"""Label captioned images with the classes their captions mention.

python tools/get_cc_tags.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
