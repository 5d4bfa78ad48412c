"""The embedded benchmark: a procedurally drawn open-vocabulary world and its tiny CLIP."""
