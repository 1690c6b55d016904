"""The store on PostgreSQL: any number of processes on any number of machines. The only package that knows psycopg.

The roles of `interlock.store` run here as they are; this package gives them a connection on which a statement of
theirs is the one of the same name for PostgreSQL, and one that takes many rows at once is one statement over arrays.

    store         `ports.Store`: gives each call its session and its transaction
    session       statements and transactions on one connection, sent ahead and answered together
    statements    the SQL by name, and how each one's parameters are encoded
    wire          values in PostgreSQL's binary formats
    link          how a session is set up, and what its commits are worth
    handshake     makes the tables, migrates them, and refuses a database that this program does not speak with
    distribution  what spreads the tables over a Citus cluster
    door          takes a batch in with one statement
    unit          claims slots and reads ahead what their units will ask for
    liveness      who works here and who has died, as the server sees it
    naming        which server, database and schema a name means
    errors        PostgreSQL's errors in the words of the one who can do something about it
"""

from interlock.store.postgres.distribution import distribution
from interlock.store.postgres.store import PostgresStore, open_postgres, postgres_layout

__all__ = ["PostgresStore", "distribution", "open_postgres", "postgres_layout"]
