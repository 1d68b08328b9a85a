select x::integer, x::numeric(5,1), a::boolean, (a > 1)::integer from u;
select 'x'::varchar(3) || 'y', 'abc'::char(2) = 'ab';
select 1 as a union all select 2 order by a desc offset 1;
select * from (select 1 union select 2.5) q(z);
select count(*) from (select 1) q, (select 2) r;
select sum(a + $1) from t;
select a from t group by a, a + 1 having a + 1 > 2;
select a + 1 from t group by a + 1;
select a + 2 from t group by a + 1;
select (select a) from t group by a;
select a, b from t group by (a, b);
select 1 from t group by ()
