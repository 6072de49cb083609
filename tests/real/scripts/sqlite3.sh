# The sqlite3 shell with a file database, an index, a window function and a recursive query.
sqlite3 a.db <<'SQL'
create table t (id integer primary key, a text, b real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) insert into t (a, b) select 'k' || (i % 1000), i * 0.25 from n;
create index i on t (a, b);
select count(*), sum(b), count(distinct a) from t;
select a, max(b) from t where a like 'k99%' group by a order by 2 desc limit 3;
select id, sum(b) over (order by id rows 3 preceding) from t where id % 9999 = 0;
pragma integrity_check;
SQL
