//! Fail points at the windows in which a crash or a stall would hurt most.
//!
//! Off unless the crate `fail` is built with its `failpoints` feature. Configured as that crate does, for
//! example `FAILPOINTS='before_insert=1*off->1*return(crash)'`. Besides its own actions (sleep, pause, print)
//! `return(crash)` kills the process on the spot and `return(stop)` stops it as SIGSTOP does.

/// The windows, in the order in which a batch passes them.
pub const WINDOWS: &[&str] = &[
    "after_lease",
    "after_reserve",
    "before_insert",
    "after_insert",
    "after_publish",
    "before_release",
];

/// Passes a window.
#[cfg(feature = "failpoints")]
pub(crate) fn window(name: &str) {
    fail::fail_point!(name, |action| act(name, action.as_deref()));
}

/// Passes a window.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn window(_: &str) {}

#[cfg(feature = "failpoints")]
fn act(name: &str, action: Option<&str>) {
    tracing::warn!(window = name, action, "fail point struck");
    match action {
        Some("crash") => std::process::abort(),
        Some("stop") => {
            let pid = std::process::id().to_string();
            let status = std::process::Command::new("kill").args(["-STOP", &pid]).status();
            tracing::warn!(window = name, ?status, "continued after a stop");
        }
        _ => {}
    }
}
