"""Moves things; decides nothing.

The door takes messages in, a worker consumes them slot by slot through the kernel, and a dispatcher carries out what
the kernel asked for. Whatever the runtime holds in memory may be lost at any moment: what must survive is in the
store before it matters.
"""
