//! Two heap profiles of jemalloc's own profiler, through jemalloc_pprof: before and after some
//! growth.

use std::collections::HashMap;

#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[unsafe(export_name = "_rjem_malloc_conf")]
static CONFIGURATION: &[u8; 45] = b"prof:true,prof_active:true,lg_prof_sample:14\0";

#[derive(Default)]
struct Cache {
    pages: HashMap<u64, Vec<u8>>,
    names: Vec<String>,
}

impl Cache {
    #[inline(never)]
    fn fill(&mut self, pages: std::ops::Range<u64>) {
        for page in pages {
            self.pages.insert(page, vec![0; 4096]);
            self.names.push(format!("page {page:>60}"));
        }
    }

    #[inline(never)]
    fn drop_some(&mut self) {
        self.pages.retain(|page, _| page % 3 == 0);
    }
}

#[inline(never)]
fn log(lines: &mut Vec<Box<[u8; 512]>>, count: usize) {
    lines.extend((0..count).map(|_| Box::new([0; 512])));
}

fn write(file: &str) {
    let control = jemalloc_pprof::PROF_CTL.as_ref().expect("a jemalloc with its profiler");
    let profile = control.try_lock().expect("nobody else").dump_pprof().expect("a profile");
    std::fs::write(file, profile).expect("a file");
}

fn main() {
    let mut files = std::env::args().skip(1);
    let (mut cache, mut lines) = (Cache::default(), Vec::new());
    cache.fill(0..600);
    log(&mut lines, 500);
    write(&files.next().expect("a file for before"));
    cache.drop_some();
    cache.fill(600..1800);
    lines.clear();
    lines.shrink_to_fit();
    let kept: Vec<u64> = (0..100_000).collect();
    write(&files.next().expect("a file for after"));
    println!("{} {}", cache.names.len(), kept.len());
}
