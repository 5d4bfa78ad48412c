"""Memory that was freed: the GNU C library keeps it, or gives it back to the system, as told here."""

import ctypes
import gc

# Of glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**28  # at most, at the end of the heap
_MMAP_BYTES = 2**25  # larger blocks go back to the system at once


def keep_freed_memory() -> None:
    """Keep up to 256 MiB of freed memory in this process, where the C library is GNU's.

    By itself it gives the memory of tensors back, and asks for it again in the next image. The system
    clears it page by page, which costs small detectors a tenth of their time and more.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def return_freed_memory() -> None:
    """Give freed memory back to the system, with what only circles of objects hold.

    The GNU C library keeps it otherwise: one gigabyte after loading LVIS.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
