"""`python -m tfdomain` is the `tfdomain` command."""

from tfdomain.cli import main

main()
