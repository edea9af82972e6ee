//! The `starling` binary: one node of a cluster, and the small tools that go with it.

mod archive;
mod cli;
mod commands;
mod drain;
mod gate;
mod here;
mod limits;
mod outside;
mod senders;
mod serve;
mod services;
mod settings;
mod telemetry;
mod tokens;
mod welcome;

/// Under load the C library's allocator gives memory back to the kernel and asks for it again all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
