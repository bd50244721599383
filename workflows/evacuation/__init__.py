"""The parts of EvacuateNode: proof that the node is dead, the rounds of releases, and their steps."""
