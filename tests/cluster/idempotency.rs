//! The same client_id, sent again anywhere, is one entry (I2).

use futures::future::join_all;
use starling_protocol::{ClientId, Send};

use crate::stage::Stage;

#[tokio::test]
async fn the_same_client_id_to_every_node_at_once_gets_one_seq() {
    let stage = Stage::start("same-key").await;
    let devices = join_all((0..3).map(|node| stage.client_at(node, "ann"))).await;
    let id = devices[0].create_group(vec![]).await.unwrap().id;
    for round in 0..50 {
        let send = |text: &str| Send::text(id.clone(), ClientId::new(format!("key{round}")).unwrap(), text);
        let sent = join_all(devices.iter().map(|device| device.send_with(send("same")))).await;
        let seqs: Vec<_> = sent.into_iter().map(|sent| sent.unwrap().seq).collect();
        assert_eq!(seqs, [round + 2; 3]);
    }
    assert_eq!(stage.stored(&id).await.len(), 51);
}
