-- Event counts per hour (the start of the hour, as a Unix time). Several servers add to the same row.
CREATE TABLE counts (
    hour INTEGER NOT NULL,
    name TEXT    NOT NULL,
    n    INTEGER NOT NULL,
    CONSTRAINT counts_pk PRIMARY KEY (hour, name)
) STRICT, WITHOUT ROWID;
