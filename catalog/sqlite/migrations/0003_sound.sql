-- Areas are put right before they are stored (package geo). Those that were stored before are when the file is opened (reshape.go), up
-- to the row that is kept here until all are done.
INSERT INTO setting (name, value) VALUES ('reshaped', 0);
