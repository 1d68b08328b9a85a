update t set a = (select max(a) from u where u.a = t.a), b = upper(b);
update t set a = 1 from u returning u.*, t.a;
update v set a = 1;
delete from v;
insert into t (a) values (1) on conflict do nothing;
insert into t (a) select random();
insert into t select 1, 2;
insert into t select * from u;
insert into s.t values (1.5), (true), (date '2020-01-01');
insert into t (a, c) values ($1, $2);
insert into u (x, v) values (1, 2) returning u.x * 2 as y, (select count(*) from t)select (select 1 from t a, u b join t c on a.a = c.a) from t a
