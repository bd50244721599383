"""The explanation of one volume, for `mooring explain`: facts from Kubernetes and Temporal, and the advice that they lead to."""
