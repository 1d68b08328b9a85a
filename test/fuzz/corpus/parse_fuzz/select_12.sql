select * from 'nosuch.csv';
select $2::integer, $1 || 'x';
select $1::integer, $1 || 'x';
select 1 from t where b = $1 and d > $2 and c < $3;
select a.a from t a left join (u b join t c on b.a = c.a) on a.a = b.a;
select * from t a, u b join t c on a.a = c.a;
select t.a, u.a from t full join u using (a) where a > 1;
select a, count(*) from t join u using (a) group by a;
select a, count(*) from t full join u using (a) group by a;
select sum(x) over w from u window w as (order by a);
select a from t where a = (select 1 union select 2);
select a in (select 'x') from t
