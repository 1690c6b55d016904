"""The same governed case on interlock and on what a user would pick instead: `./dev bench --peers`.

One case, for all: accept an event durably, ask a stub advisor, decide by one simple rule, act once through a stub
provider that keeps its own books, record the result. Every point is durable before the next one begins, so that a kill
at any moment loses nothing and doubles nothing, as far as the peer promises that.

    outside.py        the event, the advisor, the rule and the provider, the same code for every peer
    line.py           the line protocol that every peer's process speaks, and its closed loop
    group.py          group commit, for those peers that leave batching to their caller
    adapters/         one file per peer; its docstring says what the peer does not do at all
    payout/           the automation of interlock's own adapter
    requirements/     what each peer's environment holds; environments.py makes them
    roster.py         who takes part, on which database
    databases.py      a fresh database per process, and what it says of itself: size, transactions, server's CPU
    driven.py         a peer's process as the driver sees it
    rounds.py         what is measured, round by round
    kills.py          kills at random moments, judged by the provider's books
    table.py          the table on the terminal and in docs/peers.md
    plot.py           the SVG plot
    command.py        the command

`outside`, `line`, `group` and the adapters run in the peers' environments: they use the standard library and the peer,
nothing of interlock (its own adapter aside).
"""
