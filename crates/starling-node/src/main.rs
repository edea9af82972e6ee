//! The `starling` binary: one node of a cluster, and the small tools that go with it.

mod cli;
mod commands;
mod drain;
mod gate;
mod limits;
mod serve;
mod services;
mod settings;
mod telemetry;
mod tokens;

fn main() -> std::process::ExitCode {
    cli::run()
}
