//! `starling config`: the effective settings; exit code 2 if a node would not start with them.

use anyhow::Result;

use crate::settings::{Inputs, Settings, print};

pub(crate) fn run(inputs: &Inputs) -> Result<()> {
    super::say(&print(&Settings::load(inputs)?))
}
