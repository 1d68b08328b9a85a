select * from t where (a, b) in (select a, v from u);
select case when a > 1 then 'x' else null end, coalesce(b, 'y'), nullif(a, 3) from t;
select distinct on (b) a, b from t order by b, a desc limit 5 offset $1;
select 1 union select '2' union all select 3.5 order by 1;
values (1, 'a'), (2, null);
with r as (select a from t) select * from r;
with r as (select a from t) select * from r r1, r r2 where r1.a = r2.a;
select $1 + a, $2 from t;
select * from generate_series(1, 10) g;
select * from t cross join lateral (select x from u where u.a = t.a) s;
select sum(distinct a) filter (where a > 1), string_agg(b, ',' order by a) from t;
select 'abc'::varchar(2), 1.5::integer, '1.25'::numeric, a::text from t
