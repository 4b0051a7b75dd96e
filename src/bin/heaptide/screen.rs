//! The terminal while something is drawn on it again and again: the other screen, no cursor, and all of it
//! put back, also after Ctrl-C and after a panic.
//!
//! What is drawn is someone else's. Sizes are asked for at each drawing, so a resize needs no signal.

use std::{
    io::{self, Write},
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use console::Term;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The other screen, and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// What undoes it. Repeated it would put the cursor over what was written meanwhile.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// A terminal that has been taken.
pub(crate) struct Screen {
    is_ended: Arc<AtomicBool>,
    is_taken: Arc<AtomicBool>,
}

impl Screen {
    pub(crate) fn enter() -> io::Result<Self> {
        let is_ended = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&is_ended))?;
        }
        // The message of a panic would be written to the other screen, and go with it.
        let report = panic::take_hook();
        let is_taken = Arc::new(AtomicBool::new(true));
        let screen = Arc::clone(&is_taken);
        panic::set_hook(Box::new(move |panic| {
            leave(&screen);
            report(panic);
        }));
        write(ENTER)?;
        Ok(Self { is_ended, is_taken })
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

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
