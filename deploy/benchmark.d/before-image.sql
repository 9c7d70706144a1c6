-- What image both costs a writer, beside row capture without it and no capture. In a database of its own:
--   createdb cost && psql -X -1 -f sql/postgresql/install.sql cost && psql -X -f deploy/benchmark.d/before-image.sql cost
\set QUIET on
set client_min_messages = error;
drop table if exists cost; create table cost (id int primary key, v int, w text);
insert into cost select i, 0, repeat('x', 80) from generate_series(1, 20000) i;
vacuum analyze cost;
create or replace procedure spend(what text) language plpgsql as $$
declare best float := 1e9; t timestamptz; bulk float := 1e9;
begin
    for round in 1..5 loop
        t := clock_timestamp();
        for i in 1..20000 loop update cost set v = v + 1 where id = i; end loop;
        best := least(best, extract(epoch from clock_timestamp() - t) * 1e6 / 20000);
        commit;
        t := clock_timestamp();
        update cost set v = v + 1;
        bulk := least(bulk, extract(epoch from clock_timestamp() - t) * 1e6 / 20000);
        commit;
    end loop;
    raise warning '%: % microseconds a statement of one row, % a row of a large one', what, round(best::numeric, 1), round(bulk::numeric, 1);
end $$;
set client_min_messages = warning;
call spend('no capture');
select tidemark.attach('cost', 'row', null, 'new') \g /dev/null
call spend('row, image new');
select tidemark.attach('cost', 'row', null, 'both') \g /dev/null
call spend('row, image both');
