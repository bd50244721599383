"""The CSI wire contract: `csi.proto`, and what `make stubs` generates from it. Nothing here knows the rest of Mooring."""
