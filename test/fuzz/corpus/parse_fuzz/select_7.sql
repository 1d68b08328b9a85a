select a from t where $1 is null or a = $1;
with r as materialized (select 1 as k) select k from r;
with r as not materialized (select a from t) select * from r x, r y;
with r as (select random() as k) select k from r;
with r as (select 1 as k), s as (select * from r), z as (select * from r) select k from s;
select a, (with r as (select u.a + t.a as k from u) select max(r.k + r2.k) from r, r r2) from t;
select a from t t1 where exists (select 1 from u group by u.a having sum(t1.a) > 1);
select b, (select count(*) from u where u.a = max(t.a)) from t group by b;
select b, (select count(*) from u where u.a = t.e) from t group by b;
select (select sum(t.e)) from t;
select t.* from t natural join u;
select x.a from (t join u using (a)) as j
