"""Correct the misspelt class names of Objects365 v2.

python tools/fix_o365_names.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
