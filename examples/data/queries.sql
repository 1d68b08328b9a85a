-- The busiest airports, and how late their flights arrive.
select a.city, a.state, count(*) as flights, round(avg(f.delay), 1) as mean_delay
from flights f join airports a on a.iata = f.origin
group by a.iata, a.city, a.state
order by flights desc
limit 8;

-- When to fly: late arrivals by hour of departure.
select extract(hour from departure) as hour, count(*) as flights,
       round(100.0 * count(*) filter (where delay > 15) / count(*), 1) as percent_late
from flights
group by hour
order by hour;

-- The longest routes.
select o.city as from_city, d.city as to_city, max(f.distance) as miles, count(*) as flights
from flights f
join airports o on o.iata = f.origin
join airports d on d.iata = f.destination
group by o.city, d.city
order by miles desc, from_city, to_city
limit 5;

-- Airports whose flights are later than the average of their state: a correlated subquery.
select a.iata, a.state, count(*) as flights, round(avg(f.delay), 1) as mean_delay
from flights f join airports a on a.iata = f.origin
group by a.iata, a.state
having count(*) > 500 and avg(f.delay) > (
    select avg(g.delay) + 3 from flights g join airports b on b.iata = g.origin where b.state = a.state)
order by mean_delay desc
limit 8;

-- The longest delays, seen from inside a transaction that made some up and is then rolled back.
begin;
update flights set delay = delay + 3000
where departure >= '2001-02-14 08:00:00' and departure < '2001-02-14 09:00:00' and origin = 'ORD';
select departure, delay, origin, destination from flights where delay > 1200 order by delay desc, departure limit 5;
rollback;
