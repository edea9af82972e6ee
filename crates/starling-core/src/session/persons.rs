//! Commands about people: the same that REST offers, by the connection's own user.

use std::sync::Arc;

use starling_protocol::{Command, Error, Reply, UserId};

use super::commands::invalid;
use super::history::{MAX_PAGE_BYTES, fitting};
use crate::event::contact_weight;
use crate::people::People;
use crate::ports::SignInId;
use crate::shared::Shared;

/// Carries out a command about people; `sign_in` is the one that the connection came by.
pub(super) async fn execute(
    shared: &Arc<Shared>,
    user: &UserId,
    sign_in: Option<&SignInId>,
    command: Command,
) -> Result<Reply, Error> {
    let people = People::new(shared.clone());
    match command {
        Command::Me(change) => people.change_profile(user, &change).await.map(Reply::Me),
        Command::User(which) => people.user(user, &which.user).await.map(Reply::User),
        Command::Contacts(list) => {
            let mut page = people.contacts(user, list.after.as_ref(), list.limit).await?;
            let fitting = fitting(page.contacts.iter().map(contact_weight), MAX_PAGE_BYTES);
            if fitting < page.contacts.len() {
                page.contacts.truncate(fitting);
                page.next = page.contacts.last().map(|last| last.user.id.clone());
            }
            Ok(Reply::Contacts(page))
        }
        Command::AddContact(add) => people.add_contact(user, &add).await.map(Reply::Contact),
        Command::RemoveContact(which) => done(people.remove_contact(user, &which.user).await),
        Command::Blocked(list) => {
            let page = people.blocked(user, list.after.as_ref(), list.limit).await?;
            Ok(Reply::Blocked(page))
        }
        Command::Block(which) => done(people.block(user, &which.user).await),
        Command::Unblock(which) => done(people.unblock(user, &which.user).await),
        Command::Sessions(_) => people.sessions(user, sign_in).await.map(Reply::Sessions),
        Command::EndSession(end) => done(people.end_session(user, &end.session).await),
        Command::SignOut(sign_out) => done(people.sign_out(user, sign_in, &sign_out).await),
        other => Err(invalid(format!("{} is not carried out here", other.name()))),
    }
}

fn done(outcome: Result<(), Error>) -> Result<Reply, Error> {
    outcome.map(|()| Reply::Done {})
}
