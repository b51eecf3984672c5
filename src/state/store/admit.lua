-- Takes all that a call asks for, or nothing, and says what the decision looks at. Times are in microseconds since 1970,
-- money in nano-dollars. Numbers are written with '%.0f': Lua's own form would round them.
local p = KEYS[1]
local i = 0
local function take() i = i + 1; return ARGV[i] end
local function whole(n) return string.format('%.0f', n) end

local replica, id, amount, worst, pool = take(), take(), take(), take(), take()
local opens = take() == '1'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local claims = {}
for n = 1, tonumber(take()) do claims[n] = { take(), take(), take() } end
local charges = {}
for n = 1, tonumber(take()) do charges[n] = { take(), tonumber(take()), tonumber(take()) } end

local function seen()
  local windows, session, kept, turns = {}, {}, {}, {}
  for n = 1, tonumber(take()) do
    local held = redis.call('HMGET', p .. 'window:' .. take(), 's', 'r')
    windows[2 * n - 1] = held[1] or '0'
    windows[2 * n] = held[2] or '0'
  end
  local name = take()
  if name ~= '' then session = redis.call('HGETALL', p .. 'session:' .. name) end
  for n = 1, tonumber(take()) do kept[n] = redis.call('GET', p .. 'kept:' .. take()) or '' end
  for n = 1, tonumber(take()) do turns[n] = redis.call('GET', p .. 'turn:' .. take()) or '0' end
  return windows, session, kept, turns
end
local function answer(status, place, after, turn)
  local windows, session, kept, turns = seen()
  return { status, whole(place), whole(after), turn, windows, session, kept, turns }
end

-- A call that was given up before this arrived must not take anything.
if redis.call('EXISTS', p .. 'gone:' .. id) == 1 then return answer('gone', 0, 0, '') end

local place, over = 0, 0
for n, charge in ipairs(charges) do
  local paid = math.max(tonumber(redis.call('GET', p .. 'limit:' .. charge[1]) or '0'), now)
  local late = paid + charge[3] - now - charge[2]
  if late > over then place, over = n, late end
end
if place > 0 then return answer('limit', place, over, '') end
for n, claim in ipairs(claims) do
  if claim[2] ~= '' and tonumber(amount) > 0 then
    local held = redis.call('HMGET', p .. 'window:' .. claim[1], 's', 'r')
    local settled, reserved = tonumber(held[1] or '0'), tonumber(held[2] or '0')
    if settled + tonumber(amount) > tonumber(claim[2]) then return answer('spent', n, 0, '') end
    if settled + reserved + tonumber(amount) > tonumber(claim[2]) then return answer('set_aside', n, 0, '') end
  end
end

for _, charge in ipairs(charges) do
  local key = p .. 'limit:' .. charge[1]
  local paid = math.max(tonumber(redis.call('GET', key) or '0'), now) + charge[3]
  redis.call('SET', key, whole(paid), 'PX', whole(math.ceil((paid - now) / 1000) + 1000))
end
local entry = { whole(now), amount, worst }
for n, claim in ipairs(claims) do
  redis.call('HINCRBY', p .. 'window:' .. claim[1], 'r', amount)
  redis.call('EXPIREAT', p .. 'window:' .. claim[1], claim[3])
  entry[3 + n] = claim[1]
end
if opens then redis.call('HSET', p .. 'open:' .. replica, id, table.concat(entry, '\n')) end
local turn = ''
if pool ~= '' then turn = whole(redis.call('INCR', p .. 'turn:' .. pool) - 1) end
return answer('ok', 0, 0, turn)
