insert into u (v) values ('abc') returning *, a + 1 as k;
insert into u (v) values ('abcdef');
insert into u (v) select '123';
insert into u select 1, '2.5' union all select 2, '3';
with q as (select a from t) insert into u (a) select a from q;
with q as (select a from t) delete from u where a in (select a from q);
update u as w set x = default, v = w.v || 'z' where exists (select 1 from t where t.a = w.a);
update u as w set x = u.x;
delete from u as w using t where t.a = w.a;
update t set (a, b) = (1, 'x'), c = default;
update t set (a, b) = (1);
update t set (a, b) = (select 1)
