"""Resources that this machine offers the process. Every package may import this module; it imports none."""

import os


def available_cores() -> int:
    """Cores this process may run on; all of the machine's where the system cannot tell (macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
