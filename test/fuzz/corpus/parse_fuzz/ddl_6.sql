create table s.z (a tinyint, b smallint, c real, d bytea, e boolean, f char, g char(4), h decimal(5));
create table nosuch.z (a int);
create table pg_catalog.z (a int);
create table abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz (abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz int unique);
create table z (a int check (a > 0) check (a < 9), b int, check (a < b), unique (a), unique (b, a), unique (b, a));
alter table u rename column v to w;
alter table s.t rename to tt;
alter table s.t rename column q to r;
alter table s.t rename column q to q;
alter table s.t add constraint c check (q <> t.q || 'x'), rename column q to r;
alter table s.t drop column q;
alter table t drop column d
