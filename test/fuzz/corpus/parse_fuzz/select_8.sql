select j.a, j.x from (t join u using (a)) as j;
select j.p from (select a, b from t) as j(p);
select * from (select a, b from t) as j(p, q, r);
select * from t left join u on t.a = u.a and u.x > 1;
select * from t right join u using (a);
select * from t right join lateral (select t.a) s on true;
select * from t left join lateral (select t.a + 1 as z) s on true;
select a from t where a > all (select a from u);
select a from t where a = any (select x from u);
select a from t where a <> all (select a from u);
select (1, 2) < (a, 3) from t;
select a from t where (a, b) in ((1, 'x'), (2, 'y'))
