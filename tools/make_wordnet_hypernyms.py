"""Extract from WordNet which classes are kinds of what: the table behind parent queries.

python tools/make_wordnet_hypernyms.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
