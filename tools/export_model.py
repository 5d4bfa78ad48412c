"""Export a detector to one file that other programs run, whatever the vocabulary.

python tools/export_model.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
