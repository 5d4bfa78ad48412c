"""Making annotation files out of published ones: the work of the programs under ``tools/``.

Functions take and return the content of json files, as dictionaries and lists.
"""
