"""Advisors: whoever answers a question. They know what advice is, and nothing of actions, policy or cases."""
