"""The control layer between AI and production systems: AI advises, the interlock decides."""
