"""Leave out the images of an Objects365 annotation file that are missing on disk.

python tools/fix_o365_path.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
