//! The terminal while `watch` draws on it again and again.
//!
//! It uses the alternate screen without a cursor. The terminal is restored at the end, also after
//! Ctrl-C, after a panic, and while Ctrl-Z stops the process.
//!
//! The caller decides what is drawn. The size is read at each drawing, so a resize needs no signal.

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

/// Alternate screen, no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Undoes it. A second time it would put the cursor over newer text.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Whether drawing is possible now.
pub(crate) enum Ready {
    /// No: the process is in the background, and the shell has the terminal.
    Background,
    /// Yes, and the last drawing is still there.
    Kept,
    /// Yes, and other programs had the terminal in between.
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
        // A panic's message would be written to the alternate screen, and vanish with it.
        let report = panic::take_hook();
        let is_taken = Arc::clone(&screen.is_taken);
        panic::set_hook(Box::new(move |panic| {
            leave(&is_taken);
            report(panic);
        }));
        screen.ready()?;
        Ok(screen)
    }

    /// Whether drawing is possible now. If Ctrl-Z was pressed, it first gives the terminal back and
    /// stops the process.
    pub(crate) fn ready(&self) -> io::Result<Ready> {
        // Relaxed: no other memory depends on these flags.
        if self.is_to_stop.swap(false, Ordering::Relaxed) && has_a_shell() {
            leave(&self.is_taken);
            // Ctrl-Z reaches all processes of a pipeline. This one caught the signal, so it has to
            // stop itself.
            signal_hook::low_level::raise(SIGSTOP)?;
        }
        // After `bg` the process goes on without drawing. It does not stop itself again: if `fg`
        // came between the check and the stop, it would be stopped in the foreground.
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

    /// Whether the user, or the system, asked for an end.
    pub(crate) fn is_ended(&self) -> bool {
        // Relaxed: no other memory depends on it.
        self.is_ended.load(Ordering::Relaxed)
    }

    /// Rows and columns.
    pub(crate) fn size() -> (usize, usize) {
        let (rows, columns) = Term::stdout().size();
        (rows.into(), columns.into())
    }

    /// Draws the lines over the old ones in one write, cut to the size of the terminal.
    pub(crate) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let (rows, columns) = Self::size();
        let mut text = String::from("\x1b[H");
        for (at, line) in lines.iter().take(rows).enumerate() {
            // A line break behind the last line would scroll the screen.
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

/// Gives the terminal back, once. A failure cannot be reported at the end.
fn leave(is_taken: &AtomicBool) {
    // Relaxed: it guards nothing but the write itself.
    if is_taken.swap(false, Ordering::Relaxed) {
        let _ = write(LEAVE);
    }
}

/// Whether a shell could continue this process. A shell that leads its session has none above it,
/// as in `ssh -t` and `kubectl exec`. The system ignores Ctrl-Z there, and a stopped process would
/// stay stopped for ever.
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
