"""Whether a kind of proposal has earned running without a person."""
