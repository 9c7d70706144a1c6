-- pgbench script: one transaction of :rows changes on wide, six tenths inserted, three tenths updated, a tenth deleted,
-- both among the rows that the transaction before it inserted. -D n=0 -D rows=…
\set n :n + 1
\set first (:n - 1) * :rows
\set before :first - :rows
BEGIN;
INSERT INTO wide
SELECT id, id * 1000003::bigint, id % 100, id % 1000, id % 6, id / 100.0, id / 7.0::float8,
       id % 2 = 0, date '1980-01-01' + id % 10000, now(), now(), t, t, t, t, t, t, t, t, t
FROM generate_series(:first + 1, :first + :rows * 6 / 10) id, LATERAL (SELECT repeat(md5(id::text), 3)) AS text (t);
UPDATE wide SET balance = balance + :n, changed = now() WHERE id > :before AND id <= :before + :rows * 3 / 10;
DELETE FROM wide WHERE id > :before + :rows * 3 / 10 AND id <= :before + :rows * 4 / 10;
COMMIT;
