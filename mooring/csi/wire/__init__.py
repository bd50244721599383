"""The CSI wire contract: `csi.proto`, and the code that `make stubs` generates from it. Nothing here knows the rest of Mooring."""
