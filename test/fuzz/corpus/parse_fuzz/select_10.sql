select a from t union all select a from u except select 5 order by 1 limit 3;
select null union select 1;
select '1' union select '2.25' union select 1.5;
select * from (values (1, 'x'), (2.5, null)) z(p, q) where q = 'x';
select * from generate_series(1, 3) as g(n), lateral (select n * 2) s;
select * from lower('X') f;
select count(distinct b), count(*) filter (where a > 1 and b is null) from t;
select sum(a), sum(a) + 1, avg(c) from t order by sum(a);
select a from t order by count(*);
select a from t where a in (select sum(t.a) from u);
select sum(a) from t group by sum(a);
select 1 from t group by count(*)
