"""Services around training and inference: processes, logging, metrics, files, environment."""
