"""What integration tests stand on: a cluster behind a misbehaving proxy, workers, and a backend that keeps a journal."""
