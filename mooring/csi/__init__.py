"""The CSI endpoint: Mooring as a controller plugin, on its own or in front of a driver."""
