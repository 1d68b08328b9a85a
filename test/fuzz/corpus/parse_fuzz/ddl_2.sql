create index on t (d desc nulls last, b);
create unique index t_d_b_idx1 on t (d);
create index t_d_b_idx on t (a);
create index if not exists t_d_b_idx on t (a);
drop table nosuch;
drop table if exists nosuch;
drop table t;
drop view t;
drop table v;
drop index t_pkey;
drop index nosuch;
create table s.t as select a, b as q from t where false
