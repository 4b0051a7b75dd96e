//! The browser that tests drive.

use std::path::Path;

const BROWSERS: [&str; 2] = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];

/// The path of the browser.
pub fn browser() -> &'static str {
    let browser = BROWSERS.into_iter().find(|path| Path::new(path).exists());
    browser.expect("a browser: apt-get install chromium-headless-shell")
}
