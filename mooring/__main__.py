"""`python -m mooring`: the `mooring` command."""

from mooring.cli.main import main

main()
