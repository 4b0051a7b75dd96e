//! Profiles from files, folders, standard input and URLs.
//!
//! Each has the name by which its user knows it. A caller asks for one profile, for the sum of
//! several, or for all in order of time.

use std::{
    borrow::Cow,
    fs,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use heaptide_profile::{Merge, Profile};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::{
    failure::{Failure, name},
    files::download,
};

/// With this number of files, reading takes long enough for a progress bar.
const MANY: usize = 16;

/// The end of the names of snapshot files in a folder.
const SNAPSHOT: &str = ".pb.gz";

/// A profile, and its name.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) profile: Profile,
}

/// Standard input can be read once.
pub(crate) fn check_standard_input<I>(files: I) -> Result<(), Failure>
where
    I: IntoIterator<Item: AsRef<Path>>,
{
    let stdin = Path::new("-");
    let files = files.into_iter();
    if files.filter(|file| file.as_ref() == stdin).count() > 1 {
        return Err(Failure::with(
            stdin,
            "only one of the profiles can be read from it",
        ));
    }
    Ok(())
}

/// One profile; for a folder, its newest.
pub(crate) fn one(file: &Path) -> Result<Input, Failure> {
    if is_folder(file) {
        let (_, newest) = ends(file)?;
        return Ok(newest);
    }
    read(file)
}

/// The sum of all profiles; for a folder, its newest counts.
pub(crate) fn sum(files: &[PathBuf]) -> Result<Input, Failure> {
    if let [file] = files {
        return one(file);
    }
    let bar = progress(files.len());
    let mut merge = Merge::default();
    let mut names = Vec::with_capacity(files.len());
    let mut added = Ok(());
    for file in bar.wrap_iter(files.iter()) {
        let input = one(file)?;
        names.push(input.name);
        // All are read even after a failure, because its message names all.
        added = added.and_then(|()| merge.add(&input.profile));
    }
    let name = match &names[..] {
        [first, second] => format!("{first} and {second}"),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    };
    let sum = added.and_then(|()| merge.finish());
    let profile = sum.map_err(|error| Failure::of(&name, error))?;
    Ok(Input { name, profile })
}

/// A series of profiles, including those of folders. It holds only those that can be read only
/// once.
#[derive(Debug)]
pub(crate) struct Series {
    members: Vec<Member>,
}

#[derive(Debug)]
enum Member {
    File(PathBuf),
    Held(Box<Input>),
}

impl Member {
    fn get(&self) -> Result<Cow<'_, Input>, Failure> {
        match self {
            Self::File(file) => read(file).map(Cow::Owned),
            Self::Held(input) => Ok(Cow::Borrowed(input)),
        }
    }
}

impl Series {
    /// Reads standard input and URLs, and lists the files.
    pub(crate) fn of(files: &[PathBuf]) -> Result<Self, Failure> {
        let mut members = Vec::new();
        for file in files {
            if is_folder(file) {
                members.extend(snapshots(file)?.into_iter().map(Member::File));
            } else if file == Path::new("-") || download::url(file).is_some() {
                members.push(Member::Held(Box::new(read(file)?)));
            } else {
                members.push(Member::File(file.clone()));
            }
        }
        Ok(Self { members })
    }

    /// Passes the profiles on one by one, in their order, each with its name.
    ///
    /// A thread reads one ahead. Reading takes longer than the work on a profile, so a second
    /// processor halves the time at best. At most three profiles are in memory.
    pub(crate) fn each(
        &self,
        mut take: impl FnMut(&str, &Profile) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let bar = progress(self.members.len());
        thread::scope(|scope| {
            let (send, receive) = mpsc::sync_channel(1);
            let read_all = move || {
                for member in &self.members {
                    let input = member.get();
                    let is_end = input.is_err();
                    // The receiver is gone if the work on a profile failed.
                    if send.send(input).is_err() || is_end {
                        return;
                    }
                }
            };
            let reader = thread::Builder::new().spawn_scoped(scope, read_all);
            reader.map_err(|error| Failure::of("a thread to read profiles on", error))?;
            for input in bar.wrap_iter(receive.into_iter()) {
                let input = input?;
                take(&input.name, &input.profile)?;
            }
            Ok(())
        })
    }

    /// Sorts the profiles by their times, which are given in their present order.
    pub(crate) fn sort(&mut self, times: Vec<i64>) {
        let mut timed: Vec<(i64, Member)> = times.into_iter().zip(self.members.drain(..)).collect();
        timed.sort_by_key(|(time, _)| *time);
        self.members = timed.into_iter().map(|(_, member)| member).collect();
    }
}

/// The oldest and the newest profile of a folder, by the times in them.
pub(crate) fn ends(folder: &Path) -> Result<(Input, Input), Failure> {
    let files = snapshots(folder)?;
    let (mut oldest, mut newest) = (None::<(i64, usize)>, None::<(i64, usize)>);
    let bar = progress(files.len());
    for (at, file) in bar.wrap_iter(files.iter().enumerate()) {
        let time = (read(file)?.profile.time_nanos, at);
        oldest = Some(oldest.map_or(time, |oldest| oldest.min(time)));
        newest = Some(newest.map_or(time, |newest| newest.max(time)));
    }
    let read_again = |end: Option<(i64, usize)>| {
        let file = end.and_then(|(_, at)| files.get(at));
        file.map_or_else(|| Err(no_snapshots(folder)), |file| read(file))
    };
    Ok((read_again(oldest)?, read_again(newest)?))
}

/// The newest file of a folder.
pub(crate) fn newest(folder: &Path) -> Result<PathBuf, Failure> {
    ends(folder).map(|(_, newest)| PathBuf::from(newest.name))
}

pub(crate) fn is_folder(file: &Path) -> bool {
    file.is_dir()
}

pub(crate) fn snapshots(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error| Failure::with(folder, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let is_named_so = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().ends_with(SNAPSHOT.as_bytes()));
        if is_named_so && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(no_snapshots(folder));
    }
    Ok(files)
}

fn no_snapshots(folder: &Path) -> Failure {
    let reason =
        format!("the folder has no *{SNAPSHOT} files: name the files, if they end otherwise");
    Failure::with(folder, reason)
}

fn read(file: &Path) -> Result<Input, Failure> {
    let bytes = if file == Path::new("-") {
        standard_input().map_err(|error| Failure::with(file, error))?
    } else if let Some(url) = download::url(file) {
        download::get(url, None)?
    } else {
        fs::read(file).map_err(|error| unread(file, &error))?
    };
    let name = name(file);
    let profile = parse(&name, &bytes)?;
    Ok(Input { name, profile })
}

fn standard_input() -> io::Result<Vec<u8>> {
    let mut stdin = io::stdin().lock();
    if stdin.is_terminal() {
        let reason = "a terminal has no profile to read: pipe one into it, or name a file";
        return Err(io::Error::other(reason));
    }
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The failure of a file that cannot be read. A name that does not exist may be meant as a URL, as
/// `pprof` takes `localhost:6060`.
fn unread(file: &Path, error: &io::Error) -> Failure {
    let is_like_a_url = file.to_str().is_some_and(|file| file.contains(':'));
    if error.kind() == io::ErrorKind::NotFound && is_like_a_url {
        return Failure::with(file, format!("{error}: a URL has to begin with http://"));
    }
    Failure::with(file, error)
}

/// A profile from its bytes. `name` is the file or URL.
pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Profile, Failure> {
    Profile::read(bytes).map_err(|error| match first_words(bytes) {
        Some(words) => {
            let reason = format!(
                "not a pprof profile but text that begins with `{words}`: {} gives one, without \
                 debug=1",
                download::PATH
            );
            Failure::of(name, reason)
        }
        None => Failure::of(name, error),
    })
}

/// The first words of bytes that are text instead of a profile: a page, a message, the text form of
/// profiles.
fn first_words(bytes: &[u8]) -> Option<String> {
    let first = bytes.utf8_chunks().next()?.valid();
    let line = first.lines().map(str::trim).find(|line| !line.is_empty())?;
    let words: String = line.chars().take(40).collect();
    // The end of the file may cut a character in two. A profile has bytes that are not text early
    // on.
    let is_text = first.len() + 4 > bytes.len().min(256)
        && !first
            .chars()
            .take(256)
            .any(|c| c.is_control() && !c.is_whitespace());
    is_text.then_some(words)
}

/// A progress bar on standard error, if that is a terminal and there is much to read. It leaves no
/// trace.
fn progress(files: usize) -> ProgressBar {
    if files < MANY {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(files as u64).with_finish(ProgressFinish::AndClear);
    match ProgressStyle::with_template("reading {bar:30} {pos}/{len} profiles") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
