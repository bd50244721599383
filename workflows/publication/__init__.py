"""The parts of PublishVolume and UnpublishVolume: the backend's attach and detach, the hold without a PV, and the rollback."""
