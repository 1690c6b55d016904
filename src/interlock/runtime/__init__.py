"""Move things, decide nothing: messages to the kernel, its requests to the world, and the answers back to the door."""
