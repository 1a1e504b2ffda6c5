// The same questions as a rule and as SQL. `profile` and `event` are tables whose columns have the names
// of the CSV files, plus `person`, the primary identity; $now is the instant that both call now.

const one_in_days = (type, days) => ({
    pql: `xEvent.exists(eventType = "${type}" and timestamp occurs <= ${days} days before now)`,
    sql: `SELECT count(DISTINCT person) FROM event WHERE "eventType" = '${type}'
          AND "timestamp" BETWEEN $now - INTERVAL ${days} DAY AND $now`,
});

export const questions = [
    {name: 'one attribute',
     pql: 'homeAddress.countryCode = "US"',
     sql: `SELECT count(*) FROM profile WHERE "homeAddress.countryCode" = 'US'`},
    {name: 'two attributes',
     pql: 'homeAddress.countryCode = "US" and loyalty.tier = "gold"',
     sql: `SELECT count(*) FROM profile WHERE "homeAddress.countryCode" = 'US' AND "loyalty.tier" = 'gold'`},
    {name: 'event in 7 days', ...one_in_days('commerce.purchases', 7)},
    {name: 'page view in 1 day', ...one_in_days('web.webpagedetails.pageViews', 1)},
    {name: 'three views in 7 days',
     pql: 'xEvent[eventType = "commerce.productViews" and timestamp occurs <= 7 days before now].count() >= 3',
     sql: `SELECT count(*) FROM (SELECT person FROM event WHERE "eventType" = 'commerce.productViews'
           AND "timestamp" BETWEEN $now - INTERVAL 7 DAY AND $now GROUP BY person HAVING count(*) >= 3)`},
    {name: 'spent over 300 in 30 days',
     pql: 'xEvent[timestamp occurs <= 30 days before now].sum(commerce.order.priceTotal) > 300',
     sql: `SELECT count(*) FROM (SELECT person FROM event WHERE
           "timestamp" BETWEEN $now - INTERVAL 30 DAY AND $now
           GROUP BY person HAVING sum("commerce.order.priceTotal") > 300)`},
    {name: 'gold without a purchase',
     pql: 'loyalty.tier = "gold" and not xEvent.exists(eventType = "commerce.purchases")',
     sql: `SELECT count(*) FROM profile p WHERE "loyalty.tier" = 'gold' AND NOT EXISTS
           (SELECT 1 FROM event e WHERE e.person = p.person AND e."eventType" = 'commerce.purchases')`},
];

// A hundred audiences of one kind, to see what is shared.
export const many = [];
const types = ['web.webpagedetails.pageViews', 'commerce.productViews', 'commerce.productListAdds',
               'web.webinteraction.linkClicks', 'commerce.checkouts'];
for (let i = 0; i < 100; i++)
    many.push(one_in_days(types[i % 5], 1 + Math.floor(i / 5)));
