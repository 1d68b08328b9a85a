create table t (a int);
create table w (a int, a int);
create table w (a int, primary key (b));
create table w (a int primary key, b int primary key);
create table w (a int default b);
create table w (a int default 'x');
create table w (a int default (select 1));
create table w (a int check (sum(a) > 1));
create table w (a int check (a));
create table w (a int references t);
create table w (a nosuch);
create table w (a interval)
