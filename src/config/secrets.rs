//! The secrets of a configuration, gathered so that they can be hidden wherever text leaves the router.

use crate::config::cache::{Cache, Place};
use crate::config::file::File;
use crate::config::providers::{Provider, filled};
use crate::config::service::{Store, StoreKind};
use crate::config::{Environment, Secret};
use crate::wire::credential::{HeaderClass, header_class, is_credential_parameter, is_credential_value};

/// Returns every secret that a configuration resolves to.
pub(super) fn secrets(
    file: &File,
    environment: &Environment,
    providers: &[Provider],
    store: &Store,
    cache: Option<&Cache>,
) -> Vec<Secret> {
    let mut found = Vec::new();
    for provider in providers {
        found.extend(provider.keys.iter().map(|key| key.reveal().to_owned()));
        let headers = provider.headers.iter().filter(|(name, value)| is_credential(name, value));
        found.extend(headers.flat_map(|(_, value)| of_value(value)));
        found.extend(of_url(&provider.base_url));
        found.extend(provider.proxy.iter().flat_map(|proxy| of_url(proxy.reveal())));
    }
    if let StoreKind::Redis { url, .. } = &store.kind {
        found.extend(of_url(url.reveal()));
    }
    if let Some(Place::Redis(url, _)) = cache.map(|cache| &cache.place) {
        found.extend(of_url(url.reveal()));
    }
    let security = file.security.as_ref();
    let keys = security.and_then(|security| security.authentication.as_ref()).and_then(|entry| entry.keys.as_ref());
    let written = keys.into_iter().flatten().filter_map(|entry| entry.key.as_ref());
    let master = security.and_then(|security| security.encryption.as_ref()).and_then(|entry| entry.key.as_ref());
    found.extend(written.chain(master).filter_map(|text| filled(text, environment).ok()));
    // A local server often takes any key, and its name is a favourite.
    found.retain(|secret| !providers.iter().any(|provider| provider.name.eq_ignore_ascii_case(secret)));
    found.into_iter().map(Secret::new).collect()
}

/// Whether a header carries a credential.
pub fn is_credential(name: &str, value: &str) -> bool {
    header_class(&name.to_ascii_lowercase()) == HeaderClass::Credential || is_credential_value(value.as_bytes())
}

/// The secrets in a header's value: all of it, and what stands behind its scheme.
pub fn of_value(value: &str) -> Vec<String> {
    let behind = value.split_once(' ').map(|(_, rest)| rest.trim().to_owned());
    std::iter::once(value.trim().to_owned()).chain(behind).collect()
}

/// The secrets in an address: its password, as it is written and as it is meant, and credentials of its query.
fn of_url(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let mut found = Vec::new();
    if let Some((user, _)) = authority.rsplit_once('@') {
        let password = user.split_once(':').map_or(user, |(_, password)| password);
        found.extend([password.to_owned(), decoded(password)]);
    }
    for member in url.split_once('?').map_or("", |(_, query)| query).split('&') {
        if let Some((name, value)) = member.split_once('=')
            && is_credential_parameter(name)
        {
            found.extend([value.to_owned(), decoded(value)]);
        }
    }
    found
}

fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&crate::wire::credential::percent_decoded(text)).into_owned()
}
