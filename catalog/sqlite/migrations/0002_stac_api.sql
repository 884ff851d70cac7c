-- Everything that the STAC API asks for. What was here came from the bucket and is forgotten: without marks, the
-- catalog is filled again when it is next caught up. The revision and the key of the page tokens stay.
DROP TABLE box;
DROP TABLE item;
DROP TABLE collection;
DELETE FROM mark;

-- Origin is catalog.Origin: 0 from the bucket, 1 posted. Documents are compressed (package s2).
CREATE TABLE collection (
    id       TEXT PRIMARY KEY,
    origin   INTEGER NOT NULL,
    document BLOB NOT NULL
);

-- The logical table is that of package sqlgen. What is looked at of every candidate comes first, as a row's first kilobytes lie
-- together. Times are microseconds since 1970; an open end is the least or greatest integer, and an item without a time
-- begins after it ends and so overlaps nothing. shape is well-known binary. properties and moments are JSONB; moments
-- are {name: [first, last microsecond]} of properties that are times or dates, without datetime, or NULL. document is compressed.
CREATE TABLE item (
    row        INTEGER PRIMARY KEY,
    sort       INTEGER NOT NULL,
    begins     INTEGER NOT NULL,
    ends       INTEGER NOT NULL,
    dated      INTEGER NOT NULL,
    origin     INTEGER NOT NULL,
    collection TEXT NOT NULL,
    id         TEXT NOT NULL,
    shape      BLOB,
    moments    BLOB,
    properties BLOB NOT NULL,
    document   BLOB NOT NULL
);
CREATE UNIQUE INDEX item_named ON item (id, collection);
CREATE INDEX item_newest ON item (sort DESC, collection, id);
CREATE INDEX item_of_collection ON item (collection, sort DESC, id);

-- Properties with an index over what they order by: columns number_N and text_N of item, which are generated and not stored,
-- and the index item_ranked_N (number_N, text_N, collection, id).
CREATE TABLE ranked (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
);

-- One or two boxes of each item in place and time: 2*row, and 2*row+1 where it lies on both sides of the antimeridian. Degrees;
-- an item without a place is at 1000, 1000. since and until are the hull of its times, in years from 2000 (see year in place.go).
CREATE VIRTUAL TABLE box USING rtree (id, west, east, south, north, since, until);

-- The words of items that have any, by row, one space between two and a · between two texts.
CREATE VIRTUAL TABLE word USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'ascii');

-- How many items there are: step 0 in all, 1 in a month, 2 on a day (package sqlgen). Never 0.
CREATE TABLE tally (
    step       INTEGER NOT NULL,
    start      INTEGER NOT NULL,
    collection TEXT NOT NULL,
    dated      INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    PRIMARY KEY (step, start, collection, dated)
) WITHOUT ROWID;

-- Which properties items have or had, with each JSON type and format ('' for none) they were seen with.
CREATE TABLE property (
    collection TEXT NOT NULL,
    name       TEXT NOT NULL,
    type       TEXT NOT NULL,
    format     TEXT NOT NULL,
    PRIMARY KEY (collection, name, type, format)
) WITHOUT ROWID;
