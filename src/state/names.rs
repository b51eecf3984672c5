//! The models of a catalogue as state is kept under them: `provider/model`, which stays when the catalogue changes.

use std::collections::HashMap;

use crate::lang::catalogue::{Card, Catalogue, ModelId};

/// The full name of each model of a catalogue, both ways.
#[derive(Debug, Clone, Default)]
pub struct Names {
    list: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Names {
    /// Those of a catalogue.
    pub fn of_catalogue(catalogue: &Catalogue) -> Self {
        catalogue.models.iter().map(Card::full_name).collect()
    }

    /// The name of a model.
    pub fn of(&self, model: ModelId) -> &str {
        self.list.get(model.0 as usize).map_or("", String::as_str)
    }

    /// The model of a name.
    pub fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(String::as_str)
    }
}

impl FromIterator<String> for Names {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        let list: Vec<String> = names.into_iter().collect();
        // Of two that are called alike the first is found.
        let ids = list.iter().cloned().zip(0u32..).collect::<Vec<_>>().into_iter().rev().collect();
        Self { list, ids }
    }
}
