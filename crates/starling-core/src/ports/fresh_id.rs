//! Names that nodes make up: unique, never used twice, opaque to everyone else.

/// Declares such a name over a UUID of version 7, which sorts by time in logs and stores.
macro_rules! fresh_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// A fresh one.
            pub fn fresh() -> Self {
                Self(crate::chance::fresh_name().into())
            }

            /// One that another node wrote.
            pub fn from_wire(value: &str) -> Self {
                Self(value.into())
            }

            /// As it stands in keys and channels.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(super) use fresh_id;
