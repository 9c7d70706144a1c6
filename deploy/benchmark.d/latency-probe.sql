-- Watches the target for :seconds, each millisecond, and prints p50, p99, the maximum in ms and the number of rows.
-- The first two seconds are left out: a worker that just started is not what is measured. Both servers read one
-- clock. sent_at lies before the COMMIT, so that the source's own commit counts too.
CREATE TEMPORARY TABLE seen (id bigint PRIMARY KEY, sent_at timestamptz, seen_at timestamptz);
SET SESSION watch.seconds = :seconds;
DO $$
DECLARE
    ends_at   timestamptz := clock_timestamp() + current_setting('watch.seconds')::float8 * interval '1 second';
    newest    bigint := 0;
BEGIN
    WHILE clock_timestamp() < ends_at LOOP
        -- Each statement has a snapshot of its own. Ids may become visible out of order, within a few hundred.
        INSERT INTO seen SELECT id, sent_at, clock_timestamp() FROM probe WHERE id > newest - 300 ON CONFLICT DO NOTHING;
        SELECT coalesce(max(id), 0) INTO newest FROM seen;
        -- An open transaction would keep the target from pruning what is updated again and again.
        COMMIT;
        PERFORM pg_sleep(0.001);
    END LOOP;
END $$;
SELECT round(percentile_disc(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 1),
       round(percentile_disc(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 1),
       round(max(ms)::numeric, 1), count(*)
FROM (SELECT extract(epoch FROM seen_at - sent_at) * 1000 AS ms FROM seen
      WHERE sent_at > (SELECT min(sent_at) FROM seen) + interval '2 seconds') AS late;
