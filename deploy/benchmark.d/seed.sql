-- What the template of all databases holds besides pgbench's tables.

-- Slony-I and Bucardo replicate no table without a key.
ALTER TABLE pgbench_history ADD hid bigserial PRIMARY KEY;

-- One row of it tells the end of a backlog.
CREATE TABLE done (round int PRIMARY KEY);

-- Filled, changed and emptied by one statement each.
CREATE TABLE bulk (id int PRIMARY KEY, bid int, v int, filler text);

-- Few rows, changed again and again.
CREATE TABLE hot (id int PRIMARY KEY, bid int, v int, filler text);
INSERT INTO hot SELECT i, 1, 0, repeat('x', 84) FROM generate_series(1, 1000) i;

-- Rows of 20 columns and about 1 kB.
CREATE TABLE wide (
    id int PRIMARY KEY, customer bigint, orders int, visits int, rating smallint, balance numeric(12, 2), score float8,
    active boolean, born date, created timestamptz, changed timestamptz,
    t1 text, t2 text, t3 text, t4 text, t5 text, t6 text, t7 text, t8 text, t9 text);

VACUUM (FREEZE, ANALYZE);
