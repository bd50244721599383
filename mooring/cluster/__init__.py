"""Doors to the cluster: records on PVs, VolumeAttachments, nodes. Each is a protocol with a twin for no cluster."""
