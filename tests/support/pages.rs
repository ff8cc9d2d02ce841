//! Which pages of a dump are decoded, by what the library logs.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing_subscriber::layer::{Context, Layer};

/// Notes the page of every decode.
#[derive(Clone, Default)]
pub(crate) struct Pages(pub(crate) Arc<Mutex<BTreeSet<u64>>>);

struct PfnField<'a>(&'a Pages);

impl tracing::field::Visit for PfnField<'_> {
    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        if field.name() == "pfn" {
            self.0.0.lock().unwrap().insert(value);
        }
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn fmt::Debug) {}
}

impl<S: tracing::Subscriber> Layer<S> for Pages {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "virtopsy_vmcore::page"
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut PfnField(self));
    }
}
