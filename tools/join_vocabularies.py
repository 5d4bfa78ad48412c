"""Join class lists into one vocabulary file: the classes of a model, then those of one's own data.

python tools/join_vocabularies.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
