"""The table of networks: to add one, add a line to `NETWORKS`."""

from engine.networks.network import NetworkConfig

NETWORKS: dict[str, type[NetworkConfig]] = {}
"""By the name that a derive pass takes."""
