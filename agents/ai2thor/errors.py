"""The error of the simulator `ai2thor`."""


class AI2ThorError(RuntimeError):
    """AI2-THOR's process ended, or did not answer in time."""
