-- Says that a replica lives, and settles what dead ones (and calls that nobody ended) had set aside: at the most that it
-- can have cost.
local p = KEYS[1]
local replica, alive_ms, oldest_us = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('SADD', p .. 'replicas', replica)
redis.call('SET', p .. 'alive:' .. replica, '1', 'PX', alive_ms)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local settled = 0
for _, other in ipairs(redis.call('SMEMBERS', p .. 'replicas')) do
  local dead = redis.call('EXISTS', p .. 'alive:' .. other) == 0
  local open = redis.call('HGETALL', p .. 'open:' .. other)
  for n = 1, #open, 2 do
    local parts = {}
    for part in string.gmatch(open[n + 1], '[^\n]+') do parts[#parts + 1] = part end
    if dead or now - tonumber(parts[1]) > oldest_us then
      for m = 4, #parts do
        redis.call('HINCRBY', p .. 'window:' .. parts[m], 'r', '-' .. parts[2])
        redis.call('HINCRBY', p .. 'window:' .. parts[m], 's', parts[3])
      end
      redis.call('HDEL', p .. 'open:' .. other, open[n])
      settled = settled + 1
    end
  end
  if dead then redis.call('SREM', p .. 'replicas', other) end
end
return settled
