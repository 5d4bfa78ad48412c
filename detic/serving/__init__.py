"""The detector as an HTTP service: ``detic serve``.

``app`` needs the packages of the extra ``serve``; the other modules do not.
"""
