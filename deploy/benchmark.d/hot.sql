-- pgbench script: one transaction that updates a hundred of the thousand rows of hot. -D n=0
\set n :n + 1
\set first :n % 10 * 100
UPDATE hot SET v = v + 1 WHERE id > :first AND id <= :first + 100;
