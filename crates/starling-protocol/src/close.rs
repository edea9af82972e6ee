//! Why the server closes a connection, and what the client should do about it.

/// Whether a client should come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reconnect {
    /// At once, to any node.
    Now,
    /// After a pause, with jitter and back-off.
    Later,
    /// Not without a change on the client's side (a new token, a mended program).
    Never,
}

impl Reconnect {
    /// What a close code asks of the client; for codes that are not Starling's, what experience asks.
    pub fn for_code(code: u16) -> Self {
        match code {
            4000..4100 => Self::Now,
            4100..4200 => Self::Later,
            4200..4300 => Self::Never,
            // 1000 normal, 1001 going away, 1005/1006 no code: the network or a proxy ended it.
            1000 | 1001 | 1005 | 1006 | 1012 => Self::Now,
            1011 | 1013 | 1014 => Self::Later,
            1002 | 1003 | 1007 | 1008 | 1009 | 1010 => Self::Never,
            _ => Self::Later,
        }
    }
}

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $reason:literal;)+) => {
        /// A close code. The range says whether to reconnect: 40xx now, 41xx later, 42xx never.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum CloseCode {
            $($(#[doc = $doc])+ $variant = $code,)+
        }

        impl CloseCode {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The number on the wire.
            pub fn code(self) -> u16 {
                self as u16
            }

            /// The reason on the wire.
            pub fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason),+ }
            }

            /// What it means, for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// The code of a number.
            pub fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// What the client should do.
            pub fn reconnect(self) -> Reconnect {
                Reconnect::for_code(self.code())
            }
        }
    };
}

close_codes! {
    /// The node is going away; connect to another one.
    GoingAway = 4000, "reconnect elsewhere";
    /// The client read too slowly and its queue is full; resume by cursors.
    SlowConsumer = 4001, "too slow: resume by cursors";
    /// The client was silent for two heartbeats.
    HeartbeatLost = 4002, "no sign of life";
    /// The outcome of a send is not known; reconnect and send what is unanswered again, oldest first.
    OutcomeUnknown = 4003, "send again what is unanswered";
    /// The user has as many connections as are allowed.
    TooManyConnections = 4100, "too many connections";
    /// The node cannot serve now.
    Unavailable = 4101, "unavailable";
    /// No valid token came in time, or the token is not valid.
    Unauthenticated = 4200, "unauthenticated";
    /// The token has expired; connect with a new one.
    TokenExpired = 4201, "token expired";
    /// The client does not speak the protocol.
    ProtocolError = 4202, "protocol error";
    /// The frame is larger than 64 KiB.
    FrameTooLarge = 4203, "frame too large";
    /// The user has signed out, here or everywhere; sign in again.
    SignedOut = 4204, "signed out";
}
