//! From a code address to its rule: kept, or computed anew. Holds the table.
//!
//! No rule in it is ever stale. A rule of a module that stays for as long as the process is found by its
//! address alone; one of any other module only for the build id of what is loaded there now.

use super::{
    cfi,
    modules::{Absent, Module},
    rules::{Owner, Rule, Table},
};

/// 128 KiB of zero pages, touched as they are used. With 4,096 slots two hot addresses begin to share
/// one at 4,000 distinct return addresses, which is a large service; 16,384 were not faster.
#[cfg(not(loom))]
static RULES: Table<8192> = Table::new();

#[cfg(loom)]
loom::lazy_static! {
    static ref RULES: Table<2> = Table::new();
}

/// The rule in force at `address`, which is an instruction or one less than a return address.
#[inline(always)]
pub(super) fn rule_at(address: usize) -> Rule {
    match RULES.get(address, Owner::PERMANENT) {
        Some(rule) => rule,
        None => ask_the_module(address),
    }
}

#[cold]
#[inline(never)]
fn ask_the_module(address: usize) -> Rule {
    // What is known of an address in no module is not kept: the next one may be loaded there.
    let module = match Module::around(address) {
        Ok(module) => module,
        Err(Absent::NoTables) => return Rule::UNKNOWN,
        Err(Absent::Odd) => return Rule::FOREIGN,
    };
    let Some(owner) = module.owner() else {
        return Rule::FOREIGN;
    };
    RULES.get(address, owner).unwrap_or_else(|| {
        let rule = cfi::rule(address, &module);
        RULES.put(address, owner, rule);
        rule
    })
}
