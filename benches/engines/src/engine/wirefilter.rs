//! Cloudflare's engine for filters of packets and requests, as it is on crates.io.

use wirefilter::{ExecutionContext, Filter, Scheme, Type};

use crate::engine::{Engine, condition};
use crate::{Request, Rule};

struct Wirefilter {
    scheme: &'static Scheme,
    filters: Vec<Filter<'static>>,
}

pub(super) fn make(rules: &[Rule]) -> Result<Box<dyn Engine>, String> {
    let mut scheme = Scheme::new();
    for (name, ty) in [("prompt", Type::Bytes), ("tokens", Type::Int), ("ext", Type::Bytes)] {
        scheme.add_field(name.to_owned(), ty).map_err(|error| error.to_string())?;
    }
    // Filters borrow it for as long as the program runs.
    let scheme: &'static Scheme = Box::leak(Box::new(scheme));
    let mut filters = Vec::with_capacity(rules.len());
    for rule in rules {
        let text = condition(rule, "tokens", "ext", |keyword| format!("prompt contains \"{keyword}\""));
        filters.push(scheme.parse(&text).map_err(|error| error.to_string())?.compile());
    }
    Ok(Box::new(Wirefilter { scheme, filters }))
}

impl Engine for Wirefilter {
    fn first(&mut self, request: &Request) -> Option<usize> {
        // A filter wants values that live as long as its scheme does.
        // SAFETY: the context that borrows them goes before this function ends, and the request stays until then.
        let forever = |text: &str| -> &'static str { unsafe { &*std::ptr::from_ref(text) } };
        let mut context = ExecutionContext::new(self.scheme);
        context.set_field_value("prompt", forever(&request.folded)).ok()?;
        context.set_field_value("tokens", i32::try_from(request.tokens).ok()?).ok()?;
        context.set_field_value("ext", forever(&request.extension)).ok()?;
        self.filters.iter().position(|filter| filter.execute(&context) == Ok(true))
    }
}
