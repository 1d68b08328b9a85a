select '2020-13-01'::date;
select date 'x';
select a = 'x' from t;
select a || 1.5 from t where b like 5;
select nosuch(a) from t;
select lower(a, b) from t;
select count(a) over () from t;
select a from t for update;
select a, count(*) from t;
select a from t group by rollup (a);
select (select a, b from t);
select 1 where 1 in (select a, b from t)
