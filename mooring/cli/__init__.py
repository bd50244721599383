"""The `mooring` command. Nothing here is imported by the rest of Mooring; main.py lists the commands and exit codes."""
