"""What `mooring explain` knows of one volume: facts from Kubernetes and Temporal, and the advice that follows from them."""
