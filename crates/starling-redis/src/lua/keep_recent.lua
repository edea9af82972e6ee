-- Puts entries that were read from the log in the place of those that are kept, unless these go further.
--
-- KEYS  recent
-- ARGV  how many to keep, for how many ms, the last one's seq, entries...

local recent = KEYS[1]
local last = tonumber(string.match(redis.call('LINDEX', recent, -1) or '', '^(%d+) '))
if last and last > tonumber(ARGV[3]) then
  return 0
end
redis.call('DEL', recent)
redis.call('RPUSH', recent, unpack(ARGV, 4))
redis.call('LTRIM', recent, -ARGV[1], -1)
redis.call('PEXPIRE', recent, ARGV[2])
return 1
