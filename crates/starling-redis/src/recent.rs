//! The last entries of conversations: a list of `SEQ ENTRY`, pushed by `lua/commit.lua`.

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use fred::interfaces::ListInterface;
use fred::types::Value;
use starling_core::ports::{RecentEntries, Unavailable};
use starling_protocol::{ConversationId, Seq};

use crate::client::{millis, number};
use crate::scripts::KEEP_RECENT;
use crate::{Redis, keys};

#[async_trait]
impl RecentEntries for Redis {
    async fn recent(
        &self,
        conversation: &ConversationId,
        limit: usize,
    ) -> Result<Vec<(Seq, Bytes)>, Unavailable> {
        if self.settings().recent_max_entries == 0 || limit == 0 {
            return Ok(Vec::new());
        }
        let from = i64::try_from(limit).map_or(i64::MIN, |limit| -limit);
        let items: Vec<Bytes> = self
            .run("recent", conversation, |redis| async move {
                redis.lrange(keys::recent(conversation), from, -1).await
            })
            .await?;
        // What is not an entry is left out: then what is left has a gap.
        Ok(items.iter().filter_map(entry).collect())
    }

    async fn keep_recent(
        &self,
        conversation: &ConversationId,
        entries: &[(Seq, Bytes)],
    ) -> Result<(), Unavailable> {
        let settings = self.settings();
        let Some((last, _)) = entries.last().filter(|_| settings.recent_max_entries > 0) else {
            return Ok(());
        };
        let mut args = vec![
            number(settings.recent_max_entries as u64),
            millis(settings.recent_ttl),
            number(*last),
        ];
        args.extend(entries.iter().map(item));
        Ok(self
            .script(
                "keep_recent",
                conversation,
                &KEEP_RECENT,
                vec![keys::recent(conversation)],
                args,
            )
            .await?)
    }
}

fn item((seq, entry): &(Seq, Bytes)) -> Value {
    let mut item = BytesMut::from(format!("{seq} ").as_bytes());
    item.put_slice(entry);
    item.freeze().into()
}

fn entry(item: &Bytes) -> Option<(Seq, Bytes)> {
    let space = item.iter().position(|byte| *byte == b' ')?;
    let seq = std::str::from_utf8(&item[..space]).ok()?.parse().ok()?;
    Some((seq, item.slice(space + 1..)))
}
