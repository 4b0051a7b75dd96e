//! How a table was asked for, put into the library's words.

use heaptide::report::{Granularity, Text, View};

use crate::args;

/// How a report was asked to be written.
pub(crate) fn text(report: &args::Report, is_colored: bool) -> Text {
    let mut text = Text::default().rows(report.nodecount).unit(report.unit);
    if report.exact {
        text = text.exact_numbers();
    }
    if report.no_error {
        text = text.without_errors();
    }
    if report.short_names {
        text = text.short_names();
    }
    if report.whole_stacks {
        text = text.whole_stacks();
    }
    if is_colored {
        text = text.colored();
    }
    text
}

/// How a report was asked to be put together; `total` is 100 percent.
pub(crate) fn view(report: &args::Report, total: i64) -> View {
    let granularity = match report.granularity {
        _ if report.lines => Granularity::Lines,
        _ if report.stacks => Granularity::Stacks,
        args::Granularity::Functions => Granularity::Functions,
        args::Granularity::Lines => Granularity::Lines,
        args::Granularity::Stacks => Granularity::Stacks,
    };
    let view = View::default().granularity(granularity).out_of(total);
    if report.cum { view.by_cum() } else { view }
}
