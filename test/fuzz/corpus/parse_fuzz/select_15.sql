select coalesce(null, null), coalesce(a), nullif('a', 'b') from t;
select case a when 1 then 'x' when 2 then 'y' else b end from t;
select (select max(a) from t) between 1 and 2;
select -a, +a, @ a, ~a, a << 2, not a > 1 from t;
select not a from t;
select a and true from t;
select exists (select 1), not exists (select 1 from t where false);
select -a, +a, @ a, ~a, a << 2, not a > 1 from u;
select j.a, t.a, b from t join u using (a) as j
