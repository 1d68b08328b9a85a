select 1;
select a, b from t where a = 1 and c > 1.5;
select * from t, u where t.a = u.a;
select t.*, x from t join u using (a);
select a from t full join u using (a);
select count(*), sum(c), avg(e) from t group by b having count(*) > 1 order by 1 desc, b;
select b, a from t group by a;
select b, e from t group by b;
select a + 1 as k, count(*) from t group by k;
select a, (select max(x) from u where u.a = t.a) from t where exists (select 1 from u where u.x = t.a);
select * from t where a in (1, 2, 3) and d between '2020-01-01' and '2020-12-31';
select * from t where a not in (select a from u)
