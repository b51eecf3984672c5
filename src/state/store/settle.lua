-- Settles a call: what was set aside becomes what it cost, and limits of tokens learn what it used. A call is settled once,
-- however often this is sent; one that is not known here is remembered as given up, in case its asking is still on the way.
local p = KEYS[1]
local replica, id, cost = ARGV[1], ARGV[2], ARGV[3]
local entry = redis.call('HGET', p .. 'open:' .. replica, id)
if not entry then
  redis.call('SET', p .. 'gone:' .. id, '1', 'EX', '300')
  return 0
end
redis.call('HDEL', p .. 'open:' .. replica, id)
local parts = {}
for part in string.gmatch(entry, '[^\n]+') do parts[#parts + 1] = part end
for n = 4, #parts do
  redis.call('HINCRBY', p .. 'window:' .. parts[n], 'r', '-' .. parts[2])
  redis.call('HINCRBY', p .. 'window:' .. parts[n], 's', cost)
end
for n = 4, #ARGV, 2 do
  local key = p .. 'limit:' .. ARGV[n]
  local paid = redis.call('GET', key)
  if paid then redis.call('SET', key, string.format('%.0f', tonumber(paid) + tonumber(ARGV[n + 1])), 'KEEPTTL') end
end
return 1
