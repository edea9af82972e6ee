//! The clients of this node that are let in, for whoever looks at it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::live::Live;

/// By the public ids of their sockets.
#[derive(Default)]
pub(crate) struct Sockets(Arc<Mutex<HashMap<String, Weak<Live>>>>);

/// One of them, until dropped.
pub(crate) struct Listed {
    sockets: Arc<Mutex<HashMap<String, Weak<Live>>>>,
    id: String,
}

impl Sockets {
    pub(crate) fn enter(&self, live: &Arc<Live>) -> Listed {
        let id = live.session().connection().as_str().to_owned();
        self.0.lock().insert(id.clone(), Arc::downgrade(live));
        Listed {
            sockets: self.0.clone(),
            id,
        }
    }

    /// How many there are, and the first of them in the order of their ids.
    pub(crate) fn first(&self, most: usize) -> (usize, Vec<Arc<Live>>) {
        let sockets = self.0.lock();
        let mut ids: Vec<_> = sockets.keys().collect();
        ids.sort_unstable();
        let first = ids.into_iter().take(most);
        let live = first.filter_map(|id| sockets.get(id)?.upgrade());
        (sockets.len(), live.collect())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sockets.lock().remove(&self.id);
    }
}
