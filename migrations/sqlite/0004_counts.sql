-- How often things happened, by the hour (its beginning, in Unix seconds). Several servers add to one row.
CREATE TABLE counts (
    hour INTEGER NOT NULL,
    name TEXT    NOT NULL,
    n    INTEGER NOT NULL,
    CONSTRAINT counts_pk PRIMARY KEY (hour, name)
) STRICT, WITHOUT ROWID;
