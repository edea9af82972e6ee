-- Takes tokens from a bucket that refills steadily, kept as one number (GCRA): the moment at which the bucket
-- is full again. A missing key is a full bucket, so the key lives no longer than it takes to refill.
--
-- KEYS  rate
-- ARGV  want, tokens per second, burst
-- Returns {granted, microseconds until one more is there}.

local rate = KEYS[1]
local want, interval, burst = tonumber(ARGV[1]), 1000000 / tonumber(ARGV[2]), tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(tonumber(redis.call('GET', rate)) or now, now)

-- One microsecond of slack: the stored moment is rounded.
local there = math.max(math.floor((burst * interval - (full - now) + 1) / interval), 0)
local granted = math.min(want, there)
if granted > 0 then
  full = full + granted * interval
  redis.call('SET', rate, string.format('%.0f', full), 'PX', string.format('%.0f', math.ceil((full - now) / 1000)))
end
return { granted, math.max(math.ceil(full - now - (burst - 1) * interval), 0) }
