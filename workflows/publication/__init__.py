"""The parts of PublishVolume: the backend's attach, the hold of a volume without a PV, and the rollback."""
