"""The questions of `mooring check`, one subject a module; results.py defines questions and answers, runner.py lists them all."""
