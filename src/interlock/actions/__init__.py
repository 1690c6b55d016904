"""Actions: carrying out what was decided. They take no part in the decision."""
