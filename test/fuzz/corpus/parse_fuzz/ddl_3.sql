drop schema s;
drop schema s cascade;
drop schema if exists s;
drop schema pg_catalog;
alter table t add column f integer default 5 check (f > 0) unique;
alter table u rename column x to y;
alter table u drop column a;
alter table t drop constraint t_check, add constraint zz check (a <> 5), alter b drop not null;
alter table t rename column a to q;
alter table t drop column a;
alter table t drop column a cascade;
alter table t add column b int
