copy nosuch from 'x.csv';
copy t from 'x.csv' (format csv, header);
copy t (b, c) to stdout with csv header force quote b;
copy t from 'x.csv' (format csv, delimiter 'xx');
copy t from 'x.csv' (quote 'x');
copy t from 'x.csv' (nosuch 1);
copy t from 'x.csv' (format csv, format csv);
copy t from 'x.csv' (format csv, delimiter '"');
copy t (zz) from stdin;
copy (select b from t) to 'f.arrow';
copy v to stdout;
copy v from stdin
