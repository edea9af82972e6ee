-- Sets the marks after a batch was stored, publishes it to the conversation's route, and keeps the lease,
-- hands it over, or frees it. Without the lease it only publishes. The batch is kept among the last entries.
--
-- KEYS  lock, seq, waiters, polls, route, recent
-- ARGV  token ('' if none was held), head, what then ('release', 'keep', 'yield'), how many to reserve if kept,
--       lease ms, handover ms, seq ms, ms after which a waiter that has not polled is forgotten,
--       payload, own incarnation, handover payload,
--       how many of the last entries to keep, for how many ms, 1 if the batch takes back what was said,
--       the batch: each entry, published behind the payload
-- Returns {state, incarnation, ...}: 0 kept, 1 released, 2 lost; then the route.

local lock, seq, waiters, polls, route = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, head, what, reserve = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease_ms, handover_ms, seq_ms, forget_ms = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local payload, own, handover = ARGV[9], ARGV[10], ARGV[11]
local recent, keep, recent_ms, takes_back = KEYS[6], tonumber(ARGV[12]), ARGV[13], ARGV[14]
local BATCH = 15

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

-- The last entries are contiguous: a batch that does not follow them begins them anew; one that is there is left.
local count = #ARGV - BATCH + 1
if count > 0 and keep > 0 then
  local to = tonumber(head)
  local first = to - count + 1
  local last = tonumber(string.match(redis.call('LINDEX', recent, -1) or '', '^(%d+) '))
  if takes_back == '1' or not last or (last + 1 ~= first and to > last) then
    redis.call('DEL', recent)
    last = nil
  end
  if not last or last + 1 == first then
    local items = {}
    for i = 1, count do
      items[i] = string.format('%.0f ', first + i - 1) .. ARGV[BATCH + i - 1]
    end
    redis.call('RPUSH', recent, unpack(items))
    redis.call('LTRIM', recent, -keep, -1)
    redis.call('PEXPIRE', recent, recent_ms)
  end
end

-- Read now, after the batch was stored: whoever joins later finds the batch in the log.
local reply = redis.call('SMEMBERS', route)
if payload ~= '' then
  if count > 0 and (#reply > 1 or reply[1] ~= own) then
    payload = payload .. table.concat(ARGV, '', BATCH)
  end
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
