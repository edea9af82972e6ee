//! What a hub's sessions were told of members' marks.

use starling_protocol::{ReceiptsChange, Seq, UserId};

use crate::chance::HashMap;

/// The highest marks that were told. Bounded by the members of a conversation that tells of receipts.
#[derive(Default)]
pub(super) struct Told {
    delivered: Seq,
    read: Seq,
    members: HashMap<UserId, (Seq, Seq)>,
}

impl Told {
    /// What of a change is new, each mark no lower than it was told before: two nodes may announce the marks of one
    /// user in whichever order. `None` if nothing is new.
    pub(super) fn news(&mut self, mut change: ReceiptsChange) -> Option<ReceiptsChange> {
        let everyone = (self.delivered, self.read);
        self.delivered = self.delivered.max(change.delivered);
        self.read = self.read.max(change.read);
        (change.delivered, change.read) = (self.delivered, self.read);
        change.members.retain_mut(|member| {
            let told = self.members.entry(member.user.clone()).or_default();
            let before = *told;
            *told = (told.0.max(member.delivered), told.1.max(member.read));
            (member.delivered, member.read) = *told;
            *told != before
        });
        let is_news = !change.members.is_empty() || everyone != (self.delivered, self.read);
        is_news.then_some(change)
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::{ConversationId, Receipt};

    use super::*;

    #[test]
    fn marks_are_told_once_and_never_go_back() {
        let mut told = Told::default();
        let change = |delivered, read, marks: &[(&str, Seq, Seq)]| ReceiptsChange {
            conversation: ConversationId::new("c").unwrap(),
            delivered,
            read,
            members: marks
                .iter()
                .map(|(name, delivered, read)| Receipt {
                    user: UserId::new(name).unwrap(),
                    delivered: *delivered,
                    read: *read,
                    role: None,
                })
                .collect(),
        };
        let first = change(1, 0, &[("ann", 5, 2), ("bob", 1, 0)]);
        assert_eq!(told.news(first.clone()), Some(first.clone()));
        assert_eq!(told.news(first), None);
        // An older read and a newer delivery in one: neither goes back.
        let mixed = change(0, 1, &[("ann", 6, 1), ("bob", 1, 0)]);
        assert_eq!(told.news(mixed), Some(change(1, 1, &[("ann", 6, 2)])));
        // The slowest member has moved, and was told of before.
        assert_eq!(told.news(change(5, 1, &[])), Some(change(5, 1, &[])));
    }
}
