"""Detectors as files for other programs: graphs whose vocabulary is an input."""
