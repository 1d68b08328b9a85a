insert into t values (1, 'b', 2.5, '2020-01-01', 5), (2, default, 3, null, 6);
insert into t (a, c) select a, x from u returning a, b;
update t set c = c + 1, b = default where a = $1 returning *;
update t set c = u.x from u where u.a = t.a;
update t set (a, b) = (select 1, 'x');
delete from t where a = 1;
delete from t using u where u.a = t.a returning t.b, u.x;
insert into t values (1, 2, 3, 4, 5, 6);
insert into t (a, b) values (1);
insert into t (a, zz) values (1, 2);
insert into t (a, a) values (1, 2);
insert into t (a) values ('x')
