//! Tests of the watcher against a simulated process and folder.

use super::{
    simulation::{MIB, Simulation},
    *,
};
use crate::snapshotter::{
    limit_share::LimitShare, retention::KeepLimits, taker::Counters, triggers::Rules,
    warnings::Warnings,
};
use std::{
    io,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Sender, channel, sync_channel},
    },
};

fn watcher(
    simulation: &Simulation,
    rules: Rules,
    files: usize,
) -> (
    Watcher<Simulation, Simulation>,
    Sender<Request>,
    Arc<Counters>,
) {
    let counters = Arc::<Counters>::default();
    let warned = simulation.clone();
    let warnings =
        Warnings::new(move |line| warned.with(|simulation| simulation.warned.push(line.into())));
    let keep = KeepLimits {
        files,
        bytes: u64::MAX,
    };
    let taker = Taker::new(simulation.clone(), keep, 7, Arc::clone(&counters), warnings);
    let triggers = Triggers::new(rules, &simulation.measure());
    let (requests, received) = channel();
    let watcher = Watcher::new(simulation.clone(), triggers, taker, received);
    (watcher, requests, counters)
}

fn every(seconds: u64) -> Rules {
    Rules {
        every: Some(Duration::from_secs(seconds)),
        ..Rules::default()
    }
}

#[test]
fn two_hours_leave_the_last_files_the_peak_and_the_limit_file() {
    let simulation = Simulation::default();
    let rules = Rules {
        growth_bytes: Some(100 * MIB),
        peak: true,
        limits: vec![LimitShare::new(0.5).unwrap(), LimitShare::new(0.8).unwrap()],
        ..every(60)
    };
    let (mut watcher, _requests, counters) = watcher(&simulation, rules, 3);
    // Two hours at a steady 20 MiB, one minute at 900, and back.
    for second in 0..=7200 {
        let live = if (3600..3660).contains(&second) {
            900
        } else {
            20
        };
        simulation.with(|simulation| {
            simulation.now = Duration::from_secs(second);
            simulation.live_bytes = live * MIB;
            simulation.used = live * MIB;
        });
        assert!(matches!(watcher.look(), Next::Sleep(most) if most <= Duration::from_secs(1)));
    }
    let reasons = simulation.reasons();
    let expected = ["limit80", "peak", "interval", "interval", "interval"];
    assert_eq!(reasons, expected);
    let names: Vec<String> =
        simulation.with(|simulation| simulation.files.keys().cloned().collect());
    assert_eq!(names[1], "heap-19700101T010000.001Z-7-peak.pb.gz");
    assert_eq!(names[4], "heap-19700101T020000.000Z-7-interval.pb.gz");
    let remark = simulation.with(|simulation| simulation.files[&names[0]].clone());
    let remark = String::from_utf8(remark).unwrap();
    let expected = "#heaptide snapshot: limit80; 900.00 MiB used of 1000.00 MiB (test)";
    assert_eq!(remark, expected);
    // 120 ticks, where the limit's file served for one, and two peaks. The limit's file served for
    // growth too.
    assert_eq!(counters.taken.load(Ordering::Relaxed), 122);
    assert_eq!(counters.removed.load(Ordering::Relaxed), 117);
    assert_eq!(simulation.with(|simulation| simulation.prepared), 1);
    assert!(simulation.with(|simulation| simulation.warned.is_empty()));
    // Right after a file, growth sets no level. So the level is half of the distance to the next
    // share.
    assert_eq!(
        simulation.with(|simulation| simulation.level),
        Some(260 * MIB)
    );
    simulation.with(|simulation| simulation.now = Duration::from_secs(7201));
    let _ = watcher.look();
    assert_eq!(
        simulation.with(|simulation| simulation.level),
        Some(120 * MIB)
    );
}

#[test]
fn a_full_disk_is_reported_once_and_counted_and_the_schedule_continues() {
    let simulation = Simulation::default();
    let (mut watcher, _requests, counters) = watcher(&simulation, every(60), 10);
    simulation.with(|simulation| simulation.failure = Some(io::ErrorKind::StorageFull));
    watcher.taker.begin();
    let mut look = |minute: u64| {
        simulation.with(|simulation| simulation.now = Duration::from_secs(60 * minute));
        // A failure does not cause an earlier look.
        assert_eq!(watcher.look(), Next::Sleep(Duration::from_secs(60)));
    };
    (1..=5).for_each(&mut look);
    assert_eq!(counters.failed.load(Ordering::Relaxed), 5);
    assert_eq!(
        simulation.with(|simulation| simulation.warned.len()),
        1,
        "{simulation:?}"
    );
    simulation.with(|simulation| simulation.failure = None);
    look(6);
    simulation.with(|simulation| simulation.failure = Some(io::ErrorKind::StorageFull));
    look(7);
    assert_eq!(simulation.with(|simulation| simulation.warned.len()), 2);
    simulation.with(|simulation| simulation.failure = Some(io::ErrorKind::ReadOnlyFilesystem));
    look(8);
    simulation.with(|simulation| simulation.failure = None);
    simulation.with(|simulation| simulation.no_profile = true);
    look(9);
    look(10);
    let warned = simulation.with(|simulation| simulation.warned.clone());
    assert_eq!(warned.len(), 4, "{warned:?}");
    let place = "could not write the snapshot /dumps/heap-19700101T000800.000Z-7-interval.pb.gz";
    assert!(warned[2].starts_with(place), "{warned:?}");
    assert_eq!(simulation.reasons(), ["interval"]);
    assert_eq!(counters.taken.load(Ordering::Relaxed), 1);
    assert_eq!(counters.failed.load(Ordering::Relaxed), 9);
}

#[test]
fn files_that_cannot_be_removed_cost_no_snapshot() {
    let simulation = Simulation::default();
    let (mut watcher, _requests, counters) = watcher(&simulation, every(60), 2);
    simulation.with(|simulation| simulation.cannot_remove = true);
    for minute in 1..=5 {
        simulation.with(|simulation| simulation.now = Duration::from_secs(60 * minute));
        let _ = watcher.look();
    }
    assert_eq!(simulation.reasons().len(), 5);
    assert_eq!(simulation.with(|simulation| simulation.warned.len()), 1);
    assert_eq!(counters.failed.load(Ordering::Relaxed), 0);
    simulation.with(|simulation| simulation.cannot_remove = false);
    simulation.with(|simulation| simulation.now = Duration::from_secs(360));
    let _ = watcher.look();
    assert_eq!(simulation.reasons().len(), 2, "the surplus is removed now");
}

#[test]
fn a_file_that_cannot_be_removed_does_not_stop_the_removal_of_others() {
    let simulation = Simulation::default();
    let (mut watcher, _requests, counters) = watcher(&simulation, every(60), 2);
    let unremovable = "heap-19700101T000100.000Z-7-interval.pb.gz".to_owned();
    simulation.with(|simulation| simulation.unremovable = Some(unremovable.clone()));
    for minute in 1..=6 {
        simulation.with(|simulation| simulation.now = Duration::from_secs(60 * minute));
        let _ = watcher.look();
    }
    let names: Vec<String> =
        simulation.with(|simulation| simulation.files.keys().cloned().collect());
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], unremovable);
    assert_eq!(counters.removed.load(Ordering::Relaxed), 3);
    assert_eq!(simulation.with(|simulation| simulation.warned.len()), 1);
}

/// Adds files of a process that was killed.
fn left_behind(simulation: &Simulation, names: &[&str]) {
    simulation.with(|simulation| {
        for name in names {
            simulation.files.insert((*name).to_owned(), Vec::new());
        }
    });
}

#[test]
fn a_restart_with_the_same_process_id_keeps_the_peak_of_the_killed_process() {
    let simulation = Simulation::default();
    left_behind(&simulation, &["heap-19700101T000100.000Z-7-peak.pb.gz"]);
    let rules = Rules {
        peak: true,
        ..Rules::default()
    };
    simulation.with(|simulation| simulation.now = Duration::from_secs(120));
    let (mut watcher, _requests, _counters) = watcher(&simulation, rules, 10);
    for second in 120..130 {
        simulation.with(|simulation| {
            simulation.now = Duration::from_secs(second);
            simulation.live_bytes = 2 * second * second * MIB;
        });
        let _ = watcher.look();
    }
    let names: Vec<String> =
        simulation.with(|simulation| simulation.files.keys().cloned().collect());
    let expected = [
        "heap-19700101T000100.000Z-7-peak.pb.gz",
        "heap-19700101T000206.000Z-7-peak.pb.gz",
    ];
    assert_eq!(names, expected, "its own first peak is replaced");
}

#[test]
fn new_files_stay_after_the_clock_was_set_back() {
    let simulation = Simulation::default();
    let later = [
        "heap-20261121T000000.000Z-7-interval.pb.gz",
        "heap-20261121T000100.000Z-7-interval.pb.gz",
    ];
    left_behind(&simulation, &later);
    let (mut watcher, _requests, counters) = watcher(&simulation, every(60), 2);
    for minute in 1..=2 {
        simulation.with(|simulation| simulation.now = Duration::from_secs(60 * minute));
        let _ = watcher.look();
        let names: Vec<String> =
            simulation.with(|simulation| simulation.files.keys().cloned().collect());
        assert_eq!(counters.taken.load(Ordering::Relaxed), minute);
        assert_eq!(names.len(), 2);
        // The new name follows the existing ones, so names keep their order.
        let own = format!("heap-20261121T000100.00{minute}Z-7-interval.pb.gz");
        assert_eq!(names[1], own, "{names:?}");
    }
}

#[test]
fn two_replicas_in_the_same_millisecond_write_a_file_each() {
    let simulation = Simulation::default();
    let (mut one, _one_requests, _counters) = watcher(&simulation, every(60), 10);
    let (mut other, _other_requests, counters) = watcher(&simulation, every(60), 10);
    one.taker.begin();
    other.taker.begin();
    simulation.with(|simulation| simulation.now = Duration::from_secs(60));
    let _ = one.look();
    let _ = other.look();
    let names: Vec<String> =
        simulation.with(|simulation| simulation.files.keys().cloned().collect());
    let expected = [
        "heap-19700101T000100.000Z-7-interval.pb.gz",
        "heap-19700101T000100.001Z-7-interval.pb.gz",
    ];
    assert_eq!(names, expected);
    assert_eq!(counters.taken.load(Ordering::Relaxed), 1);
    // If no name is free, the snapshot fails instead of looping.
    let stamps: Vec<String> = (0..1000)
        .map(|milli| format!("heap-19700101T000200.{milli:03}Z-7-interval.pb.gz"))
        .collect();
    let stamps: Vec<&str> = stamps.iter().map(String::as_str).collect();
    left_behind(&simulation, &stamps);
    simulation.with(|simulation| simulation.now = Duration::from_secs(120));
    let _ = other.look();
    assert_eq!(counters.failed.load(Ordering::Relaxed), 1);
}

#[test]
fn requests_are_answered_in_order_and_the_exit_snapshot_is_taken_at_the_end() {
    let simulation = Simulation::default();
    let (mut watcher, requests, _counters) = watcher(&simulation, Rules::default(), 10);
    let ask = |reason: Reason| {
        let (reply, answer) = sync_channel(1);
        requests.send(Request::Take(reason, reply)).unwrap();
        answer
    };
    let first = ask(Reason::Manual("a".into()));
    let (panic, again) = (ask(Reason::Panic), ask(Reason::Panic));
    assert_eq!(watcher.look(), Next::Sleep(LONG));
    let path = first.recv().unwrap().unwrap().unwrap();
    assert_eq!(
        path,
        PathBuf::from("/dumps/heap-19700101T000000.000Z-7-a.pb.gz")
    );
    assert!(panic.recv().unwrap().unwrap().is_ok());
    assert!(again.recv().unwrap().is_none(), "too soon after the first");
    let (reply, ended) = sync_channel(0);
    let stop = Request::Stop(Some(Reason::Exit), reply);
    requests.send(stop).unwrap();
    let late = ask(Reason::Signal);
    simulation.with(|simulation| {
        simulation.level = Some(MIB);
        simulation.waiting = Some(ended);
    });
    assert_eq!(watcher.look(), Next::End);
    assert_eq!(simulation.reasons(), ["a", "panic", "exit"]);
    simulation.with(|simulation| {
        assert_eq!(simulation.level, None, "the level is cleared");
        let ended = simulation.waiting.take().unwrap();
        assert_eq!(ended.try_recv(), Err(TryRecvError::Disconnected));
    });
    drop(watcher);
    assert!(
        late.recv().is_err(),
        "a request after the end does not wait forever"
    );
}

#[test]
fn the_watcher_ends_when_all_senders_are_gone() {
    let (mut watcher, requests, _counters) = watcher(&Simulation::default(), every(1), 1);
    drop(requests);
    assert_eq!(watcher.look(), Next::End);
}
