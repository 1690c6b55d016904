"""Carry out decisions. An action takes no part in one and knows only its arguments and its key."""
