select * from t join u on t.a = q.a;
select a from t where a;
select a from t where count(*) > 1;
select sum(count(*)) from t;
select a from t order by 5;
select a from t order by 'x';
select distinct a from t order by b;
select a from t union select a, b from t;
select a from t union select d from t;
select a from t union select a from u order by a + 1;
select a from t union select a from u order by zz;
select 1 + 'x'
