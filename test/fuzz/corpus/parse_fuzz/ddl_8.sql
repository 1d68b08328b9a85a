reindex index t_d;
checkpoint freeze t;
checkpoint freeze v;
analyze t (a, zz);
vacuum t;
truncate t, v;
begin
