select t.q, s.t.q from s.t;
select 1 limit 'x';
select 1 limit true;
select $1;
select $1 is null;
select 1::nosuch;
select true::date;
select f from (select 1) s;
with r as (select 1), r as (select 2) select 1;
with recursive r as (select 1 union select a from r) select * from r;
select row(1,2) = row(1);
select coalesce(1, 'x')
