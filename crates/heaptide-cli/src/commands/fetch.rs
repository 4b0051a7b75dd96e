//! `heaptide fetch`: a profile from a URL, saved.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use heaptide_profile::{Profile, internal::units::Instant};

use crate::{
    args,
    failure::Failure,
    files::download,
    files::input,
    files::output::{self, Existing},
    outcome::Outcome,
};

pub(crate) fn run(arguments: &args::FetchArgs) -> Result<Outcome, Failure> {
    let url = &arguments.url;
    let to_stdout = output::is_stdout(&arguments.output, "profile")?;
    let bytes = download::get(url, arguments.seconds)?;
    // Only a valid profile is saved.
    let profile = input::parse(url, &bytes)?;
    if to_stdout {
        output::to_stdout(&bytes)?;
        return Ok(Outcome::default());
    }
    let (file, existing) = if arguments.output.is_dir() {
        let name = name(url, &profile)?;
        let file = if arguments.output == Path::new(".") {
            name.into()
        } else {
            arguments.output.join(name)
        };
        (file, Existing::Keep)
    } else {
        (arguments.output.clone(), Existing::Replace)
    };
    output::save(&file, &bytes, existing)?;
    Ok(Outcome::new(format!("{}\n", file.display()), Vec::new()))
}

/// Type, time and source: `heap-20261121T083455Z-localhost_6060.pb.gz`. Names of one service sort
/// by time.
fn name(url: &str, profile: &Profile) -> Result<String, Failure> {
    let uri = download::complete(url, None)?;
    let what = uri.path().rsplit('/').find(|part| !part.is_empty());
    let host = uri.authority().map_or("", |host| host.as_str());
    // A user name and a password must not appear in a file name.
    let host = host.rsplit('@').next().unwrap_or(host);
    let time = match profile.time_nanos {
        0 => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
        }
        stated => stated,
    };
    let time = Instant(time).to_string();
    let time = time
        .replace(['-', ':'], "")
        .replace(" UTC", "Z")
        .replace(' ', "T");
    let clean = |text: &str| -> String {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        text.chars()
            .map(|c| if fine(c) { c } else { '_' })
            .collect()
    };
    let what = clean(what.unwrap_or("profile"));
    Ok(format!("{what}-{time}-{}.pb.gz", clean(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_have_type_time_and_host() {
        let profile = Profile {
            time_nanos: 1_700_000_000_000_000_000,
            ..Profile::default()
        };
        let cases = [
            (
                "http://localhost:6060",
                "heap-20231114T221320Z-localhost_6060.pb.gz",
            ),
            (
                "http://a.b/debug/pprof/allocs?x=/y",
                "allocs-20231114T221320Z-a.b.pb.gz",
            ),
            (
                "http://me:secret@[::1]:80/../a%2f/",
                "a_2f-20231114T221320Z-___1__80.pb.gz",
            ),
        ];
        for (url, expected) in cases {
            assert_eq!(name(url, &profile).expect("a name"), expected, "{url}");
        }
    }
}
