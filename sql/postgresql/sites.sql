-- Which numbers sequences give, where several databases must never give the same one, and how each sequence was before.

create table if not exists tidemark.sequence_site (
    pipeline text not null,
    schema_name text not null,
    sequence_name text not null,
    sites text not null,           -- “2 of 3”, “range 1-999999999”
    increment bigint not null,
    min_value bigint not null,
    max_value bigint not null,
    start_value bigint not null,
    primary key (pipeline, schema_name, sequence_name)
);
