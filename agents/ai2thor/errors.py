"""The error of a simulator whose process is another program's."""


class AI2ThorError(RuntimeError):
    """AI2-THOR's process ended, or did not answer in time."""
