//! The contract of `starling-core`'s ports as cases: what holds of every adapter, whatever stands behind it.
//!
//! The cases in [`store`] take a store that is empty; [`store_tests`] makes a test of each. Those in [`coordination`]
//! take a [`Service`] that others may use at the same time, so they make up ids of their own; [`coordination_tests`]
//! makes a test of each. An adapter's own tests hold what only it has: how its server keeps things, and how it fails.
#![allow(clippy::unwrap_used, reason = "a case fails by a panic, which says where")]

pub mod coordination;
pub mod sample;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use starling_core::ports::{
    Accounts, Bus, Codes, ContactBook, Directory, EntryLog, EventCursors, EventQueue, Leases, OfflineIndex,
    PresenceIndex, PresenceStore, Quotas, RateLimiter, RecentEntries, SessionMap, SignIns, Statistics,
};

/// All ports of a store.
pub trait StorePorts:
    EntryLog + Directory + PresenceStore + Statistics + EventCursors + Accounts + SignIns + ContactBook
{
}

impl<T: EntryLog + Directory + PresenceStore + Statistics + EventCursors + Accounts + SignIns + ContactBook>
    StorePorts for T
{
}

/// All ports of coordination.
pub trait CoordinationPorts:
    Leases
    + Bus
    + RecentEntries
    + SessionMap
    + PresenceIndex
    + OfflineIndex
    + RateLimiter
    + Codes
    + Quotas
    + EventQueue
{
}

impl<T> CoordinationPorts for T where
    T: Leases
        + Bus
        + RecentEntries
        + SessionMap
        + PresenceIndex
        + OfflineIndex
        + RateLimiter
        + Codes
        + Quotas
        + EventQueue
{
}

/// How long leases last.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// One that is held.
    pub lease: Duration,
    /// One that was handed over.
    pub handover: Duration,
    /// Between two polls of a waiter.
    pub poll: Duration,
}

/// Coordination, as several nodes share it.
#[async_trait]
pub trait Service: Send + Sync {
    /// One more node. All of a service are asked for with the same pace.
    async fn node(&self, pace: Pace) -> Arc<dyn CoordinationPorts>;
}

/// Some values of a strategy, the same ones every time.
fn samples<T>(count: usize, strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    let mut sample = || strategy.new_tree(&mut runner).unwrap().current();
    (0..count).map(|_| sample()).collect()
}

/// Makes a test of each case of [`store`]. The expression is awaited, and makes an empty store and what has to be kept
/// as long as that.
#[macro_export]
macro_rules! store_tests {
    ($store:expr) => {
        $crate::tests_of! { $store; store;
            accounts: a_number_has_one_user_however_many_register_it_at_once, a_profile_changes_field_by_field;
            contacts: contacts_are_both_ways_or_not_at_all, pages_follow_one_another,
                who_is_together_in_a_conversation_meets, a_hundred_meet_and_more_do_not,
                a_block_ends_what_there_is_and_keeps_it_from_arising;
            directory: a_conversation_is_made_once_and_then_left_alone, a_membership_goes_through_its_life,
                an_end_without_a_record_keeps_older_changes_out, ids_that_look_like_expressions_are_only_ids,
                many_effects_go_in_few_commands_and_keep_their_order,
                nodes_that_apply_the_same_effects_at_once_do_not_disturb_each_other, marks_only_rise,
                present_members_are_read_in_pages_by_user,
                present_members_of_several_conversations_come_by_conversation_and_user, lists_are_read_in_pages,
                users_are_made_on_first_sight_and_keep_their_names, effects_converge_to_the_last_change;
            dissolution: texts_are_gone_and_places_and_keys_stay,
                what_is_hidden_stays_so_until_a_membership_begins_anew;
            entry_log: every_body_comes_back_as_it_went_in,
                a_collision_stores_what_is_before_it_and_nothing_from_it_on,
                keys_are_unique_by_conversation_and_sender_and_the_system_has_none,
                what_cannot_be_stored_leaves_nothing_behind, a_batch_of_many_megabytes_is_one_command,
                pages_are_bounded_and_in_order, many_logs_are_asked_at_once, entries_are_found_by_their_keys,
                messages_are_found_by_number, a_tally_counts_what_is_stored;
            event_cursors: a_cursor_is_kept_for_each_sink_and_never_lowered, a_sink_begins_once;
            governance: a_role_is_guarded_apart_from_the_membership,
                a_role_of_an_earlier_membership_does_not_return, bans_and_mutes_are_guarded_each_by_itself,
                a_conversation_is_called_what_the_last_update_says,
                an_invite_is_made_once_used_up_and_revoked_for_ever;
            messages: each_part_is_guarded_by_itself,
                no_text_is_left_of_what_is_deleted_be_an_edit_applied_after_it, what_is_not_there_is_not_made,
                alterations_come_to_the_same_in_any_order;
            presence: texts_and_last_times_are_kept_of_users_known_and_unknown,
                those_share_a_conversation_who_are_members_of_one_now;
            statistics: what_is_stored_is_counted, the_newest_entries_are_looked_at_and_no_others;
            sign_ins: a_token_is_replaced_once_and_shown_again_for_a_moment,
                of_several_at_once_one_replaces_and_the_others_learn_with_what, what_is_ended_is_ended_and_found;
        }
    };
}

/// Makes a test of each case of [`coordination`]. The expression is awaited, and makes a [`Service`] and what has to be
/// kept as long as that.
#[macro_export]
macro_rules! coordination_tests {
    ($service:expr) => {
        $crate::tests_of! { $service; coordination;
            bus: a_node_is_alive_until_it_is_retired, routes_hold_who_joined, payloads_reach_the_nodes_they_are_for,
                routes_are_read_in_the_order_asked, a_new_incarnation_leaves_the_old_channel,
                a_full_listener_is_told_when_there_is_room;
            codes: a_code_is_given_so_many_times_and_then_void, a_code_is_used_up_once, a_code_ends_with_its_time,
                a_quota_is_spent_and_comes_back;
            events: one_at_a_time_has_a_conversation, what_is_put_in_while_it_is_taken_is_due_again,
                what_is_not_given_back_is_due_when_its_time_is_over, what_is_due_later_stays_so;
            leases: a_free_lease_is_granted_with_the_marks_before, waiters_are_served_in_order_of_arrival,
                the_heir_hears_the_batch_and_then_the_handover, a_handover_that_is_not_claimed_expires,
                a_waiter_that_stopped_polling_is_passed_over, without_the_lease_a_commit_only_publishes,
                a_lease_expires_unless_renewed, a_lease_is_yielded_only_to_someone, a_claim_can_be_abandoned,
                claims_of_one_node_are_distinct;
            offline: the_first_that_was_not_sent_is_noted, what_is_delivered_is_not_noted_any_more,
                many_users_at_once;
            presence: a_nodes_users_are_found_until_they_leave, connections_say_that_they_are_away,
                all_nodes_hear_what_is_announced;
            rate: a_bucket_holds_its_burst, a_bucket_refills_at_its_rate;
            recent: commits_keep_what_follows, what_is_read_takes_the_place_of_less, the_list_is_bounded,
                the_batch_is_published_behind_the_payload;
            sessions: a_user_has_as_many_connections_as_allowed, connections_of_the_dead_make_room,
                a_connection_moves_with_its_node, only_ones_own_entry_is_removed,
                sessions_come_in_the_order_asked_for;
        }
    };
}

/// Makes a test of each case.
#[doc(hidden)]
#[macro_export]
macro_rules! tests_of {
    ($made:expr; $group:ident; $($module:ident: $($case:ident),*;)*) => {
        $(
            mod $module {
                use super::*;
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        let (made, _kept) = $made.await;
                        $crate::$group::$module::$case(&made).await;
                    }
                )*
            }
        )*
    };
}
