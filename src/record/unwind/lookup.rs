//! Finds the rule of a code address: in the table, or else from the module.
//!
//! A rule in the table is never stale. A rule of a module that stays as long as the process is
//! found by its address alone. A rule of any other module is found only with the build id of the
//! module that is loaded there at present.

use super::{
    cfi,
    modules::{ModuleError, UnwindModule},
    rule_table::{Owner, RuleTable},
    rules::Rule,
};

/// 128 KiB of zero pages, touched as they are used. With 4,096 slots two hot addresses begin to
/// share one at 4,000 distinct return addresses, which is a large service. 16,384 were not faster.
#[cfg(not(loom))]
static RULES: RuleTable<8192> = RuleTable::new();

#[cfg(loom)]
loom::lazy_static! {
    static ref RULES: RuleTable<2> = RuleTable::new();
}

/// The rule in force at `address`. It is an instruction, or one less than a return address.
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
    // The answer for an address in no module is not kept: a module may be loaded there next.
    let module = match UnwindModule::around(address) {
        Ok(module) => module,
        Err(ModuleError::NoTables) => return Rule::NO_UNWIND_INFO,
        Err(ModuleError::UnknownLayout) => return Rule::NEEDS_LIBGCC,
    };
    let Some(owner) = module.owner() else {
        return Rule::NEEDS_LIBGCC;
    };
    RULES.get(address, owner).unwrap_or_else(|| {
        let rule = cfi::rule(address, &module);
        RULES.put(address, owner, rule);
        rule
    })
}
