-- Requests to a streaming inlet, for wrk. Arguments after "--": inlet, schema, dataset, events per
-- request (1: single messages), people, one number that no other run has.
--
-- An event has about 1.2 KB of entity. Its _id is new; its ECID is one of so many people.

-- BENCH_PAUSE_MS: every connection waits so long before each request.
local pause = tonumber(os.getenv("BENCH_PAUSE_MS") or "0")
if pause > 0 then
    function delay()
        return pause
    end
end

local head, tail, batch, people, run, path, thread

function setup(worker)
    next_thread = (next_thread or 0) + 1
    worker:set("number", next_thread)
end

function init(arguments)
    local inlet, schema, dataset = arguments[1], arguments[2], arguments[3]
    batch, people, run = tonumber(arguments[4]), tonumber(arguments[5]), arguments[6]
    thread = number
    path = (batch == 1 and "/collection/" or "/collection/batch/") .. inlet
    local reference = '"schemaRef":{"id":"' .. schema ..
        '","contentType":"application/vnd.adobe.xed-full+json;version=1"}'
    head = '{"header":{' .. reference .. ',"datasetId":"' .. dataset ..
        '","source":{"name":"bench"}},"body":{"xdmMeta":{' .. reference ..
        '},"xdmEntity":{"_id":"'
    tail = '","primary":true,"authenticatedState":"ambiguous"}]},"timestamp":"' .. os.date("!%Y-%m-%dT%H:%M:%SZ") ..
        '","eventType":"commerce.productViews","producedBy":"self",' ..
        '"web":{"webPageDetails":{"name":"product:jacket",' ..
        '"URL":"https://shop.example.com/p/LM-JK-01?color=blue&size=M","siteSection":"women",' ..
        '"server":"shop.example.com","isHomePage":false,"pageViews":{"value":1}},' ..
        '"webReferrer":{"URL":"https://shop.example.com/c/jackets","type":"internal"}},' ..
        '"commerce":{"productViews":{"value":1}},' ..
        '"productListItems":[{"SKU":"LM-JK-01","name":"Ridge Wind Jacket",' ..
        '"product":"https://shop.example.com/p/LM-JK-01","quantity":1,"priceTotal":89.00,' ..
        '"discountAmount":8.90,"currencyCode":"USD","productAddMethod":"product page"},' ..
        '{"SKU":"LM-TS-01","name":"Dawn Running Tee",' ..
        '"product":"https://shop.example.com/p/LM-TS-01","quantity":1,"priceTotal":39.00,' ..
        '"discountAmount":3.90,"currencyCode":"USD","productAddMethod":"recommendation"}],' ..
        '"environment":{"type":"browser","operatingSystem":"Android","viewportWidth":412,' ..
        '"viewportHeight":915,"browserDetails":{"name":"Chrome Mobile","version":"134.0",' ..
        '"acceptLanguage":"en-US",' ..
        '"userAgent":"Mozilla/5.0 (Linux; Android 15) Chrome/134.0 Mobile"}}}}}'
    math.randomseed(thread * 7919)
end

local count = 0
local format, concat, random = string.format, table.concat, math.random
local pieces = {}

-- The pieces of one message after the first n; their number.
local function event(n)
    count = count + 1
    pieces[n + 1] = head
    pieces[n + 2] = format('%s-%d-%d', run, thread, count)
    pieces[n + 3] = '","identityMap":{"ECID":[{"id":"'
    pieces[n + 4] = format('%038d', random(people))
    pieces[n + 5] = tail
    return n + 5
end

function request()
    local body
    if batch == 1 then
        body = concat(pieces, "", 1, event(0))
    else
        local n = 1
        pieces[1] = '{"messages":['
        for i = 1, batch do
            n = event(n)
            n = n + 1
            pieces[n] = i < batch and "," or "]}"
        end
        body = concat(pieces, "", 1, n)
    end
    return wrk.format("POST", path, {["Content-Type"] = "application/json"}, body)
end

local wrong = 0
function response(status)
    if status ~= 200 and status ~= 207 then
        wrong = wrong + 1
        if wrong < 4 then
            io.stderr:write("answer with status " .. status .. "\n")
        end
    end
end

function done(summary, latency)
    local requests = summary.requests - summary.errors.status
    io.write(format('{"case":"%s","events":%d,"seconds":%.3f,"events_per_second":%d,' ..
        '"errors":%d,"p50_ms":%.2f,"p99_ms":%.2f,"max_ms":%.2f}\n',
        os.getenv("BENCH_CASE") or "", requests * batch_size, summary.duration / 1e6,
        requests * batch_size / (summary.duration / 1e6), summary.errors.status +
        summary.errors.connect + summary.errors.read + summary.errors.write +
        summary.errors.timeout, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        latency.max / 1000))
end

batch_size = tonumber(os.getenv("BENCH_EVENTS") or "1")
