"""The bundle: all that can be had for whoever looks into a fault from afar, in one archive, without secrets."""
