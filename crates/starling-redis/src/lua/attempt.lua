-- Counts a try of a code, and gives its digest: none where there is no code, or it was tried too often and is void.
--
-- KEYS  code
-- ARGV  how often it may be tried
-- Returns the digest, or nil.

local code = KEYS[1]
local digest = redis.call('HGET', code, 'digest')
if not digest then
  return false
end
if redis.call('HINCRBY', code, 'tries', 1) > tonumber(ARGV[1]) then
  redis.call('DEL', code)
  return false
end
return digest
