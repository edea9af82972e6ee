//! What the pages for people say is what there is: `docs/socketio.md` lists every event and route, and the page of each
//! system in `docs/migrate/` says what becomes of each of its own.

use std::collections::BTreeSet;

use super::events::Events;
use super::routes::Route;
use super::{chatter, community, root, socket_info};

const SOCKETIO: &str = include_str!("../../../../docs/socketio.md");
const CAMPZONE: &str = include_str!("../../../../docs/migrate/campzone.md");
const CHAT_SERVICE: &str = include_str!("../../../../docs/migrate/chat-service.md");
const COMMUNITY_CHAT: &str = include_str!("../../../../docs/migrate/community-chat.md");
const CHATTER: &str = include_str!("../../../../docs/migrate/chatter.md");

/// Routes of these systems that the HTTP API serves.
const ELSEWHERE: [&str; 2] = ["GET /health", "GET /api/redis/status"];

type Names = BTreeSet<String>;

fn names<E: Events>() -> Names {
    E::ALL.iter().map(|(_, name)| (*name).to_owned()).collect()
}

/// As the pages write them, `GET /api/chat/:roomId/users`, without the names of what stands in the path: two routes that
/// differ in nothing else are one to the router.
fn routes(routes: Vec<Route>) -> Names {
    let written = routes.into_iter().map(|Route { method, path, .. }| {
        let path = path.replace('{', ":").replace('}', "");
        anonymous(&format!("{method} {path}"))
    });
    written.collect()
}

fn anonymous(route: &str) -> String {
    let parts = route
        .split('/')
        .map(|part| if part.starts_with(':') { ":" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The text under a heading, up to the next one of its level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("{heading} is missing"));
    let body = &page[start + heading.len() + 2..];
    let level = heading.split(' ').next().unwrap();
    body.find(&format!("\n{level} ")).map_or(body, |end| &body[..end])
}

/// What stands in back quotes in the first column of its tables, without queries.
fn first_column(text: &str) -> Names {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let quoted = cells.flat_map(|cell| {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    quoted
        .map(|name| anonymous(name.split('?').next().unwrap_or_default()))
        .collect()
}

fn and(sets: impl IntoIterator<Item = Names>) -> Names {
    sets.into_iter().flatten().collect()
}

/// Told in every dialect.
fn error() -> Names {
    ["error".to_owned()].into()
}

fn of_root() -> Names {
    and([
        names::<root::Said>(),
        names::<root::Told>(),
        routes(root::routes()),
        error(),
    ])
}

fn of_community() -> Names {
    let events = [names::<community::Said>(), names::<community::Told>(), error()];
    and(events.into_iter().chain([routes(community::routes())]))
}

fn of_chatter() -> Names {
    let events = [names::<chatter::Said>(), names::<chatter::Told>(), error()];
    and(events.into_iter().chain([routes(chatter::routes())]))
}

#[test]
fn the_reference_lists_what_there_is() {
    for (heading, expected) in [
        ("## Events of `/`", of_root()),
        ("## Community Chat", of_community()),
        ("## Chatter", of_chatter()),
        ("## Who is connected", routes(socket_info::routes())),
    ] {
        assert_eq!(first_column(section(SOCKETIO, heading)), expected, "{heading}");
    }
}

#[test]
fn the_pages_of_the_systems_say_what_becomes_of_all_that_is_theirs() {
    const MAPPING: &str = "## Events and routes";
    let elsewhere: Names = ELSEWHERE.map(str::to_owned).into();
    let theirs = |page| first_column(section(page, MAPPING));
    let (campzone, chat_service) = (theirs(CAMPZONE), theirs(CHAT_SERVICE));
    let both: Names = campzone.union(&chat_service).cloned().collect();
    let of_both = and([of_root(), routes(socket_info::routes())]);
    assert_eq!(both.difference(&elsewhere).cloned().collect::<Names>(), of_both);
    let community = theirs(COMMUNITY_CHAT);
    assert_eq!(community, of_community());
    let chatter: Names = theirs(CHATTER).difference(&elsewhere).cloned().collect();
    assert_eq!(chatter, of_chatter());
}
