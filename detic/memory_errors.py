"""Running out of memory: many exceptions, one message."""

_SIGNS = ("can't allocate memory", "out of memory", "Cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory ran out, on the CPU or on a GPU."""
    if isinstance(error, MemoryError):
        return True
    # torch.OutOfMemoryError of GPUs is a RuntimeError; that of the CPU has no class of its own.
    return isinstance(error, RuntimeError | OSError) and any(sign in str(error) for sign in _SIGNS)
