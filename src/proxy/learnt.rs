//! What providers said that they do not take: remembered by model, so that only the first request pays for it.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use crate::wire::refused::Refused;

/// How many models are remembered.
const MODELS_MAX: usize = 1_024;
/// How much is remembered of a model.
const REFUSED_MAX: usize = 16;

/// What was learnt, shared by all requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Learnt(Arc<RwLock<HashMap<String, Arc<Vec<Refused>>>>>);

impl Learnt {
    /// What a model refused so far.
    pub(super) fn of(&self, model: &str) -> Arc<Vec<Refused>> {
        let known = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(model).cloned().unwrap_or_default()
    }

    /// Remembers; whether any of it is new.
    pub(super) fn add(&self, model: &str, refused: &[Refused]) -> bool {
        let mut all = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !all.contains_key(model) && all.len() >= MODELS_MAX {
            return false;
        }
        let known = all.entry(model.to_owned()).or_default();
        let new: Vec<Refused> = refused.iter().filter(|one| !known.contains(one)).cloned().collect();
        if new.is_empty() || known.len() + new.len() > REFUSED_MAX {
            return false;
        }
        let together: Vec<Refused> = known.iter().cloned().chain(new).collect();
        *known = Arc::new(together);
        true
    }
}
