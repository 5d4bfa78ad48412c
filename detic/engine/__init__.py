"""Training and evaluation runs: processes, optimizer, loop, checkpoints."""
