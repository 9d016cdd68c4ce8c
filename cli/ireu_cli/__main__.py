"""`python -m ireu_cli` is `ireu`."""

from ireu_cli.main import main

main()
