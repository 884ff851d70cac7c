-- What the catalog itself needs: its revision, and the key that page tokens are signed with.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE mark (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE collection (
    id       TEXT PRIMARY KEY,
    document TEXT NOT NULL
);

-- Times are microseconds since 1970. An open end is the least or greatest integer; an item without a
-- time begins after it ends and so overlaps nothing.
CREATE TABLE item (
    row        INTEGER PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collection (id),
    id         TEXT NOT NULL,
    sort       INTEGER NOT NULL,
    begins     INTEGER NOT NULL,
    ends       INTEGER NOT NULL,
    document   TEXT NOT NULL,
    UNIQUE (collection, id)
);
CREATE INDEX item_newest ON item (sort DESC, collection, id);
CREATE INDEX item_newest_of_collection ON item (collection, sort DESC, id);
CREATE INDEX item_by_id ON item (id);

-- One or two boxes of an item: 2*row, and 2*row+1 where it lies on both sides of the antimeridian.
CREATE VIRTUAL TABLE box USING rtree (id, west, east, south, north);
