select a between symmetric 3 and 1 from t;
select * from v where x > 1;
select x from t;
select bb from t;
select t.q from t;
select q.a from t;
select a from t, u;
select 1 from t, t;
select 1 from t a, u a;
select t.a from t z;
select 1 from nosuch;
select 1 from s.nosuch
