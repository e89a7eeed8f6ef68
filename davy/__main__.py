"""`python -m davy`, which is how the supervisor starts its children."""

from davy.cli import main

main()
