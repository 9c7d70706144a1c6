-- PgQ's own trigger, in C: one event per row, the row's new columns in URL encoding.
CREATE EXTENSION pgq;
SELECT pgq.create_queue('bench');

DO $$
DECLARE
    name regclass;
BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('CREATE TRIGGER queue AFTER INSERT OR UPDATE OR DELETE ON %s'
            ' FOR EACH ROW EXECUTE FUNCTION pgq.logutriga(%L)', name, 'bench');
    END LOOP;
END $$;
