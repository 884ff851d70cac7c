-- Areas are put right before they come here (package geo).
DROP FUNCTION sound(geometry);

-- Those that were stored before are read again from their documents (reshape.go), up to the row that is kept here until all are done.
INSERT INTO setting (name, value) VALUES ('reshaped', '0');
