"""The durable adapters behind the store port: one file per role, SQL as named text.

    sqlite      opens a database; its connections, transactions and errors; the only module that knows sqlite3
    postgres    the same on PostgreSQL; the only package that knows psycopg
    handshake   makes the schema, and refuses a database that this program does not speak with
    door        takes messages in, once
    readiness   says which slots have work
    unit        reads one slot under its claim
    writes      applies what units staged
    relay       carries messages between slots
    workers     who works here, who died (`liveness`), and what becomes of what they held
    control     pauses and releases
    reading     everything that only looks
    codec       stored bytes to frozen values and back
    driver      what the others know of a connection, and where the simulation can cut it

The roles are functions over a connection; `sqlite` and `postgres` give each call its transaction. A statement that a
role runs has one name and a text for each of the two.
"""
