//! The terminal while something is drawn on it again and again: the other screen, no cursor, and
//! all of it put back, also after Ctrl-C, after a panic and while Ctrl-Z has it stopped.
//!
//! What is drawn is someone else's. Sizes are asked for at each drawing, so a resize needs no
//! signal.

use std::{
    io::{self, Write},
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use console::Term;
use rustix::{process, termios};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGSTOP, SIGTERM, SIGTSTP};

/// The other screen, and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// What undoes it. Repeated it would put the cursor over what was written meanwhile.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Whether there may be drawn.
pub(crate) enum Ready {
    /// No: the process is in the background, and the terminal the shell's.
    Background,
    /// Yes, and what was drawn last is still there.
    Kept,
    /// Yes, and others have had the terminal since.
    Anew,
}

/// A terminal that has been taken.
pub(crate) struct Screen {
    is_ended: Arc<AtomicBool>,
    is_to_stop: Arc<AtomicBool>,
    is_continued: Arc<AtomicBool>,
    is_taken: Arc<AtomicBool>,
}

impl Screen {
    pub(crate) fn enter() -> io::Result<Self> {
        let screen = Self {
            is_ended: Arc::default(),
            is_to_stop: Arc::default(),
            is_continued: Arc::default(),
            is_taken: Arc::default(),
        };
        for (signal, flag) in [
            (SIGINT, &screen.is_ended),
            (SIGTERM, &screen.is_ended),
            (SIGHUP, &screen.is_ended),
            (SIGTSTP, &screen.is_to_stop),
            (SIGCONT, &screen.is_continued),
        ] {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
        }
        // The message of a panic would be written to the other screen, and go with it.
        let report = panic::take_hook();
        let is_taken = Arc::clone(&screen.is_taken);
        panic::set_hook(Box::new(move |panic| {
            leave(&is_taken);
            report(panic);
        }));
        screen.ready()?;
        Ok(screen)
    }

    /// Whether there may be drawn now. Stops before, with the terminal given back, if Ctrl-Z was
    /// pressed.
    pub(crate) fn ready(&self) -> io::Result<Ready> {
        // Relaxed: nothing else is read by any of them.
        if self.is_to_stop.swap(false, Ordering::Relaxed) && has_a_shell() {
            leave(&self.is_taken);
            // Ctrl-Z stops the others of a pipeline too; this one has heard it, and has to say it
            // to itself.
            signal_hook::low_level::raise(SIGSTOP)?;
        }
        // After `bg` it goes on, unseen. To stop itself again it would have to ask first whose the
        // terminal is, and with `fg` in between it would be stopped in the foreground.
        if has_a_shell() && is_in_the_background() {
            leave(&self.is_taken);
            return Ok(Ready::Background);
        }
        let is_continued = self.is_continued.swap(false, Ordering::Relaxed);
        if !self.is_taken.swap(true, Ordering::Relaxed) {
            write(ENTER)?;
            return Ok(Ready::Anew);
        }
        Ok(if is_continued {
            Ready::Anew
        } else {
            Ready::Kept
        })
    }

    /// Whether the user, or the system, wants an end.
    pub(crate) fn is_ended(&self) -> bool {
        // Relaxed: nothing else is read by it.
        self.is_ended.load(Ordering::Relaxed)
    }

    /// Rows and columns.
    pub(crate) fn size() -> (usize, usize) {
        let (rows, columns) = Term::stdout().size();
        (rows.into(), columns.into())
    }

    /// Draws the lines over what is there, cut to what there is room for, in one write.
    pub(crate) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let (rows, columns) = Self::size();
        let mut text = String::from("\x1b[H");
        for (at, line) in lines.iter().take(rows).enumerate() {
            // A line break behind the last line would scroll.
            if at > 0 {
                text.push_str("\r\n");
            }
            text.push_str(&console::truncate_str(line, columns, "…"));
            text.push_str("\x1b[0m\x1b[K");
        }
        text.push_str("\x1b[J");
        write(&text)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave(&self.is_taken);
    }
}

/// Gives the terminal back, once. Who is ending has nobody to tell if that fails.
fn leave(is_taken: &AtomicBool) {
    // Relaxed: it guards nothing but the write itself.
    if is_taken.swap(false, Ordering::Relaxed) {
        let _best_effort = write(LEAVE);
    }
}

/// Whether a shell could continue this process. One that a session began with, as in `ssh -t` and
/// `kubectl exec`, has none: the system ignores Ctrl-Z there, and who stops all the same is stopped
/// for ever.
fn has_a_shell() -> bool {
    process::getsid(None).is_ok_and(|session| session != process::getpgrp())
}

fn is_in_the_background() -> bool {
    termios::tcgetpgrp(io::stdout()).is_ok_and(|group| group != process::getpgrp())
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
