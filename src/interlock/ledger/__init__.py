"""Read what was recorded: history, explanation, verification, reports. Writes nothing and decides nothing."""
