//! What may happen on the network between nodes and their services.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::network::{Link, Weather};
use crate::stage::{Strike, Strikes};

pub(super) const CUT: Weather = Weather::Cut;
pub(super) const BLACK_HOLE: Weather = Weather::BlackHole;
pub(super) const DELAYED: Weather = Weather::Delayed(Duration::from_millis(300));
pub(super) const REPLIES_DROPPED: Weather = Weather::RepliesDropped;

/// Longer than a node waits for Redis to answer.
const REDIS: Duration = Duration::from_secs(4);
/// Longer than a node waits for MongoDB to answer: what it then believes lost may arrive later.
const MONGO: Duration = Duration::from_secs(7);

pub(super) async fn redis(strike: &Strike<'_>, weather: Weather) -> Result<Strikes> {
    suffer(strike, &strike.redis_links(), weather, REDIS).await
}

pub(super) async fn mongo(strike: &Strike<'_>, weather: Weather) -> Result<Strikes> {
    suffer(strike, &strike.mongo_links(), weather, MONGO).await
}

async fn suffer(strike: &Strike<'_>, links: &[&Link], weather: Weather, time: Duration) -> Result<Strikes> {
    let count = || links.iter().map(|link| link.struck()).sum::<u64>();
    let before = count();
    // Also where this is dropped halfway.
    let _clears = Clears(links);
    strike.begins();
    links.iter().for_each(|link| link.set(weather));
    sleep(time).await;
    links.iter().for_each(|link| link.set(Weather::Clear));
    let struck = count() - before;
    let whose = if links.len() > 1 {
        "all nodes".to_owned()
    } else {
        strike.node().id().to_owned()
    };
    Ok(Strikes::new(
        struck,
        format!("{whose}: {weather:?} struck {struck} times"),
    ))
}

struct Clears<'a>(&'a [&'a Link]);

impl Drop for Clears<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|link| link.set(Weather::Clear));
    }
}
