-- Enters a connection into a user's session map, unless there are as many others as are allowed.
--
-- KEYS  user
-- ARGV  connection, incarnation, limit (-1: none), session ms, dead incarnations...
-- Returns 1 if it is entered, 0 if the user has too many.

local user = KEYS[1]
local connection, incarnation, limit, session_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

if #ARGV > 4 then
  local dead = {}
  for i = 5, #ARGV do
    dead[ARGV[i]] = true
  end
  local sessions = redis.call('HGETALL', user)
  for i = 1, #sessions, 2 do
    if dead[sessions[i + 1]] then
      redis.call('HDEL', user, sessions[i])
    end
  end
end

if limit >= 0 and redis.call('HLEN', user) >= limit and redis.call('HEXISTS', user, connection) == 0 then
  return 0
end
redis.call('HSET', user, connection, incarnation)
redis.call('PEXPIRE', user, session_ms)
return 1
