"""Labelling of any number of images: planned in shards, by any number of workers, merged at the end.

``job`` is the folder that all of it shares. ``inputs`` cut what a user names into ``shards``; a
``worker`` reads the images of one, asks a ``labeller`` and writes its ``part``. Engines hand out
shards. ``status`` and ``merge`` look at nothing but the job.
"""
