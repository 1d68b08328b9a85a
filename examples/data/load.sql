create table airports (
    iata text primary key,
    name text not null,
    city text,
    state text,
    country text,
    latitude double precision,
    longitude double precision
);

create table flights (
    departure timestamp not null,
    delay integer,
    distance integer not null,
    origin text not null,
    destination text not null
);

copy airports from 'examples/data/airports.csv' with (format csv, header true);

copy flights from 'examples/data/flights.csv' with (format csv, header true);

checkpoint freeze;
