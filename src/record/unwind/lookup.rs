//! From a code address to its rule: kept, or computed anew. Holds the statics, and decides when kept
//! rules have become stale.

use super::{
    cfi,
    modules::{Absent, Module, Seen},
    rules::{Rule, Table},
};

/// 128 KiB of zero pages, touched as they are used. With 4,096 slots two hot addresses begin to share
/// one at 4,000 distinct return addresses, which is a large service; 16,384 were not faster.
#[cfg(not(loom))]
static RULES: Table<8192> = Table::new();
#[cfg(not(loom))]
static SEEN: Seen<64> = Seen::new();

#[cfg(loom)]
loom::lazy_static! {
    static ref RULES: Table<2> = Table::new();
    static ref SEEN: Seen<2> = Seen::new();
}

/// The rule in force at `address`, which is an instruction or one less than a return address.
#[inline(always)]
pub(super) fn kept(address: usize) -> Rule {
    match RULES.get(address) {
        Some(rule) => rule,
        None => fresh(address),
    }
}

/// The same, computed from the module that is loaded there now.
#[cold]
#[inline(never)]
pub(super) fn fresh(address: usize) -> Rule {
    let module = Module::around(address);
    // A module not met before may have been loaded where another one was, whose rules must go. This
    // finds most such cases; `capture` has to bear the rest.
    if let Ok(module) = &module
        && SEEN.is_new(module.identity())
    {
        RULES.forget();
    }
    let generation = RULES.generation();
    let rule = match module {
        Ok(module) => cfi::rule(address, &module),
        Err(Absent::NoTables) => Rule::UNKNOWN,
        Err(Absent::Odd) => Rule::FOREIGN,
    };
    RULES.put(address, rule, generation);
    rule
}

/// Changes whenever the rules are forgotten.
#[cfg(test)]
pub(super) fn generation() -> super::rules::Generation {
    RULES.generation()
}
