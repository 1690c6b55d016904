"""Public tools for testing automations: a bench, generated laws, a manual clock and a loop on it."""
