-- pgbench script: one transaction of :rows changes on pgbench_accounts, six tenths inserted, three tenths updated, a
-- tenth deleted, all scattered or in bulk as a batch job would. -D n=0 -D total=… (rows at the beginning) -D rows=…
-- The first four fifths of the table are updated (37 and 4/5 of the total have no common factor, so that the rows of
-- one transaction are distinct), the last fifth is deleted piece by piece, new rows come behind the end.
\set n :n + 1
\set part :rows / 10
\set updated :total * 4 / 5
BEGIN;
INSERT INTO pgbench_accounts (aid, bid, abalance, filler)
SELECT :total + (:n - 1) * 6 * :part + i, 1, :n, 'new' FROM generate_series(1, 6 * :part) i;
UPDATE pgbench_accounts SET abalance = abalance + :n
WHERE aid IN (SELECT 1 + (:n * 7919::bigint + i * 37) % :updated FROM generate_series(1, 3 * :part) i);
DELETE FROM pgbench_accounts WHERE aid > :updated + (:n - 1) * :part AND aid <= :updated + :n * :part;
COMMIT;
