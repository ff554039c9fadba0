DROP TABLE stored;
DROP INDEX run_of_day;
DROP TABLE added;
