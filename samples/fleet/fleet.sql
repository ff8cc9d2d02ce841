-- Questions to the results of many runs, for DuckDB. Start it where results/*.jsonl are, then
-- `.read fleet.sql`; or from Python, duckdb.execute(open("fleet.sql").read()).

-- One row for each dump; the lines with a run's summary have no verdict.
create or replace view dumps as
select * from read_json('results/*.jsonl', format = 'newline_delimited', union_by_name = true,
                        sample_size = -1, maximum_object_size = 268435456)
where verdict is not null;

-- Kernels by verdict.
create or replace view kernels as
select release, build_id, virtualization.verdict as virtualization, count(*) as dumps
from dumps where error is null
group by all order by dumps desc, release;

-- Every CPU that was on, with the strongest reason given.
create or replace view cpus_on as
select path, release, cpu.cpu, cpu.reason, cpu.strength, cpu.summary
from (select path, release, unnest(virtualization.cpus) as cpu from dumps)
where cpu.state = 'on' order by path, cpu.cpu;

-- Lock reports by signature. Read as JSON: where no dump has any, there are no columns to name.
create or replace view lock_reports as
select splat->>'$.signature' as signature, splat->>'$.kind' as kind, count(*) as times,
       count(distinct path) as dumps, list(distinct release) as releases
from (select path, release, to_json(unnest(splats)) as splat from dumps)
group by all order by dumps desc, signature;

-- The whole as a Parquet file, for tools that read that.
copy (select * exclude (splats, virtualization), virtualization.verdict as virtualization_verdict
      from dumps) to 'fleet.parquet' (format parquet);
