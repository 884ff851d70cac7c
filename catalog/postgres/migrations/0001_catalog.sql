-- The tables of catalog/sqlgen. Times are microseconds since 1970; text is compared bytewise.

CREATE TABLE setting (
    name  text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);

CREATE TABLE mark (
    name  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- Every set of changes takes the next number, just before it ends.
CREATE SEQUENCE revision;

-- The row is another one when a collection is removed and put again: what was known of the old one's items is forgotten.
CREATE TABLE collection (
    row      bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id       text COLLATE "C" PRIMARY KEY,
    origin   smallint NOT NULL,
    etag     bytea NOT NULL,
    document text NOT NULL
);

-- How often collections were changed.
CREATE TABLE shelf (
    revision bigint NOT NULL
);
INSERT INTO shelf VALUES (0);

-- An open end is the least or greatest bigint; an item without a time begins after it ends and so overlaps nothing.
CREATE TABLE item (
    row        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    origin     smallint NOT NULL,
    sort       bigint NOT NULL,
    dated      smallint NOT NULL,
    begins     bigint NOT NULL,
    ends       bigint NOT NULL,
    etag       bytea NOT NULL,
    document   text NOT NULL,
    properties jsonb NOT NULL,
    moments    jsonb NOT NULL,
    -- Where the item is, within longitudes -180 to 180, and NULL for nowhere.
    shape      geometry(Geometry, 4326),
    -- The box around it: longitude, latitude, sort. Or, where it lasts, or lies on both sides of the antimeridian: cosine and sine
    -- of the longitude, latitude, the hull of sort, begins and ends, sort. Nowhere is at 1000.
    odd        boolean NOT NULL,
    place      cube NOT NULL,
    -- The words of title, description and keywords between spaces, each text on a line of its own; and which there are, cut short.
    texts      text COLLATE "C" NOT NULL,
    words      text[] COLLATE "C" NOT NULL,
    UNIQUE (id, collection)
);
CREATE INDEX item_newest ON item (sort DESC, collection, id);
CREATE INDEX item_newest_of_collection ON item (collection, sort DESC, id);
CREATE INDEX item_place ON item USING gist (place) WHERE NOT odd;
CREATE INDEX item_odd_place ON item USING gist (place) WHERE odd;
CREATE INDEX item_words ON item USING gin (words);

-- Documents are compressed where they lie instead of going to a table of their own, and what filters read stays as it is.
ALTER TABLE item
    ALTER document SET STORAGE MAIN, ALTER properties SET STORAGE MAIN, ALTER moments SET STORAGE MAIN,
    ALTER shape SET STORAGE MAIN, ALTER texts SET STORAGE MAIN, ALTER words SET STORAGE MAIN,
    SET (toast_tuple_target = 4096);
DO $$ BEGIN
    ALTER TABLE item ALTER document SET COMPRESSION lz4, ALTER properties SET COMPRESSION lz4, ALTER moments SET COMPRESSION lz4,
        ALTER shape SET COMPRESSION lz4, ALTER texts SET COMPRESSION lz4, ALTER words SET COMPRESSION lz4;
    ALTER TABLE collection ALTER document SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL; -- a server built without lz4 uses its own
END $$;

-- What types of values properties have had in a collection.
CREATE TABLE property (
    collection text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    type       text COLLATE "C" NOT NULL,
    format     text COLLATE "C" NOT NULL,
    PRIMARY KEY (collection, name, type, format)
);

-- Counts of items; rows of the same key add up. Writers only append.
CREATE TABLE tally (
    step       smallint NOT NULL,
    start      bigint NOT NULL,
    collection text COLLATE "C" NOT NULL,
    dated      smallint NOT NULL,
    n          bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX tally_of_collection ON tally (collection, step, start) INCLUDE (dated, n);
CREATE INDEX tally_of_all ON tally (step, start) INCLUDE (dated, n);
