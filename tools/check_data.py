"""Say which datasets are ready, what is missing, where to get it and how to make it.

python tools/check_data.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
