alter table t drop constraint nosuch;
alter index t_e_key rename to e_key;
alter table u rename to uu;
explain select * from t;
prepare p (int, text) as select $1, $2 || 'x';
prepare p as select $1 is null;
truncate t;
create view w as with r as (select * from t) select r.*, s.* from r, (select x from u) s;
create view w2 as select a, (select max(x) from u where u.a = t.a) as m from t where b in (select v from u) union select 1, 2 order by 1;
create table z (k integer constraint kk primary key, l text unique, m integer default 1 + 2, n timestamp default current_timestamp, constraint pos check (z.k > 0));
create table z as select a, b as bb, 'lit' as c from t with no data;
create table z (p, q) as values (1, 2)
