//! Names of events, each written once: what a dialect listens for and says is what its page is held to.

/// A dialect's events of one direction.
pub(super) trait Events: Copy + PartialEq + 'static {
    /// All of them, with their names.
    const ALL: &'static [(Self, &'static str)];

    /// The event of this name.
    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(event, _)| *event)
    }

    /// What it is called.
    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(event, _)| *event == self);
        found.map_or("", |(_, name)| name)
    }
}

macro_rules! events {
    ($(#[$doc:meta])* $visibility:vis enum $Name:ident { $($Event:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility enum $Name { $($Event,)* }

        impl $crate::dialect::events::Events for $Name {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$Event, $name),)*];
        }
    };
}
pub(super) use events;
