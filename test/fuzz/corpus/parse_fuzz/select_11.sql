select * from t join u on sum(t.a) = 1;
select "A" from (select 1 as "A") q;
select A from (select 1 as "A") q;
select pg_catalog.lower('X'), public.t.a from public.t;
select 1 where true and (false or null) and not 't';
select case when a = 1 then 1 when a = 2 then 2.5 else '3' end from t;
select a from t limit 1 + 1 offset 2.6;
select interval '1 day';
select * from s.w;
select q from s.t, t;
select * from s.t, t where s.t.q = public.t.b;
select s.t.q from t
