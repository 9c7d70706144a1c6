-- For columns that an older version's tables lack. An ALTER TABLE that finds nothing to do locks all the same: it waits for
-- every transaction that has used the table, and everybody else waits behind it. Each definition is NAME TYPE ….
create or replace function tidemark.add_columns(relation regclass, variadic definitions text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare definition text;
begin
    foreach definition in array definitions loop
        if not exists (select from pg_attribute a
                       where a.attrelid = relation and a.attname = split_part(definition, ' ', 1) and not a.attisdropped) then
            execute format('alter table %s add column %s', relation, definition);
        end if;
    end loop;
end $$;
