//! RabbitMQ, which the tests tell of events. A service that the system's package may start by itself is not ours, and
//! not touched: the tests start brokers of their own.

use anyhow::{Context, Result};
use starling_cluster::RabbitMq;

use super::apt;

pub(super) fn run() -> Result<()> {
    if RabbitMq::find().is_err() && apt::is_here() {
        apt::install(&["rabbitmq-server"])?;
    }
    RabbitMq::find().context("the tests of events need RabbitMQ 3.10 or later, as Debian packages it")
}
