"""`mooring demo`: the main job shown on real parts, with a check on everything it shows."""
