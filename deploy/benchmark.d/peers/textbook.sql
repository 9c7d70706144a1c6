-- The row trigger of the textbooks: a log with the whole row before and after, written once per row.
CREATE SCHEMA textbook;

CREATE TABLE textbook.log (
    id         bigserial PRIMARY KEY,
    table_name text NOT NULL,
    operation  text NOT NULL,
    old_row    json,
    new_row    json,
    changed_at timestamptz NOT NULL
);

CREATE FUNCTION textbook.log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- OLD is NULL for an INSERT, NEW for a DELETE.
    INSERT INTO textbook.log (table_name, operation, old_row, new_row, changed_at)
    VALUES (TG_TABLE_NAME, TG_OP, row_to_json(OLD), row_to_json(NEW), clock_timestamp());
    RETURN NULL;
END $$;

DO $$
DECLARE
    name regclass;
BEGIN
    FOR name IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('CREATE TRIGGER log_change AFTER INSERT OR UPDATE OR DELETE ON %s'
            ' FOR EACH ROW EXECUTE FUNCTION textbook.log_change()', name);
    END LOOP;
END $$;
