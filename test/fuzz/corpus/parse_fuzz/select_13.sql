select a from t order by a + 1, b desc nulls last, 1;
select distinct b from t order by 1;
select distinct on (a + 1) a from t;
select distinct on (a) b from t order by b;
select 'a' like b, b similar to 'x' from t;
select b ~ 'x' from t;
select array[1, 2];
select (t).a from t;
select t from t;
select a at time zone 'utc' from t;
select current_time;
select now(), current_timestamp, user, current_schema
