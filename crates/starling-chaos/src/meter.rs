//! The nodes' own counters, read from their `/metrics`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use starling_cluster::{Cluster, Node};

const TIMEOUT: Duration = Duration::from_secs(2);

/// What the nodes had counted at one moment: for each node, the sum of each metric over its labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    nodes: Vec<BTreeMap<String, f64>>,
}

/// Reads the counters of all nodes; those of a node that does not answer are missing.
pub(crate) async fn read(cluster: &Cluster) -> Reading {
    let nodes = cluster
        .nodes()
        .iter()
        .map(async |node| read_node(node).await.unwrap_or_default());
    Reading {
        nodes: join_all(nodes).await,
    }
}

impl Reading {
    /// How much a counter of one node has risen since an earlier reading. A node that was started anew in between
    /// began at zero.
    pub(crate) fn rise_of(&self, node: usize, earlier: &Self, metric: &str) -> u64 {
        let value = |reading: &Self| reading.nodes.get(node).and_then(|node| node.get(metric)).copied();
        let now = value(self).unwrap_or_default();
        let before = value(earlier).unwrap_or_default();
        let rise = if now >= before { now - before } else { now };
        rise as u64
    }

    /// The same, of all nodes.
    pub(crate) fn rise(&self, earlier: &Self, metric: &str) -> u64 {
        (0..self.nodes.len())
            .map(|node| self.rise_of(node, earlier, metric))
            .sum()
    }
}

async fn read_node(node: &Node) -> Result<BTreeMap<String, f64>> {
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let text = client
        .get(format!("{}/metrics", node.url()))
        .send()
        .await?
        .text()
        .await?;
    Ok(parse(&text))
}

/// Prometheus' text: `name{labels} value`, and comments.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let name = name.split('{').next().unwrap_or(name);
        if let Ok(value) = value.parse::<f64>() {
            *sums.entry(name.to_owned()).or_default() += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_the_sum_over_its_labels_and_may_start_anew() {
        let text = "# TYPE a counter\na{x=\"1 2\"} 3\na{x=\"2\"} 4\n\nb 0.5\n";
        let nodes = vec![parse(text), parse("a 5\n")];
        let before = Reading { nodes };
        let after = Reading {
            nodes: vec![parse("a 9\n"), parse("a 2\n")],
        };
        assert_eq!(before.rise_of(0, &Reading::default(), "a"), 7);
        assert_eq!(
            (after.rise_of(0, &before, "a"), after.rise_of(1, &before, "a")),
            (2, 2)
        );
        assert_eq!(after.rise(&before, "a"), 4);
        assert_eq!(after.rise(&before, "unheard of"), 0);
    }
}
