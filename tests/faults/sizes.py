"""How large the suite's worlds are."""

SLOTS = 8
"""Few, so that cases share slots and budgets lie beside them."""
