select case when true then 1 else 'x' end;
select case when true then 1 else date '2020-01-01' end;
select 1 in (1, 'x');
select * from generate_series(1);
select generate_series(1,2);
values (1), (1, 2);
select *;
select count(distinct) from t;
select 1e400;
select 1e300::float8, 1e10, 1e-5, 12345678901, 123456789012345678901234567890, -9223372036854775808, .5, 5.;
select string_agg(distinct b, ',' order by e) from t;
select random() between 0.1 and 0.5, nullif(random(), 0.5), case random() when 1 then 2 when 3 then 4 end
