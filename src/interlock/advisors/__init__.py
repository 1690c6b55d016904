"""Answer questions. An advisor knows what advice is and nothing of actions, policies or budgets."""
