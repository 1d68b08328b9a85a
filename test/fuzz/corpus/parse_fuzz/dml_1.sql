insert into t (a) values (true);
insert into t (d) select b from t;
insert into v values (1);
insert into t values (1, 2, 3), (1, 2);
update t set a = 1, a = 2;
update t set zz = 1;
update t set a = 'x';
update t set a = b;
update t set a = sum(a);
delete from t where sum(a) = 1;
delete from t returning nosuch;
insert into u default values
