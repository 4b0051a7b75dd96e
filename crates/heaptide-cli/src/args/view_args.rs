//! The options of a table, as settings of the library.

use heaptide_profile::report::{Granularity, Text, View};

use crate::args;

/// How the table is written.
pub(crate) fn text(report: &args::ReportArgs, is_colored: bool) -> Text {
    let text = numbers(&report.numbers, is_colored).rows(report.nodecount);
    if report.whole_stacks {
        text.whole_stacks()
    } else {
        text
    }
}

/// How numbers and names are written.
pub(crate) fn numbers(numbers: &args::NumberArgs, is_colored: bool) -> Text {
    let mut text = Text::default().unit(numbers.unit);
    if numbers.exact {
        text = text.exact_numbers();
    }
    if numbers.no_error {
        text = text.without_errors();
    }
    if numbers.short_names {
        text = text.short_names();
    }
    if is_colored {
        text = text.colored();
    }
    text
}

/// The nodes of a call graph. `total` is 100 percent.
pub(crate) fn nodes(nodes: &args::Nodes, total: i64) -> View {
    let granularity = match nodes.granularity {
        _ if nodes.lines => Granularity::Lines,
        args::NodeKind::Functions => Granularity::Functions,
        args::NodeKind::Lines => Granularity::Lines,
    };
    let view = View::default().granularity(granularity).out_of(total);
    if nodes.cum { view.by_cum() } else { view }
}

/// How a report is computed. `total` is 100 percent.
pub(crate) fn view(report: &args::ReportArgs, total: i64) -> View {
    let granularity = match report.granularity {
        _ if report.lines => Granularity::Lines,
        _ if report.stacks => Granularity::Stacks,
        args::RowGranularity::Functions => Granularity::Functions,
        args::RowGranularity::Lines => Granularity::Lines,
        args::RowGranularity::Stacks => Granularity::Stacks,
    };
    let view = View::default().granularity(granularity).out_of(total);
    if report.cum { view.by_cum() } else { view }
}
