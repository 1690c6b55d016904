"""Whether a kind of proposal has earned running without a person. Pure: labels in, certificates and thresholds out."""
