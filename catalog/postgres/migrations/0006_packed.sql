-- Documents of items are compressed before they come here (package pack), so that they are neither sent, nor checked, nor compressed as text.
-- What an earlier release wrote stays in document until it is put anew. Nothing is rewritten.
ALTER TABLE item ADD COLUMN packed bytea, ALTER COLUMN document DROP NOT NULL;
ALTER TABLE item ALTER packed SET STORAGE MAIN, SET (toast_tuple_target = 8160);
DO $$ BEGIN
    ALTER TABLE item ALTER packed SET COMPRESSION lz4; -- which sees soon that there is nothing to gain
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;
