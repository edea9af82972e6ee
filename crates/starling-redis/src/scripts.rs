//! The scripts of `src/lua/`, one job each. They are sent by hash; a server that does not know one (after a
//! restart, or `SCRIPT FLUSH`) is sent the text, which teaches it.

use std::sync::LazyLock;

use fred::bytes_utils::Str;
use fred::types::scripts::Script as Lua;

pub(crate) struct Script(LazyLock<Lua>);

impl Script {
    pub(crate) fn sha1(&self) -> Str {
        self.0.sha1().clone()
    }

    pub(crate) fn text(&self) -> Str {
        self.0.lua().cloned().unwrap_or_default()
    }
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(crate) static $name: Script =
            Script(LazyLock::new(|| Lua::from_lua(include_str!(concat!("lua/", $file)))));)*
    };
}

scripts! {
    RESERVE = "reserve.lua";
    COMMIT = "commit.lua";
    ADD_TO_SET = "add_to_set.lua";
    ANNOUNCE = "announce.lua";
    ABANDON = "abandon.lua";
    KEEP_RECENT = "keep_recent.lua";
    JOIN_ROUTE = "join_route.lua";
    CONNECT = "connect.lua";
    DISCONNECT = "disconnect.lua";
    ENQUEUE = "enqueue.lua";
    DELIVERED = "delivered.lua";
    TAKE = "take.lua";
    PUT_CODE = "put_code.lua";
    ATTEMPT = "attempt.lua";
    CONSUME = "consume.lua";
    PUT_EVENTS = "put_events.lua";
    TAKE_EVENTS = "take_events.lua";
    GIVE_BACK_EVENTS = "give_back_events.lua";
}
