//! What clients are told of the core's frames. Made once for each frame, dialect and parser, and shared by all clients.

use std::sync::OnceLock;

use starling_core::SharedFrame;
use starling_protocol::UserId;
use tokio::sync::OnceCell;

use super::{Dialect, chatter, community, root};
use crate::live::Live;
use crate::parser::{Frame, Parser};

/// A packet, and whom it does not concern.
#[derive(Debug)]
pub(crate) struct Telling {
    /// It is about him, and he knows.
    pub(super) not_to: Option<UserId>,
    pub(crate) frame: Frame,
}

impl Telling {
    /// One for everybody.
    pub(super) fn to_all(frame: Frame) -> Self {
        Self { not_to: None, frame }
    }

    /// One for everybody but the user whom it is about.
    pub(super) fn of(user: &UserId, frame: Frame) -> Self {
        Self {
            not_to: Some(user.clone()),
            frame,
        }
    }

    pub(crate) fn concerns(&self, user: &UserId) -> bool {
        self.not_to.as_ref() != Some(user)
    }
}

/// A frame in all languages that someone has asked for.
#[derive(Default)]
struct Translations {
    root: Translation<root::News>,
    community: Translation<community::News>,
    chatter: Translation<()>,
}

/// A frame in one dialect.
#[derive(Default)]
struct Translation<News> {
    json: OnceLock<Vec<Telling>>,
    msgpack: OnceLock<Vec<Telling>>,
    /// What of the frame is news: found out once, since it is none the second time.
    news: OnceCell<News>,
}

impl<News> Translation<News> {
    fn by(&self, parser: Parser) -> &OnceLock<Vec<Telling>> {
        match parser {
            Parser::Json => &self.json,
            Parser::MessagePack => &self.msgpack,
        }
    }
}

/// What `frame` is to clients that speak the dialect of this one by its parser.
pub(crate) async fn translate<'f>(live: &Live, frame: &'f SharedFrame) -> &'f [Telling] {
    let Some(translations) = frame.translation(Translations::default) else {
        return &[];
    };
    let parser = live.parser();
    let told = match live.dialect() {
        Dialect::Root => translations.root.by(parser),
        Dialect::Community => translations.community.by(parser),
        Dialect::Chatter => translations.chatter.by(parser),
    };
    if let Some(told) = told.get() {
        return told;
    }
    let frame = frame.frame();
    let made = match live.dialect() {
        Dialect::Root => root::tell(live, frame, &translations.root.news).await,
        Dialect::Community => community::tell(live, frame, &translations.community.news).await,
        Dialect::Chatter => chatter::tell(live, frame).await,
    };
    told.get_or_init(|| made)
}
