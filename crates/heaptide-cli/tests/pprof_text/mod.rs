//! Parses the reports of `go tool pprof` and of heaptide into data that tests can compare.
//!
//! It reads `-tree`, `-peek`, `-traces` and `-list`, and heaptide's reports of the same names.

/// A function between its callers and its callees.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParsedBlock {
    pub(crate) callers: Vec<ParsedCall>,
    pub(crate) flat: i64,
    pub(crate) cum: i64,
    pub(crate) name: String,
    pub(crate) callees: Vec<ParsedCall>,
}

/// A call. Its name says whether it was inlined.
#[derive(Clone, Debug)]
pub(crate) struct ParsedCall {
    pub(crate) value: i64,
    pub(crate) percent: f64,
    pub(crate) name: String,
}

/// The two commands round shares differently, so equality leaves them out.
impl PartialEq for ParsedCall {
    fn eq(&self, other: &Self) -> bool {
        (self.value, &self.name) == (other.value, &other.name)
    }
}

impl ParsedCall {
    pub(crate) fn function(&self) -> &str {
        self.name.strip_suffix(" (inline)").unwrap_or(&self.name)
    }
}

/// A sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParsedTrace {
    pub(crate) labels: Vec<ParsedLabel>,
    pub(crate) value: i64,
    pub(crate) frames: Vec<String>,
}

/// A key and its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParsedLabel {
    pub(crate) key: String,
    values: String,
}

impl ParsedLabel {
    /// `pprof` writes numbers with units, rounded.
    pub(crate) fn is_like(&self, theirs: &Self) -> bool {
        if self.key != theirs.key {
            return false;
        }
        let (Ok(ours), Some(theirs)) = (self.values.parse::<f64>(), bytes(&theirs.values)) else {
            return self.values == theirs.values;
        };
        (ours - theirs).abs() <= 0.006 * ours
    }
}

/// A number such as `5.25kB`.
fn bytes(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let power = ["B", "kB", "MB", "GB"]
        .iter()
        .position(|unit| *unit == &text[end..])?;
    let number: f64 = text[..end].parse().ok()?;
    Some(number * 1024_f64.powi(i32::try_from(power).ok()?))
}

/// A function in one of its source files.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParsedRoutine {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) flat: i64,
    pub(crate) cum: i64,
    pub(crate) is_missing: bool,
    pub(crate) lines: Vec<ParsedLine>,
}

impl ParsedRoutine {
    fn named(name: &str, file: &str) -> Self {
        Self {
            name: name.to_owned(),
            file: file.to_owned(),
            flat: 0,
            cum: 0,
            is_missing: false,
            lines: Vec::new(),
        }
    }
}

/// A line of source code.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParsedLine {
    pub(crate) number: i64,
    pub(crate) flat: i64,
    pub(crate) cum: i64,
    text: String,
}

/// A plain number, with `pprof`'s unit of one byte or without; `.` is 0.
fn number(text: &str) -> i64 {
    let digits = text.trim_end_matches('B');
    match digits {
        "." => 0,
        digits => digits
            .parse()
            .unwrap_or_else(|_| panic!("`{text}` is no whole number")),
    }
}

fn percent(text: &str) -> f64 {
    let digits = text.trim_start_matches(['-', '<']).trim_end_matches('%');
    digits
        .parse()
        .unwrap_or_else(|_| panic!("`{text}` is no share"))
}

fn is_rule(line: &str) -> bool {
    line.starts_with("-----") && line.trim_matches(['-', '+']).is_empty()
}

/// The first words of a line, and the rest.
fn words<const N: usize>(line: &str) -> ([&str; N], &str) {
    let mut rest = line;
    let words = [(); N].map(|()| {
        rest = rest.trim_start();
        assert!(!rest.is_empty(), "too few words in `{line}`");
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after;
        word
    });
    (words, rest.trim())
}

/// The parts of a report between lines of dashes. The text above the first such line and below the
/// last one is left out.
fn parts(output: &str) -> Vec<Vec<&str>> {
    let mut parts: Vec<Vec<&str>> = Vec::new();
    for line in output.lines().skip_while(|line| !is_rule(line)) {
        if is_rule(line) {
            parts.push(Vec::new());
        } else if line.is_empty() {
            break;
        } else if let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The blocks of `pprof -tree` or `-peek`.
pub(crate) fn blocks(output: &str) -> Vec<ParsedBlock> {
    let call = |line: &str| {
        let (numbers, name) = line.split_once(" |   ").unwrap_or_else(|| panic!("{line}"));
        let ([value], share) = words(numbers);
        ParsedCall {
            value: number(value),
            percent: percent(share),
            name: name.to_owned(),
        }
    };
    let parts = parts(output).into_iter().skip(1);
    let block = |part: Vec<&str>| {
        let is_node = |line: &&str| line.contains("  | ") && !line.contains(" |   ");
        let at = part
            .iter()
            .position(is_node)
            .unwrap_or_else(|| panic!("{part:?}"));
        let (numbers, name) = part[at].split_once(" | ").expect("looked for");
        let ([flat, _, _, cum], _) = words(numbers);
        ParsedBlock {
            callers: part[..at].iter().copied().map(call).collect(),
            flat: number(flat),
            cum: number(cum),
            name: name.to_owned(),
            callees: part[at + 1..].iter().copied().map(call).collect(),
        }
    };
    parts.map(block).collect()
}

/// The blocks of `heaptide tree` or `peek`.
pub(crate) fn our_blocks(output: &str) -> Vec<ParsedBlock> {
    let call = |line: &&str| {
        let ([value, share, _], name) = words(line);
        ParsedCall {
            value: number(value),
            percent: percent(share),
            name: name.strip_suffix(" (indirect)").unwrap_or(name).to_owned(),
        }
    };
    let block = |part: Vec<&str>| {
        let way = |line: &str| {
            line.starts_with(' ')
                .then(|| words::<3>(line).0[2].to_owned())
        };
        let is_call = |line: &str, wanted: &str| {
            // A function's line has a share in its second column and its third.
            let share = words::<3>(line).0[2];
            way(line).as_deref() == Some(wanted) && !share.ends_with('%')
        };
        let at = part
            .iter()
            .position(|line| !is_call(line, "from"))
            .expect("a function");
        let ([flat, _, _, cum, _], name) = words(part[at]);
        let name = name.strip_suffix(" (new)").unwrap_or(name);
        let name = name.strip_suffix(" (gone)").unwrap_or(name);
        assert!(
            part[at + 1..].iter().all(|line| is_call(line, "to")),
            "{part:?}"
        );
        ParsedBlock {
            callers: part[..at].iter().map(call).collect(),
            flat: number(flat),
            cum: number(cum),
            name: name.to_owned(),
            callees: part[at + 1..].iter().map(call).collect(),
        }
    };
    parts(output).into_iter().map(block).collect()
}

/// The samples of `pprof -traces`.
pub(crate) fn traces(output: &str) -> Vec<ParsedTrace> {
    parts(output)
        .into_iter()
        .map(|part| trace(&part, "   "))
        .collect()
}

/// The samples of `heaptide traces`.
pub(crate) fn our_traces(output: &str) -> Vec<ParsedTrace> {
    parts(output)
        .into_iter()
        .map(|part| trace(&part, "  "))
        .collect()
}

/// Labels are `key:  values`. The first frame is behind the value.
fn trace(part: &[&str], gap: &str) -> ParsedTrace {
    let is_label = |line: &&&str| {
        let key = line.trim_start().split_once(":  ");
        key.is_some_and(|(key, _)| !key.contains(' '))
    };
    let labels: Vec<&&str> = part.iter().take_while(is_label).collect();
    let label = |line: &&str| {
        let (key, values) = line.trim_start().split_once(":  ").expect("looked for");
        ParsedLabel {
            key: key.to_owned(),
            values: values.to_owned(),
        }
    };
    let frames = &part[labels.len()..];
    let mut labels: Vec<ParsedLabel> = labels.into_iter().map(label).collect();
    // pprof sorts them by their padded text, which puts short keys first.
    labels.sort_by(|a, b| a.key.cmp(&b.key));
    let (value, first) = frames[0]
        .trim_start()
        .split_once(gap)
        .expect("a value and a frame");
    let rest = frames[1..].iter().map(|frame| frame.trim_start());
    ParsedTrace {
        labels,
        value: number(value),
        frames: std::iter::once(first)
            .chain(rest)
            .map(String::from)
            .collect(),
    }
}

/// The functions of `pprof -list`.
pub(crate) fn listing(output: &str) -> Vec<ParsedRoutine> {
    let mut routines: Vec<ParsedRoutine> = Vec::new();
    for line in output.lines().skip(1) {
        if let Some(title) = line.strip_prefix("ROUTINE ======================== ") {
            let (name, file) = title.rsplit_once(" in ").expect("a file");
            routines.push(ParsedRoutine::named(name, file));
            continue;
        }
        if let Some(name) = line.strip_prefix("No source information for ") {
            routines.push(ParsedRoutine::named(name, ""));
            continue;
        }
        let routine = routines.last_mut().unwrap_or_else(|| panic!("{line}"));
        if line.contains("(flat, cum)") {
            let ([flat, cum], _) = words(line);
            (routine.flat, routine.cum) = (number(flat), number(cum));
        } else if line.starts_with(" Error: ") {
            routine.is_missing = true;
        } else {
            let (numbers, text) = line.split_once(':').expect("a line number");
            let ([flat, cum], at) = words(numbers);
            routine.lines.push(ParsedLine {
                number: number(at),
                flat: number(flat),
                cum: number(cum),
                text: text.trim().to_owned(),
            });
        }
    }
    routines
}

/// The functions of `heaptide list`.
pub(crate) fn our_listing(output: &str) -> Vec<ParsedRoutine> {
    let (report, _) = output
        .split_once("\n\nThe same with pprof")
        .expect("a command");
    let blocks = report.split("\n\n").skip(1);
    let routine = |block: &str| {
        let mut lines = block.lines();
        let title = lines.next().expect("a title");
        let (name, file) = title.rsplit_once(" in ").unwrap_or((title, ""));
        let sums = lines.next().expect("sums");
        let ([_, flat, _, cum], _) = words(sums);
        let table: Vec<&str> = lines.collect();
        let (is_missing, table) = match table.split_first() {
            Some((first, rest)) if first.starts_with("Source: ") => (true, rest),
            _ => (false, &table[..]),
        };
        let line = |line: &&str| {
            let ([flat, cum, at], text) = words(line);
            ParsedLine {
                number: at.parse().unwrap_or(0),
                flat: number(flat),
                cum: number(cum),
                text: text.to_owned(),
            }
        };
        ParsedRoutine {
            name: name.to_owned(),
            file: file.to_owned(),
            flat: number(flat.trim_end_matches(',')),
            cum: number(cum.trim_end_matches(',')),
            is_missing,
            lines: table[1..].iter().map(line).collect(),
        }
    };
    blocks.map(routine).collect()
}
