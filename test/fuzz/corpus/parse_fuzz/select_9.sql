select a is distinct from 3, b is not distinct from null, (a > 1) is unknown, (a > 1) is not true from t;
select b like 'x%', b not ilike '%y' escape '!', b || a from t;
select round(c, 1), c / 3, c * c, -c, c % 2, a / 2, e % 3, sum(c) from t group by a, b, c, d, e;
select extract(year from d), d + 1, d - date '2020-01-01', current_date from t;
select cast('12' as bigint), try_cast(b as integer), b::char(3), null::date from t;
select greatest(a, e, 3.5), least(b, 'q') from t;
select a as b from t order by b;
select a as k, e as k from t order by k;
select a as k from t order by k + 1;
select a from t group by 1 order by count(*) desc nulls last;
select count(*) from t having count(*) > 1;
select b, count(*) from t group by all
