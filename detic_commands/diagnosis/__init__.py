"""What ``detic doctor`` looks at. Nothing here needs a package that may be missing."""
