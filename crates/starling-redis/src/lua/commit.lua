-- Sets the marks after a batch was stored, publishes it to the conversation's route, and keeps the lease,
-- hands it over, or frees it. Without the lease it only publishes.
--
-- KEYS  lock, seq, waiters, polls, route
-- ARGV  token ('' if none was held), head, what then ('release', 'keep', 'yield'), how many to reserve if kept,
--       lease ms, handover ms, seq ms, ms after which a waiter that has not polled is forgotten,
--       payload, own incarnation, handover payload
-- Returns {state, incarnation, ...}: 0 kept, 1 released, 2 lost; then the route.

local lock, seq, waiters, polls, route = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, head, what, reserve = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease_ms, handover_ms, seq_ms, forget_ms = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local payload, own, handover = ARGV[9], ARGV[10], ARGV[11]

local KEPT, RELEASED, LOST = 0, 1, 2

-- Takes the first waiter that still polls out of the queue, and those before it that do not.
local function next_waiter()
  local now
  while true do
    local first = redis.call('ZPOPMIN', waiters)[1]
    if not first then
      return nil
    end
    local polled = tonumber(redis.call('HGET', polls, first))
    redis.call('HDEL', polls, first)
    if polled then
      if not now then
        local time = redis.call('TIME')
        now = time[1] * 1000 + math.floor(time[2] / 1000)
      end
      if now - polled <= forget_ms then
        return first
      end
    end
  end
end

local state, heir = LOST, nil
if token ~= '' and redis.call('GET', lock) == token then
  redis.call('HSET', seq, 'counter', head, 'head', head)
  redis.call('PEXPIRE', seq, seq_ms)

  if what ~= 'keep' then
    heir = next_waiter()
  end
  if heir then
    redis.call('SET', lock, heir, 'PX', handover_ms)
    state = RELEASED
  elseif what == 'release' then
    redis.call('DEL', lock)
    state = RELEASED
  else
    redis.call('PEXPIRE', lock, lease_ms)
    redis.call('HINCRBY', seq, 'counter', reserve)
    state = KEPT
  end
end

-- Read now, after the batch was stored: whoever joins later finds the batch in the log.
local reply = redis.call('SMEMBERS', route)
if payload ~= '' then
  for _, incarnation in ipairs(reply) do
    if incarnation ~= own then
      redis.call('PUBLISH', 'node:{' .. incarnation .. '}', payload)
    end
  end
end
-- After the payload: the heir has the batch before it appends to it.
if heir and handover ~= '' then
  redis.call('PUBLISH', 'node:{' .. string.match(heir, '^(.*)%.%d+$') .. '}', handover)
end

table.insert(reply, 1, state)
return reply
