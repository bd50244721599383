"""The index: the holders of all volumes in memory, as the PVs were last seen. Pure: no API server, no Temporal."""
