"""`python -m interlock.cli` is `interlock`, for places where scripts are not on the PATH."""

from interlock.cli import main

main()
