//! The KVM emergency callback: what the pointer holds, and the proof.

use virtopsy::report::{CallbackReport, DumpReport};

use crate::page::{Page, Tone};
use crate::terminal::Look;
use crate::words::{self, word};

/// The page of `callback`.
pub(crate) fn callback(report: &DumpReport, look: Look) -> String {
    let mut page = Page::new(look);
    callback_section(&mut page, report);
    page.finish()
}

/// The part of a report that is about the callback.
pub(super) fn callback_section(page: &mut Page, report: &DumpReport) {
    let callback = &report.callback;
    let (tone, state) = words::callback(callback.state);
    page.section("CALLBACK", tone, &state);
    let mut fields = Vec::new();
    if let Some(variable) = &callback.variable {
        let address = callback
            .address
            .map(|address| format!(" at {address}"))
            .unwrap_or_default();
        fields.push(("variable", format!("{variable}{address}")));
    }
    if let Some(value) = callback.value {
        let symbol = callback
            .symbol
            .as_ref()
            .map(|symbol| format!(" → {symbol}"))
            .unwrap_or_default();
        let module = callback
            .module
            .as_ref()
            .map(|module| format!(" [{module}]"))
            .unwrap_or_default();
        let state = callback
            .module_state
            .as_ref()
            .map(|state| format!(" {state}"))
            .unwrap_or_default();
        fields.push(("pointer", format!("{value}{symbol}{module}{state}")));
    }
    if callback.expected == Some(false) {
        fields.push((
            "but",
            "this is not the function that this machine's KVM registers".to_owned(),
        ));
    }
    fields.extend(callback_proof(callback));
    page.fields(&fields);
    page.paragraph(2, Tone::Plain, &callback.summary);
}

/// What the pointer is compared with.
fn callback_proof(callback: &CallbackReport) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(table) = &callback.ops_table {
        let says = if table.agrees {
            "names the same function".to_owned()
        } else {
            let symbol = table.symbol.as_ref().map(ToString::to_string);
            format!(
                "names {}",
                symbol.unwrap_or_else(|| table.value.to_string())
            )
        };
        fields.push(("KVM ops", format!("{says} (at {})", table.address)));
    }
    if let Some(code) = &callback.code {
        let bytes = code.bytes.as_ref().or(code.why.as_ref());
        let bytes = bytes.map(|b| format!(": {b}")).unwrap_or_default();
        fields.push(("code", format!("{}{bytes}", word(&code.state))));
    }
    if let Some(module_use) = &callback.module_use {
        let count = module_use
            .refcount
            .map_or_else(|| "not known".to_owned(), |n| n.to_string());
        let users: Vec<String> = module_use.users.iter().map(ToString::to_string).collect();
        let by = if users.is_empty() {
            String::new()
        } else {
            format!(", used by {}", users.join(", "))
        };
        fields.push(("refcount", format!("{count}{by}")));
    }
    for cpu in &callback.in_flight {
        let at = format!("CPU {} stands in {}: {}", cpu.cpu, cpu.at, cpu.why);
        fields.push(("inside", at));
    }
    if let Some(dereference) = &callback.dereference {
        fields.push((
            "read",
            format!("{}: {}", word(&dereference.state), dereference.why),
        ));
    }
    fields
}
