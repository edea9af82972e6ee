-- Puts a code in the place of an earlier one, and of its tries.
--
-- KEYS  code
-- ARGV  digest, life in ms

local code = KEYS[1]
redis.call('DEL', code)
redis.call('HSET', code, 'digest', ARGV[1], 'tries', 0)
redis.call('PEXPIRE', code, ARGV[2])
return 1
