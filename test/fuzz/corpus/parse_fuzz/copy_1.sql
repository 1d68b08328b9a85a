copy t (c, a) from 'x.csv' with (format csv, force_null (c), force_not_null (a), null 'N') where a > c;
copy t from 'x.csv' (format csv, force_quote *);
copy t from stdin (delimiter 'a');
copy t from stdin (format 'json');
copy t from stdin (null 'a,b', format csv);
copy t to 'f.arrow' (header);
copy t from stdin where a in (select 1)
