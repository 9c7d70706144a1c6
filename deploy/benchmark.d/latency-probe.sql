-- Watches the target, each millisecond, until the row in done has come, or for :seconds; prints p50, p95, p99 and the
-- maximum in ms, and how many rows it saw. The first two seconds are left out: a replicator that just started is not
-- what is measured. Both servers read one clock. sent_at lies before the COMMIT, so that the source's own commit counts
-- too.
CREATE TEMPORARY TABLE seen (id bigint PRIMARY KEY, sent_at timestamptz, seen_at timestamptz);
SET SESSION watch.seconds = :seconds;
DO $$
DECLARE
    ends_at timestamptz := clock_timestamp() + current_setting('watch.seconds')::float8 * interval '1 second';
    newest  bigint := 0;
    last    boolean := false;
BEGIN
    WHILE NOT last LOOP
        last := clock_timestamp() >= ends_at OR EXISTS (SELECT FROM done);
        -- Each statement has a snapshot of its own. Ids may become visible out of order, within a few hundred.
        INSERT INTO seen SELECT id, sent_at, clock_timestamp() FROM probe WHERE id > newest - 300
        ON CONFLICT DO NOTHING;
        SELECT coalesce(max(id), 0) INTO newest FROM seen;
        -- An open transaction would keep the target from pruning what is updated again and again.
        COMMIT;
        PERFORM pg_sleep(0.001);
    END LOOP;
END $$;

-- A histogram with buckets of two significant digits, each named by its upper bound in microseconds, as HDR
-- histograms have them; of these, the first at or below which so many of a hundred lie.
CREATE TEMPORARY VIEW histogram AS
WITH late AS (
    SELECT ceil(extract(epoch FROM seen_at - sent_at) * 1000000)::numeric AS us FROM seen
    WHERE sent_at > (SELECT min(sent_at) FROM seen) + interval '2 seconds'),
sized AS (SELECT us, 10 ^ greatest(floor(log(greatest(us, 1))) - 1, 0) AS step FROM late)
SELECT ceil(us / step) * step AS bound,
       sum(count(*)) OVER (ORDER BY ceil(us / step) * step) AS below,
       sum(count(*)) OVER () AS total
FROM sized GROUP BY 1;

SELECT round((SELECT min(bound) FROM histogram WHERE below >= total * 0.50) / 1000, 2),
       round((SELECT min(bound) FROM histogram WHERE below >= total * 0.95) / 1000, 2),
       round((SELECT min(bound) FROM histogram WHERE below >= total * 0.99) / 1000, 2),
       round((SELECT max(bound) FROM histogram) / 1000, 2),
       (SELECT count(*) FROM seen);
