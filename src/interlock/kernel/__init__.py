"""The pure core: a case, a message and the facts of the moment give the next case and what must be done. No I/O, no
clock, no random.
"""
