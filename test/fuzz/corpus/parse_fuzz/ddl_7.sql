alter table t drop column e cascade;
alter table t alter column c set default 1.239, alter column d set not null, alter column b drop default;
alter table t alter column a drop not null;
alter table t alter column a type bigint;
alter table v add column z int;
alter view v rename to vv;
alter view s.w rename to ww;
alter schema s rename to r;
alter schema public rename to r;
alter index if exists nosuch rename to r;
alter index t_d rename to t_e_key;
reindex table t
