create table w (a numeric(0));
create table w (a numeric(50));
create table w (a varchar(0));
create table w (a text(3));
create table w (a int not null null);
create table if not exists t (z int);
create view v as select 1;
create view w as select 1, 1;
create or replace view v as select 1 as a;
create or replace view t as select 1 as a;
create index on v (a);
create index on t (zz)
