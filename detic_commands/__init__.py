"""The command line of Detic: parsers and what calls the programs behind them.

These modules import nothing heavy, so that help pages and mistakes are answered at once. They are
no part of the package ``detic``, whose import registers the detector and so loads torch.
"""

__version__ = "0.1.0"  # of the distribution: pyproject.toml and detic.__version__ take it from here
