alter table t add constraint uq unique (b, d), add primary key (a);
alter table u add primary key (a);
alter table u add column n numeric default 1.5 not null, rename column v to w;
alter table u rename constraint u_a_x_key to uk;
create unique index on u (v, x desc);
drop table t cascade;
drop table t, v;
drop view v cascade;
drop index t_d;
drop index if exists t_d, nosuch;
create table z (p, q, r) as values (1, 2);
create table z as select 1, 2
