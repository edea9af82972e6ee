//! Pages of the channel: the first is the newest, each is oldest first.

use serde::{Deserialize, Serialize};
use starling_protocol::limits::{DEFAULT_MESSAGES_LIMIT, MAX_MESSAGES_LIMIT};
use starling_protocol::{Error, MessagesPage, MessagesWanted, UserId};

use super::message::Message;
use crate::asker::Asker;
use crate::dialect::payload::invalid;
use crate::dialect::stored::worded;

/// Which page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pages {
    page: Option<u64>,
    limit: Option<u64>,
    /// The `asOf` of the first page: what was said since does not shift the later ones.
    as_of: Option<u64>,
}

impl Pages {
    /// The newest so many.
    pub(super) fn newest(limit: Option<u64>) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// In the core's words; of one user's messages if one is given.
    ///
    /// # Errors
    /// `invalid` for page 0 and limit 0. More than can be had is cut.
    pub(super) fn wanted(&self, sender: Option<UserId>) -> Result<MessagesWanted, Error> {
        if self.page == Some(0) || self.limit == Some(0) {
            return Err(invalid("page and limit are 1 at least"));
        }
        Ok(MessagesWanted {
            page: Some(self.page()),
            skip: None,
            limit: Some(self.limit()),
            sender,
            as_of: self.as_of,
        })
    }

    fn page(&self) -> u64 {
        self.page.unwrap_or(1)
    }

    fn limit(&self) -> u32 {
        let limit = self.limit.unwrap_or(DEFAULT_MESSAGES_LIMIT.into());
        u32::try_from(limit).map_or(MAX_MESSAGES_LIMIT, |limit| limit.min(MAX_MESSAGES_LIMIT))
    }
}

/// `{ success, data, pagination }`.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    success: bool,
    data: Vec<Message>,
    pagination: Pagination,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    page: u64,
    limit: u32,
    /// Of all messages, or as far as is known of one user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_pages: Option<u64>,
    has_more: bool,
    as_of: u64,
}

impl Page {
    pub(super) async fn of(
        asker: Asker<'_>,
        pages: &Pages,
        wanted: &MessagesWanted,
        found: &MessagesPage,
    ) -> Self {
        let total = wanted.sender.is_none().then_some(found.as_of);
        Self {
            success: true,
            data: worded(asker.server, &found.messages, Message::new).await,
            pagination: Pagination {
                page: pages.page(),
                limit: pages.limit(),
                total,
                total_pages: total.map(|total| total.div_ceil(pages.limit().into())),
                has_more: found.more,
                as_of: found.as_of,
            },
        }
    }
}
