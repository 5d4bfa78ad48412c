"""Make the annotation files of OpenImages Challenge 2019 out of its tables.

python tools/convert_openimages.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
