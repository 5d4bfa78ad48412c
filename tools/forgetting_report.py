"""Compare two evaluations class by class: what new classes gained, what old ones lost.

python tools/forgetting_report.py --help
"""

from _launch import launch

if __name__ == "__main__":
    launch(__file__)
