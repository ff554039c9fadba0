ALTER TABLE backup DROP COLUMN object;
ALTER TABLE backup DROP COLUMN local_only;
DROP TABLE place;
